/* A device as JSON: the one form of it, of devices --json, bench --json and bench --share. */
#ifndef FM_CHECK_FACTS_H
#define FM_CHECK_FACTS_H

#include "device/device.h"
#include "file/json.h"

const char *fm_facts_class(const struct fm_facts *f); /* "CPU", "GPU" */

/* The members of an object that is open. */
void fm_facts_put(struct fm_json *json, const struct fm_facts *f);

#endif
