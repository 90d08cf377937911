#define _POSIX_C_SOURCE 200809L
#include "detect/score_set.h"

#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>

enum { MOST_BATCH = 16 };

enum fm_status fm_score_enlarge(struct fm_context *ctx, const float *small, int side, float *map, int width,
                                int height, float *score) {
  FM_TRY(fm_resize_map(ctx, small, side, side, map, width, height));
  float most = map[0];
  size_t n = (size_t)width * (size_t)height;
  for (size_t i = 1; i < n; i++) most = map[i] > most ? map[i] : most;
  *score = most;
  return FM_OK;
}

struct run {
  struct fm_context *ctx;
  const struct fm_sample *samples;
  struct fm_cdo_scorer *scorer;
  struct fm_loader *loader;
  int side;
  float *maps; /* of a batch */
  struct fm_progress progress;
  enum fm_status (*take)(void *user, const struct fm_score_one *one);
  void *user;
};

static enum fm_status give(struct run *r, const struct fm_batch *batch, size_t i) {
  struct fm_score_one one = {.index = batch->pictures[i],
                             .sample = &r->samples[batch->pictures[i]],
                             .width = batch->width[i],
                             .height = batch->height[i],
                             .side = r->side,
                             .small = r->maps + i * (size_t)r->side * (size_t)r->side};
  float *map = fm_alloc(r->ctx, (size_t)one.width * (size_t)one.height, sizeof *map);
  if (!map) return FM_MEMORY;
  one.map = map;
  enum fm_status status =
      fm_score_enlarge(r->ctx, one.small, r->side, map, one.width, one.height, &one.score);
  if (status == FM_OK) status = r->take(r->user, &one);
  fm_free(r->ctx, map);
  return status;
}

static enum fm_status go_through(struct run *r) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    FM_TRY(fm_cdo_scorer_run(r->scorer, (int)batch.count, batch.rgb, r->maps));
    for (size_t i = 0; i < batch.count; i++) FM_TRY(give(r, &batch, i));
    fm_progress_step(&r->progress, (long)batch.count);
    if (r->ctx->stop) return fm_error(r->ctx, FM_STOPPED, "stopped while scoring pictures");
  }
}

enum fm_status fm_score_set(struct fm_device *d, const struct fm_model *m, const struct fm_sample *samples,
                            size_t count, const char *text,
                            enum fm_status (*take)(void *user, const struct fm_score_one *one), void *user) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_loader_options o = {.samples = samples, .count = count, .batch = (int)m->recipe.batch};
  if (count == 0) return FM_OK;
  if (o.batch > MOST_BATCH) o.batch = MOST_BATCH;
  if ((size_t)o.batch > count) o.batch = (int)count;
  FM_TRY(fm_recipe_preprocess(ctx, &m->recipe, &o.preprocess));
  struct run r = {
      .ctx = ctx, .samples = samples, .take = take, .user = user, .side = fm_preprocess_side(&o.preprocess)};
  r.maps = fm_alloc(ctx, (size_t)o.batch * (size_t)r.side * (size_t)r.side, sizeof *r.maps);
  enum fm_status status = r.maps ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_loader_open(ctx, &o, &r.loader);
  if (status == FM_OK)
    status =
        fm_cdo_scorer_make(d, m->backbone, o.batch, r.side, &m->expert.weights, &m->apprentice, &r.scorer);
  if (status == FM_OK) {
    fm_progress_begin(&r.progress, ctx, text, 0, (long)count);
    status = go_through(&r);
    fm_progress_end(&r.progress);
  }
  fm_cdo_scorer_free(r.scorer);
  fm_loader_close(r.loader);
  fm_free(ctx, r.maps);
  return status;
}

static enum fm_status keep_score(void *user, const struct fm_score_one *one) {
  float *scores = user;
  scores[one->index] = one->score;
  return FM_OK;
}

enum fm_status fm_score_set_scores(struct fm_device *d, const struct fm_model *model,
                                   const struct fm_sample *samples, size_t count, const char *text,
                                   float *scores) {
  return fm_score_set(d, model, samples, count, text, keep_score, scores);
}

enum fm_status fm_model_calibrate(struct fm_model *model, size_t count, const float *scores, const char *what,
                                  bool learned) {
  FM_TRY(fm_threshold_choose(model->ctx, count, scores, model->recipe.false_alarms, what, &model->image));
  if (learned) {
    struct fm_threshold *t = &model->image;
    t->kept = false;
    t->promised = t->low = t->high = NAN;
    snprintf(t->origin, sizeof t->origin, "%zu %.100s, which promise nothing", count, what);
  }
  model->pixel = model->image; /* the score is the map's maximum: verdict and outline agree */
  model->has_thresholds = true;
  return FM_OK;
}
