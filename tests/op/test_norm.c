#include "fixture.h"
#include "op/norm.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum residual { NO_RES, RES, INTO_RES, INTO_X };
struct shape {
  int n, c, h, w;
  double offset; /* mean of x: large ones cancel */
  enum residual res;
  int limits;
  bool in_place; /* backward, without a residual: dx is dy */
};

static const struct shape table[] = {
    {1, 1, 1, 1, 0, NO_RES, 0, false},      {1, 16, 1, 1, 3, RES, 1, false},
    {2, 3, 2, 2, 0, INTO_RES, 1, false},    {3, 17, 5, 7, 100, NO_RES, 2, true},
    {1, 24, 9, 3, -20, INTO_X, 1, true},    {5, 40, 4, 11, 0, RES, 2, false},
    {2, 48, 31, 33, 1000, NO_RES, 1, true}, {1, 16, 3, 600, 5, RES, 0, false},
    {4, 5, 65, 2, 0, NO_RES, 0, true},      {1, 33, 20, 70, -1, RES, 1, false},
    {2, 16, 64, 64, 30, NO_RES, 1, true},   {16, 8, 1, 1, 0, NO_RES, 0, false},
    {8, 40, 128, 64, 1, NO_RES, 1, true}, /* more than is taken at once */
};

struct work {
  const struct shape *s;
  struct ref_norm r;
  struct fm_norm norm;
  struct fm_limits limits;
  size_t count;
  double *gamma, *beta, *mean, *rstd, *running;
  struct tensor x;
  struct zone gammas, betas, parts, stat, runnings;
};

static struct work work_make(struct fixture *f, const struct shape *s, struct fm_rng *rng) {
  const struct fm_limits l = *limit_kinds[s->limits];
  size_t c = (size_t)s->c;
  struct work k = {.s = s, .norm = {1e-5f, 0.1f}, .limits = l, .count = (size_t)(s->n * s->c * s->h * s->w)};
  k.r = (struct ref_norm){
      s->n, s->c, s->h * s->w, (double)k.norm.eps, (double)k.norm.momentum, (double)l.low, (double)l.high};
  k.gamma = random_values(rng, c, 0.5, 2);
  k.beta = random_values(rng, c, -1, 2);
  k.mean = calloc(c, sizeof *k.mean);
  k.rstd = calloc(c, sizeof *k.rstd);
  k.running = random_values(rng, 2 * c, 0.5, 1.5);
  double *v = random_values(rng, k.count, s->offset - 1, s->offset + 1);
  k.x = tensor_make(f, s->n, s->c, s->h, s->w, random_int(rng, 0, 2), 0, v);
  free(v);
  k.gammas = channels_make(f, s->c, k.gamma);
  k.betas = channels_make(f, s->c, k.beta);
  k.parts = zone_make(f, fm_norm_parts_bytes(&k.x.acts), NULL);
  k.stat = zone_make(f, fm_norm_stats(&k.x.acts) * sizeof(float), NULL);
  size_t padded = (size_t)(fm_acts_blocks(&k.x.acts) * f->block);
  double *running = calloc(2 * padded, sizeof *running);
  memcpy(running, k.running, c * sizeof *running);
  memcpy(running + padded, k.running + c, c * sizeof *running);
  k.runnings = vector_make(f, 2 * padded, running);
  free(running);
  return k;
}

static void work_free(struct fixture *f, struct work *k) {
  tensor_free(f, &k->x);
  struct zone *const zones[] = {&k->gammas, &k->betas, &k->parts, &k->stat, &k->runnings};
  for (int i = 0; i < 5; i++) zone_free(f, zones[i]);
  double *const all[] = {k->gamma, k->beta, k->mean, k->rstd, k->running};
  for (int i = 0; i < 5; i++) free(all[i]);
}

static void check_measure(struct fixture *f, struct work *k) {
  size_t c = (size_t)k->s->c, padded = (size_t)(fm_acts_blocks(&k->x.acts) * f->block);
  struct tensor y = tensor_empty(f, k->s->n, k->s->c, k->s->h, k->s->w, 1);
  fm_norm_forward(f->device, &k->norm, &k->x.acts, &k->gammas.buffer, &k->betas.buffer, NULL, k->limits,
                  &k->parts.buffer, &k->stat.buffer, &k->runnings.buffer, &y.acts);
  double *stat = malloc(5 * padded * sizeof *stat), *running = malloc(2 * padded * sizeof *running);
  double *scale = malloc(c * sizeof *scale);
  vector_read(f, &k->stat, 5 * padded, stat);
  vector_read(f, &k->runnings, 2 * padded, running);
  ref_norm_measure(&k->r, k->x.v, k->mean, k->rstd, k->running, k->running + c);
  for (size_t i = 0; i < c; i++) scale[i] = k->gamma[i] * k->rstd[i];
  /* The mean of a strip is a float: its rounding shows in the variance between strips. */
  double tolerance = 5e-6 + 1e-8 * fabs(k->s->offset);
  same(f, "mean", stat, k->mean, c, 1e-6);
  same(f, "scale", stat + padded, scale, c, tolerance);
  same(f, "rstd", stat + 2 * padded, k->rstd, c, tolerance);
  same(f, "running mean", running, k->running, c, 1e-6);
  same(f, "running var", running + padded, k->running + c, c, tolerance);
  for (size_t i = c; i < padded; i++) /* a padding channel gives zeros for ever */
    if (!(stat[i] == 0 && stat[padded + i] == 0 && isfinite(stat[2 * padded + i]) && running[i] == 0))
      fail_msg("padding channel %zu has statistics: %s", i, f->line);
  double *want = malloc(k->count * sizeof *want), *got = tensor_read(f, &y);
  ref_norm_apply(&k->r, k->x.v, k->mean, k->rstd, k->gamma, k->beta, NULL, want);
  same(f, "y of a batch", got, want, k->count, 2e-6 * (2 + fabs(k->s->offset)));
  double *const all[] = {stat, running, scale, want, got};
  for (int i = 0; i < 5; i++) free(all[i]);
  tensor_free(f, &y);
  tensor_unchanged(f, &k->x);
}

/* Measured against its own statistics, so that a large mean does not count twice. */
static struct tensor check_apply(struct fixture *f, struct work *k, struct fm_rng *rng) {
  const struct shape *s = k->s;
  struct tensor res = {0}, y;
  int halo = random_int(rng, 0, 2);
  if (s->res == RES || s->res == INTO_RES) res = tensor_random(f, rng, s->n, s->c, s->h, s->w, halo, 0);
  y = s->res == INTO_RES ? res : s->res == INTO_X ? k->x : tensor_empty(f, s->n, s->c, s->h, s->w, halo);
  fm_norm_apply(f->device, &k->x.acts, &k->stat.buffer, &k->betas.buffer, res.v ? &res.acts : NULL, k->limits,
                &y.acts);
  double *want = malloc(k->count * sizeof *want), *got = tensor_read(f, &y);
  ref_norm_apply(&k->r, k->x.v, k->mean, k->rstd, k->gamma, k->beta, res.v, want);
  same(f, "y", got, want, k->count, 2e-6 * (2 + fabs(s->offset)));
  free(want);
  if (s->res == RES) tensor_unchanged(f, &res);
  if (s->res == RES) tensor_free(f, &res);
  if (s->res == INTO_X) return (struct tensor){.v = got};
  free(y.v);
  y.v = got;
  return y;
}

static void check_backward(struct fixture *f, struct work *k, const struct tensor *y, struct fm_rng *rng) {
  const struct shape *s = k->s;
  size_t c = (size_t)s->c, padded = (size_t)(fm_acts_blocks(&k->x.acts) * f->block);
  double tolerance = 3e-6 * (3 + fabs(s->offset));
  struct zone dgammas = zone_make(f, padded * sizeof(float), NULL),
              dbetas = zone_make(f, padded * sizeof(float), NULL);
  struct tensor dy = tensor_random(f, rng, s->n, s->c, s->h, s->w, random_int(rng, 0, 2), 0);
  struct tensor dx = s->in_place ? dy : tensor_empty(f, s->n, s->c, s->h, s->w, random_int(rng, 0, 2));
  double *dz = malloc(k->count * sizeof *dz), *want = malloc(k->count * sizeof *want);
  double *dgamma = malloc(c * sizeof *dgamma), *dbeta = malloc(c * sizeof *dbeta),
         *got = malloc(padded * sizeof *got);
  bool residual = s->res == RES || s->res == INTO_RES;
  fm_norm_backward(f->device, &k->x.acts, &k->stat.buffer, &k->betas.buffer, residual ? &y->acts : NULL,
                   k->limits, &dy.acts, &k->parts.buffer, &dgammas.buffer, &dbetas.buffer, &dx.acts);
  ref_norm_backward(&k->r, k->x.v, k->mean, k->rstd, k->gamma, y->v, dy.v, dz, want, dgamma, dbeta);
  double *got_dx = tensor_read(f, &dx);
  same(f, "dx", got_dx, want, k->count, tolerance);
  double scale =
      sqrt((double)(s->n * s->h * s->w)); /* sums of many signs: their error is that of their terms */
  for (size_t i = 0; i < c; i++) scale = fmax(scale, fmax(fabs(dgamma[i]), fabs(dbeta[i])));
  vector_read(f, &dgammas, padded, got);
  for (size_t i = 0; i < padded; i++)
    if (!(fabs(got[i] - (i < c ? dgamma[i] : 0)) <= tolerance * scale))
      fail_msg("dgamma[%zu] is %g, should be %g: %s", i, got[i], i < c ? dgamma[i] : 0, f->line);
  vector_read(f, &dbetas, padded, got);
  for (size_t i = 0; i < padded; i++)
    if (!(fabs(got[i] - (i < c ? dbeta[i] : 0)) <= 3e-6 * scale))
      fail_msg("dbeta[%zu] is %g, should be %g: %s", i, got[i], i < c ? dbeta[i] : 0, f->line);
  if (!s->in_place) {
    double *kept = tensor_read(f, &dy);
    same(f, "dz", kept, residual ? dz : dy.v, k->count, 0);
    free(kept);
    tensor_free(f, &dx);
  }
  double *const all[] = {dz, want, dgamma, dbeta, got, got_dx};
  for (int i = 0; i < 6; i++) free(all[i]);
  zone_free(f, &dgammas);
  zone_free(f, &dbetas);
  tensor_free(f, &dy);
}

static void check_frozen(struct fixture *f, struct work *k, const struct tensor *y, struct fm_rng *rng) {
  const struct shape *s = k->s;
  struct tensor dy = tensor_random(f, rng, s->n, s->c, s->h, s->w, random_int(rng, 0, 2), 0);
  struct tensor dx = s->in_place ? dy : tensor_empty(f, s->n, s->c, s->h, s->w, random_int(rng, 0, 2));
  double *want = malloc(k->count * sizeof *want);
  fm_norm_backward_frozen(f->device, &k->x.acts, &k->stat.buffer, &k->betas.buffer, k->limits, &dy.acts,
                          &dx.acts);
  for (size_t i = 0; i < k->count; i++) {
    size_t c = i / (size_t)k->r.hw % (size_t)s->c;
    want[i] = k->gamma[c] * k->rstd[c] * dy.v[i] * ref_passed(y->v[i], k->r.low, k->r.high);
  }
  double *got = tensor_read(f, &dx);
  same(f, "frozen dx", got, want, k->count, 5e-6 + 1e-8 * fabs(s->offset));
  free(got);
  free(want);
  if (!s->in_place) tensor_free(f, &dx);
  tensor_free(f, &dy);
}

static void run(struct fixture *f, const void *shape) {
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct work k = work_make(f, shape, &rng);
  check_measure(f, &k);
  struct tensor y = check_apply(f, &k, &rng);
  if (k.s->res == INTO_X) {
    free(y.v); /* x is gone: no way back */
  } else {
    check_backward(f, &k, &y, &rng);
    if (k.s->res == NO_RES) check_frozen(f, &k, &y, &rng);
    tensor_free(f, &y);
  }
  work_free(f, &k);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line,
           "norm {%d, %d, %d, %d, %g, .res = %d, .limits = %d, .in_place = %d}, seed %llu", s->n, s->c, s->h,
           s->w, s->offset, (int)s->res, s->limits, s->in_place, (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    if (!f->small || s->n * s->h * s->w < 300) run_shape(f, s);
  }
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "norm shapes");
  for (int i = 0; i < (f->small ? 4 : 60); i++) {
    int most = f->small ? 9 : 40;
    struct shape s = {random_int(&rng, 1, 5),    random_int(&rng, 1, 50),
                      random_int(&rng, 1, most), random_int(&rng, 1, most),
                      random_int(&rng, -3, 3),   (enum residual)random_int(&rng, 0, 3),
                      random_int(&rng, 0, 2),    random_int(&rng, 0, 1)};
    if (s.res == RES || s.res == INTO_RES) s.in_place = false;
    if (s.n * s.h * s.w < 4) s.h = 4; /* the variance of two alike values is all rounding */
    run_shape(f, &s);
  }
}

/* A NaN in x must be seen in y, whatever the activation. */
static void test_nan(void **state) {
  struct fixture *f = *state;
  for (int limits = 0; limits < 3; limits++) {
    struct shape s = {1, 3, 4, 4, 0, NO_RES, limits, false};
    snprintf(f->line, sizeof f->line, "norm NaN, limits %d", limits);
    struct fm_rng rng = fm_rng_stream(f->seed, f->line);
    struct work k = work_make(f, &s, &rng);
    struct tensor y = tensor_empty(f, 1, 3, 4, 4, 0);
    fm_norm_forward(f->device, &k.norm, &k.x.acts, &k.gammas.buffer, &k.betas.buffer, NULL, k.limits,
                    &k.parts.buffer, &k.stat.buffer, &k.runnings.buffer, &y.acts);
    k.x.v[0] = NAN;
    struct tensor x = tensor_make(f, 1, 3, 4, 4, 0, 0, k.x.v);
    fm_norm_apply(f->device, &x.acts, &k.stat.buffer, &k.betas.buffer, NULL, k.limits, &y.acts);
    double *got = tensor_read(f, &y);
    assert_false(got[0] >= -INFINITY);
    assert_true(got[1] >= -INFINITY);
    free(got);
    tensor_free(f, &x);
    tensor_free(f, &y);
    work_free(f, &k);
  }
}

/* The reference itself. */
struct slope {
  struct ref_norm r;
  double *x, *gamma, *beta, *dy, *y, mean[3], rstd[3], running[6];
};
static double project(void *user) {
  struct slope *s = user;
  double sum = 0;
  ref_norm_measure(&s->r, s->x, s->mean, s->rstd, s->running, s->running + 3);
  ref_norm_apply(&s->r, s->x, s->mean, s->rstd, s->gamma, s->beta, NULL, s->y);
  for (int i = 0; i < s->r.n * s->r.c * s->r.hw; i++) sum += s->dy[i] * s->y[i];
  return sum;
}

static void test_reference(void **state) {
  struct fixture *f = *state;
  struct slope s = {.r = {2, 3, 10, 1e-5, 0.1, 0, INFINITY}};
  struct fm_rng rng = fm_rng_stream(1, "norm reference");
  snprintf(f->line, sizeof f->line, "norm reference");
  s.x = random_values(&rng, 60, -1, 1);
  s.gamma = random_values(&rng, 3, 1, 2);
  s.beta = random_values(&rng, 3, -1, 1);
  s.dy = random_values(&rng, 60, -1, 1);
  s.y = malloc(60 * sizeof *s.y);
  double dz[60], dx[60], dgamma[3], dbeta[3];
  project(&s);
  ref_norm_backward(&s.r, s.x, s.mean, s.rstd, s.gamma, s.y, s.dy, dz, dx, dgamma, dbeta);
  gradient_check(f, "dx", project, &s, s.x, 60, dx);
  gradient_check(f, "dgamma", project, &s, s.gamma, 3, dgamma);
  gradient_check(f, "dbeta", project, &s, s.beta, 3, dbeta);
  double *const all[] = {s.x, s.gamma, s.beta, s.dy, s.y};
  for (int i = 0; i < 5; i++) free(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random), cmocka_unit_test(test_nan)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
