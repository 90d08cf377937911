/* One convolution on a device: its memory, whether a row computes it right, and how long it takes. */
#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/sort.h"
#include "check/tune_internal.h"

#include <math.h>
#include <stdlib.h>

enum { PAIRS = 15, SURE = 12, RUNS = 4, MOST_TIMES = 64 };
static const double enough = 1e-3; /* seconds between two looks at the clock, at least */
static const double CALM = 1.4;    /* that a median may be of the least */

static enum fm_status room(struct fm_device *d, size_t numbers, struct fm_buffer *b) {
  return fm_buffer_make(d, (numbers ? numbers : 1) * sizeof(float), b);
}

/* Numbers from -1 to 1; the caller's. */
static float *draw(struct fm_context *ctx, const char *what, size_t count) {
  struct fm_rng rng = fm_rng_stream(1, what);
  float *v = fm_alloc(ctx, count, sizeof *v);
  for (size_t i = 0; v && i < count; i++) v[i] = (float)(int32_t)(fm_rng_at(&rng, i) >> 32) * 0x1p-31f;
  return v;
}

static size_t numbers_of(const struct fm_acts *a) {
  return (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w;
}

static enum fm_status fill_tensor(struct fm_tune_bench *b, const char *what, struct fm_acts *a, bool random) {
  struct fm_context *ctx = fm_device_context(b->d);
  size_t bytes;
  if (!fm_acts_bytes(a, &bytes)) return fm_error(ctx, FM_LIMIT, "a convolution is too large to be measured");
  FM_TRY(fm_buffer_make(b->d, bytes, &a->buffer));
  float *v = random ? draw(ctx, what, numbers_of(a)) : fm_alloc(ctx, numbers_of(a), sizeof *v);
  enum fm_status status = v ? fm_acts_write(b->d, a, v) : FM_MEMORY;
  fm_free(ctx, v);
  return status;
}

static enum fm_status fill_weights(struct fm_tune_bench *b) {
  struct fm_context *ctx = fm_device_context(b->d);
  const struct fm_conv *c = &b->c.conv;
  int block = fm_device_facts(b->d)->block;
  size_t packed = fm_conv_weights(c, block), blocks = ((size_t)c->cout + (size_t)block - 1) / (size_t)block,
         count = (size_t)c->cout * (size_t)(c->depthwise ? 1 : c->cin) * (size_t)(c->k * c->k);
  float *w = draw(ctx, "weights", count), *p = fm_alloc(ctx, packed, sizeof *p);
  enum fm_status status = w && p ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = room(b->d, packed, &b->weights);
  if (status == FM_OK) status = room(b->d, packed, &b->dw);
  if (status == FM_OK) status = room(b->d, blocks * (size_t)block, &b->bias);
  if (status == FM_OK) status = fm_buffer_fill(b->d, &b->bias, 0.5f);
  if (status == FM_OK) {
    fm_conv_pack(c, block, w, p);
    status = fm_buffer_write(b->d, &b->weights, 0, p, packed * sizeof *p);
  }
  fm_free(ctx, w);
  fm_free(ctx, p);
  return status;
}

static void run(struct fm_tune_bench *b, struct fm_tune_way *w) {
  fm_conv_run(b->d, &w->call,
              &(struct fm_conv_args){.in = &b->c.in,
                                     .out = &b->c.out,
                                     .weights = w->call.work.prepared ? &w->prepared : &b->weights,
                                     .bias = b->c.way == FM_CONV_FORWARD ? &b->bias : NULL,
                                     .limits = fm_limits_none,
                                     .scratch = &w->scratch,
                                     .dw = &b->dw});
}

/* Runs it and reads what came out. */
static enum fm_status result_of(struct fm_tune_bench *b, struct fm_tune_way *w, float *to) {
  run(b, w);
  if (b->c.way == FM_CONV_WEIGHTS) return fm_buffer_read(b->d, &b->dw, 0, to, b->count * sizeof *to);
  return fm_acts_read(b->d, &b->c.out, to);
}

enum fm_status fm_tune_open(struct fm_device *d, const struct fm_tune_case *c, struct fm_tune_bench *b) {
  struct fm_context *ctx = fm_device_context(d);
  *b = (struct fm_tune_bench){.d = d, .c = *c};
  bool weights = c->way == FM_CONV_WEIGHTS;
  FM_TRY(fill_tensor(b, "in", &b->c.in, true));
  FM_TRY(fill_tensor(b, "out", &b->c.out, weights));
  FM_TRY(fill_weights(b));
  b->count = weights ? fm_conv_weights(&c->conv, fm_device_facts(d)->block) : numbers_of(&c->out);
  b->want = fm_alloc(ctx, b->count, sizeof *b->want);
  b->got = fm_alloc(ctx, b->count, sizeof *b->got);
  if (!b->want || !b->got) return FM_MEMORY;
  FM_TRY(fm_tune_way_make(b, NULL, NULL, &b->rule));
  FM_TRY(result_of(b, &b->rule, b->want));
  for (size_t i = 0; i < b->count; i++) b->largest = fmax(b->largest, fabs((double)b->want[i]));
  return fm_tune_time(b, &b->rule, INFINITY, &b->seconds);
}

void fm_tune_close(struct fm_tune_bench *b) {
  struct fm_context *ctx = fm_device_context(b->d);
  fm_tune_way_free(b, &b->rule);
  struct fm_buffer *const own[] = {&b->c.in.buffer, &b->c.out.buffer, &b->weights, &b->bias, &b->dw};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(b->d, own[i]);
  fm_free(ctx, b->want);
  fm_free(ctx, b->got);
}

enum fm_status fm_tune_way_make(struct fm_tune_bench *b, const struct fm_variant *row,
                                const struct fm_tile *tile, struct fm_tune_way *way) {
  const struct fm_tune_case *c = &b->c;
  struct fm_device *d = b->d;
  *way = (struct fm_tune_way){0};
  fm_conv_choose(d, &c->conv, c->way, &c->in, &c->out, row, &way->call);
  if (!row) { /* the rule's, whatever was tuned before */
    row = fm_variant_rule(fm_device_facts(d), &way->call.shape);
    fm_conv_choose(d, &c->conv, c->way, &c->in, &c->out, row, &way->call);
  }
  if (tile) fm_variant_take(fm_device_facts(d), &way->call, tile);
  way->error = way->call.variant->error;
  FM_TRY(room(d, way->call.work.prepared / sizeof(float), &way->prepared));
  FM_TRY(room(d, way->call.work.scratch / sizeof(float), &way->scratch));
  fm_conv_prepare(d, &way->call, &b->weights, &way->prepared);
  return fm_device_status(d);
}

void fm_tune_way_free(struct fm_tune_bench *b, struct fm_tune_way *way) {
  fm_buffer_free(b->d, &way->prepared);
  fm_buffer_free(b->d, &way->scratch);
}

enum fm_status fm_tune_agrees(struct fm_tune_bench *b, struct fm_tune_way *way, bool *agrees) {
  double off = 0;
  FM_TRY(result_of(b, way, b->got));
  for (size_t i = 0; i < b->count; i++) {
    double by = fabs((double)b->got[i] - (double)b->want[i]);
    off = by > off ? by : by <= off ? off : INFINITY; /* neither: a NaN */
  }
  *agrees = off <= (way->error + b->rule.error) * b->largest;
  return FM_OK;
}

/* Seconds of one of `times` runs. */
static enum fm_status seconds_of(struct fm_tune_bench *b, struct fm_tune_way *way, int times,
                                 double *seconds) {
  FM_TRY(fm_device_finish(b->d));
  double begin = fm_seconds();
  for (int i = 0; i < times; i++) run(b, way);
  FM_TRY(fm_device_finish(b->d));
  *seconds = (fm_seconds() - begin) / times;
  return fm_stop_check(fm_device_context(b->d), "measuring");
}

static int times_of(double seconds) {
  double times = ceil(enough / fmax(seconds, 1e-6));
  return times > MOST_TIMES ? MOST_TIMES : (int)times;
}

enum fm_status fm_tune_time(struct fm_tune_bench *b, struct fm_tune_way *way, double best, double *seconds) {
  double s;
  FM_TRY(seconds_of(b, way, 1, seconds));
  int times = times_of(*seconds);
  for (int i = 0; i < RUNS && *seconds < 1.5 * best; i++) {
    FM_TRY(seconds_of(b, way, times, &s));
    if (s < *seconds) *seconds = s;
  }
  return FM_OK;
}

static bool is_calm(const double sorted[PAIRS]) {
  return sorted[PAIRS / 2] <= CALM * sorted[0];
}

enum fm_status fm_tune_ratio(struct fm_tune_bench *b, struct fm_tune_way *way, struct fm_tune_pairs *p) {
  double pair[PAIRS], own[PAIRS], rule[PAIRS];
  int times = times_of(b->seconds);
  for (int i = 0; i < PAIRS; i++) {
    FM_TRY(seconds_of(b, &b->rule, times, &rule[i]));
    FM_TRY(seconds_of(b, way, times, &own[i]));
    pair[i] = rule[i] / own[i];
  }
  fm_sort_doubles(pair, PAIRS);
  fm_sort_doubles(own, PAIRS);
  fm_sort_doubles(rule, PAIRS);
  *p = (struct fm_tune_pairs){.ratio = fmin(pair[PAIRS - SURE], rule[0] / own[0]),
                              .seconds = own[PAIRS / 2],
                              .calm = is_calm(own) && is_calm(rule)};
  return FM_OK;
}
