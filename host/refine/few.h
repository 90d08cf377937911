/* Which few of many good pictures stand for all of them at every place: a picture is chosen for what it adds
 * to those chosen before, the sum over pictures and places of how much nearer it is than the nearest of them
 * (the greedy choice of a facility location, which is never far from the best: Nemhauser, Wolsey, Fisher
 * 1978). */
#ifndef FM_REFINE_FEW_H
#define FM_REFINE_FEW_H

#include "base/status.h"

#include <stdint.h>

/* value [count][channels][height][width]: features of the pictures. chosen [most], most <= count: their
 * indices, ascending. */
struct fm_crowd {
  size_t count, channels, height, width;
  const float *value;
};
enum fm_status fm_few_choose(struct fm_context *ctx, const struct fm_crowd *crowd, size_t most,
                             size_t *chosen);

#endif
