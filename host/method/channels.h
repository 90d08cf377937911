/* Which channels of the taps PaDiM looks at: drawn from the seed, or a published list that is built into the
 * program (models/padim_channels). */
#ifndef FM_METHOD_CHANNELS_H
#define FM_METHOD_CHANNELS_H

#include "model/recipe.h"
#include "net/backbone.h"
#include "op/acts.h"

/* channel: numbers in the concatenation of the taps, ascending; the caller's (fm_free). FM_USAGE where there
 * is no such list, or it is another network's, or there are fewer channels than asked for. */
enum fm_status fm_channels_choose(struct fm_context *ctx, const struct fm_recipe *recipe, int *count,
                                  int **channel);

#endif
