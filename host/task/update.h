/* New good pictures join a finished model: it goes on from what it learned, the old pictures are not needed.
 *
 * PaDiM's sums and PatchCore's bank become what they would be with all pictures at once (the bank: with the
 * old one kept); CFLOW-AD and CDO make some steps with the new pictures only, and may forget a little of what
 * the old ones looked like, which is said. New pictures join the references that sharpen maps. What pictures
 * are brought to (light, pose) stays as it is. */
#ifndef FM_TASK_UPDATE_H
#define FM_TASK_UPDATE_H

#include "model/method.h"

struct fm_update {
  const struct fm_category *good; /* new ones; those that the model knows are left out with a note */
  const struct fm_sample *old; /* good pictures from before that were not learned from; NULL: none at hand */
  size_t old_count;
  long epochs; /* of steps; 0: some; FM_USAGE where the method makes none */
};

/* Changes the model; after a failure it is of no use. A part of the new pictures (the recipe's hold-out, or a
 * fifth) is held out for the thresholds. With old ones at hand thresholds come from both; without, they rise
 * where the new pictures ask for it and stay otherwise, because nothing tells that the old ones would still
 * pass; so do the limits of sharpened maps. Says what the scores of held-out pictures were before and are
 * now, and which new pictures the old model would have called flawed. */
enum fm_status fm_model_update(struct fm_device *d, struct fm_model *model, const struct fm_update *update);

#endif
