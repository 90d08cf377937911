/* Thresholds of a model from good pictures, with a word where the pictures are not what they should be:
 * pictures that the model learned from score lower than any others, and flawed ones higher. */
#ifndef FM_TASK_CALIBRATE_H
#define FM_TASK_CALIBRATE_H

#include "task/score_set.h"

/* Both thresholds. what: "held-out good pictures". learned: the caller knows that the model was trained with
 * them, so that nothing can be promised; else those that it learned from (model/seen.h) are left out with a
 * warning, as long as others are there. A model that has thresholds already compares: a warning where the
 * scores lie far beyond (more than half as much again as its threshold, or more pictures over it than its
 * rate of false alarms allows). A note where some score far over the others (score/odd.h); with the recipe's
 * leave-out-odd the thresholds do without them. */
enum fm_status fm_model_calibrate(struct fm_device *d, struct fm_model *model,
                                  const struct fm_sample *samples, size_t count, const char *what,
                                  bool learned);

/* A warning where the pictures lie in folders whose names are those of flaws. */
void fm_calibrate_look(struct fm_context *ctx, const struct fm_sample *samples, size_t count);

#endif
