#include "fixture.h"
#include "op/planes.h"
#include "reference.h"

#include <stdlib.h>

struct shape {
  int n, h, w, ho, wo;
};

static const struct shape table[] = {
    {1, 1, 1, 1, 1},  {2, 2, 2, 8, 8}, {1, 3, 5, 17, 40},  {3, 16, 16, 64, 64}, {1, 1, 12, 5, 9},
    {1, 9, 1, 20, 1}, {1, 7, 3, 7, 3}, {2, 20, 30, 10, 9}, {1, 5, 6, 1, 1},     {1, 3, 2, 70, 1}};

/* Two planes weighted and added, and the adjoint of one of them. */
static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t in = (size_t)(s->n * s->h * s->w), out = (size_t)(s->n * s->ho * s->wo);
  double *x = random_values(&rng, in, -1, 4), *z = random_values(&rng, out, -1, 4);
  double *want = malloc(out * sizeof *want), *got = malloc((in + out) * sizeof *got);
  struct zone zx = vector_make(f, in, x), zz = vector_make(f, out, z), y = vector_make(f, out, NULL),
              dx = vector_make(f, in, NULL);
  fm_planes_add(f->device, &zx.buffer, s->n, s->h, s->w, 0.25f, false, &y.buffer, s->ho, s->wo);
  fm_planes_add(f->device, &zz.buffer, s->n, s->ho, s->wo, 2, true, &y.buffer, s->ho, s->wo);
  vector_read(f, &y, out, got);
  ref_resize(s->n, s->h, s->w, s->ho, s->wo, true, x, want);
  for (size_t i = 0; i < out; i++) want[i] = 0.25 * want[i] + 2 * z[i];
  same(f, "sum", got, want, out, 3e-6);
  fm_planes_add_back(f->device, &zz.buffer, s->n, s->ho, s->wo, 0.25f, &dx.buffer, s->h, s->w);
  vector_read(f, &dx, in, got);
  ref_resize_backward(s->n, s->h, s->w, s->ho, s->wo, true, z, x);
  for (size_t i = 0; i < in; i++) x[i] *= 0.25;
  same_sums(f, "adjoint", got, x, in, 5e-6, 1);
  struct zone *const zones[] = {&zx, &zz, &y, &dx};
  for (int i = 0; i < 4; i++) zone_free(f, zones[i]);
  free(x);
  free(z);
  free(want);
  free(got);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line, "planes {%d, %d, %d, %d, %d}, seed %llu", s->n, s->h, s->w, s->ho, s->wo,
           (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!f->small || table[i].ho * table[i].wo < 700) run_shape(f, &table[i]);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "planes shapes");
  for (int i = 0; i < (f->small ? 4 : 40); i++) {
    struct shape s = {random_int(&rng, 1, 3), random_int(&rng, 1, 12), random_int(&rng, 1, 12),
                      random_int(&rng, 1, 30), random_int(&rng, 1, 30)};
    run_shape(f, &s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
