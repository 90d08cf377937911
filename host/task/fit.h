/* From a category's good pictures to a finished model file: hold-out, training, thresholds, saving.
 *
 * Held-out pictures decide on light and pose, and on what sharpens maps. Thresholds come from pictures of
 * their own (calibrate), else from the held-out ones; or, with the recipe's learn-all, from every picture:
 * the model learns from all of them, and each is scored as if it had not been among them (method.h:
 * without). */
#ifndef FM_TASK_FIT_H
#define FM_TASK_FIT_H

#include "task/calibrate.h"

struct fm_fit {
  struct fm_recipe recipe;
  const bool *given; /* [FM_FIELDS] fields that were asked for: with resume they must agree; NULL: none */
  const struct fm_category *category;
  const struct fm_sample *calibrate; /* good pictures for the thresholds; NULL: the hold-out */
  size_t calibrate_count;
  const char
      *real_list; /* a file that names flawed test pictures to learn from (real.h); NULL: see the recipe */
  const struct fm_ignore *ignore; /* what of every picture is not looked at; NULL: nothing */
  const char *weights;            /* the expert's file; NULL: see fm_expert_load */
  /* As in calibrate.h: shows good pictures that score far over the others; NULL: nothing does. */
  enum fm_status (*odd)(void *user, struct fm_device *d, const struct fm_model *model,
                        const struct fm_score_list *odd);
  void *user;
  const char *path; /* of the model; the checkpoint is PATH.checkpoint, the log PATH.csv */
  double minutes;   /* with the method auto: what choosing and training may take (auto.h); 0: its default */
  bool resume, thin;
  bool untrained; /* random weights for the expert, on purpose; weights is then NULL */
};

/* *model is the caller's (fm_model_free); its expert is a copy. The checkpoint is removed when the model is
 * on the disk. resume: goes on from the checkpoint; a finished model of the same recipe and pictures is left
 * as it is; where there is neither, training starts from the beginning with a note. */
enum fm_status fm_fit_run(struct fm_device *d, const struct fm_fit *fit, struct fm_model *model);

#endif
