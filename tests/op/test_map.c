#include "fixture.h"
#include "op/map.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct shape {
  int n, h, w, ho, wo;
  double sigma;
};

static const struct shape table[] = {{1, 1, 1, 1, 1, 4},     {2, 2, 2, 8, 8, 4},     {1, 3, 5, 17, 40, 1.5},
                                     {3, 16, 16, 64, 64, 4}, {1, 8, 9, 33, 50, 4},   {1, 7, 3, 7, 3, 0.5},
                                     {2, 20, 30, 10, 9, 2},  {1, 1, 12, 5, 100, 4},  {1, 33, 1, 66, 1, 4},
                                     {1, 5, 5, 49, 48, 0.1}, {2, 4, 9, 11, 131, 12}, {1, 9, 4, 130, 70, 13}};

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t in = (size_t)(s->n * s->h * s->w), out = (size_t)(s->n * s->ho * s->wo);
  double *x = random_values(&rng, in, 0, 4), *want = malloc(out * sizeof *want),
         *got = malloc(out * sizeof *got);
  struct zone zx = vector_make(f, in, x), zy = vector_make(f, out, NULL), scratch = vector_make(f, out, NULL);
  fm_enlarge(f->device, &zx.buffer, s->n, s->h, s->w, &zy.buffer, s->ho, s->wo);
  vector_read(f, &zy, out, got);
  ref_resize(s->n, s->h, s->w, s->ho, s->wo, false, x, want);
  same(f, "enlarged", got, want, out, 2e-6);
  struct fm_gaussian g;
  ASSERT_OK(&f->ctx, fm_gaussian_make(f->device, s->sigma, &g));
  fm_gaussian_run(f->device, &g, &zy.buffer, &scratch.buffer, s->n, s->ho, s->wo);
  vector_read(f, &zy, out, got);
  ref_gaussian(s->n, s->ho, s->wo, s->sigma, want);
  same(f, "smoothed", got, want, out, 2e-6);
  vector_read(f, &scratch, out, got);
  fm_gaussian_free(f->device, &g);
  zone_free(f, &zx);
  zone_free(f, &zy);
  zone_free(f, &scratch);
  free(x);
  free(want);
  free(got);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line, "map {%d, %d, %d, %d, %d, %g}, seed %llu", s->n, s->h, s->w, s->ho, s->wo,
           s->sigma, (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!f->small || table[i].ho * table[i].wo < 700) run_shape(f, &table[i]);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "map shapes");
  int most = f->small ? 20 : 70;
  for (int i = 0; i < (f->small ? 3 : 40); i++) {
    struct shape s = {random_int(&rng, 1, 3),    random_int(&rng, 1, 20),   random_int(&rng, 1, 20),
                      random_int(&rng, 1, most), random_int(&rng, 1, most), 0.25 * random_int(&rng, 1, 20)};
    run_shape(f, &s);
  }
}

/* scipy.ndimage.gaussian_filter of sin(0.8 i) as 3x5, sigma 1.5, and its first values with sigma 4. */
static void test_reference(void **state) {
  struct fixture *f = *state;
  static const double narrow[15] = {0.0540534113671811,    0.09505482411574778, 0.13499646340673432,
                                    0.14206242454004625,   0.12977838010887302, 0.07204765715603804,
                                    0.060133145774868835,  0.03382209117221909, -0.0007256546439423301,
                                    -0.02599033495106751,  0.10819041451289989, 0.0403587620830328,
                                    -0.058832633968654346, -0.1436965232789666, -0.1883059095916632};
  static const double wide[3] = {0.033755930331009334, 0.03241143721358587, 0.030235202424027916};
  double x[15];
  snprintf(f->line, sizeof f->line, "Gaussian reference");
  for (int i = 0; i < 15; i++) x[i] = sin(0.8 * i);
  ref_gaussian(1, 3, 5, 1.5, x);
  same(f, "sigma 1.5", x, narrow, 15, 1e-12);
  for (int i = 0; i < 15; i++) x[i] = sin(0.8 * i);
  ref_gaussian(1, 3, 5, 4, x);
  same(f, "sigma 4", x, wide, 3, 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
