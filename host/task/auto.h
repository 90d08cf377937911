/* `--method auto`: which method, size, features, light and pose suit a product, found without a flawed
 * picture. Each candidate of a fixed list (auto_plan.h) learns from a part of the good pictures and is judged
 * by pieces in others (judge.h); the best one is what the model is then trained with, from all of them.
 *
 * What is tried depends on the list, the pictures, the wish and the minutes allowed, never on the clock or on
 * the machine: the minutes are those of two CPU cores, so a faster device tries the same in less time, and
 * the same seed chooses the same. */
#ifndef FM_TASK_AUTO_H
#define FM_TASK_AUTO_H

#include "data/dataset.h"
#include "model/method.h"

struct fm_auto {
  const struct fm_category *category;
  const struct fm_ignore *ignore; /* what is not looked at; NULL: nothing */
  const struct fm_recipe *wish;   /* its given fields hold for every candidate */
  const bool *given;              /* [FM_FIELDS]; NULL: none */
  double minutes;                 /* that all of it may take, the training included; 0: FM_AUTO_MINUTES */
  const char *weights;            /* of the expert, as of struct fm_fit */
  bool untrained;
};

#define FM_AUTO_MINUTES 5
#define FM_AUTO_HOLD_OUT 0.2 /* of the good pictures, that judge (fm_dataset_holdout) */

/* What was chosen, and what was learned on the way. */
struct fm_chosen {
  struct fm_recipe recipe;
  char *table; /* what was tried, what came of it and why the choice fell, for people */
  /* Of its trial: from so many of the pictures that FM_AUTO_HOLD_OUT leaves, brought to the standard of all
   * (fm_standard_learn). Nothing was tried: zeros. */
  struct fm_weights learned;
  size_t pictures;
};

/* FM_USAGE where no candidate can have what is given. */
enum fm_status fm_auto_choose(struct fm_device *d, const struct fm_auto *how, struct fm_chosen *chosen);
void fm_chosen_free(struct fm_context *ctx, struct fm_chosen *chosen); /* zeros: nothing */

#endif
