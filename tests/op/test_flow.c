/* Flows: log-likelihoods against a plain double-precision reference, gradients against its central
 * differences, and both against PyTorch's at a real size (tests/reference/cflow.py). */
#include "fixture.h"
#include "flow_reference.h"
#include "reference/cflow.h"

#include "op/flow.h"
#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Any matrix does as R: where there is a determinant to look at, it is a rotation in a plane. */
static void host_random(struct host *h, struct fm_rng *rng, double size) {
  int channels = h->shape.channels;
  for (int k = 0; k < h->shape.blocks; k++) {
    for (int kind = 0; kind < KINDS; kind++) {
      double *v = kind_at(h, h->values, k, kind), centre = kind == 4 ? 9 : 0;
      for (int i = 0; i < h->count[kind]; i++)
        v[i] = (float)(centre + size * (2 * (double)fm_rng_uniform(rng) - 1));
    }
    double *m = mixing_at(h, k);
    uint32_t order[512];
    fm_rng_permutation(rng, order, (uint32_t)channels);
    for (int i = 0; i < channels && !h->shape.mixing; i++) m[i] = order[i];
    for (int i = 0; i < channels * channels && h->shape.mixing; i++)
      m[i] = (float)((2 * (double)fm_rng_uniform(rng) - 1) / sqrt(channels));
  }
}

/* ---- the same on the device ---- */

struct flow {
  struct fm_flow *f;
  float *plain, *mixing;
  struct fm_flow_block block[16];
};

static struct flow flow_make(struct fixture *f, const struct host *h, enum fm_flow_use use, int rows) {
  struct flow flow = {0};
  int mixing = h->shape.channels * (h->shape.mixing ? h->shape.channels : 1);
  flow.plain = calloc((size_t)(h->all * h->shape.blocks), sizeof(float));
  flow.mixing = calloc((size_t)(mixing * h->shape.blocks), sizeof(float));
  for (int i = 0; i < h->all * h->shape.blocks; i++) flow.plain[i] = (float)h->values[i];
  for (int i = 0; i < mixing * h->shape.blocks; i++) flow.mixing[i] = (float)h->mixing[i];
  for (int k = 0; k < h->shape.blocks; k++) {
    float *p = flow.plain + k * h->all,
          **at[KINDS] = {&flow.block[k].w1, &flow.block[k].b1,    &flow.block[k].w2,
                         &flow.block[k].b2, &flow.block[k].scale, &flow.block[k].offset};
    for (int i = 0; i < KINDS; p += h->count[i++]) *at[i] = p;
    flow.block[k].mixing = flow.mixing + k * mixing;
  }
  assert_int_equal(fm_flow_make(f->device, &h->shape, use, rows, flow.block, &flow.f), FM_OK);
  return flow;
}

/* The gradient as [block][all]. */
static void flow_gradient(struct fixture *f, struct flow *flow, const struct host *h, double *gradient) {
  size_t count = fm_flow_count(flow->f);
  float *packed = malloc(count * sizeof *packed);
  ready(f);
  fm_buffer_read(f->device, fm_flow_gradient(flow->f), 0, packed, count * sizeof *packed);
  ready(f);
  for (int k = 0; k < h->shape.blocks; k++) fm_flow_unpack(flow->f, k, packed, &flow->block[k]);
  for (int i = 0; i < h->all * h->shape.blocks; i++) gradient[i] = (double)flow->plain[i];
  /* Padding has no gradient, or it would begin to take part. */
  float *again = calloc(count, sizeof *again);
  for (int k = 0; k < h->shape.blocks; k++) fm_flow_pack(flow->f, k, &flow->block[k], again);
  for (size_t i = 0; i < count; i++)
    if (!(fabsf(packed[i] - again[i]) <= 0))
      fail_msg("%s: padding has a gradient of %g", f->line, (double)packed[i]);
  free(again);
  free(packed);
}

static void flow_free(struct flow *flow) {
  fm_flow_free(flow->f);
  free(flow->plain);
  free(flow->mixing);
}

/* ---- a case ---- */

struct shape {
  int channels, width, height, blocks, condition, pictures, rows;
  bool mixing;
};

struct scene {
  struct host host;
  int cells, rows, first;
  double *x; /* [cells][channels] */
  int *place;
  struct tensor tap;
  struct zone fibres, place_zone, list, slope, loss;
  int width;
};

static struct scene scene_make(struct fixture *f, const struct shape *s, struct fm_rng *rng) {
  struct fm_flow_shape shape = {s->channels, s->width, s->height, s->blocks, s->condition, 1.9f, s->mixing};
  struct scene c = {.host = host_make(&shape), .rows = s->rows, .first = 2};
  int area = s->width * s->height;
  c.cells = s->pictures * area;
  host_random(&c.host, rng, 1 / sqrt(c.host.inputs));
  c.tap = tensor_random(f, rng, s->pictures, s->channels, s->height, s->width, 1, 0);
  c.x = malloc((size_t)(c.cells * s->channels) * sizeof *c.x);
  for (int n = 0; n < s->pictures; n++)
    for (int k = 0; k < s->channels; k++)
      for (int p = 0; p < area; p++)
        c.x[(n * area + p) * s->channels + k] = c.tap.v[(n * s->channels + k) * area + p];
  int places = c.first + s->rows;
  c.place = malloc((size_t)places * sizeof *c.place);
  for (int i = 0; i < places; i++) c.place[i] = random_int(rng, 0, c.cells - 1);
  c.place_zone = zone_make(f, (size_t)places * sizeof *c.place, c.place);
  size_t list = fm_flow_list_count(&shape, s->rows);
  int *lists = calloc(list + 3, sizeof *lists);
  fm_flow_list(&shape, c.place + c.first, s->rows, lists + 3);
  c.list = zone_make(f, (list + 3) * sizeof *lists, lists);
  free(lists);
  c.width = fm_flow_width(f->device, &shape);
  c.fibres = vector_make(f, (size_t)(c.cells * c.width), NULL);
  c.slope = vector_make(f, (size_t)places, NULL);
  c.loss = vector_make(f, 2, NULL);
  return c;
}

static void scene_free(struct fixture *f, struct scene *c) {
  struct zone *const zones[] = {&c->fibres, &c->place_zone, &c->list, &c->slope, &c->loss};
  for (int i = 0; i < 5; i++) zone_free(f, zones[i]);
  tensor_free(f, &c->tap);
  host_free(&c->host);
  free(c->x);
  free(c->place);
}

static double host_l(struct scene *c, int r) {
  int cell = c->place[c->first + r], w = c->host.shape.width, h = c->host.shape.height;
  return host_score(&c->host, c->x + cell * c->host.shape.channels, cell % w, cell / w % h, NULL);
}

static double host_loss(void *user) {
  struct scene *c = user;
  double sum = 0;
  for (int r = 0; r < c->rows; r++) sum += log1p(exp(-host_l(c, r)));
  return sum / c->rows;
}

static double difference(struct scene *c, double *x) {
  double step = 1e-5, old = *x, high, low;
  *x = old + step;
  high = host_loss(c);
  *x = old - step;
  low = host_loss(c);
  *x = old;
  return (high - low) / (2 * step);
}

static void scores(struct fixture *f, struct scene *c, enum fm_flow_use use) {
  struct flow flow = flow_make(f, &c->host, use, c->rows);
  int places = c->first + c->rows;
  double *got = malloc((size_t)places * sizeof *got), *want = malloc((size_t)c->rows * sizeof *want);
  for (int n = 0; n < c->tap.acts.n; n++)
    fm_flow_take(flow.f, &c->tap.acts, n, 1, &c->fibres.buffer, n * c->tap.acts.h * c->tap.acts.w);
  fm_flow_score(flow.f, &c->fibres.buffer, &c->place_zone.buffer, c->first, c->rows, &c->slope.buffer);
  vector_read(f, &c->slope, (size_t)places, got);
  for (int r = 0; r < c->rows; r++) want[r] = host_l(c, r);
  same(f, "l", got + c->first, want, (size_t)c->rows, 2e-6);
  free(got);
  free(want);
  flow_free(&flow);
}

/* Every kind of parameter: all of it where there are few, else some. */
static void weight_gradient(struct fixture *f, struct scene *c, struct fm_rng *rng) {
  struct host *h = &c->host;
  struct flow flow = flow_make(f, h, FM_FLOW_TRAIN, c->rows + 3); /* with room to spare */
  size_t all = (size_t)(h->all * h->shape.blocks);
  double *gradient = malloc(all * sizeof *gradient), loss[2], want = host_loss(c);
  fm_flow_step(flow.f, &c->fibres.buffer, &c->place_zone.buffer, c->first, c->rows, &c->list.buffer, 3,
               &c->loss.buffer, 1);
  vector_read(f, &c->loss, 2, loss);
  same(f, "loss", &loss[1], &want, 1, 2e-6);
  flow_gradient(f, &flow, h, gradient);
  for (int k = 0; k < h->shape.blocks; k++)
    for (int kind = 0; kind < KINDS; kind++) {
      double *g = kind_at(h, gradient, k, kind), *v = kind_at(h, h->values, k, kind), scale = 0;
      double got[24], truth[24];
      for (int i = 0; i < h->count[kind]; i++) scale = fmax(scale, fabs(g[i]));
      for (int i = 0; i < 24; i++) {
        int at = h->count[kind] <= 24 ? i % h->count[kind] : random_int(rng, 0, h->count[kind] - 1);
        got[i] = g[at];
        truth[i] = difference(c, &v[at]);
      }
      same_sums(f, "gradient", got, truth, 24, 2e-5, scale);
    }
  free(gradient);
  flow_free(&flow);
}

/* d sum slope l / d fibre, cell by cell in order, through the adjoint of the tap's rows. */
static void fibre_gradient(struct fixture *f, struct scene *c, struct fm_rng *rng) {
  struct host *h = &c->host;
  int channels = h->shape.channels, chunk = 7, area = h->shape.width * h->shape.height;
  struct flow flow = flow_make(f, h, FM_FLOW_GRADIENT, chunk);
  double *slope = random_values(rng, (size_t)c->cells, -1, 1);
  int *order = malloc((size_t)c->cells * sizeof *order);
  for (int i = 0; i < c->cells; i++) order[i] = i;
  struct zone place = zone_make(f, (size_t)c->cells * sizeof *order, order),
              slopes = vector_make(f, (size_t)c->cells, slope),
              rows = vector_make(f, (size_t)(c->cells * c->width), NULL);
  struct tensor tap = tensor_empty(f, c->tap.acts.n, channels, c->tap.acts.h, c->tap.acts.w, 2);
  for (int at = 0; at < c->cells; at += chunk)
    fm_flow_back(flow.f, &c->fibres.buffer, &place.buffer, at, c->cells - at < chunk ? c->cells - at : chunk,
                 &slopes.buffer, &rows.buffer);
  fm_flow_give(flow.f, &rows.buffer, &tap.acts);
  double *gradient = tensor_read(f, &tap), got[30], want[30];
  for (int i = 0; i < 30; i++) {
    int cell = random_int(rng, 0, c->cells - 1), k = random_int(rng, 0, channels - 1);
    double *x = &c->x[cell * channels + k], old = *x, step = 1e-5, l[2];
    for (int sign = 0; sign < 2; sign++) {
      *x = old + (sign ? -step : step);
      l[sign] = host_score(h, c->x + cell * channels, cell % h->shape.width,
                           cell / h->shape.width % h->shape.height, NULL);
    }
    *x = old;
    want[i] = slope[cell] * (l[0] - l[1]) / (2 * step);
    got[i] = gradient[(cell / area * channels + k) * area + cell % area];
  }
  same(f, "fibres", got, want, 30, 2e-5);
  struct zone *const zones[] = {&place, &slopes, &rows};
  for (int i = 0; i < 3; i++) zone_free(f, zones[i]);
  tensor_free(f, &tap);
  free(gradient);
  free(slope);
  free(order);
  flow_free(&flow);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct scene c = scene_make(f, s, &rng);
  scores(f, &c, FM_FLOW_SCORE);
  scores(f, &c, FM_FLOW_GRADIENT);
  weight_gradient(f, &c, &rng);
  fibre_gradient(f, &c, &rng);
  tensor_unchanged(f, &c.tap);
  scene_free(f, &c);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line, "flow {%d, %d, %d, %d, %d, %d, %d, %d}, seed %llu", s->channels, s->width,
           s->height, s->blocks, s->condition, s->pictures, s->rows, s->mixing, (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void shapes(void **state) {
  struct fixture *f = *state;
  static const struct shape table[] = {{2, 1, 1, 1, 4, 1, 1, true},     {5, 3, 4, 2, 8, 2, 9, true},
                                       {24, 4, 4, 3, 16, 1, 20, true},  {40, 5, 2, 2, 4, 2, 33, false},
                                       {17, 2, 6, 2, 12, 1, 140, true}, {33, 3, 3, 1, 8, 2, 10, false}};
  for (size_t i = 0; i < (f->small ? 3 : sizeof table / sizeof *table); i++) run_shape(f, &table[i]);
}

/* The likelihood of a row does not depend on what else is computed with it, to the bit. */
static void rows_alone(void **state) {
  struct fixture *f = *state;
  struct shape s = {21, 5, 4, 3, 8, 2, 37, true};
  snprintf(f->line, sizeof f->line, "rows alone, seed %llu", (unsigned long long)f->seed);
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct scene c = scene_make(f, &s, &rng);
  struct flow flow = flow_make(f, &c.host, FM_FLOW_SCORE, s.rows);
  double whole[64], single[64];
  fm_flow_take(flow.f, &c.tap.acts, 0, 2, &c.fibres.buffer, 0);
  fm_flow_score(flow.f, &c.fibres.buffer, &c.place_zone.buffer, 0, s.rows, &c.slope.buffer);
  vector_read(f, &c.slope, (size_t)s.rows, whole);
  for (int r = 0; r < s.rows; r++)
    fm_flow_score(flow.f, &c.fibres.buffer, &c.place_zone.buffer, r, 1, &c.slope.buffer);
  vector_read(f, &c.slope, (size_t)s.rows, single);
  assert_memory_equal(whole, single, (size_t)s.rows * sizeof *whole);
  flow_free(&flow);
  scene_free(f, &c);
}

/* gamma = 1 as a flow begins, and what l says of the volume is the Jacobian's determinant. */
static void determinant(void **state) {
  (void)state;
  struct fm_flow_shape shape = {6, 3, 3, 3, 8, 1.9f, false};
  struct fm_rng rng = fm_rng_stream(5, "determinant");
  struct host h = host_make(&shape);
  host_random(&h, &rng, 0.7);
  for (int k = 0; k < shape.blocks; k++)
    for (int i = 0; i < 6; i++) {
      kind_at(&h, h.values, k, 4)[i] = 9.986478501101022;
      kind_at(&h, h.values, k, 5)[i] = 0;
    }
  double x[6], z[6], high[6], low[6], j[6][6], step = 1e-6, squares = 0, logdet = 0;
  for (int i = 0; i < 6; i++) x[i] = 2 * (double)fm_rng_uniform(&rng) - 1;
  double l = host_score(&h, x, 1, 2, z);
  assert_true(fabs(0.2 * log1p(exp(9.986478501101022 / 2)) - 1) < 1e-12);
  for (int c = 0; c < 6; c++) {
    double old = x[c];
    x[c] = old + step;
    host_score(&h, x, 1, 2, high);
    x[c] = old - step;
    host_score(&h, x, 1, 2, low);
    x[c] = old;
    for (int r = 0; r < 6; r++) j[r][c] = (high[r] - low[r]) / (2 * step);
    squares += z[c] * z[c];
  }
  for (int c = 0; c < 6; c++) { /* elimination with pivots */
    int p = c;
    for (int r = c + 1; r < 6; r++)
      if (fabs(j[r][c]) > fabs(j[p][c])) p = r;
    for (int k = 0; k < 6; k++) {
      double swap = j[c][k];
      j[c][k] = j[p][k];
      j[p][k] = swap;
    }
    logdet += log(fabs(j[c][c]));
    for (int r = c + 1; r < 6; r++)
      for (int k = 5; k >= c; k--) j[r][k] -= j[r][c] / j[c][c] * j[c][k];
  }
  double want = (logdet - 0.5 * squares) / 6 - 0.5 * log(2 * 3.14159265358979323846);
  if (!(fabs(l - want) < 1e-8)) fail_msg("l is %.12g, the determinant says %.12g", l, want);
  host_free(&h);
}

/* ---- PyTorch ---- */

/* What reference/cflow.py draws: u = uniform(seed 7, name, index). */
static void golden_values(double *v, int count, const char *kind, int block, double centre, double size) {
  char name[64];
  snprintf(name, sizeof name, "block%d.%s", block, kind);
  struct fm_rng rng = fm_rng_stream(7, name);
  for (int i = 0; i < count; i++)
    v[i] = (float)(centre + size * (2 * (double)fm_rng_uniform_at(&rng, (uint64_t)i) - 1));
}

static const char *const kind_names[KINDS] = {"w1", "b1", "w2", "b2", "scale", "offset"};

static void golden(void **state) {
  struct fixture *f = *state;
  if (f->small > 1) skip();
  struct shape s = {GOLDEN_CHANNELS,  GOLDEN_SIDE, GOLDEN_SIDE, GOLDEN_BLOCKS,
                    GOLDEN_CONDITION, 1,           GOLDEN_ROWS, true};
  snprintf(f->line, sizeof f->line, "golden");
  struct fm_rng rng = fm_rng_stream(1, "golden");
  struct scene c = scene_make(f, &s, &rng);
  struct host *h = &c.host;
  for (int k = 0; k < s.blocks; k++) {
    double bound[KINDS] = {
        1 / sqrt(h->inputs), 1 / sqrt(h->inputs), 1 / sqrt(h->hidden), 1 / sqrt(h->hidden), 0.5, 0.1};
    for (int i = 0; i < KINDS; i++)
      golden_values(kind_at(h, h->values, k, i), h->count[i], kind_names[i], k, i == 4 ? 9.5 : 0, bound[i]);
    golden_values(mixing_at(h, k), s.channels * s.channels, "mixing", k, 0, sqrt(3.0 / s.channels));
  }
  struct flow flow = flow_make(f, h, FM_FLOW_TRAIN, s.rows);
  /* Fibres as rows: x of cell i, channel c, is u(seed 7, "x", i * channels + c) in +-2; row r is cell 5 r. */
  double *x = malloc((size_t)(c.cells * s.channels) * sizeof *x);
  struct fm_rng stream = fm_rng_stream(7, "x");
  for (int i = 0; i < s.channels; i++)
    for (int cell = 0; cell < c.cells; cell++)
      x[i * c.cells + cell] =
          (float)(4 * (double)fm_rng_uniform_at(&stream, (uint64_t)(cell * s.channels + i)) - 2);
  struct tensor tap = tensor_make(f, 1, s.channels, s.height, s.width, 0, 0, x);
  int place[GOLDEN_ROWS], lists[4 * GOLDEN_ROWS + 4 * GOLDEN_SIDE + 4];
  for (int r = 0; r < s.rows; r++) place[r] = 5 * r;
  fm_flow_list(&h->shape, place, s.rows, lists);
  struct zone places = zone_make(f, sizeof place, place), list = zone_make(f, sizeof lists, lists);
  fm_flow_take(flow.f, &tap.acts, 0, 1, &c.fibres.buffer, 0);
  fm_flow_score(flow.f, &c.fibres.buffer, &places.buffer, 0, s.rows, &c.slope.buffer);
  double got[GOLDEN_ROWS + 2];
  vector_read(f, &c.slope, GOLDEN_ROWS, got);
  same(f, "l", got, golden_l, GOLDEN_ROWS, 2e-6);
  fm_flow_step(flow.f, &c.fibres.buffer, &places.buffer, 0, s.rows, &list.buffer, 0, &c.loss.buffer, 0);
  vector_read(f, &c.loss, 1, got);
  same(f, "loss", got, &golden_loss, 1, 2e-6);
  double *gradient = malloc((size_t)(h->all * s.blocks) * sizeof *gradient);
  flow_gradient(f, &flow, h, gradient);
  for (int k = 0; k < s.blocks; k++)
    for (int kind = 0; kind < KINDS; kind++) {
      double *g = kind_at(h, gradient, k, kind), sums[3] = {0};
      struct fm_rng weights = fm_rng_stream(7, kind_names[kind]);
      for (int i = 0; i < h->count[kind]; i++) {
        double u = (double)fm_rng_uniform_at(&weights, (uint64_t)i);
        sums[0] += g[i];
        sums[1] += u * g[i];
        sums[2] += g[i] * g[i];
      }
      sums[2] = sqrt(sums[2]);
      same_sums(f, kind_names[kind], sums, golden_gradient[k][kind], 3, 1e-5, sums[2]);
    }
  struct zone *const zones[] = {&places, &list};
  for (int i = 0; i < 2; i++) zone_free(f, zones[i]);
  tensor_free(f, &tap);
  free(gradient);
  free(x);
  flow_free(&flow);
  scene_free(f, &c);
}

static void cells(void **state) {
  struct fixture *f = *state;
  snprintf(f->line, sizeof f->line, "cells");
  double l[5] = {-3, -0.5, 0.25, 0.2500001, 2}, de[5] = {1, 2, 3, 4, 5}, got[5];
  double excess[5] = {3.25, 0.75, 0, 0, 0}, back[5] = {-1, -2, 0, 0, 0},
         unlikely[5] = {1 - exp(-3.25), 1 - exp(-0.75), 0, 0, 0};
  struct zone zl = vector_make(f, 5, l), zd = vector_make(f, 5, de), y = vector_make(f, 5, NULL);
  fm_flow_excess(f->device, &zl.buffer, 5, 0.25f, &y.buffer);
  vector_read(f, &y, 5, got);
  same(f, "excess", got, excess, 5, 1e-6);
  fm_flow_excess_back(f->device, &zl.buffer, &zd.buffer, 5, 0.25f, &y.buffer);
  vector_read(f, &y, 5, got);
  same(f, "slope", got, back, 5, 1e-6);
  fm_flow_unlikely(f->device, &zl.buffer, 5, 0.25f, &y.buffer);
  vector_read(f, &y, 5, got);
  same(f, "unlikely", got, unlikely, 5, 1e-6);
  struct zone *const zones[] = {&zl, &zd, &y};
  for (int i = 0; i < 3; i++) zone_free(f, zones[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(determinant), cmocka_unit_test(cells),
                                     cmocka_unit_test(rows_alone), cmocka_unit_test(golden),
                                     cmocka_unit_test(shapes)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
