#define _POSIX_C_SOURCE 200809L
#include "refine/f2pad.h"

#include "base/memory.h"
#include "base/thread.h"
#include "model/method.h"
#include "op/repair.h"
#include "refine/f2pad_internal.h"

#include <math.h>
#include <string.h>

enum { STEPS = 10 };

struct fm_f2pad {
  struct fm_look look;
  const struct fm_refinement *refinement;
  struct fm_buffer limit, a, g;
  struct fm_mask *mask;              /* [batch] */
  float *half, *slope, *blur_s, *up; /* [batch] planes on the host: masks; g; blur |Y - N|; up(a) */
  float *reference;                  /* [batch][height][width][4] */
  int *active, actives; /* pictures that have a candidate region; their places in the compacted batch */
  int *cell;            /* places in the compacted batch's cells that a mask can change */
};

enum fm_status fm_f2pad_make(struct fm_device *d, const struct fm_model *model, int batch,
                             struct fm_f2pad **out) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_f2pad *r = fm_alloc(ctx, 1, sizeof *r);
  *out = NULL;
  if (!r) return FM_MEMORY;
  if (!model->refinement.there) {
    fm_free(ctx, r);
    return fm_error(ctx, FM_USAGE,
                    "this model cannot sharpen its maps; train it with --refine and held-out pictures");
  }
  r->refinement = &model->refinement;
  enum fm_status status =
      fm_look_make(d, model, &model->refinement.reference, model->refinement.blur, batch, true, &r->look);
  if (status == FM_OK) {
    const struct fm_scorer *s = r->look.scorer;
    size_t pixels = fm_size_pixels(s->size), all = (size_t)batch * pixels,
           cells = (size_t)(s->height * s->width);
    if (r->refinement->height != s->height || r->refinement->width != s->width)
      status = fm_error(ctx, FM_FORMAT,
                        "the model is damaged: its data for sharpening maps is for %d x %d cells instead of "
                        "%d x %d; train it again",
                        r->refinement->height, r->refinement->width, s->height, s->width);
    float **const planes[] = {&r->slope, &r->blur_s, &r->up};
    for (size_t i = 0; i < sizeof planes / sizeof *planes && status == FM_OK; i++)
      if (!(*planes[i] = fm_alloc(ctx, all, sizeof(float)))) status = FM_MEMORY;
    if (status == FM_OK && !(r->half = fm_alloc(ctx, all / 4, sizeof(float)))) status = FM_MEMORY;
    if (status == FM_OK && !(r->reference = fm_alloc(ctx, all, 4 * sizeof(float)))) status = FM_MEMORY;
    if (status == FM_OK && !(r->active = fm_alloc(ctx, (size_t)batch, sizeof *r->active))) status = FM_MEMORY;
    if (status == FM_OK && !(r->cell = fm_alloc(ctx, (size_t)batch * cells, sizeof *r->cell)))
      status = FM_MEMORY;
    if (status == FM_OK && !(r->mask = fm_alloc(ctx, (size_t)batch, sizeof *r->mask))) status = FM_MEMORY;
    for (int i = 0; i < batch && status == FM_OK; i++) status = fm_mask_make(ctx, s->size, &r->mask[i]);
    if (status == FM_OK) status = fm_buffer_make(d, all / 4 * sizeof(float), &r->a);
    if (status == FM_OK) status = fm_buffer_make(d, all * sizeof(float), &r->g);
    if (status == FM_OK) status = fm_buffer_make(d, cells * sizeof(float), &r->limit);
    if (status == FM_OK)
      status = fm_buffer_write(d, &r->limit, 0, r->refinement->limit, cells * sizeof(float));
  }
  if (status != FM_OK) {
    fm_f2pad_free(r);
    return status;
  }
  *out = r;
  return FM_OK;
}

void fm_f2pad_free(struct fm_f2pad *r) {
  if (!r) return;
  struct fm_device *d = r->look.d;
  struct fm_context *ctx = fm_device_context(d);
  void *const host[] = {r->half, r->slope, r->blur_s, r->up, r->reference, r->active, r->cell};
  for (int i = 0; i < r->look.batch && r->mask; i++) fm_mask_free(&r->mask[i]);
  fm_free(ctx, r->mask);
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) fm_free(ctx, host[i]);
  fm_buffer_free(d, &r->limit);
  fm_buffer_free(d, &r->a);
  fm_buffer_free(d, &r->g);
  fm_look_free(&r->look);
  fm_free(ctx, r);
}

static enum fm_status begin_mask(void *user, size_t i) {
  struct fm_f2pad *r = user;
  const struct fm_scorer *s = r->look.scorer;
  const struct fm_mask_limits limits = {r->refinement->q99, r->refinement->q9995};
  return fm_mask_begin(&r->mask[i], r->look.cells + i * (size_t)(s->height * s->width), s->height, s->width,
                       &limits);
}

/* Pictures with something to do move to the front of the device's batch. */
static enum fm_status compact(struct fm_f2pad *r, int n, const unsigned char *rgb) {
  struct fm_scorer *s = r->look.scorer;
  size_t pixels = fm_size_pixels(s->size);
  r->actives = 0;
  for (int i = 0; i < n; i++) {
    if (!r->mask[i].inside) continue;
    size_t at = (size_t)r->actives;
    if (r->actives != i) {
      FM_TRY(fm_buffer_write(s->d, &s->rgb, at * pixels * 3, rgb + (size_t)i * pixels * 3, pixels * 3));
      FM_TRY(fm_buffer_copy(s->d, &r->look.referrer.picture, (size_t)i * pixels * 16,
                            &r->look.referrer.picture, at * pixels * 16, pixels * 16));
    }
    r->active[r->actives++] = i;
  }
  return FM_OK;
}

/* Cells that the masks can change, in the first step's search still all of them. */
static enum fm_status attend(struct fm_f2pad *r) {
  struct fm_scorer *s = r->look.scorer;
  int count = 0, cells = s->height * s->width;
  for (int i = 0; i < r->actives; i++)
    for (int q = 0; q < cells; q++)
      if (fm_mask_touches(&r->mask[r->active[i]], q, s->height, s->width)) r->cell[count++] = i * cells + q;
  return fm_scorer_attend(s, count, r->cell);
}

static enum fm_status step_mask(void *user, size_t i) {
  struct fm_f2pad *r = user;
  struct fm_mask *mask = &r->mask[r->active[i]];
  size_t pixels = fm_size_pixels(mask->size);
  return fm_mask_step(mask, r->slope + i * pixels, r->look.step, STEPS);
}

/* L = sum over cells of max(0, e(N) - tau) / sqrt(Q); a goes down its slope and that of a weak prior. */
static enum fm_status optimise(struct fm_f2pad *r) {
  struct fm_scorer *s = r->look.scorer;
  struct fm_device *d = s->d;
  size_t pixels = fm_size_pixels(s->size), count = (size_t)r->actives;
  float factor = 1 / sqrtf((float)(s->height * s->width));
  fm_scorer_set_batch(s, r->actives);
  for (int t = 1; t <= STEPS; t++) {
    for (size_t i = 0; i < count; i++)
      memcpy(r->half + i * (pixels / 4), r->mask[r->active[i]].a, pixels / 4 * sizeof(float));
    FM_TRY(fm_buffer_write(d, &r->a, 0, r->half, count * (pixels / 4) * sizeof(float)));
    for (int k = 0; k < 2; k++)
      if (s->net[k]) fm_mix(d, s->size, &s->rgb, &r->look.referrer.picture, &r->a, fm_net_input(s->net[k]));
    if (t == 2) FM_TRY(attend(r));
    fm_scorer_cells(s);
    fm_hinge(d, r->actives, s->height, s->width, &s->cells, &r->limit, factor, &s->slope);
    fm_scorer_back(s);
    for (int k = 0; k < 2; k++)
      if (s->net[k])
        fm_pull(d, s->size, &s->rgb, &r->look.referrer.picture, fm_net_input_gradient(s->net[k]), k > 0,
                &r->g);
    FM_TRY(fm_buffer_read(d, &r->g, 0, r->slope, count * pixels * sizeof(float)));
    r->look.step = t;
    FM_TRY(fm_parallel(fm_device_context(d), count, step_mask, r));
  }
  return fm_scorer_attend(s, -1, NULL);
}

/* |Y - N| = up(a) |Y - R|, then smoothed on the device. */
static enum fm_status difference(void *user, size_t i) {
  struct fm_f2pad *r = user;
  size_t pixels = fm_size_pixels(r->mask[i].size);
  float *up = r->up + i * pixels, *s = r->blur_s + i * pixels;
  const float *own = r->look.residual + i * pixels;
  if (!r->mask[i].inside) {
    memset(up, 0, pixels * sizeof *up);
    memset(s, 0, pixels * sizeof *s);
    return FM_OK;
  }
  fm_mask_enlarge(&r->mask[i], up);
  for (size_t k = 0; k < pixels; k++) s[k] = up[k] * own[k];
  return FM_OK;
}

struct finish {
  struct fm_f2pad *r;
  const unsigned char *rgb;
  float *maps;
  unsigned char *repaired;
};

static enum fm_status finish_one(void *user, size_t i) {
  struct finish *f = user;
  struct fm_f2pad *r = f->r;
  size_t pixels = fm_size_pixels(r->look.scorer->size), at = i * pixels;
  float scale = fm_refinement_scale(r->refinement);
  const float *usual = r->refinement->usual;
  for (size_t k = at; k < at + pixels; k++)
    f->maps[k] = fm_sharpened(r->look.soft[k] * scale, r->look.blur[k], r->blur_s[k], usual[k - at]);
  for (size_t k = at; k < at + pixels && f->repaired; k++)
    for (size_t c = 0; c < 3; c++) {
      float y = (float)f->rgb[3 * k + c], v = y + r->up[k] * (255 * r->reference[4 * k + c] - y);
      f->repaired[3 * k + c] = (unsigned char)fminf(fmaxf(v + 0.5f, 0), 255);
    }
  return FM_OK;
}

static enum fm_status refine(struct fm_f2pad *r, int n, const unsigned char *rgb,
                             const struct fm_adjusted *adjusted, float *maps, float *scores, float *base,
                             unsigned char *repaired) {
  struct fm_scorer *s = r->look.scorer;
  struct fm_context *ctx = fm_device_context(s->d);
  size_t pixels = fm_size_pixels(s->size);
  FM_TRY(fm_look_at(&r->look, n, rgb, adjusted, base ? base : maps, scores));
  if (repaired)
    FM_TRY(fm_buffer_read(s->d, &r->look.referrer.picture, 0, r->reference, (size_t)n * pixels * 16));
  FM_TRY(fm_parallel(ctx, (size_t)n, begin_mask, r));
  FM_TRY(compact(r, n, rgb));
  if (r->actives) FM_TRY(optimise(r));
  FM_TRY(fm_parallel(ctx, (size_t)n, difference, r));
  if (r->actives) FM_TRY(fm_look_blur(&r->look, n, r->blur_s));
  struct finish f = {r, rgb, maps, repaired};
  return fm_parallel(ctx, (size_t)n, finish_one, &f);
}

enum fm_status fm_f2pad_run(struct fm_f2pad *r, int n, const unsigned char *rgb,
                            const struct fm_adjusted *adjusted, float *maps, float *scores, float *base,
                            unsigned char *repaired) {
  size_t pixels = fm_size_pixels(r->look.scorer->size);
  for (int at = 0; at < n; at += r->look.batch) {
    int now = n - at < r->look.batch ? n - at : r->look.batch;
    size_t from = (size_t)at * pixels;
    FM_TRY(refine(r, now, rgb + from * 3, adjusted ? adjusted + at : NULL, maps + from,
                  scores ? scores + at : NULL, base ? base + from : NULL,
                  repaired ? repaired + from * 3 : NULL));
  }
  return FM_OK;
}

enum fm_status fm_repaired_enlarge(struct fm_context *ctx, const struct fm_preprocess *p,
                                   const unsigned char *seen, const unsigned char *repaired,
                                   const unsigned char *rgb, int width, int height, unsigned char *out) {
  struct fm_size size = fm_preprocess_map_size(p, width, height), whole = p->tile ? size : p->size;
  int left = (whole.width - size.width) / 2, above = (whole.height - size.height) / 2;
  size_t edge = (size_t)above * (size_t)whole.width + (size_t)left, all = (size_t)whole.width,
         w = (size_t)width, side = (size_t)size.width;
  float *small = fm_alloc(ctx, fm_size_pixels(whole), sizeof *small), *row = fm_alloc(ctx, w, sizeof *row);
  enum fm_status status = small && row ? FM_OK : FM_MEMORY;
  struct fm_map_rows large = {0};
  for (size_t c = 0; c < 3 && status == FM_OK; c++) {
    for (size_t i = 0; i < fm_size_pixels(size); i++) /* pixels that a crop cuts off are not changed */
      small[edge + i / side * all + i % side] = (float)repaired[3 * i + c] - (float)seen[3 * i + c];
    status = fm_map_rows_open(ctx, &large, small, whole.width, whole.height, width, height);
    for (size_t y = 0; y < (size_t)height && status == FM_OK; y++) {
      fm_map_rows_get(&large, (int)y, row);
      for (size_t x = 0, i = 3 * y * w + c; x < w; x++, i += 3)
        out[i] = (unsigned char)fminf(fmaxf((float)rgb[i] + row[x] + 0.5f, 0), 255);
    }
    fm_map_rows_close(ctx, &large);
  }
  fm_free(ctx, small);
  fm_free(ctx, row);
  return status;
}
