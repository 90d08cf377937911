/* Flaws that the network cannot see, because it sees pictures smaller than they are. */
#ifndef FM_TASK_HINT_H
#define FM_TASK_HINT_H

#include "model/recipe.h"

/* A note where a flaw of a few pixels of these pictures is less than two for the network, with the options
 * that would show it. A header that cannot be read says nothing. */
void fm_size_hint(struct fm_context *ctx, const struct fm_recipe *recipe, const struct fm_sample *samples,
                  size_t count);

#endif
