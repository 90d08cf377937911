/* Thresholds of a model from good pictures, with a word where the pictures are not what they should be:
 * pictures that the model learned from score lower than any others, and flawed ones higher. */
#ifndef FM_TASK_CALIBRATE_H
#define FM_TASK_CALIBRATE_H

#include "task/score_set.h"

/* What the caller knows of the pictures. */
enum fm_calibrate_with {
  FM_CALIBRATE_OTHERS,  /* those that the model learned from (model/seen.h) are left out with a warning, as
                           long  as others are there */
  FM_CALIBRATE_LEARNED, /* the model was trained with them, so that nothing can be promised */
  FM_CALIBRATE_EACH     /* all that it was trained with, in that order: each is scored without itself */
};

struct fm_calibration {
  const struct fm_sample *samples;
  size_t count;
  const char *what; /* "held-out good pictures" */
  enum fm_calibrate_with with;
  /* Called at the end with those that score far over the others, as a list to score; there may be none. NULL:
   * nothing. */
  enum fm_status (*odd)(void *user, struct fm_device *d, const struct fm_model *model,
                        const struct fm_score_list *odd);
  void *user;
  /* With FM_CALIBRATE_EACH: scores and largest values of maps [count], in another way than by the model
   * itself without each; NULL: by that. */
  enum fm_status (*score)(void *score_user, float *score, float *peak);
  void *score_user;
  bool *is_odd; /* with FM_CALIBRATE_EACH: [count], set here; NULL: not wanted */
};

/* Both thresholds. A model that has thresholds already compares: a warning where the scores lie far beyond
 * (more than half as much again as its threshold, or more pictures over it than its rate of false alarms
 * allows). A note where some score far over the others (score/odd.h): they do not decide, and with the
 * recipe's leave-out-odd they do not count either. */
enum fm_status fm_model_calibrate(struct fm_device *d, struct fm_model *model,
                                  const struct fm_calibration *c);

/* A warning where the pictures lie in folders whose names are those of flaws. */
void fm_calibrate_look(struct fm_context *ctx, const struct fm_sample *samples, size_t count);

#endif
