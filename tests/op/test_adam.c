#include "fixture.h"
#include "op/adam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* AdamW as PyTorch orders it (Loshchilov, Hutter 2019), in double precision. */
static void reference(const struct fm_adam *a, long step, double factor, size_t count, double *w,
                      const double *gradient, double *m, double *v) {
  double c1 = 1 - pow(a->beta1, (double)step), c2 = 1 - pow(a->beta2, (double)step);
  for (size_t i = 0; i < count; i++) {
    double g = gradient[i] * factor;
    w[i] -= a->lr * a->decay * w[i];
    m[i] = a->beta1 * m[i] + (1 - a->beta1) * g;
    v[i] = a->beta2 * v[i] + (1 - a->beta2) * g * g;
    w[i] -= a->lr / c1 * m[i] / (sqrt(v[i]) / sqrt(c2) + a->eps);
  }
}

struct shape {
  int vectors; /* of a block each */
  struct fm_adam adam;
  double most; /* of the gradient's norm; 0: any, and nobody asks */
};

static const struct shape table[] = {
    {1, {4e-4, 0.9, 0.999, 1e-8, 1e-4}, 0},     {3, {1e-3, 0.5, 0.999, 1e-8, 0}, 0.25},
    {255, {1e-2, 0.9, 0.999, 1e-8, 1e-1}, 1e4}, {256, {4e-4, 0.9, 0.999, 1e-8, 1e-4}, 2},
    {257, {4e-4, 0.9, 0.99, 1e-6, 1e-4}, 1},    {1500, {4e-4, 0.9, 0.999, 1e-8, 1e-4}, 0}};

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t count = (size_t)(s->vectors * f->block);
  double *w = random_values(&rng, count, -1, 1), *zero = random_values(&rng, count, 0, 0);
  double *m = calloc(count, sizeof *m), *v = calloc(count, sizeof *v), limit[2];
  struct zone zw = vector_make(f, count, w), zm = vector_make(f, count, zero),
              zv = vector_make(f, count, zero);
  struct zone parts = zone_make(f, fm_norm2_bytes(f->device, count), NULL), zl = vector_make(f, 2, NULL);
  size_t most = parts.bytes / 4 > count ? parts.bytes / 4 : count;
  double *got = malloc(most * sizeof *got);
  for (long step = 1; step <= 4; step++) {
    double *g = random_values(&rng, count, -1, 1), squares = 0;
    for (size_t i = 0; i < count; i += 7) g[i] = 0;
    struct zone zg = vector_make(f, count, g);
    fm_norm2(f->device, count, &zg.buffer, (float)s->most, &parts.buffer, &zl.buffer);
    for (size_t i = 0; i < count; i++) squares += g[i] * g[i];
    const double norm = sqrt(squares), factor = s->most > 0 && norm > s->most ? s->most / (norm + 1e-6) : 1;
    vector_read(f, &zl, 2, limit);
    same(f, "norm and factor", limit, (double[2]){norm, factor}, 2, 2e-6);
    fm_adam_step(f->device, &s->adam, step, s->most > 0 ? &zl.buffer : NULL, count, &zw.buffer, &zg.buffer,
                 &zm.buffer, &zv.buffer);
    reference(&s->adam, step, factor, count, w, g, m, v);
    vector_read(f, &zg, count, got);
    same(f, "gradient", got, g, count, 0);
    zone_free(f, &zg);
    free(g);
  }
  vector_read(f, &zw, count, got);
  same(f, "weights", got, w, count, 1e-6);
  vector_read(f, &zm, count, got);
  same(f, "first moment", got, m, count, 2e-6);
  vector_read(f, &zv, count, got);
  same(f, "second moment", got, v, count, 2e-6);
  vector_read(f, &parts, parts.bytes / 4, got);
  struct zone *const zones[] = {&zw, &zm, &zv, &parts, &zl};
  for (int i = 0; i < 5; i++) zone_free(f, zones[i]);
  double *const all[] = {w, zero, m, v, got};
  for (int i = 0; i < 5; i++) free(all[i]);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    snprintf(f->line, sizeof f->line, "adam {%d, {%g, %g, %g, %g, %g}, %g}, seed %llu", s->vectors,
             s->adam.lr, s->adam.beta1, s->adam.beta2, s->adam.eps, s->adam.decay, s->most,
             (unsigned long long)f->seed);
    if (!f->small || s->vectors < 300) run_twice(f, run, s);
  }
}

/* Three steps of torch.optim.AdamW (lr 0.01, decay 0.1) and Adam (lr 0.01, betas 0.5 0.999) on sin(1.1 i)
 * with gradients cos(i (step + 1)), in double precision. */
static void test_reference(void **state) {
  struct fixture *f = *state;
  static const struct {
    struct fm_adam adam;
    double want[4];
  } torch[] = {{{1e-2, 0.9, 0.999, 1e-8, 0.1},
                {-0.02997000970029983, 0.8827183842726838, 0.8257385346444953, -0.14438350391556945}},
               {{1e-2, 0.5, 0.999, 1e-8, 0},
                {-0.029999999699999925, 0.8919753566341437, 0.8247351213202637, -0.14686265263212722}}};
  snprintf(f->line, sizeof f->line, "adam reference");
  for (int k = 0; k < 2; k++) {
    double w[4], g[4], m[4] = {0}, v[4] = {0};
    for (int i = 0; i < 4; i++) w[i] = sin(1.1 * i);
    for (int step = 1; step <= 3; step++) {
      for (int i = 0; i < 4; i++) g[i] = cos(i * step);
      reference(&torch[k].adam, step, 1, 4, w, g, m, v);
    }
    same(f, "weights", w, torch[k].want, 4, 1e-12);
  }
}

/* A number that is not finite shows in the norm. */
static void test_not_finite(void **state) {
  struct fixture *f = *state;
  snprintf(f->line, sizeof f->line, "norm of NaN");
  size_t count = (size_t)(300 * f->block);
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  double *v = random_values(&rng, count, -1, 1), limit[2] = {0};
  v[count - 1] = NAN;
  struct zone z = vector_make(f, count, v), parts = zone_make(f, fm_norm2_bytes(f->device, count), NULL),
              zl = vector_make(f, 2, NULL);
  fm_norm2(f->device, count, &z.buffer, 1, &parts.buffer, &zl.buffer);
  vector_read(f, &zl, 2, limit);
  assert_false(limit[0] >= 0);
  zone_free(f, &z);
  zone_free(f, &zl);
  zone_free(f, &parts);
  free(v);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_not_finite)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
