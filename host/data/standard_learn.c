#include "data/standard_learn.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "data/pose_learn.h"

#include <string.h>

/* Evenly chosen; more of them would not say more. */
enum { MOST_LEARN = 256, MOST_HELD = 64 };

/* ---- the pictures, small ---- */

struct views {
  struct fm_context *ctx;
  const struct fm_preprocess *preprocess;
  const struct fm_sample *samples;
  size_t all, count;
  float *aspect;      /* [count] width / height */
  unsigned char *rgb; /* [count][FM_VIEW_SIDE][FM_VIEW_SIDE][3] */
};

static enum fm_status look_at(void *user, size_t i) {
  struct views *v = user;
  struct fm_context *ctx = v->ctx;
  struct fm_preprocess whole = *v->preprocess;
  whole.crop = fm_square(0);
  if (atomic_load(&ctx->stop)) return fm_error(ctx, FM_STOPPED, "stopped while looking at good pictures");
  unsigned char *rgb = fm_alloc(ctx, fm_size_pixels(whole.size), 3);
  if (!rgb) return FM_MEMORY;
  const char *path = v->samples[i * v->all / v->count].path;
  struct fm_image image = {0};
  enum fm_status status = fm_picture_load_both(ctx, path, &whole, rgb, &image, NULL);
  if (status == FM_OK) v->aspect[i] = (float)image.width / (float)image.height;
  fm_image_free(ctx, &image);
  if (status == FM_OK) status = fm_standard_view(ctx, rgb, whole.size, v->rgb + i * FM_VIEW_PIXELS * 3);
  fm_free(ctx, rgb);
  return status;
}

static enum fm_status look(struct views *v, const struct fm_sample *samples, size_t count, size_t most) {
  v->samples = samples;
  v->all = count;
  v->count = count < most ? count : most;
  v->rgb = fm_alloc(v->ctx, v->count, (size_t)FM_VIEW_PIXELS * 3);
  v->aspect = fm_alloc(v->ctx, v->count, sizeof *v->aspect);
  return v->rgb && v->aspect ? fm_parallel(v->ctx, v->count, look_at, v) : FM_MEMORY;
}

/* ---- light ---- */

static enum fm_status learn_levels(const struct views *v, struct fm_light *light) {
  float *levels = fm_alloc(v->ctx, v->count, FM_LIGHT_NUMBERS * sizeof *levels);
  if (!levels) return FM_MEMORY;
  for (size_t i = 0; i < v->count; i++)
    fm_light_measure(v->rgb + i * FM_VIEW_PIXELS * 3, FM_VIEW_SIDE, levels + i * FM_LIGHT_NUMBERS);
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

/* Every picture to the light that was learned. */
static void relight(const struct fm_light *light, struct views *v) {
  for (size_t i = 0; i < v->count && light->mode != FM_LIGHT_OFF; i++) {
    unsigned char *rgb = v->rgb + i * FM_VIEW_PIXELS * 3;
    float level[FM_LIGHT_NUMBERS], gain[3];
    fm_light_measure(rgb, FM_VIEW_SIDE, level);
    if (fm_light_find(light, level, gain)) fm_light_apply(gain, rgb, FM_VIEW_PIXELS);
  }
}

/* ---- pose ---- */

/* Pictures of one shape only: what is a turn in one would be none in the other. */
static bool one_shape(const struct views *v) {
  for (size_t i = 1; i < v->count; i++)
    if (v->aspect[i] > 1.02f * v->aspect[0] || v->aspect[0] > 1.02f * v->aspect[i]) return false;
  return true;
}

static const char *why_not(const struct fm_pose_trial *t) {
  if (t->parts < 0.9f) return "no part stands out from a plain ground";
  if (t->found < 0.9f) return "the parts are too different to be found in one pose";
  if (t->again < 0.9f) return "it has no direction by which a turn can be told";
  return "the parts lie alike already";
}

static enum fm_status learn_pose(struct fm_context *ctx, const char *wish, const struct views *learn,
                                 const struct views *held, struct fm_standard *standard) {
  struct fm_pose_trial t;
  if (strcmp(wish, "off") == 0) return FM_OK;
  if (!one_shape(learn) || !one_shape(held)) {
    fm_note(ctx, "pose: parts are left as they lie, because the pictures are not all of one shape");
    return FM_OK;
  }
  FM_TRY(fm_mean_part_learn(ctx, learn->rgb, learn->count, held->rgb, held->count, learn->aspect[0],
                            &standard->part, &t));
  standard->poses = t.pays;
  if (t.pays)
    fm_note(
        ctx,
        "pose: parts are brought to one; of %zu good pictures it is found in %.0f %%, turned copies' in %.0f "
        "%%, and %.0f %% of the differences between them are left",
        held->count, 100 * (double)t.found, 100 * (double)t.again, 100 * (double)t.left);
  else
    fm_note(
        ctx,
        "pose: parts are left as they lie, because %s (seen in %.0f %% of the good pictures, found in %.0f "
        "%%, turned copies in %.0f %%; %.0f %% of the differences would be left)",
        why_not(&t), 100 * (double)t.parts, 100 * (double)t.found, 100 * (double)t.again,
        100 * (double)t.left);
  if (!t.pays) fm_mean_part_free(ctx, &standard->part);
  return FM_OK;
}

/* ---- all of it ---- */

enum fm_status fm_standard_wish_check(struct fm_context *ctx, const struct fm_standard_wish *wish) {
  bool known = strcmp(wish->light, "auto") == 0;
  for (int mode = 0; mode < FM_LIGHT_MODES; mode++) known |= strcmp(wish->light, fm_light_names[mode]) == 0;
  if (!known)
    return fm_error(ctx, FM_USAGE, "--light %.40s is not known; there are auto, off, gain and colour",
                    wish->light);
  if (strcmp(wish->align, "auto") == 0 || strcmp(wish->align, "off") == 0) return FM_OK;
  return fm_error(ctx, FM_USAGE, "--align %.40s is not known; there are auto and off", wish->align);
}

static bool only_ignores(const struct fm_standard_wish *wish) {
  return strcmp(wish->light, "off") == 0 && strcmp(wish->align, "off") == 0;
}

bool fm_standard_wish_none(const struct fm_standard_wish *wish) {
  return only_ignores(wish) && !wish->ignore;
}

enum fm_status fm_standard_learn(struct fm_context *ctx, const struct fm_standard_wish *wish,
                                 const struct fm_preprocess *preprocess, const struct fm_holdout *pictures,
                                 struct fm_standard *standard) {
  struct fm_standard ignoring = {0};
  if (wish->ignore) ignoring.ignore = *wish->ignore;
  struct fm_preprocess seen = *preprocess;
  seen.standard = wish->ignore ? &ignoring : NULL;
  struct views learn = {.ctx = ctx, .preprocess = &seen}, held = learn;
  bool some = pictures->held_count > 0;
  *standard = (struct fm_standard){0};
  FM_TRY(fm_ignore_copy(ctx, &ignoring.ignore, &standard->ignore));
  if (only_ignores(wish)) return FM_OK;
  enum fm_status status = look(&learn, pictures->learn, pictures->learn_count, MOST_LEARN);
  if (status == FM_OK && some) status = look(&held, pictures->held, pictures->held_count, MOST_HELD);
  struct views *judge = some ? &held : &learn;
  if (status == FM_OK) status = learn_light(ctx, wish->light, &learn, judge, &standard->light);
  if (status == FM_OK) {
    relight(&standard->light, &learn);
    relight(&standard->light, &held);
    status = learn_pose(ctx, wish->align, &learn, judge, standard);
  }
  if (status == FM_OK) status = fm_standard_ready(ctx, standard);
  for (int i = 0; i < 2; i++) {
    fm_free(ctx, (i ? &held : &learn)->rgb);
    fm_free(ctx, (i ? &held : &learn)->aspect);
  }
  return status;
}
