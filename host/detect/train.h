/* The training of CDO: epochs of steps, checkpoints, the log; the equations are in cdo.h's kernels, the
 * constants in the recipe.
 *
 * A checkpoint is written after each epoch and when ctx->stop is set (the step at hand is finished first; the
 * status is then FM_STOPPED). What a step computes depends on the recipe, the list of pictures and the step's
 * number only, so a run that goes on from a checkpoint ends in the same bytes as one that was never
 * interrupted. */
#ifndef FM_DETECT_TRAIN_H
#define FM_DETECT_TRAIN_H

#include "detect/detector.h"

/* The trained apprentice into weights (made here; fm_weights_free). The last checkpoint stays on the disk. */
enum fm_status fm_train_run(struct fm_device *d, const struct fm_train *t, struct fm_weights *weights);

#endif
