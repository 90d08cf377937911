/* Where a command writes a model that it changes. */
#ifndef FM_APP_PLACE_H
#define FM_APP_PLACE_H

#include "base/status.h"

/* What would only fail after minutes of work: out can be written. A note where another file than the model's
 * own is there already: "it is replaced once WHEN". */
enum fm_status fm_place_try(struct fm_context *ctx, const char *model, const char *out, const char *when);

#endif
