/* PaDiM's Gaussians: distances against numpy's and against plain C in double precision, what training
 * pictures cannot exceed, the gradient against differences. */
#include "fixture.h"
#include "op/mahalanobis.h"
#include "padim_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* learn: pictures to learn from; h: side of tap 1's grid; c: channels of the taps; every: channels left out
 * (0: none); rows: in Woodbury's form, whatever is smaller. */
struct shape {
  int learn, h, c[3], every, batch;
  bool rows;
};
static const struct shape table[] = {
    {12, 8, {7, 6, 11}, 6, 5, false}, {2, 4, {1, 1, 1}, 0, 2, false},  {40, 4, {3, 17, 2}, 0, 7, false},
    {5, 12, {16, 5, 4}, 4, 2, false}, {9, 4, {2, 2, 30}, 3, 9, false}, {30, 8, {8, 4, 4}, 5, 16, false},
    {12, 8, {7, 6, 11}, 6, 5, true},  {2, 4, {1, 1, 1}, 0, 2, true},   {5, 12, {16, 5, 4}, 4, 2, true},
    {9, 4, {2, 2, 30}, 3, 9, true},   {30, 8, {8, 4, 4}, 5, 16, true}};

static int total(const struct shape *s) {
  return s->c[0] + s->c[1] + s->c[2];
}

static double scale(int channel) {
  return 0.03 * pow(10.0, 3 * (double)(5 * channel % 24) / 23);
}

/* Taps of picture n, one behind the other, as tests/reference/padim.py makes them. */
static double *picture(const struct shape *s, int n) {
  size_t count = 0;
  for (int t = 0; t < 3; t++) count += (size_t)(s->c[t] * (s->h >> t) * (s->h >> t));
  double *x = malloc(count * sizeof *x), *to = x;
  for (int t = 0, first = 0; t < 3; first += s->c[t++]) {
    int plane = (s->h >> t) * (s->h >> t);
    for (int i = 0; i < s->c[t] * plane; i++) {
      int c = first + i / plane;
      *to++ =
          (double)(float)(scale(c) * (4 + sin(0.7 * i * (n + 1) + 0.3 * c) + 0.5 * sin(1.9 * i + 2.3 * n)));
    }
  }
  return x;
}

/* The chosen number of a cell. */
static double feature(const struct shape *s, const double *x, int channel, int cell) {
  int row = cell / s->h, column = cell % s->h;
  for (int t = 0; t < 3; t++) {
    int h = s->h >> t;
    if (channel < s->c[t]) return x[(channel * h + (row >> t)) * h + (column >> t)];
    channel -= s->c[t];
    x += s->c[t] * h * h;
  }
  return NAN;
}

struct gauss {
  const struct shape *s;
  int d, *channel;
  double *mean, *inverse; /* [cells][d], [cells][d][d] */
  double variance;        /* their mean */
};

/* Gauss and Jordan. */
static void invert(double *a, double *out, int d) {
  for (int i = 0; i < d * d; i++) out[i] = i / d == i % d;
  for (int p = 0; p < d; p++) {
    double pivot = a[p * d + p];
    for (int j = 0; j < d; j++) {
      a[p * d + j] /= pivot;
      out[p * d + j] /= pivot;
    }
    for (int i = 0; i < d; i++) {
      double f = a[i * d + p];
      for (int j = 0; j < d && i != p; j++) {
        a[i * d + j] -= f * a[p * d + j];
        out[i * d + j] -= f * out[p * d + j];
      }
    }
  }
}

static struct gauss reference_learn(const struct shape *s) {
  struct gauss g = {.s = s, .channel = malloc((size_t)total(s) * sizeof(int))};
  for (int c = 0; c < total(s); c++)
    if (!s->every || c % s->every != 4 % s->every) g.channel[g.d++] = c;
  size_t d = (size_t)g.d, cells = (size_t)(s->h * s->h);
  double **x = malloc((size_t)s->learn * sizeof *x), *cov = malloc(d * d * sizeof *cov);
  g.mean = calloc(cells * d, sizeof(double));
  g.inverse = malloc(cells * d * d * sizeof(double));
  for (int n = 0; n < s->learn; n++) x[n] = picture(s, n);
  for (size_t q = 0; q < cells; q++) {
    double *mean = g.mean + q * d;
    for (size_t i = 0; i < d; i++)
      for (int n = 0; n < s->learn; n++) mean[i] += feature(s, x[n], g.channel[i], (int)q) / s->learn;
    for (size_t i = 0; i < d; i++)
      for (size_t j = 0; j < d; j++) {
        cov[i * d + j] = i == j ? 0.01 : 0;
        for (int n = 0; n < s->learn; n++)
          cov[i * d + j] += (feature(s, x[n], g.channel[i], (int)q) - mean[i]) *
                            (feature(s, x[n], g.channel[j], (int)q) - mean[j]) / (s->learn - 1);
      }
    for (size_t i = 0; i < d; i++) g.variance += (cov[i * d + i] - 0.01) / (double)(d * cells);
    invert(cov, g.inverse + q * d * d, g.d);
  }
  for (int n = 0; n < s->learn; n++) free(x[n]);
  free(x);
  free(cov);
  return g;
}

static void reference_free(struct gauss *g) {
  free(g->channel);
  free(g->mean);
  free(g->inverse);
}

/* Squared distance of a cell of taps x. */
static double distance(const struct gauss *g, const double *x, int cell) {
  double sum = 0;
  const double *m = g->mean + cell * g->d, *a = g->inverse + cell * g->d * g->d;
  for (int i = 0; i < g->d; i++)
    for (int j = 0; j < g->d; j++)
      sum += (feature(g->s, x, g->channel[i], cell) - m[i]) * a[i * g->d + j] *
             (feature(g->s, x, g->channel[j], cell) - m[j]);
  return sum;
}

/* Taps of pictures first .. first + n - 1 on the device. */
static void make_taps(struct fixture *f, const struct shape *s, int first, int n, struct tensor t[3]) {
  for (int k = 0; k < 3; k++) {
    int h = s->h >> k, count = s->c[k] * h * h;
    double *v = malloc((size_t)(n * count) * sizeof *v);
    for (int i = 0; i < n; i++) {
      double *x = picture(s, first + i), *from = x;
      for (int b = 0; b < k; b++) from += s->c[b] * (s->h >> b) * (s->h >> b);
      memcpy(v + i * count, from, (size_t)count * sizeof *v);
      free(x);
    }
    t[k] = tensor_make(f, n, s->c[k], h, h, k, 0, v);
    free(v);
  }
}

/* Learned by the device, on the host. */
struct learned {
  float *mean, *rows, *factor;
};

static void take(struct fixture *f, const struct shape *s, struct fm_gauss *g, int first, int end) {
  struct tensor tap[3];
  for (; first < end; first += s->batch) {
    int now = end - first < s->batch ? end - first : s->batch;
    make_taps(f, s, first, now, tap);
    const struct fm_acts *acts[3] = {&tap[0].acts, &tap[1].acts, &tap[2].acts};
    fm_gauss_learn(f->device, g, acts, now);
    ready(f);
    for (int k = 0; k < 3; k++) {
      tensor_unchanged(f, &tap[k]);
      tensor_free(f, &tap[k]);
    }
  }
}

/* For so many pictures by rows, or 0. */
static struct fm_gauss begin(struct fixture *f, const struct shape *s, const struct gauss *want,
                             size_t rows) {
  struct fm_acts tap[3];
  struct fm_gauss g;
  for (int k = 0; k < 3; k++) tap[k] = (struct fm_acts){.c = s->c[k], .h = s->h >> k, .w = s->h >> k};
  const struct fm_acts *acts[3] = {&tap[0], &tap[1], &tap[2]};
  ASSERT_OK(&f->ctx,
            fm_gauss_make(f->device, acts, want->d, want->channel, rows, s->batch, FM_GAUSS_LEARN, &g));
  return g;
}

static struct learned finish(struct fixture *f, struct fm_gauss *g, size_t rows) {
  size_t cells = (size_t)(g->h * g->w), d = (size_t)g->count;
  struct learned l = {malloc(d * cells * sizeof(float)), malloc((rows * d * cells + 1) * sizeof(float)),
                      malloc(fm_triangle(rows ? rows : d) * cells * sizeof(float))};
  ASSERT_OK(&f->ctx, fm_gauss_finish(f->device, g, 0.01, l.mean, rows ? l.rows : NULL, l.factor));
  fm_gauss_free(f->device, g);
  return l;
}

static void learned_free(struct learned *l) {
  free(l->mean);
  free(l->rows);
  free(l->factor);
}

static struct learned learn(struct fixture *f, const struct shape *s, const struct gauss *want) {
  size_t n = s->rows ? (size_t)s->learn : 0;
  struct fm_gauss g = begin(f, s, want, n);
  take(f, s, &g, 0, s->learn);
  double variance;
  ASSERT_OK(&f->ctx, fm_gauss_variance(f->device, &g, &variance));
  if (!(fabs(variance - want->variance) <= 1e-5 * want->variance))
    fail_msg("%s: the mean variance is %g, should be %g", f->line, variance, want->variance);
  return finish(f, &g, n);
}

static void check_scores(struct fixture *f, const struct shape *s, const struct gauss *want, int queries,
                         const double *got) {
  int cells = s->h * s->h;
  for (int n = 0; n < queries; n++) {
    double *x = picture(s, s->learn - 1 + n);
    for (int q = 0; q < cells; q++) {
      double right = distance(want, x, q) / want->d, have = got[n * cells + q];
      if (!(fabs(have - right) <= 1e-4 * right))
        fail_msg("%s: picture %d, cell %d: %g, should be %g", f->line, n, q, have, right);
      /* What was learned from is never farther than this. */
      if (!n && have * want->d > (s->learn - 1.0) * (s->learn - 1.0) / s->learn * (1 + 1e-4))
        fail_msg("%s: a picture learned from is too far away", f->line);
    }
    free(x);
  }
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct gauss want = reference_learn(s);
  struct learned l = learn(f, s, &want);
  struct fm_gauss score;
  struct tensor tap[3], gradient[3];
  /* Into another one, as from a model's file. One picture that was learned, and more that were not. */
  int cells = s->h * s->h, queries = s->learn % 2 ? 3 : 5;
  make_taps(f, s, s->learn - 1, queries, tap);
  const struct fm_acts *acts[3] = {&tap[0].acts, &tap[1].acts, &tap[2].acts};
  ASSERT_OK(&f->ctx, fm_gauss_make(f->device, acts, want.d, want.channel, s->rows ? (size_t)s->learn : 0,
                                   queries, FM_GAUSS_GRADIENT, &score));
  ASSERT_OK(&f->ctx, fm_gauss_write(f->device, &score, l.mean, l.rows, l.factor));
  size_t all = (size_t)(queries * cells);
  struct zone e = vector_make(f, all, NULL);
  double *got = malloc(all * sizeof *got), *alone = malloc(all * sizeof *alone);
  fm_gauss_score(f->device, &score, 0.01, acts, queries, &e.buffer);
  vector_read(f, &e, all, got);
  check_scores(f, s, &want, queries, got);
  fm_gauss_score(f->device, &score, 0.01, acts, 1, &e.buffer); /* alone: the same bits */
  vector_read(f, &e, all, alone);
  assert_memory_equal(alone, got, all * sizeof *got);
  fm_gauss_score(f->device, &score, 0.01, acts, queries, &e.buffer);
  /* The gradient: of the sum of slope e over the cells of the second picture, to every number of its taps. */
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  double *slope = random_values(&rng, all, 0, 1), *x = picture(s, s->learn);
  struct zone zs = vector_make(f, all, slope);
  for (int k = 0; k < 3; k++) gradient[k] = tensor_empty(f, queries, s->c[k], s->h >> k, s->h >> k, 2 - k);
  const struct fm_acts *back[3] = {&gradient[0].acts, &gradient[1].acts, &gradient[2].acts};
  fm_gauss_back(f->device, &score, &zs.buffer, back);
  for (int k = 0, at = 0; k < 3; k++) {
    double *values = tensor_read(f, &gradient[k]), most = 0;
    int count = s->c[k] * (s->h >> k) * (s->h >> k);
    double *right = malloc((size_t)count * sizeof *right);
    for (int i = 0; i < count; i++) {
      double keep = x[at + i], h = 1e-4, sum = 0;
      for (int side = -1; side < 2; side += 2) {
        x[at + i] = keep + side * h;
        for (int q = 0; q < cells; q++) /* only the cells that repeat this place */
          if ((q / s->h >> k) * (s->h >> k) + (q % s->h >> k) == i % ((s->h >> k) * (s->h >> k)))
            sum += side * slope[cells + q] * distance(&want, x, q) / want.d;
      }
      x[at + i] = keep;
      right[i] = sum / (2 * h);
      most = fmax(most, fabs(right[i]));
    }
    for (int i = 0; i < count; i++)
      if (!(fabs(values[count + i] - right[i]) <= 2e-4 * most))
        fail_msg("%s: gradient of tap %d at %d: %g, should be %g", f->line, k, i, values[count + i],
                 right[i]);
    at += count;
    free(right);
    free(values);
  }
  for (int k = 0; k < 3; k++) {
    tensor_unchanged(f, &tap[k]);
    tensor_free(f, &tap[k]);
    tensor_free(f, &gradient[k]);
  }
  fm_gauss_free(f->device, &score);
  zone_free(f, &e);
  zone_free(f, &zs);
  free(slope);
  free(x);
  free(got);
  free(alone);
  learned_free(&l);
  reference_free(&want);
}

/* Half of the pictures first, in either form; then the others on top of what came of them: the distances as
 * if all had been learned at once. */
static void run_on(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct gauss want = reference_learn(s);
  size_t first = (size_t)(s->learn + 1) / 2, n = s->rows ? (size_t)s->learn : 0;
  int cells = s->h * s->h;
  for (int by_rows = s->rows; by_rows < 2; by_rows++) {
    struct fm_gauss g = begin(f, s, &want, by_rows ? first : 0), score;
    take(f, s, &g, 0, (int)first);
    struct learned half = finish(f, &g, by_rows ? first : 0);
    g = begin(f, s, &want, n);
    ASSERT_OK(&f->ctx, fm_gauss_resume(f->device, &g, first, 0.01, half.mean, by_rows ? half.rows : NULL,
                                       half.factor));
    take(f, s, &g, (int)first, s->learn);
    struct learned l = finish(f, &g, n);
    struct tensor tap[3];
    make_taps(f, s, s->learn - 1, 3, tap);
    const struct fm_acts *acts[3] = {&tap[0].acts, &tap[1].acts, &tap[2].acts};
    ASSERT_OK(&f->ctx, fm_gauss_make(f->device, acts, want.d, want.channel, n, 3, FM_GAUSS_SCORE, &score));
    ASSERT_OK(&f->ctx, fm_gauss_write(f->device, &score, l.mean, l.rows, l.factor));
    struct zone e = vector_make(f, (size_t)(3 * cells), NULL);
    double *got = malloc((size_t)(3 * cells) * sizeof *got);
    fm_gauss_score(f->device, &score, 0.01, acts, 3, &e.buffer);
    vector_read(f, &e, (size_t)(3 * cells), got);
    check_scores(f, s, &want, 3, got);
    for (int k = 0; k < 3; k++) tensor_free(f, &tap[k]);
    fm_gauss_free(f->device, &score);
    zone_free(f, &e);
    free(got);
    learned_free(&half);
    learned_free(&l);
  }
  reference_free(&want);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    if (f->small && s->h > 8) continue;
    snprintf(f->line, sizeof f->line, "mahalanobis {%d, %d, {%d, %d, %d}, %d, %d, %d}, seed %llu", s->learn,
             s->h, s->c[0], s->c[1], s->c[2], s->every, s->batch, s->rows, (unsigned long long)f->seed);
    run_twice(f, run, s);
    if (s->learn > 4) run_twice(f, run_on, s);
  }
}

/* The plain C that judges the device agrees with numpy. */
static void test_golden(void **state) {
  struct fixture *f = *state;
  struct gauss g = reference_learn(&table[0]);
  snprintf(f->line, sizeof f->line, "mahalanobis, golden");
  for (size_t i = 0; i < sizeof padim_golden / sizeof *padim_golden; i++) {
    double *x = picture(&table[0], padim_golden[i].picture), have = distance(&g, x, padim_golden[i].cell);
    if (!(fabs(have / padim_golden[i].distance - 1) < 1e-6))
      fail_msg("cell %d: %.12g, numpy %.12g", padim_golden[i].cell, have, padim_golden[i].distance);
    free(x);
  }
  reference_free(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_table)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
