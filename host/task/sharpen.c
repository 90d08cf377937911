#include "task/sharpen.h"

#include "base/memory.h"
#include "score/odd.h"
#include "task/learn.h"
#include "task/score_set.h"

enum fm_status fm_sharpen_calibrate(struct fm_device *d, struct fm_model *model,
                                    const struct fm_sample *samples, size_t count, const char *what) {
  if (!model->refinement.scores) return FM_OK;
  size_t odds = 0;
  bool *odd = fm_alloc(model->ctx, count, sizeof *odd);
  float *score = fm_alloc(model->ctx, count, sizeof *score);
  const struct fm_score_list list = {
      .samples = samples, .count = count, .text = "thresholds of sharpened maps", .refine = true};
  enum fm_status status = score && odd ? fm_score_set_scores(d, model, &list, score, NULL) : FM_MEMORY;
  if (status == FM_OK) status = fm_odd_find(model->ctx, count, score, odd, &odds);
  if (status == FM_OK)
    status = fm_threshold_choose(model->ctx, count, score, model->recipe.false_alarms, odds, what,
                                 &model->refinement.image);
  fm_free(model->ctx, odd);
  fm_free(model->ctx, score);
  return status;
}

enum fm_status fm_sharpen_fit(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                              const struct fm_sample *held, size_t count) {
  FM_TRY(fm_learn_refinement(d, model, t, held, count));
  enum fm_status status = fm_sharpen_calibrate(d, model, held, count, "held-out good pictures");
  if (status != FM_OK) fm_refinement_free(model->ctx, &model->refinement);
  return status;
}
