/* CFLOW-AD as a row of the table of detectors: what its recipe may say, its scores, and the way back from
 * them to the picture. */
#include "method/cflow.h"

#include "base/memory.h"
#include "method/methods.h"
#include "op/planes.h"

#include <stdio.h>
#include <string.h>

/* With a small network and features that are kept (no rotation) this takes minutes on a CPU. */
static void defaults(struct fm_recipe *r) {
  r->batch = 16;
  r->epochs = 10;
  r->passes = 1;
  r->fibres = 256;
  r->lr = 2e-3;
  r->lr_first = 2e-4;
  r->lr_last = 2e-6;
  r->warmup = 1;
  r->weight_decay = 0;
  r->blocks = 8;
  r->condition = 128;
  r->clamp = 1.9;
  r->rotate = 0;
  r->normal_share = 0.5;
  snprintf(r->resize, sizeof r->resize, "pil");
  snprintf(r->mixing, sizeof r->mixing, "orthogonal");
  snprintf(r->padding, sizeof r->padding, "zero");
}

/* From a tenth of the rate down to the last one's. */
static void go_on(struct fm_recipe *r, size_t pictures) {
  (void)pictures;
  r->lr /= 10;
  r->warmup = 0;
  r->epochs = 3;
}

static const char no_way_back[] =
    "sharpening maps needs a network's gradient, which --padding reflect does not have; use --padding zero";

bool fm_cflow_reflects(const struct fm_recipe *recipe) {
  return strcmp(recipe->padding, "reflect") == 0;
}

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  if (strcmp(r->mixing, "orthogonal") != 0 && strcmp(r->mixing, "permutation") != 0)
    return fm_error(ctx, FM_USAGE, "--mixing %s is not known; there are orthogonal and permutation",
                    r->mixing);
  if (strcmp(r->padding, "zero") != 0 && strcmp(r->padding, "reflect") != 0)
    return fm_error(ctx, FM_USAGE, "--padding %s is not known; there are zero and reflect", r->padding);
  if (r->refine && fm_cflow_reflects(r)) return fm_error(ctx, FM_USAGE, "%s", no_way_back);
  if (r->condition % 4)
    return fm_error(ctx, FM_USAGE, "--condition is %ld; it must be a multiple of 4", r->condition);
  if (r->warmup > r->epochs)
    return fm_error(ctx, FM_USAGE, "--warmup is %ld epochs, more than --epochs (%ld)", r->warmup, r->epochs);
  return FM_OK;
}

static enum fm_status accept(const struct fm_model *model, const char *path) {
  return fm_cflow_check(&model->learned, path);
}

/* ---- scores ---- */

enum { ROWS = 1024 }; /* fibres at a time: what they take stays in a CPU's caches */

struct tap {
  struct fm_flow *flow;
  struct fm_buffer fibres, place, l; /* of all pictures of a batch; place: cell i is row i */
};

struct own {
  struct tap tap[FM_TAPS];
  struct fm_buffer plane, slope, gradient; /* of whatever tap is at hand */
};

static int cells_of(const struct fm_scorer *s, int i) {
  const struct fm_acts *tap = fm_net_tap(s->net[0], i);
  return s->n * tap->h * tap->w;
}

static enum fm_status begin_tap(struct fm_scorer *s, int i, const struct fm_flow_shape *shape,
                                size_t *widest) {
  struct own *own = s->own;
  struct tap *tap = &own->tap[i];
  size_t count = (size_t)cells_of(s, i), row = (size_t)fm_flow_width(s->d, shape) * sizeof(float);
  int rows = count < ROWS ? (int)count : ROWS;
  FM_TRY(fm_cflow_flow(s->d, &s->model->learned, i, shape, s->gradient ? FM_FLOW_GRADIENT : FM_FLOW_SCORE,
                       rows, &tap->flow));
  FM_TRY(fm_buffer_make(s->d, count * row, &tap->fibres));
  FM_TRY(fm_buffer_make_order(s->d, count, &tap->place));
  FM_TRY(fm_buffer_make(s->d, count * sizeof(float), &tap->l));
  if (count * row > *widest) *widest = count * row;
  return FM_OK;
}

static enum fm_status begin(struct fm_scorer *s) {
  struct fm_context *ctx = fm_device_context(s->d);
  struct fm_flow_shape shape[FM_TAPS];
  bool reflect = fm_cflow_reflects(&s->model->recipe);
  if (s->gradient && reflect) return fm_error(ctx, FM_USAGE, "%s", no_way_back);
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  if (reflect) fm_net_reflect(s->net[0]);
  FM_TRY(fm_cflow_shapes(ctx, &s->model->recipe, shape));
  struct own *own = s->own = fm_alloc(ctx, 1, sizeof *own);
  if (!own) return FM_MEMORY;
  size_t widest = 0, plane = (size_t)cells_of(s, 0) * sizeof(float); /* tap 1 has the most cells */
  for (int i = 0; i < FM_TAPS; i++) FM_TRY(begin_tap(s, i, &shape[i], &widest));
  FM_TRY(fm_buffer_make(s->d, plane, &own->plane));
  if (!s->gradient) return FM_OK;
  FM_TRY(fm_buffer_make(s->d, plane, &own->slope));
  return fm_buffer_make(s->d, widest, &own->gradient);
}

static void end(struct fm_scorer *s) {
  struct own *own = s->own;
  if (!own) return;
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &own->tap[i];
    fm_flow_free(tap->flow);
    fm_buffer_free(s->d, &tap->fibres);
    fm_buffer_free(s->d, &tap->place);
    fm_buffer_free(s->d, &tap->l);
  }
  fm_buffer_free(s->d, &own->plane);
  fm_buffer_free(s->d, &own->slope);
  fm_buffer_free(s->d, &own->gradient);
  fm_free(fm_device_context(s->d), own);
}

static float most(const struct fm_scorer *s, int i) {
  return fm_cflow_maxima(&s->model->learned)[i];
}

/* l of every cell at every tap stays for map and back; the cells are e = sum of max(0, M - l) on tap 1's
 * grid. */
static void cells(struct fm_scorer *s) {
  struct own *own = s->own;
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *acts = fm_net_tap(s->net[0], i);
    struct tap *tap = &own->tap[i];
    int count = cells_of(s, i), rows = fm_flow_rows(tap->flow);
    fm_flow_take(tap->flow, acts, 0, s->n, &tap->fibres, 0);
    for (int at = 0; at < count; at += rows)
      fm_flow_score(tap->flow, &tap->fibres, &tap->place, at, count - at < rows ? count - at : rows, &tap->l);
    fm_flow_excess(s->d, &tap->l, count, most(s, i), &own->plane);
    fm_planes_add(s->d, &own->plane, s->n, acts->h, acts->w, 1, i > 0, &s->cells, s->height, s->width);
  }
}

static void back(struct fm_scorer *s) {
  struct own *own = s->own;
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *acts = fm_net_tap(s->net[0], i);
    struct tap *tap = &own->tap[i];
    int count = cells_of(s, i), rows = fm_flow_rows(tap->flow);
    fm_planes_add_back(s->d, &s->slope, s->n, s->height, s->width, 1, &own->plane, acts->h, acts->w);
    fm_flow_excess_back(s->d, &tap->l, &own->plane, count, most(s, i), &own->slope);
    for (int at = 0; at < count; at += rows)
      fm_flow_back(tap->flow, &tap->fibres, &tap->place, at, count - at < rows ? count - at : rows,
                   &own->slope, &own->gradient);
    fm_flow_give(tap->flow, &own->gradient, fm_net_tap_gradient(s->net[0], i));
  }
}

/* A = sum over the taps of 1 - min(1, exp(l - M)), each enlarged with aligned corners; not smoothed. */
static void map(struct fm_scorer *s) {
  struct own *own = s->own;
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *acts = fm_net_tap(s->net[0], i);
    fm_flow_unlikely(s->d, &own->tap[i].l, cells_of(s, i), most(s, i), &own->plane);
    fm_planes_add(s->d, &own->plane, s->n, acts->h, acts->w, 1, i > 0, &s->map, s->size.height,
                  s->size.width);
  }
}

const struct fm_method fm_method_cflow = {.name = "cflow",
                                          .about = "normalising flows: how likely a feature is at its place",
                                          .prefix = "cflow.",
                                          .bit = FM_CFLOW,
                                          .resumes = true,
                                          .defaults = defaults,
                                          .check = check,
                                          .go_on = go_on,
                                          .fit = fm_cflow_fit,
                                          .shape = fm_cflow_weights,
                                          .accept = accept,
                                          .begin = begin,
                                          .end = end,
                                          .cells = cells,
                                          .back = back,
                                          .map = map};
