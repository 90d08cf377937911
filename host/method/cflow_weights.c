/* The tensors of a CFLOW-AD model: names, shapes, how they begin, and the flows made of them. */
#include "method/cflow.h"

#include "base/memory.h"
#include "base/rng.h"
#include "method/taps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KINDS = 7, NAME = 48, MOST_BLOCKS = 64 };
static const char *const kind_names[KINDS] = {"w1", "b1", "w2", "b2", "scale", "offset", "mixing"};

static void name_of(int tap, int block, int kind, char name[NAME]) {
  snprintf(name, NAME, "tap%d.block%d.%s", tap + 1, block + 1, kind_names[kind]);
}

enum fm_status fm_cflow_shapes(struct fm_context *ctx, const struct fm_recipe *r,
                               struct fm_flow_shape shape[FM_TAPS]) {
  struct fm_acts tap[FM_TAPS];
  FM_TRY(fm_taps_shapes(ctx, r, tap));
  for (int i = 0; i < FM_TAPS; i++)
    shape[i] = (struct fm_flow_shape){.channels = tap[i].c,
                                      .width = tap[i].w,
                                      .height = tap[i].h,
                                      .blocks = (int)r->blocks,
                                      .condition = (int)r->condition,
                                      .clamp = (float)r->clamp,
                                      .mixing = strcmp(r->mixing, "orthogonal") == 0};
  return FM_OK;
}

static enum fm_status add_block(struct fm_weights *w, const struct fm_flow_shape *s, int tap, int block) {
  size_t channels = (size_t)s->channels, t = channels / 2, n = channels - t + (size_t)s->condition;
  const size_t sizes[KINDS][2] = {{2 * n, n},    {2 * n, 0},    {2 * t, 2 * n},      {2 * t, 0},
                                  {channels, 0}, {channels, 0}, {channels, channels}};
  for (int kind = 0; kind < KINDS; kind++) {
    char name[NAME];
    bool fixed = kind == KINDS - 1;
    name_of(tap, block, kind, name);
    FM_TRY(fm_weights_add(w, name, sizes[kind][1] && (!fixed || s->mixing) ? 2 : 1, sizes[kind], !fixed));
  }
  return FM_OK;
}

enum fm_status fm_cflow_weights(struct fm_context *ctx, const struct fm_recipe *recipe,
                                struct fm_weights *w) {
  struct fm_flow_shape shape[FM_TAPS];
  const size_t taps = FM_TAPS;
  *w = (struct fm_weights){.ctx = ctx};
  FM_TRY(fm_cflow_shapes(ctx, recipe, shape));
  enum fm_status status = FM_OK;
  for (int i = 0; i < FM_TAPS; i++)
    for (int k = 0; k < shape[i].blocks && status == FM_OK; k++) status = add_block(w, &shape[i], i, k);
  if (status == FM_OK) status = fm_weights_add(w, "maxima", 1, &taps, false);
  if (status == FM_OK) status = fm_weights_allocate(w);
  if (status != FM_OK) fm_weights_free(w);
  return status;
}

static float *find(const struct fm_weights *w, const char *name) {
  const struct fm_weight *item = fm_weights_find(w, name);
  return item ? w->value + item->offset : NULL;
}

struct fm_flow_block fm_cflow_block(const struct fm_weights *w, int tap, int block) {
  float *at[KINDS];
  for (int kind = 0; kind < KINDS; kind++) {
    char name[NAME];
    name_of(tap, block, kind, name);
    at[kind] = find(w, name);
  }
  return (struct fm_flow_block){at[0], at[1], at[2], at[3], at[4], at[5], at[6]};
}

float *fm_cflow_maxima(const struct fm_weights *w) {
  return find(w, "maxima");
}

/* ---- initial values ---- */

/* A rotation of n dimensions, uniform among all (Stewart 1980): the product of reflections at Gaussian
 * vectors in the last n, n - 1, .. 2 dimensions, with the signs that make them the Q of a Gaussian matrix and
 * det Q = 1. */
static enum fm_status draw_rotation(struct fm_context *ctx, struct fm_rng *rng, size_t n, float *out) {
  double *q = fm_alloc(ctx, n * n, sizeof *q), *x = fm_alloc(ctx, n, sizeof *x),
         *sign = fm_alloc(ctx, n, sizeof *sign), last = n % 2 ? 1 : -1;
  bool there = q && x && sign;
  for (size_t i = 0; i < n && there; i++) q[i * n + i] = 1;
  for (size_t k = 0; k + 1 < n && there; k++) {
    size_t m = n - k;
    double squares = 0;
    for (size_t i = 0; i < m; i++) {
      x[i] = fm_rng_normal(rng);
      squares += x[i] * x[i];
    }
    sign[k] = x[0] < 0 ? -1 : 1;
    last *= sign[k];
    double first = x[0] + sign[k] * sqrt(squares), scale = 2 / (squares - x[0] * x[0] + first * first);
    x[0] = first;
    for (size_t r = 0; r < n; r++) {
      double *row = q + r * n + k, part[4] = {0}; /* four sums: one would wait for itself */
      for (size_t i = 0; i < m; i++) part[i & 3] += row[i] * x[i];
      double dot = scale * ((part[0] + part[1]) + (part[2] + part[3]));
      for (size_t i = 0; i < m; i++) row[i] -= dot * x[i];
    }
  }
  for (size_t r = 0; r < n && there; r++)
    for (size_t i = 0; i < n; i++) out[r * n + i] = (float)((r + 1 < n ? sign[r] : last) * q[r * n + i]);
  fm_free(ctx, q);
  fm_free(ctx, x);
  fm_free(ctx, sign);
  return there ? FM_OK : FM_MEMORY;
}

static enum fm_status draw_permutation(struct fm_context *ctx, struct fm_rng *rng, size_t n, float *out) {
  uint32_t *order = fm_alloc(ctx, n, sizeof *order);
  if (!order) return FM_MEMORY;
  fm_rng_permutation(rng, order, (uint32_t)n);
  for (size_t i = 0; i < n; i++) out[i] = (float)order[i];
  fm_free(ctx, order);
  return FM_OK;
}

/* Linear layers as PyTorch begins them, uniform in +-1 / sqrt(inputs); gamma = 1, delta = 0. */
static enum fm_status init_block(const struct fm_recipe *recipe, struct fm_weights *w, int tap, int block) {
  size_t inputs = 0;
  for (int kind = 0; kind < KINDS; kind++) {
    char name[NAME], stream[NAME + 8];
    name_of(tap, block, kind, name);
    snprintf(stream, sizeof stream, "cflow.%s", name);
    const struct fm_weight *item = fm_weights_find(w, name);
    struct fm_rng rng = fm_rng_stream((uint64_t)recipe->seed, stream);
    float *v = w->value + item->offset;
    if (kind == 6 && item->dims == 2) return draw_rotation(w->ctx, &rng, item->shape[0], v);
    if (kind == 6) return draw_permutation(w->ctx, &rng, item->shape[0], v);
    if (kind < 4 && item->dims == 2) inputs = item->shape[1];
    for (size_t i = 0; i < item->count; i++)
      v[i] = kind == 4   ? 9.986478501101022f /* 2 ln(e^5 - 1) */
             : kind == 5 ? 0
                         : (2 * fm_rng_uniform(&rng) - 1) / sqrtf((float)inputs);
  }
  return FM_OK;
}

enum fm_status fm_cflow_init(const struct fm_recipe *recipe, struct fm_weights *w) {
  for (int i = 0; i < FM_TAPS; i++)
    for (int k = 0; k < recipe->blocks; k++) FM_TRY(init_block(recipe, w, i, k));
  return FM_OK;
}

/* ---- from a file, and to the device ---- */

static enum fm_status check_permutation(const struct fm_weights *w, const struct fm_weight *item,
                                        const char *path) {
  const float *v = w->value + item->offset;
  bool *seen = fm_alloc(w->ctx, item->count, sizeof *seen), good = true;
  if (!seen) return FM_MEMORY;
  for (size_t i = 0; i < item->count && good; i++) {
    good = v[i] >= 0 && v[i] < (float)item->count && v[i] == floorf(v[i]) && !seen[(size_t)v[i]];
    if (good) seen[(size_t)v[i]] = true;
  }
  fm_free(w->ctx, seen);
  return good ? FM_OK
              : fm_error(w->ctx, FM_FORMAT, "'%s': the tensor 'cflow.%s' is not a permutation of 0 to %zu",
                         path, item->name, item->count - 1);
}

enum fm_status fm_cflow_check(const struct fm_weights *w, const char *path) {
  for (size_t i = 0; i < w->count; i++) {
    size_t n = strlen(w->item[i].name);
    if (w->item[i].dims == 1 && n > 7 && strcmp(w->item[i].name + n - 7, ".mixing") == 0)
      FM_TRY(check_permutation(w, &w->item[i], path));
  }
  return FM_OK;
}

enum fm_status fm_cflow_flow(struct fm_device *d, const struct fm_weights *w, int tap,
                             const struct fm_flow_shape *shape, enum fm_flow_use use, int rows,
                             struct fm_flow **flow) {
  struct fm_flow_block block[MOST_BLOCKS];
  for (int k = 0; k < shape->blocks; k++) block[k] = fm_cflow_block(w, tap, k);
  return fm_flow_make(d, shape, use, rows, block, flow);
}
