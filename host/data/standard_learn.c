#include "data/standard_learn.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <string.h>

/* Evenly chosen; more of them would not say more. */
enum { MOST_LEARN = 256, MOST_HELD = 64, VIEW_PIXELS = FM_VIEW_SIDE * FM_VIEW_SIDE };

/* ---- the pictures, small ---- */

struct views {
  struct fm_context *ctx;
  const struct fm_preprocess *preprocess;
  const struct fm_sample *samples;
  size_t all, count;
  unsigned char *rgb; /* [count][FM_VIEW_SIDE][FM_VIEW_SIDE][3] */
};

static enum fm_status look_at(void *user, size_t i) {
  struct views *v = user;
  struct fm_context *ctx = v->ctx;
  struct fm_preprocess whole = *v->preprocess;
  whole.crop = 0;
  if (atomic_load(&ctx->stop)) return fm_error(ctx, FM_STOPPED, "stopped while looking at good pictures");
  unsigned char *rgb = fm_alloc(ctx, (size_t)whole.size * (size_t)whole.size, 3);
  if (!rgb) return FM_MEMORY;
  const char *path = v->samples[i * v->all / v->count].path;
  enum fm_status status = fm_picture_load(ctx, path, &whole, rgb, NULL);
  if (status == FM_OK) status = fm_standard_view(ctx, rgb, whole.size, v->rgb + i * VIEW_PIXELS * 3);
  fm_free(ctx, rgb);
  return status;
}

static enum fm_status look(struct views *v, const struct fm_sample *samples, size_t count, size_t most) {
  v->samples = samples;
  v->all = count;
  v->count = count < most ? count : most;
  v->rgb = fm_alloc(v->ctx, v->count, (size_t)VIEW_PIXELS * 3);
  return v->rgb ? fm_parallel(v->ctx, v->count, look_at, v) : FM_MEMORY;
}

/* ---- light ---- */

static enum fm_status learn_levels(const struct views *v, struct fm_light *light) {
  float *levels = fm_alloc(v->ctx, v->count, FM_LIGHT_NUMBERS * sizeof *levels);
  if (!levels) return FM_MEMORY;
  for (size_t i = 0; i < v->count; i++)
    fm_light_measure(v->rgb + i * VIEW_PIXELS * 3, FM_VIEW_SIDE, levels + i * FM_LIGHT_NUMBERS);
  enum fm_status status = fm_light_learn(v->ctx, levels, v->count, light);
  fm_free(v->ctx, levels);
  return status;
}

static enum fm_status learn_light(struct fm_context *ctx, const char *wish, const struct views *learn,
                                  const struct views *held, struct fm_light *light) {
  struct fm_light_trial trial;
  for (int mode = FM_LIGHT_OFF; mode < FM_LIGHT_MODES; mode++)
    if (strcmp(wish, fm_light_names[mode]) == 0) light->mode = (enum fm_light_mode)mode;
  if (strcmp(wish, "off") == 0) return FM_OK;
  FM_TRY(learn_levels(learn, light));
  if (strcmp(wish, "auto") != 0) return FM_OK;
  FM_TRY(fm_light_try(ctx, light, held->rgb, held->count, FM_VIEW_SIDE, &trial));
  light->mode = trial.best;
  fm_note(
      ctx,
      "light: %s; in copies of %zu good pictures under other light it is found within %.1f %% (by channel "
      "%.1f %%), and their colours differ by %.1f %%",
      fm_light_names[trial.best], held->count, 100 * (double)trial.error[FM_LIGHT_GAIN],
      100 * (double)trial.error[FM_LIGHT_COLOUR], 100 * (double)trial.tint);
  return FM_OK;
}

/* ---- all of it ---- */

enum fm_status fm_standard_wish_check(struct fm_context *ctx, const struct fm_standard_wish *wish) {
  bool known = strcmp(wish->light, "auto") == 0;
  for (int mode = 0; mode < FM_LIGHT_MODES; mode++) known |= strcmp(wish->light, fm_light_names[mode]) == 0;
  if (known) return FM_OK;
  return fm_error(ctx, FM_USAGE, "--light %.40s is not known; there are auto, off, gain and colour",
                  wish->light);
}

bool fm_standard_wish_none(const struct fm_standard_wish *wish) {
  return strcmp(wish->light, "off") == 0;
}

enum fm_status fm_standard_learn(struct fm_context *ctx, const struct fm_standard_wish *wish,
                                 const struct fm_preprocess *preprocess, const struct fm_holdout *pictures,
                                 struct fm_standard *standard) {
  struct views learn = {.ctx = ctx, .preprocess = preprocess}, held = learn;
  bool some = pictures->held_count > 0;
  *standard = (struct fm_standard){0};
  enum fm_status status = look(&learn, pictures->learn, pictures->learn_count, MOST_LEARN);
  if (status == FM_OK && some) status = look(&held, pictures->held, pictures->held_count, MOST_HELD);
  if (status == FM_OK)
    status = learn_light(ctx, wish->light, &learn, some ? &held : &learn, &standard->light);
  fm_free(ctx, learn.rgb);
  fm_free(ctx, held.rgb);
  return status;
}
