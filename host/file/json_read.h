/* Reads JSON that comes from outside: cJSON, with a bound on what it may allocate. */
#ifndef FM_FILE_JSON_READ_H
#define FM_FILE_JSON_READ_H

#include "base/status.h"

#include <cjson/cJSON.h>

/* What a message says of it: "'PATH': PART is not a JSON objectADVICE". */
struct fm_json_source {
  const char *path, *part, *advice;
  size_t most_values; /* cJSON takes 64 bytes for each */
};

/* Exactly one object, and nothing but blanks behind it. *object is the caller's (cJSON_Delete), also after a
 * failure. */
enum fm_status fm_json_parse(struct fm_context *ctx, const struct fm_json_source *source, const char *json,
                             size_t size, cJSON **object);

/* The member of that name where it occurs exactly once, case heeded; else NULL. */
const cJSON *fm_json_member(const cJSON *object, const char *name);

#endif
