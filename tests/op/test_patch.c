/* Features of cells against their definition (unfolded, enlarged, pooled; in double), that against the
 * authors' steps in PyTorch, and the way back as the transposed of a linear map. */
#include "fixture.h"
#include "op/patch.h"
#include "patchcore_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct shape {
  int n, c1, c2, h, w, h2, w2, official, dimensions;
};

static const struct shape table[] = {
    {1, 1, 1, 1, 1, 1, 1, 0, 0},      {2, 5, 7, 4, 6, 2, 3, 0, 0},       {1, 24, 40, 7, 7, 4, 4, 0, 0},
    {3, 16, 17, 8, 8, 4, 4, 0, 0},    {2, 5, 7, 4, 6, 2, 3, 1, 1024},    {1, 40, 112, 6, 6, 3, 3, 1, 384},
    {1, 130, 70, 5, 4, 3, 2, 1, 100}, {2, 3, 2, 3, 3, 2, 2, 1, 2500},    {1, 8, 8, 5, 5, 5, 5, 1, 2},
    {1, 33, 20, 16, 12, 8, 6, 1, 37}, {2, 40, 112, 32, 32, 16, 16, 0, 0}};

/* ---- the definition ---- */

static double unfolded(const double *x, int h, int w, int c, int k, int y, int at) {
  int yy = y + k / 3 - 1, xx = at + k % 3 - 1;
  return yy < 0 || yy >= h || xx < 0 || xx >= w ? 0 : x[(c * h + yy) * w + xx];
}

/* Unfolded number u of one tap at place (y, at) of the grid: bilinear between its own places. */
static double enlarged(const struct shape *s, const double *x, bool second, int u, int y, int at) {
  int h = second ? s->h2 : s->h, w = second ? s->w2 : s->w;
  double sy = fmax((y + 0.5) * h / s->h - 0.5, 0), sx = fmax((at + 0.5) * w / s->w - 0.5, 0);
  int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < h ? y0 + 1 : h - 1, x1 = x0 + 1 < w ? x0 + 1 : w - 1;
  double fy = sy - y0, fx = sx - x0;
  return (1 - fy) * ((1 - fx) * unfolded(x, h, w, u / 9, u % 9, y0, x0) +
                     fx * unfolded(x, h, w, u / 9, u % 9, y0, x1)) +
         fy * ((1 - fx) * unfolded(x, h, w, u / 9, u % 9, y1, x0) +
               fx * unfolded(x, h, w, u / 9, u % 9, y1, x1));
}

static void pool(int n, int m, const double *x, double *y) {
  for (int i = 0; i < m; i++) {
    int a = (int)((long)i * n / m), b = (int)(((long)(i + 1) * n + m - 1) / m);
    y[i] = 0;
    for (int k = a; k < b; k++) y[i] += x[k] / (b - a);
  }
}

/* Of concat's fine half: one that is not 1 for some shapes. The goldens are without. */
static double weight_of(const struct shape *s) {
  return s->n > 1 ? 1.75 : 1;
}

/* One picture's features at one cell. */
static void define(const struct shape *s, const double *one, const double *two, int y, int at, double *f) {
  const double *x[2] = {one, two};
  int c[2] = {s->c1, s->c2}, used = 0;
  double *u = malloc((size_t)(s->c1 + s->c2) * 9 * sizeof *u), mapped[2 * FM_PATCH_MAPPED];
  for (int t = 0; t < 2; t++) {
    for (int i = 0; i < c[t] * 9; i++) u[i] = enlarged(s, x[t], t == 1, i, y, at);
    if (s->official) pool(c[t] * 9, FM_PATCH_MAPPED, u, mapped + t * FM_PATCH_MAPPED);
    for (int i = 0; i < c[t] && !s->official; i++, used++) {
      pool(9, 1, u + 9 * i, f + used);
      f[used] *= t == 0 ? weight_of(s) : 1;
    }
  }
  if (s->official) pool(2 * FM_PATCH_MAPPED, s->dimensions, mapped, f);
  free(u);
}

static int dimensions_of(const struct shape *s) {
  return s->official ? s->dimensions : s->c1 + s->c2;
}

/* All features [n][h][w][dimensions]. */
static double *define_all(const struct shape *s, const double *one, const double *two) {
  size_t dims = (size_t)dimensions_of(s), cells = (size_t)(s->h * s->w);
  double *f = malloc((size_t)s->n * cells * dims * sizeof *f);
  for (int n = 0; n < s->n; n++)
    for (int q = 0; q < s->h * s->w; q++)
      define(s, one + n * s->c1 * s->h * s->w, two + n * s->c2 * s->h2 * s->w2, q / s->w, q % s->w,
             f + ((size_t)n * cells + (size_t)q) * dims);
  return f;
}

static void test_definition(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof golden_features / sizeof *golden_features; i++) {
    const struct golden_feature *g = &golden_features[i];
    struct shape s = {1,           g->c1,        g->c2, g->h, g->w, (g->h + 1) / 2, (g->w + 1) / 2,
                      g->official, g->dimensions};
    int one = s.c1 * s.h * s.w, two = s.c2 * s.h2 * s.w2;
    double *x = malloc((size_t)(one + two) * sizeof *x), *f = malloc((size_t)dimensions_of(&s) * sizeof *f);
    for (int k = 0; k < one; k++) x[k] = golden_wave(k, 1.1, 0.2);
    for (int k = 0; k < two; k++) x[one + k] = golden_wave(k, 0.7, 0.5);
    define(&s, x, x + one, g->cell / s.w, g->cell % s.w, f);
    if (!(fabs(f[g->number] - g->value) < 1e-9))
      fail_msg("row %zu: %.12g, not %.12g", i, f[g->number], g->value);
    free(x);
    free(f);
  }
}

/* 512 + 1024 channels: DETECTORS' closed form ([1 1 1; 1 2 1; 1 1 1] / 10; pairs of 3 x 3 means). */
static void test_closed_form(void **state) {
  struct fixture *f = *state;
  if (f->small) skip();
  struct shape s = {1, 512, 1024, 2, 2, 1, 1, 1, 1024};
  struct fm_rng rng = fm_rng_stream(f->seed, "closed form");
  struct tensor one = tensor_random(f, &rng, 1, s.c1, s.h, s.w, 0, 0),
                two = tensor_random(f, &rng, 1, s.c2, s.h2, s.w2, 1, 0);
  struct fm_patches p;
  double want[4 * 1024], got[4 * 1024];
  for (int q = 0; q < 4; q++)
    for (int k = 0; k < 512; k++) {
      const double *a = one.v + k * 4, *b = two.v + 2 * k;
      want[q * 1024 + k] = (a[0] + a[1] + a[2] + a[3] + a[q]) / 10;
      want[q * 1024 + 512 + k] = (b[0] + b[1]) / 18;
    }
  struct zone z = vector_make(f, 4 * 1024, NULL);
  ASSERT_OK(&f->ctx,
            fm_patches_make(f->device, &one.acts, &two.acts,
                            &(struct fm_patch_kind){.official = true, .dimensions = 1024}, false, &p));
  fm_patches_run(f->device, &p, &one.acts, &two.acts, &z.buffer);
  vector_read(f, &z, 4 * 1024, got);
  snprintf(f->line, sizeof f->line, "closed form");
  same(f, "features", got, want, 4 * 1024, 1e-6);
  fm_patches_free(f->device, &p);
  zone_free(f, &z);
  tensor_free(f, &one);
  tensor_free(f, &two);
}

/* ---- the device ---- */

/* Without and with the padding of `width` numbers a feature; the padding must be zero. */
static void unpad(struct fixture *f, size_t rows, size_t dims, size_t width, double *x) {
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < width; k++)
      if (k < dims)
        x[r * dims + k] = x[r * width + k];
      else if (x[r * width + k] != 0)
        fail_msg("%s: padding is %g", f->line, x[r * width + k]);
}

/* The map is linear, so d<f, slope>/dx_j = <f of the j-th unit vector, slope>, at some j; and <dx, x> = <f,
 * slope>. */
static void check_back(struct fixture *f, const struct shape *s, const struct tensor x[2],
                       const double *feature, const double *slope, double *const dx[2]) {
  size_t total = (size_t)s->n * (size_t)(s->h * s->w) * (size_t)dimensions_of(s);
  double have = 0, want = 0, scale = 0;
  for (size_t i = 0; i < total; i++) {
    want += feature[i] * slope[i];
    scale += fabs(feature[i] * slope[i]);
  }
  for (int t = 0; t < 2; t++)
    for (size_t i = 0; i < x[t].count; i++) have += x[t].v[i] * dx[t][i];
  if (!(fabs(have - want) <= 1e-5 * scale))
    fail_msg("%s: <dx, x> is %.9g, <f, slope> %.9g", f->line, have, want);
  struct fm_rng rng = fm_rng_stream(f->seed, "unit vectors");
  for (int k = 0; k < 6; k++) {
    double *unit[2], sum = 0, size = 0;
    int t = k % 2, j = random_int(&rng, 0, (int)x[t].count - 1);
    for (int i = 0; i < 2; i++) unit[i] = calloc(x[i].count, sizeof **unit);
    unit[t][j] = 1;
    double *column = define_all(s, unit[0], unit[1]);
    for (size_t i = 0; i < total; i++) {
      sum += column[i] * slope[i];
      size += fabs(column[i] * slope[i]);
    }
    if (!(fabs(dx[t][j] - sum) <= 1e-5 * size))
      fail_msg("%s: gradient of tap %d [%d] is %.9g, should be %.9g", f->line, t, j, dx[t][j], sum);
    for (int i = 0; i < 2; i++) free(unit[i]);
    free(column);
  }
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct tensor x[2] = {tensor_random(f, &rng, s->n, s->c1, s->h, s->w, 1, 0),
                        tensor_random(f, &rng, s->n, s->c2, s->h2, s->w2, 0, 0)},
                g[2] = {tensor_empty(f, s->n, s->c1, s->h, s->w, 0),
                        tensor_empty(f, s->n, s->c2, s->h2, s->w2, 2)};
  struct fm_patches p;
  const struct fm_patch_kind kind = {s->official, s->dimensions, weight_of(s)};
  ASSERT_OK(&f->ctx, fm_patches_make(f->device, &x[0].acts, &x[1].acts, &kind, true, &p));
  size_t rows = (size_t)s->n * (size_t)(s->h * s->w), dims = (size_t)dimensions_of(s),
         width = (size_t)p.width;
  assert_int_equal(p.dimensions, dims);
  double *want = define_all(s, x[0].v, x[1].v), *got = malloc(rows * width * sizeof *got),
         *slope = random_values(&rng, rows * dims, -1, 1), *padded = calloc(rows * width, sizeof *padded);
  struct zone z = vector_make(f, rows * width, NULL);
  fm_patches_run(f->device, &p, &x[0].acts, &x[1].acts, &z.buffer);
  vector_read(f, &z, rows * width, got);
  unpad(f, rows, dims, width, got);
  same(f, "features", got, want, rows * dims, 2e-6);
  for (size_t r = 0; r < rows; r++) memcpy(padded + r * width, slope + r * dims, dims * sizeof *padded);
  struct zone zs = vector_make(f, rows * width, padded);
  fm_patches_back(f->device, &p, &zs.buffer, &g[0].acts, &g[1].acts);
  double *dx[2] = {tensor_read(f, &g[0]), tensor_read(f, &g[1])};
  check_back(f, s, x, want, slope, dx);
  for (int i = 0; i < 2; i++) {
    tensor_unchanged(f, &x[i]);
    tensor_free(f, &x[i]);
    tensor_free(f, &g[i]);
    free(dx[i]);
  }
  fm_patches_free(f->device, &p);
  zone_free(f, &z);
  zone_free(f, &zs);
  free(want);
  free(got);
  free(slope);
  free(padded);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    if (f->small && s->n * s->h * s->w * dimensions_of(s) > (f->small == 2 ? 10000 : 60000)) continue;
    snprintf(f->line, sizeof f->line, "patch {%d, %d, %d, %d, %d, %d, %d, %d, %d}, seed %llu", s->n, s->c1,
             s->c2, s->h, s->w, s->h2, s->w2, s->official, s->dimensions, (unsigned long long)f->seed);
    run_twice(f, run, s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition), cmocka_unit_test(test_closed_form),
                                     cmocka_unit_test(test_table)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
