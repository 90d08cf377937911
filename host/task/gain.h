/* How well a training by steps does so far: pieces (data/piece.h) in a few held-out good pictures. */
#ifndef FM_TASK_GAIN_H
#define FM_TASK_GAIN_H

#include "model/method.h"

/* For struct fm_train's judge: its judge_user is one of these. */
struct fm_gain {
  struct fm_device *d;
  const struct fm_model *model; /* all but what is learned */
  const struct fm_sample *held; /* good pictures that are not learned from */
  size_t count;
};

/* user: a struct fm_gain. *value: the average precision of the map's pixels on the pieces, 0 to 1. */
enum fm_status fm_gain_judge(void *user, const struct fm_weights *learned, double *value);

#endif
