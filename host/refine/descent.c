#define _POSIX_C_SOURCE 200809L
#include "refine/descent.h"

#include "base/memory.h"
#include "base/thread.h"
#include "method/scorer.h"
#include "model/method.h"
#include "op/repair.h"

#include <math.h>
#include <string.h>

enum { STEPS = 10 };

struct fm_descent {
  struct fm_device *d;
  struct fm_model model; /* the caller's, but for the size of pictures */
  struct fm_size whole, size;
  int kind, batch;
  struct fm_scorer *scorer;
  struct fm_buffer reference, limit, a, g;
  struct fm_mask *mask;               /* [batch] of windows */
  unsigned char *rgb;                 /* [batch] windows */
  float *from, *half, *slope;         /* references, masks, g of windows */
  float *tau;                         /* [cells] */
  int *cell;                          /* places in the batch's cells that a mask can change */
  const struct fm_descent_item *item; /* at hand */
  int n, step;
};

/* ---- room ---- */

static enum fm_status make_host(struct fm_descent *r) {
  struct fm_context *ctx = fm_device_context(r->d);
  size_t batch = (size_t)r->batch, all = batch * fm_size_pixels(r->size),
         cells = (size_t)(r->scorer->height * r->scorer->width);
  r->rgb = fm_alloc(ctx, all, 3);
  r->from = fm_alloc(ctx, all, 4 * sizeof *r->from);
  r->half = fm_alloc(ctx, all / 4, sizeof *r->half);
  r->slope = fm_alloc(ctx, all, sizeof *r->slope);
  r->tau = fm_alloc(ctx, cells, sizeof *r->tau);
  r->cell = fm_alloc(ctx, batch * cells, sizeof *r->cell);
  r->mask = fm_alloc(ctx, batch, sizeof *r->mask);
  if (!r->rgb || !r->from || !r->half || !r->slope || !r->tau || !r->cell || !r->mask) return FM_MEMORY;
  for (int i = 0; i < r->batch; i++) FM_TRY(fm_mask_make(ctx, r->size, &r->mask[i]));
  return FM_OK;
}

static enum fm_status make(struct fm_descent *r) {
  struct fm_preprocess p;
  FM_TRY(fm_recipe_preprocess(fm_device_context(r->d), &r->model.recipe, &p));
  r->whole = fm_preprocess_size(&p);
  r->size = fm_window_size(r->whole, r->kind);
  if (r->kind != FM_WINDOW_WHOLE) {
    r->model.recipe.size = r->size;
    r->model.recipe.crop = fm_square(0);
  }
  struct fm_scorer *scorer;
  FM_TRY(fm_scorer_make(r->d, &r->model, r->batch, true, &scorer));
  r->scorer = scorer;
  FM_TRY(make_host(r));
  size_t bytes = (size_t)r->batch * fm_size_pixels(r->size) * sizeof(float);
  FM_TRY(fm_buffer_make(r->d, 4 * bytes, &r->reference));
  FM_TRY(fm_buffer_make(r->d, bytes / 4, &r->a));
  FM_TRY(fm_buffer_make(r->d, bytes, &r->g));
  return fm_buffer_make(r->d, (size_t)(r->scorer->height * r->scorer->width) * sizeof(float), &r->limit);
}

enum fm_status fm_descent_make(struct fm_device *d, const struct fm_model *model, int kind, int batch,
                               struct fm_descent **out) {
  struct fm_descent *r = fm_alloc(fm_device_context(d), 1, sizeof *r);
  *out = NULL;
  if (!r) return FM_MEMORY;
  *r = (struct fm_descent){.d = d, .model = *model, .kind = kind, .batch = batch};
  enum fm_status status = make(r);
  if (status == FM_OK)
    *out = r;
  else
    fm_descent_free(r);
  return status;
}

void fm_descent_free(struct fm_descent *r) {
  if (!r) return;
  struct fm_context *ctx = fm_device_context(r->d);
  void *const host[] = {r->rgb, r->from, r->half, r->slope, r->tau, r->cell};
  struct fm_buffer *const device[] = {&r->reference, &r->limit, &r->a, &r->g};
  for (int i = 0; i < r->batch && r->mask; i++) fm_mask_free(&r->mask[i]);
  fm_free(ctx, r->mask);
  for (size_t i = 0; i < sizeof host / sizeof *host; i++) fm_free(ctx, host[i]);
  for (size_t i = 0; i < sizeof device / sizeof *device; i++) fm_buffer_free(r->d, device[i]);
  fm_scorer_free(r->scorer);
  fm_free(ctx, r);
}

/* ---- what is looked at ---- */

static enum fm_status cut(void *user, size_t i) {
  struct fm_descent *r = user;
  const struct fm_descent_item *item = &r->item[i];
  size_t width = (size_t)r->size.width, at = i * fm_size_pixels(r->size);
  for (int y = 0; y < r->size.height; y++, at += width) {
    size_t from = (size_t)(item->window.y + y) * (size_t)r->whole.width + (size_t)item->window.x;
    memcpy(r->rgb + 3 * at, item->rgb + 3 * from, 3 * width);
    memcpy(r->from + 4 * at, item->reference + 4 * from, 4 * width * sizeof *r->from);
  }
  fm_mask_cut(item->mask, item->window.x, item->window.y, &r->mask[i]);
  return FM_OK;
}

/* Windows that lie elsewhere have other limits, so one picture is at hand where they are not whole. */
static enum fm_status load(struct fm_descent *r) {
  struct fm_scorer *s = r->scorer;
  const struct fm_refinement *m = &r->model.refinement;
  size_t n = (size_t)r->n, pixels = fm_size_pixels(r->size);
  FM_TRY(fm_parallel(fm_device_context(r->d), n, cut, r));
  fm_scorer_set_batch(s, r->n);
  fm_window_limits(r->whole, r->item[0].window, m->limit, m->width, r->tau, s->height, s->width);
  FM_TRY(fm_buffer_write(r->d, &r->limit, 0, r->tau, (size_t)(s->height * s->width) * sizeof *r->tau));
  FM_TRY(fm_buffer_write(r->d, &s->rgb, 0, r->rgb, n * pixels * 3));
  return fm_buffer_write(r->d, &r->reference, 0, r->from, n * pixels * 4 * sizeof *r->from);
}

/* Cells that the masks can change, in the first step's search still all of them. */
static enum fm_status attend(struct fm_descent *r) {
  struct fm_scorer *s = r->scorer;
  int count = 0, cells = s->height * s->width;
  for (int i = 0; i < r->n; i++)
    for (int q = 0; q < cells; q++)
      if (fm_mask_touches(&r->mask[i], q, s->height, s->width)) r->cell[count++] = i * cells + q;
  return fm_scorer_attend(s, count, r->cell);
}

/* ---- the steps ---- */

static enum fm_status step_mask(void *user, size_t i) {
  struct fm_descent *r = user;
  return fm_mask_step(&r->mask[i], r->slope + i * fm_size_pixels(r->size), r->step, STEPS);
}

static enum fm_status mix(struct fm_descent *r) {
  size_t quarter = fm_size_pixels(r->size) / 4;
  for (int i = 0; i < r->n; i++)
    memcpy(r->half + (size_t)i * quarter, r->mask[i].a, quarter * sizeof *r->half);
  FM_TRY(fm_buffer_write(r->d, &r->a, 0, r->half, (size_t)r->n * quarter * sizeof *r->half));
  for (int k = 0; k < 2; k++)
    if (r->scorer->net[k])
      fm_mix(r->d, r->size, &r->scorer->rgb, &r->reference, &r->a, fm_net_input(r->scorer->net[k]));
  return FM_OK;
}

/* L = sum over cells of max(0, e(N) - tau) / sqrt(Q); a goes down its slope and that of a weak prior. */
static enum fm_status step(struct fm_descent *r) {
  struct fm_scorer *s = r->scorer;
  float factor = 1 / sqrtf((float)(s->height * s->width));
  FM_TRY(mix(r));
  if (r->step == 2) FM_TRY(attend(r));
  fm_scorer_cells(s);
  fm_hinge(r->d, r->n, s->height, s->width, &s->cells, &r->limit, factor, &s->slope);
  fm_scorer_back(s);
  for (int k = 0; k < 2; k++)
    if (s->net[k])
      fm_pull(r->d, r->size, &s->rgb, &r->reference, fm_net_input_gradient(s->net[k]), k > 0, &r->g);
  FM_TRY(fm_buffer_read(r->d, &r->g, 0, r->slope, (size_t)r->n * fm_size_pixels(r->size) * sizeof *r->slope));
  return fm_parallel(fm_device_context(r->d), (size_t)r->n, step_mask, r);
}

enum fm_status fm_descent_run(struct fm_descent *r, int n, const struct fm_descent_item *items) {
  int most = r->kind == FM_WINDOW_WHOLE ? r->batch : 1;
  for (int at = 0; at < n; at += most) {
    r->n = n - at < most ? n - at : most;
    r->item = items + at;
    FM_TRY(load(r));
    for (r->step = 1; r->step <= STEPS; r->step++) FM_TRY(step(r));
    FM_TRY(fm_scorer_attend(r->scorer, -1, NULL));
    for (int i = 0; i < r->n; i++)
      fm_mask_paste(&r->mask[i], items[at + i].window.x, items[at + i].window.y, items[at + i].mask);
  }
  return FM_OK;
}
