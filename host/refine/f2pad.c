#define _POSIX_C_SOURCE 200809L
#include "refine/f2pad.h"

#include "base/memory.h"
#include "base/thread.h"
#include "model/method.h"
#include "refine/descent.h"
#include "refine/f2pad_internal.h"

#include <math.h>
#include <string.h>

struct fm_f2pad {
  struct fm_look look;
  const struct fm_model *model;
  const struct fm_refinement *refinement;
  struct fm_descent *descent[FM_WINDOWS]; /* each made when it is needed: most pictures are good */
  struct fm_mask *mask;                   /* [batch] */
  struct fm_descent_item *item;           /* [batch] */
  float *blur_s, *up;                     /* [batch] planes on the host: blur |Y - N|; up(a) */
  float *reference;                       /* [batch][height][width][4] */
};

static enum fm_status make(struct fm_f2pad *r, struct fm_device *d, int batch) {
  struct fm_context *ctx = fm_device_context(d);
  const struct fm_refinement *m = r->refinement;
  FM_TRY(fm_look_make(d, r->model, &m->reference, m->blur, batch, &r->look));
  const struct fm_scorer *s = r->look.scorer;
  size_t all = (size_t)batch * fm_size_pixels(s->size);
  if (m->height != s->height || m->width != s->width)
    return fm_error(ctx, FM_FORMAT,
                    "the model is damaged: its data for sharpening maps is for %d x %d cells instead of "
                    "%d x %d; train it again",
                    m->height, m->width, s->height, s->width);
  r->blur_s = fm_alloc(ctx, all, sizeof *r->blur_s);
  r->up = fm_alloc(ctx, all, sizeof *r->up);
  r->reference = fm_alloc(ctx, all, 4 * sizeof *r->reference);
  r->item = fm_alloc(ctx, (size_t)batch, sizeof *r->item);
  r->mask = fm_alloc(ctx, (size_t)batch, sizeof *r->mask);
  if (!r->blur_s || !r->up || !r->reference || !r->item || !r->mask) return FM_MEMORY;
  for (int i = 0; i < batch; i++) FM_TRY(fm_mask_make(ctx, s->size, &r->mask[i]));
  return FM_OK;
}

enum fm_status fm_f2pad_make(struct fm_device *d, const struct fm_model *model, int batch,
                             struct fm_f2pad **out) {
  struct fm_context *ctx = fm_device_context(d);
  *out = NULL;
  if (!model->refinement.there)
    return fm_error(ctx, FM_USAGE,
                    "this model cannot sharpen its maps; train it with --refine and held-out pictures");
  struct fm_f2pad *r = fm_alloc(ctx, 1, sizeof *r);
  if (!r) return FM_MEMORY;
  r->model = model;
  r->refinement = &model->refinement;
  enum fm_status status = make(r, d, batch);
  if (status == FM_OK)
    *out = r;
  else
    fm_f2pad_free(r);
  return status;
}

void fm_f2pad_free(struct fm_f2pad *r) {
  if (!r) return;
  struct fm_context *ctx = r->model->ctx;
  void *const host[] = {r->blur_s, r->up, r->reference, r->item};
  for (int i = 0; i < r->look.batch && r->mask; i++) fm_mask_free(&r->mask[i]);
  for (int k = 0; k < FM_WINDOWS; k++) fm_descent_free(r->descent[k]);
  fm_free(ctx, r->mask);
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) fm_free(ctx, host[i]);
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

/* ---- the optimisation ---- */

/* Going back takes many times the memory of a look. */
static int at_once(const struct fm_f2pad *r, int kind) {
  int most = kind == FM_WINDOW_WHOLE ? (fm_size_at_once(r->look.scorer->size, 16) + 1) / 2 : 1;
  return most < r->look.batch ? most : r->look.batch;
}

static struct fm_window window_of(const struct fm_f2pad *r, const struct fm_mask *mask) {
  if (!r->look.scorer->method->anywhere) return (struct fm_window){FM_WINDOW_WHOLE, 0, 0};
  return fm_window_around(mask);
}

/* Of the pictures that have a candidate region, those whose windows are of a kind. */
static int gather(struct fm_f2pad *r, int n, const unsigned char *rgb, int kind) {
  size_t pixels = fm_size_pixels(r->look.scorer->size);
  int count = 0;
  for (int i = 0; i < n; i++) {
    if (!r->mask[i].inside) continue;
    const struct fm_window window = window_of(r, &r->mask[i]);
    if (window.kind != kind) continue;
    size_t at = (size_t)i * pixels;
    r->item[count++] = (struct fm_descent_item){rgb + 3 * at, r->reference + 4 * at, &r->mask[i], window};
  }
  return count;
}

static enum fm_status optimise(struct fm_f2pad *r, int n, const unsigned char *rgb) {
  for (int kind = 0; kind < FM_WINDOWS; kind++) {
    int count = gather(r, n, rgb, kind);
    if (!count) continue;
    if (!r->descent[kind])
      FM_TRY(fm_descent_make(r->look.d, r->model, kind, at_once(r, kind), &r->descent[kind]));
    FM_TRY(fm_descent_run(r->descent[kind], count, r->item));
  }
  return FM_OK;
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
  FM_TRY(fm_parallel(ctx, (size_t)n, begin_mask, r));
  bool any = false;
  for (int i = 0; i < n; i++) any |= r->mask[i].inside > 0;
  if (any || repaired)
    FM_TRY(fm_buffer_read(s->d, &r->look.referrer.picture, 0, r->reference, (size_t)n * pixels * 16));
  FM_TRY(optimise(r, n, rgb));
  FM_TRY(fm_parallel(ctx, (size_t)n, difference, r));
  if (any) FM_TRY(fm_look_blur(&r->look, n, r->blur_s));
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
