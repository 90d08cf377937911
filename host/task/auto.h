/* `--method auto`: which method, size, features, light and pose suit a product, found without a flawed
 * picture. Each candidate of a fixed list learns from a part of the good pictures and is judged by pieces in
 * others (judge.h); the best one is what the model is then trained with, from all of them.
 *
 * What is tried depends on the list, the pictures, the wish and the minutes allowed, never on the clock or on
 * the machine: the minutes are those of two CPU cores, so a faster device tries the same in less time, and
 * the same seed chooses the same. */
#ifndef FM_TASK_AUTO_H
#define FM_TASK_AUTO_H

#include "model/method.h"

struct fm_auto {
  const struct fm_category *category;
  const struct fm_recipe *wish; /* its given fields hold for every candidate */
  const bool *given;            /* [FM_FIELDS]; NULL: none */
  double minutes;               /* that all of it may take, the training included; 0: FM_AUTO_MINUTES */
  const char *weights;          /* of the expert, as of struct fm_fit */
  bool untrained;
};

#define FM_AUTO_MINUTES 5

/* *table: what was tried, what came of it and why the choice fell, for people (fm_free). FM_USAGE where no
 * candidate can have what is given. */
enum fm_status fm_auto_choose(struct fm_device *d, const struct fm_auto *how, struct fm_recipe *chosen,
                              char **table);

#endif
