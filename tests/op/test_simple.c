#include "fixture.h"
#include "op/simple.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* variant: which operands are one (0: all apart, 1: y is a, 2: y is b, 3: no b). */
struct shape {
  int n, c, h, w, ho, wo;
  int variant, limits;
  bool aligned, accumulate;
};

static const struct shape table[] = {
    {1, 1, 1, 1, 1, 1, 0, 0, true, false},      {2, 16, 2, 2, 5, 5, 1, 1, true, true},
    {1, 17, 5, 7, 10, 14, 2, 2, true, false},   {3, 24, 4, 3, 7, 9, 3, 0, false, true},
    {1, 40, 9, 16, 18, 32, 0, 1, false, false}, {5, 3, 1, 6, 4, 6, 1, 2, true, true},
    {1, 48, 16, 16, 8, 8, 2, 0, true, true},    {2, 5, 13, 11, 5, 4, 3, 1, false, false},
    {1, 16, 1, 1, 6, 5, 0, 0, true, true},      {1, 16, 1, 1, 6, 5, 0, 0, false, true},
    {1, 16, 7, 6, 1, 1, 1, 0, true, true},      {1, 16, 7, 6, 1, 1, 1, 0, false, true},
    {1, 8, 3, 40, 24, 37, 1, 0, true, false},   {1, 8, 6, 2, 6, 3, 2, 0, true, false},
    {2, 16, 8, 8, 64, 64, 3, 0, true, true},    {1, 16, 20, 70, 10, 140, 0, 1, false, true},
};

static size_t count_of(const struct shape *s) {
  return (size_t)(s->n * s->c * s->h * s->w);
}

static void run_add(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  const struct fm_limits l = *limit_kinds[s->limits];
  struct tensor a = tensor_random(f, &rng, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0);
  struct tensor b = tensor_random(f, &rng, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0);
  struct tensor empty = tensor_empty(f, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2));
  const struct tensor *y = s->variant == 1 ? &a : s->variant == 2 ? &b : &empty;
  fm_acts_add(f->device, &a.acts, s->variant == 3 ? NULL : &b.acts, l, &y->acts);
  double *want = malloc(a.count * sizeof *want), *got = tensor_read(f, y);
  for (size_t i = 0; i < a.count; i++)
    want[i] = ref_limit(a.v[i] + (s->variant == 3 ? 0 : b.v[i]), (double)l.low, (double)l.high);
  same(f, "add", got, want, a.count, 2e-7);
  if (y != &a) tensor_unchanged(f, &a);
  if (y != &b) tensor_unchanged(f, &b);
  free(want);
  free(got);
  tensor_free(f, &a);
  tensor_free(f, &b);
  tensor_free(f, &empty);
}

static void run_mask(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  const struct fm_limits l = *limit_kinds[s->limits];
  double *v = random_values(&rng, count_of(s), -4, 10);
  for (size_t i = 0; i < count_of(s); i++) v[i] = ref_limit(v[i], (double)l.low, (double)l.high);
  struct tensor y = tensor_make(f, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0, v);
  struct tensor dy = tensor_random(f, &rng, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0);
  fm_mask(f->device, &y.acts, l, &dy.acts);
  double *got = tensor_read(f, &dy);
  for (size_t i = 0; i < y.count; i++) v[i] = dy.v[i] * ref_passed(v[i], (double)l.low, (double)l.high);
  same(f, "mask", got, v, y.count, 0);
  tensor_unchanged(f, &y);
  free(got);
  free(v);
  tensor_free(f, &y);
  tensor_free(f, &dy);
}

/* The halo alone changes; that it becomes zero is what tensor_read checks of every other result. */
static void run_halo(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  for (int halo = 0; halo < 4; halo++) {
    struct tensor x = tensor_random(f, &rng, s->n, s->c, s->h, s->w, halo, halo == 3 ? 4 : 0);
    fm_halo(f->device, &x.acts);
    tensor_unchanged(f, &x);
    tensor_free(f, &x);
  }
}

static void run_picture(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
  size_t plane = (size_t)(s->h * s->w), count = (size_t)s->n * plane * 3;
  unsigned char *rgb = malloc(count);
  double *want = malloc(count * sizeof *want);
  for (size_t i = 0; i < count; i++) {
    rgb[i] = (unsigned char)random_int(&rng, 0, 255);
    size_t n = i / 3 / plane, p = i / 3 % plane, c = i % 3;
    want[(n * 3 + c) * plane + p] = (rgb[i] / 255.0 - mean[c]) / std[c];
  }
  struct zone bytes = zone_make(f, count, rgb);
  for (int block = 0; block <= 4; block += 4) {
    struct tensor x = tensor_make(f, s->n, 3, s->h, s->w, 1 + block / 2, block, NULL);
    fm_picture(f->device, &bytes.buffer, &x.acts);
    double *got = tensor_read(f, &x);
    same(f, "picture", got, want, count, 5e-7);
    free(got);
    tensor_free(f, &x);
  }
  free(rgb);
  free(want);
  zone_free(f, &bytes);
}

static void run_pool(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  int ho = (s->h - 1) / 2 + 1, wo = (s->w - 1) / 2 + 1, planes = s->n * s->c;
  double *v = random_values(&rng, count_of(s), -2, 3);
  for (size_t i = 0; i < count_of(s); i++) v[i] = s->variant ? round(v[i]) : v[i]; /* many equal maxima */
  struct tensor x = tensor_make(f, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0, v);
  struct tensor y = tensor_empty(f, s->n, s->c, ho, wo, random_int(&rng, 0, 2));
  struct zone where = zone_make(f, y.zone.bytes / 4, NULL);
  fm_pool(f->device, &x.acts, &y.acts, &where.buffer);
  double *want = malloc(y.count * sizeof *want), *got = tensor_read(f, &y);
  int *index = malloc(y.count * sizeof *index);
  ref_pool(planes, s->h, s->w, ho, wo, v, want, index);
  same(f, "pool", got, want, y.count, 0);
  free(got);
  struct tensor again = tensor_empty(f, s->n, s->c, ho, wo, 0);
  fm_pool(f->device, &x.acts, &again.acts, NULL);
  got = tensor_read(f, &again);
  same(f, "pool without index", got, want, y.count, 0);
  free(got);
  tensor_unchanged(f, &x);

  struct tensor dy = tensor_random(f, &rng, s->n, s->c, ho, wo, random_int(&rng, 0, 2), 0);
  struct tensor dx = s->accumulate ? tensor_random(f, &rng, s->n, s->c, s->h, s->w, 1, 0)
                                   : tensor_empty(f, s->n, s->c, s->h, s->w, 2);
  fm_pool_backward(f->device, &dy.acts, &y.acts, &where.buffer, s->accumulate, &dx.acts);
  ref_pool_backward(planes, s->h, s->w, ho, wo, dy.v, index, v);
  for (size_t i = 0; s->accumulate && i < dx.count; i++) v[i] += dx.v[i];
  got = tensor_read(f, &dx);
  same(f, "pool dx", got, v, dx.count, 5e-7);
  unsigned char *bytes = malloc(where.bytes);
  zone_read(f, &where, bytes);
  free(bytes);
  free(got);
  free(want);
  free(index);
  free(v);
  struct tensor *const all[] = {&x, &y, &again, &dy, &dx};
  for (int i = 0; i < 5; i++) tensor_free(f, all[i]);
  zone_free(f, &where);
}

static void run_resize(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  const struct fm_limits l = *limit_kinds[s->limits];
  int planes = s->n * s->c;
  struct tensor x = tensor_random(f, &rng, s->n, s->c, s->h, s->w, random_int(&rng, 0, 2), 0);
  struct tensor res = tensor_random(f, &rng, s->n, s->c, s->ho, s->wo, random_int(&rng, 0, 2), 0);
  struct tensor empty = tensor_empty(f, s->n, s->c, s->ho, s->wo, random_int(&rng, 0, 2));
  const struct tensor *y = s->variant == 1 ? &res : &empty;
  fm_resize(f->device, &x.acts, s->aligned, s->variant == 3 ? NULL : &res.acts, l, &y->acts);
  double *want = malloc(res.count * sizeof *want), *got = tensor_read(f, y);
  ref_resize(planes, s->h, s->w, s->ho, s->wo, s->aligned, x.v, want);
  for (size_t i = 0; i < res.count; i++)
    want[i] = ref_limit(want[i] + (s->variant == 3 ? 0 : res.v[i]), (double)l.low, (double)l.high);
  same_sums(f, "resize", got, want, res.count, 2e-5, 1);
  tensor_unchanged(f, &x);
  free(got);
  free(want);

  struct tensor dy = tensor_random(f, &rng, s->n, s->c, s->ho, s->wo, random_int(&rng, 0, 2), 0);
  struct tensor dx = s->accumulate ? tensor_random(f, &rng, s->n, s->c, s->h, s->w, 1, 0)
                                   : tensor_empty(f, s->n, s->c, s->h, s->w, 2);
  fm_resize_backward(f->device, &dy.acts, s->aligned, s->accumulate, &dx.acts);
  want = malloc(dx.count * sizeof *want);
  got = tensor_read(f, &dx);
  ref_resize_backward(planes, s->h, s->w, s->ho, s->wo, s->aligned, dy.v, want);
  for (size_t i = 0; s->accumulate && i < dx.count; i++) want[i] += dx.v[i];
  same_sums(f, "resize dx", got, want, dx.count, 2e-5, 1);
  free(got);
  free(want);
  struct tensor *const all[] = {&x, &res, &empty, &dy, &dx};
  for (int i = 0; i < 5; i++) tensor_free(f, all[i]);
}

static const struct {
  const char *name;
  void (*run)(struct fixture *f, const void *shape);
} operators[] = {{"add", run_add},         {"mask", run_mask}, {"halo", run_halo},
                 {"picture", run_picture}, {"pool", run_pool}, {"resize", run_resize}};

static void run_shape(struct fixture *f, const struct shape *s) {
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
    snprintf(f->line, sizeof f->line,
             "%s {%d, %d, %d, %d, %d, %d, .variant = %d, .limits = %d, .aligned = %d, .accumulate = %d}, "
             "seed %llu",
             operators[i].name, s->n, s->c, s->h, s->w, s->ho, s->wo, s->variant, s->limits, s->aligned,
             s->accumulate, (unsigned long long)f->seed);
    run_twice(f, operators[i].run, s);
  }
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!f->small || table[i].ho * table[i].wo < 200) run_shape(f, &table[i]);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "simple shapes");
  int most = f->small ? 7 : 18;
  for (int i = 0; i < (f->small ? 4 : 60); i++) {
    struct shape s = {random_int(&rng, 1, 4),    random_int(&rng, 1, 50),   random_int(&rng, 1, most),
                      random_int(&rng, 1, most), random_int(&rng, 1, most), random_int(&rng, 1, most),
                      random_int(&rng, 0, 3),    random_int(&rng, 0, 2),    random_int(&rng, 0, 1),
                      random_int(&rng, 0, 1)};
    run_shape(f, &s);
  }
}

/* NaN is the maximum, the first one of several, as in PyTorch; ReLU lets it through. */
static void test_nan(void **state) {
  struct fixture *f = *state;
  const double v[9] = {1, 5, NAN, 2, 7, 3, 9, 9, 0}; /* F.max_pool2d gives 7 NaN 9 9 at 4 2 6 7 */
  const double dy[4] = {1, 2, 4, 8}, dx[9] = {0, 0, 2, 0, 1, 0, 4, 8, 0};
  snprintf(f->line, sizeof f->line, "pool NaN");
  struct tensor x = tensor_make(f, 1, 1, 3, 3, 1, 0, v), y = tensor_empty(f, 1, 1, 2, 2, 0);
  struct tensor g = tensor_make(f, 1, 1, 2, 2, 0, 0, dy), gx = tensor_empty(f, 1, 1, 3, 3, 0);
  struct zone where = zone_make(f, y.zone.bytes / 4, NULL);
  fm_pool(f->device, &x.acts, &y.acts, &where.buffer);
  fm_pool_backward(f->device, &g.acts, &y.acts, &where.buffer, false, &gx.acts);
  double *got = tensor_read(f, &y), *back = tensor_read(f, &gx);
  assert_true(got[0] == 7 && got[1] != got[1] && got[2] == 9 && got[3] == 9);
  same(f, "dx", back, dx, 9, 0);
  free(got);
  free(back);
  struct tensor z = tensor_empty(f, 1, 1, 3, 3, 0);
  for (int limits = 0; limits < 3; limits++) {
    fm_acts_add(f->device, &x.acts, NULL, *limit_kinds[limits], &z.acts);
    got = tensor_read(f, &z);
    assert_true(got[1] == 5 && got[2] != got[2]);
    free(got);
  }
  struct tensor *const all[] = {&x, &y, &g, &gx, &z};
  for (int i = 0; i < 5; i++) tensor_free(f, all[i]);
  zone_free(f, &where);
}

/* The reference against torch.nn.functional.interpolate of sin(1.3 i), 2x3 to 3x5, in double precision. */
static void test_reference(void **state) {
  struct fixture *f = *state;
  static const double half[15] = {0.0,
                                  0.38542327416687716,
                                  0.963558185417193,
                                  0.6947240972597557,
                                  0.5155013718214642,
                                  -0.343883079591987,
                                  -0.19030914181578423,
                                  0.04005176484851996,
                                  0.23520711391219182,
                                  0.36531067995463984,
                                  -0.6877661591839741,
                                  -0.7660415577984456,
                                  -0.8834546557201531,
                                  -0.22430986943537207,
                                  0.21511998808781552};
  static const double corners[15] = {0.0,
                                     0.4817790927085965,
                                     0.963558185417193,
                                     0.7395297786193286,
                                     0.5155013718214642,
                                     -0.34388307959198705,
                                     -0.15191565737173357,
                                     0.04005176484851991,
                                     0.20268122240157987,
                                     0.36531067995463984,
                                     -0.6877661591839741,
                                     -0.7856104074520636,
                                     -0.8834546557201531,
                                     -0.3341673338161688,
                                     0.21511998808781552};
  double x[6], y[15];
  snprintf(f->line, sizeof f->line, "resize reference");
  for (int i = 0; i < 6; i++) x[i] = sin(1.3 * i);
  ref_resize(1, 2, 3, 3, 5, true, x, y);
  same(f, "aligned", y, corners, 15, 1e-12);
  ref_resize(1, 2, 3, 3, 5, false, x, y);
  same(f, "half-pixel", y, half, 15, 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random), cmocka_unit_test(test_nan)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
