#define _POSIX_C_SOURCE 200809L
#include "task/score_set.h"

#include "base/log.h"
#include "base/memory.h"
#include "refine/f2pad.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BATCH = 16 };

/* Pixels that a crop cuts off have no score: they get the map's lowest. */
static enum fm_status uncrop(struct fm_context *ctx, const float *small, const struct fm_preprocess *p,
                             float **whole) {
  int side = fm_preprocess_side(p), edge = (p->size - side) / 2;
  size_t pixels = (size_t)p->size * (size_t)p->size;
  float *out = *whole = fm_alloc(ctx, pixels, sizeof *out), least = small[0];
  if (!out) return FM_MEMORY;
  for (size_t i = 1; i < (size_t)side * (size_t)side; i++) least = fminf(least, small[i]);
  for (size_t i = 0; i < pixels; i++) out[i] = least;
  for (int y = 0; y < side; y++)
    memcpy(out + (size_t)(y + edge) * (size_t)p->size + (size_t)edge, small + (size_t)y * (size_t)side,
           (size_t)side * sizeof *out);
  return FM_OK;
}

enum fm_status fm_score_enlarge(struct fm_context *ctx, const float *small, const struct fm_preprocess *p,
                                float *map, int width, int height, float *peak) {
  float *whole = NULL;
  if (p->crop) FM_TRY(uncrop(ctx, small, p, &whole));
  enum fm_status status = fm_resize_map(ctx, whole ? whole : small, p->size, p->size, map, width, height);
  fm_free(ctx, whole);
  FM_TRY(status);
  float most = map[0];
  size_t n = (size_t)width * (size_t)height;
  for (size_t i = 1; i < n; i++) most = map[i] > most ? map[i] : most;
  *peak = most;
  return FM_OK;
}

struct run {
  struct fm_context *ctx;
  const struct fm_sample *samples;
  struct fm_scorer *scorer;
  struct fm_f2pad *refiner; /* instead of the scorer */
  struct fm_loader *loader;
  struct fm_preprocess preprocess;
  int side;
  float *maps, *base, *scores; /* of a batch */
  unsigned char *repaired;
  struct fm_progress progress;
  enum fm_status (*take)(void *user, const struct fm_score_one *one);
  void *user;
};

/* A picture's score stays the detector's own where the map is sharpened. */
static enum fm_status base_peak(struct run *r, struct fm_score_one *one) {
  float *map = fm_alloc(r->ctx, (size_t)one->width * (size_t)one->height, sizeof *map);
  if (!map) return FM_MEMORY;
  enum fm_status status =
      fm_score_enlarge(r->ctx, one->base, &r->preprocess, map, one->width, one->height, &one->score);
  fm_free(r->ctx, map);
  return status;
}

static enum fm_status give(struct run *r, const struct fm_batch *batch, size_t i) {
  struct fm_score_one one = {.index = batch->pictures[i],
                             .sample = &r->samples[batch->pictures[i]],
                             .width = batch->width[i],
                             .height = batch->height[i],
                             .side = r->side,
                             .small = r->maps + i * (size_t)r->side * (size_t)r->side};
  size_t at = i * (size_t)r->side * (size_t)r->side;
  one.base = r->refiner ? r->base + at : NULL;
  one.rgb = batch->rgb + 3 * at;
  one.repaired = r->refiner ? r->repaired + 3 * at : NULL;
  float *map = fm_alloc(r->ctx, (size_t)one.width * (size_t)one.height, sizeof *map);
  if (!map) return FM_MEMORY;
  one.map = map;
  enum fm_status status =
      fm_score_enlarge(r->ctx, one.small, &r->preprocess, map, one.width, one.height, &one.peak);
  one.score = isnan(r->scores[i]) ? one.peak : r->scores[i];
  if (status == FM_OK && r->refiner && isnan(r->scores[i])) status = base_peak(r, &one);
  if (status == FM_OK) status = r->take(r->user, &one);
  fm_free(r->ctx, map);
  return status;
}

static enum fm_status go_through(struct run *r) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    if (r->refiner)
      FM_TRY(fm_f2pad_run(r->refiner, (int)batch.count, batch.rgb, r->maps, r->scores, r->base, r->repaired));
    else
      FM_TRY(fm_scorer_run(r->scorer, (int)batch.count, batch.rgb, r->maps, r->scores));
    for (size_t i = 0; i < batch.count; i++) FM_TRY(give(r, &batch, i));
    fm_progress_step(&r->progress, (long)batch.count);
    if (r->ctx->stop) return fm_error(r->ctx, FM_STOPPED, "stopped while scoring pictures");
  }
}

enum fm_status fm_score_set(struct fm_device *d, const struct fm_model *m, bool refine,
                            const struct fm_sample *samples, size_t count, const char *text,
                            enum fm_status (*take)(void *user, const struct fm_score_one *one), void *user) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_loader_options o = {.samples = samples, .count = count, .batch = (int)m->recipe.batch};
  if (count == 0) return FM_OK;
  if (o.batch > MOST_BATCH) o.batch = MOST_BATCH;
  if ((size_t)o.batch > count) o.batch = (int)count;
  FM_TRY(fm_recipe_preprocess(ctx, &m->recipe, &o.preprocess));
  struct run r = {.ctx = ctx,
                  .samples = samples,
                  .take = take,
                  .user = user,
                  .preprocess = o.preprocess,
                  .side = fm_preprocess_side(&o.preprocess)};
  r.maps = fm_alloc(ctx, (size_t)o.batch * (size_t)r.side * (size_t)r.side, sizeof *r.maps);
  r.scores = fm_alloc(ctx, (size_t)o.batch, sizeof *r.scores);
  if (refine) {
    r.base = fm_alloc(ctx, (size_t)o.batch * (size_t)r.side * (size_t)r.side, sizeof *r.base);
    r.repaired = fm_alloc(ctx, (size_t)o.batch * (size_t)r.side * (size_t)r.side, 3);
  }
  enum fm_status status = r.maps && r.scores && (!refine || (r.base && r.repaired)) ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_loader_open(ctx, &o, &r.loader);
  if (status == FM_OK)
    status =
        refine ? fm_f2pad_make(d, m, o.batch, &r.refiner) : fm_scorer_make(d, m, o.batch, false, &r.scorer);
  if (status == FM_OK) {
    fm_progress_begin(&r.progress, ctx, text, 0, (long)count);
    status = go_through(&r);
    fm_progress_end(&r.progress);
  }
  fm_scorer_free(r.scorer);
  fm_f2pad_free(r.refiner);
  fm_free(ctx, r.base);
  fm_free(ctx, r.repaired);
  fm_loader_close(r.loader);
  fm_free(ctx, r.maps);
  fm_free(ctx, r.scores);
  return status;
}

/* ---- thresholds ---- */

struct scores {
  float *score, *peak;
};

static enum fm_status keep_score(void *user, const struct fm_score_one *one) {
  struct scores *s = user;
  s->score[one->index] = one->score;
  s->peak[one->index] = one->peak;
  return FM_OK;
}

enum fm_status fm_score_set_scores(struct fm_device *d, const struct fm_model *model,
                                   const struct fm_sample *samples, size_t count, const char *text,
                                   float *scores, float *peaks) {
  struct scores s = {scores, peaks};
  return fm_score_set(d, model, false, samples, count, text, keep_score, &s);
}

static enum fm_status choose(struct fm_model *model, size_t count, const float *scores, const char *what,
                             bool learned, struct fm_threshold *t) {
  FM_TRY(fm_threshold_choose(model->ctx, count, scores, model->recipe.false_alarms, what, t));
  if (learned) {
    t->kept = false;
    t->promised = t->low = t->high = NAN;
    snprintf(t->origin, sizeof t->origin, "%zu %.100s, which promise nothing", count, what);
  }
  return FM_OK;
}

enum fm_status fm_model_calibrate(struct fm_device *d, struct fm_model *model,
                                  const struct fm_sample *samples, size_t count, const char *what,
                                  bool learned) {
  struct fm_context *ctx = model->ctx;
  struct scores s = {fm_alloc(ctx, count, sizeof(float)), fm_alloc(ctx, count, sizeof(float))};
  enum fm_status status = s.score && s.peak ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_score_set_scores(d, model, samples, count, "thresholds", s.score, s.peak);
  if (status == FM_OK) status = choose(model, count, s.score, what, learned, &model->image);
  if (status == FM_OK) status = choose(model, count, s.peak, what, learned, &model->pixel);
  model->has_thresholds = status == FM_OK;
  fm_free(ctx, s.score);
  fm_free(ctx, s.peak);
  return status;
}
