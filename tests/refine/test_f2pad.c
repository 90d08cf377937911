/* F2PAD: what a refinement learns comes back from the file, a picture is refined alike alone and among
 * others, only what was changed differs, damaged files are refused. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"
#include "refine/f2pad_golden.h"
#include "refine/f2pad_internal.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE };

static void fit(struct tiny *t, const char *method, bool refine) {
  ASSERT_OK(t->ctx, fm_recipe_begin(t->ctx, method, &t->fit.recipe));
  t->fit.recipe.size = fm_square(SIZE);
  t->fit.recipe.channels = 20;
  t->fit.recipe.refine = refine;
  ASSERT_OK(t->ctx, tiny_fit(t));
}

static void load(struct tiny *t, const struct fm_model *m, unsigned char *rgb, size_t count) {
  struct fm_preprocess p;
  ASSERT_OK(t->ctx, fm_recipe_preprocess(t->ctx, &m->recipe, &p));
  for (size_t i = 0; i < count; i++)
    ASSERT_OK(t->ctx, fm_picture_load(t->ctx, t->category.test[i].path, &p, rgb + i * PIXELS * 3, NULL));
}

static void refines_alike(void **state) {
  static const char *const methods[] = {"padim", "patchcore"};
  for (int k = 0; k < 2; k++) {
    struct tiny t;
    struct fm_model m;
    struct fm_f2pad *many, *one;
    enum { MOST = 8 };
    tiny_open(*state, &t);
    fit(&t, methods[k], true);
    ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
    assert_true(m.refinement.there && m.refinement.threshold.n == 2 && m.refinement.rho > 0);
    assert_int_equal(m.refinement.reference.kind, FM_REFERENCE_BLEND); /* gears that lie alike */
    size_t count = t.category.test_count < MOST ? t.category.test_count : MOST;
    unsigned char *rgb = fm_alloc(t.ctx, count * PIXELS, 3), *repaired = fm_alloc(t.ctx, count * PIXELS, 3),
                  single[PIXELS * 3];
    float *maps = fm_alloc(t.ctx, count * PIXELS, sizeof *maps),
          *base = fm_alloc(t.ctx, count * PIXELS, sizeof *base), alone[PIXELS];
    load(&t, &m, rgb, count);
    for (size_t p = 0; p < PIXELS; p++) /* a flaw beyond doubt: a chequered square */
      if (p % SIZE >= 24 && p % SIZE < 40 && p / SIZE >= 24 && p / SIZE < 40)
        memset(rgb + 3 * p, (p / 4 + p / SIZE / 4) % 2 ? 255 : 0, 3);
    ASSERT_OK(t.ctx, fm_f2pad_make(t.d, &m, (int)count, &many));
    ASSERT_OK(t.ctx, fm_f2pad_make(t.d, &m, 1, &one));
    ASSERT_OK(t.ctx, fm_f2pad_run(many, (int)count, rgb, NULL, maps, NULL, base, repaired));
    size_t changed = 0;
    for (size_t i = 0; i < count; i++) {
      ASSERT_OK(t.ctx, fm_f2pad_run(one, 1, rgb + i * PIXELS * 3, NULL, alone, NULL, NULL, single));
      assert_memory_equal(alone, maps + i * PIXELS, sizeof alone);
      assert_memory_equal(single, repaired + i * PIXELS * 3, sizeof single);
      for (size_t p = 0; p < PIXELS; p++) {
        changed += memcmp(single + 3 * p, rgb + (i * PIXELS + p) * 3, 3) != 0;
        assert_true(isfinite(alone[p]) && alone[p] >= 0);
      }
    }
    assert_in_range(changed, 1, count * PIXELS - 1); /* something was repaired, and something was not */
    fm_f2pad_free(many);
    fm_f2pad_free(one);
    fm_free(t.ctx, rgb);
    fm_free(t.ctx, repaired);
    fm_free(t.ctx, maps);
    fm_free(t.ctx, base);
    fm_model_free(&m);
    tiny_close(&t);
  }
}

static void without_refinement(void **state) {
  struct tiny t;
  struct fm_model m;
  struct fm_f2pad *r;
  tiny_open(*state, &t);
  fit(&t, "padim", false);
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  assert_false(m.refinement.there);
  assert_int_equal(fm_f2pad_make(t.d, &m, 1, &r), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "--refine"));
  fm_error_clear(t.ctx);
  fm_model_free(&m);
  tiny_close(&t);
}

/* The file with a text replaced by another one as long is not accepted. */
static void refused(struct tiny *t, const unsigned char *good, size_t size, const char *what,
                    const char *by) {
  unsigned char *bytes = fm_alloc(t->ctx, size, 1);
  char path[600];
  struct fm_model m;
  memcpy(bytes, good, size);
  size_t n = strlen(what), at = 0;
  while (at + n < size && memcmp(bytes + at, what, n) != 0) at++;
  assert_true(at + n < size && strlen(by) == n);
  memcpy(bytes + at, by, n);
  snprintf(path, sizeof path, "%s.bad", t->model);
  ASSERT_OK(t->ctx, fm_file_write(t->ctx, path, bytes, size));
  assert_int_equal(fm_model_load(t->ctx, path, NULL, &m), FM_FORMAT);
  assert_non_null(strstr(t->ctx->message, ".bad"));
  fm_error_clear(t->ctx);
  fm_free(t->ctx, bytes);
}

static void damaged_files(void **state) {
  struct tiny t;
  unsigned char *good;
  size_t size;
  tiny_open(*state, &t);
  fit(&t, "padim", true);
  ASSERT_OK(t.ctx, fm_file_read(t.ctx, t.model, (size_t)1 << 30, &good, &size));
  refused(&t, good, size, "\"refine.rho\":\"", "\"refine.rh0\":\"");
  struct fm_model m;
  char blur[32];
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  snprintf(blur, sizeof blur, "\"refine.blur\":\"%g", m.refinement.blur);
  fm_model_free(&m);
  refused(&t, good, size, blur, "\"refine.blur\":\"9");
  refused(&t, good, size, "\"refine.jpeg\"", "\"refine.jp3g\"");
  refused(&t, good, size, "\"refine.length\"", "\"refine.l3ngth\"");
  refused(&t, good, size, "\"refine.step\"", "\"refine.st3p\"");
  refused(&t, good, size, "\"refine.limit\"", "\"refine.limix\"");
  refused(&t, good, size, "\"refine.usual\"", "\"refine.usuax\"");
  fm_free(t.ctx, good);
  tiny_close(&t);
}

/* A hot cell in a cold picture: the mask begins there, stays in its region, and leaves where the loss does
 * not hold it. */
static void mask(void **state) {
  struct fm_context *ctx = *state;
  struct fm_mask m;
  const struct fm_mask_limits limits = {1, 4};
  float e[16 * 16] = {0}, *g = fm_alloc(ctx, PIXELS, sizeof *g);
  ASSERT_OK(ctx, fm_mask_make(ctx, fm_square(SIZE), &m));
  ASSERT_OK(ctx, fm_mask_begin(&m, e, 16, 16, &limits));
  assert_int_equal(m.inside, 0);
  e[12 * 16 + 2] = 2; /* between the limits, and no hot one near */
  ASSERT_OK(ctx, fm_mask_begin(&m, e, 16, 16, &limits));
  assert_int_equal(m.inside, 0);
  e[5 * 16 + 9] = 100; /* pixels 20..23, 36..39 */
  ASSERT_OK(ctx, fm_mask_begin(&m, e, 16, 16, &limits));
  assert_true(m.a[(22 / 2) * 32 + 38 / 2] == 1 && m.a[0] == 0 && m.room[0] == 0);
  for (int y = 0; y < 32; y++)
    for (int x = 0; x < 32; x++)
      if (m.room[y * 32 + x] > 0)
        assert_true(2 * y > 20 - 10 && 2 * y < 24 + 10 && 2 * x > 36 - 10 && 2 * x < 40 + 10);
  /* The loss falls with a where x < 38 and does not care elsewhere: the prior takes the rest away. */
  for (int t = 1; t <= 10; t++) {
    for (int i = 0; i < PIXELS; i++) g[i] = i % SIZE < 38 ? -1 : 0;
    ASSERT_OK(ctx, fm_mask_step(&m, g, t, 10));
  }
  assert_true(m.a[11 * 32 + 17] == 1 && m.a[11 * 32 + 22] < 0.5f);
  float up[PIXELS];
  fm_mask_enlarge(&m, up);
  for (int i = 0; i < PIXELS; i++) assert_true(up[i] >= 0 && up[i] <= 1);
  assert_true(up[22 * SIZE + 35] > 0.9f && up[0] == 0);
  fm_mask_free(&m);
  fm_free(ctx, g);
}

/* ---- against tests/reference/f2pad.py ---- */

/* The generator of the reference: fractions of 24 bits. */
static double number(uint32_t *x) {
  *x = 1664525u * *x + 1013904223u;
  return (double)(*x >> 8) / (1 << 24);
}

static void assert_near(double got, double want, double most) {
  if (!(fabs(got - want) <= most)) fail_msg("%.9g instead of %.9g", got, want);
}

static void normal_as_the_reference(void **state) {
  enum { CELLS = GOLDEN_GRID * GOLDEN_GRID, PLANE = GOLDEN_SIDE * GOLDEN_SIDE };
  struct fm_context *ctx = *state;
  struct fm_device *d;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  float *e = fm_alloc(ctx, GOLDEN_COUNT * CELLS, sizeof *e);
  float *blur = fm_alloc(ctx, GOLDEN_COUNT * PLANE, sizeof *blur);
  uint32_t x = 1;
  for (int i = 0; i < GOLDEN_COUNT * CELLS; i++) e[i] = (float)(number(&x) / (i % CELLS < 4 ? 2 : 1));
  for (int i = 0; i < GOLDEN_COUNT * PLANE; i++)
    blur[i] = (float)(number(&x) * (1 + i % GOLDEN_SIDE / 16.0) / 8);
  const struct fm_normal normal = {GOLDEN_COUNT, CELLS, PLANE, e, blur};
  for (int kind = 0; kind < FM_REFERENCE_KINDS; kind++) {
    struct fm_refinement m = {.blur = GOLDEN_BLUR, .reference = {.kind = (enum fm_reference_kind)kind}};
    m.reference.size = fm_square(GOLDEN_SIDE);
    ASSERT_OK(ctx, fm_f2pad_measure(d, &normal, &m));
    const double got[] = {m.q99, m.q995, m.q9995, m.rho};
    for (int i = 0; i < 4; i++) assert_near(got[i], golden_quantiles[i], 1e-8);
    for (int c = 0; c < CELLS; c++) assert_near((double)m.limit[c], golden_tau[c], 1e-7);
    for (int k = 0; k < PLANE; k++)
      assert_near((double)m.usual[k], kind == FM_REFERENCE_BLEND ? golden_usual[k] : golden_quantiles[3],
                  1e-6);
    fm_refinement_free(ctx, &m);
  }
  fm_free(ctx, e);
  fm_free(ctx, blur);
  ASSERT_OK(ctx, fm_device_close(d));
}

static void mask_as_the_reference(void **state) {
  enum { GRID = 16, HALF = SIZE / 2 };
  struct fm_context *ctx = *state;
  struct fm_mask m;
  const struct fm_mask_limits limits = {1, 4};
  float e[GRID * GRID], *g = fm_alloc(ctx, PIXELS, sizeof *g);
  uint32_t x = 2;
  for (int i = 0; i < GRID * GRID; i++) e[i] = (float)(number(&x) * 0.9);
  e[3 * GRID + 3] = 9;
  e[3 * GRID + 4] = 2;
  e[4 * GRID + 3] = 5;
  e[12 * GRID + 12] = 3;
  ASSERT_OK(ctx, fm_mask_make(ctx, fm_square(SIZE), &m));
  ASSERT_OK(ctx, fm_mask_begin(&m, e, GRID, GRID, &limits));
  for (int i = 0; i < HALF * HALF; i++) assert_near((double)m.room[i], golden_room[i], 1e-6);
  for (int t = 1; t <= 10; t++) {
    for (int i = 0; i < PIXELS; i++) g[i] = (float)(number(&x) - 0.75);
    ASSERT_OK(ctx, fm_mask_step(&m, g, t, 10));
  }
  for (int i = 0; i < HALF * HALF; i++) assert_near((double)m.a[i], golden_mask[i], 1e-4);
  fm_mask_free(&m);
  fm_free(ctx, g);
}

/* f = b (1 + (blur |Y - R| + blur |Y - N|) / (2 rho(p))), with N as it comes out, in 8 bits; and no picture
 * changes that has nothing over the 99.95 % quantile. */
static void maps_as_written(void **state) {
  struct tiny t;
  struct fm_model m;
  struct fm_f2pad *r;
  struct fm_look look;
  tiny_open(*state, &t);
  fit(&t, "padim", true);
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  unsigned char rgb[PIXELS * 3], repaired[PIXELS * 3];
  float map[PIXELS], shown[PIXELS], change[PIXELS];
  load(&t, &m, rgb, 1);
  for (size_t p = 0; p < PIXELS; p++)
    if (p % SIZE >= 24 && p % SIZE < 40 && p / SIZE >= 24 && p / SIZE < 40)
      memset(rgb + 3 * p, (p / 4 + p / SIZE / 4) % 2 ? 255 : 0, 3);
  ASSERT_OK(t.ctx, fm_look_make(t.d, &m, &m.refinement.reference, m.refinement.blur, 1, &look));
  ASSERT_OK(t.ctx, fm_look_at(&look, 1, rgb, NULL, shown, NULL));
  double most = 0;
  for (int q = 0; q < look.scorer->height * look.scorer->width; q++) most = fmax(most, (double)look.cells[q]);
  assert_true(most > m.refinement.q9995);
  for (int turn = 0; turn < 2; turn++) {
    if (turn) m.refinement.q9995 = 2 * most; /* then nothing is beyond doubt; everything over q99 still is */
    ASSERT_OK(t.ctx, fm_f2pad_make(t.d, &m, 1, &r));
    ASSERT_OK(t.ctx, fm_f2pad_run(r, 1, rgb, NULL, map, NULL, NULL, repaired));
    fm_f2pad_free(r);
    size_t changed = 0;
    for (size_t p = 0; p < PIXELS; p++) {
      double sum = 0;
      for (size_t c = 0; c < 3; c++) sum += pow((rgb[3 * p + c] - repaired[3 * p + c]) / 255.0, 2);
      change[p] = (float)sqrt(sum);
      changed += memcmp(rgb + 3 * p, repaired + 3 * p, 3) != 0;
    }
    if (turn)
      assert_int_equal(changed, 0);
    else
      assert_in_range(changed, 50, PIXELS / 2);
    ASSERT_OK(t.ctx, fm_look_blur(&look, 1, change));
    for (size_t p = 0; p < PIXELS; p++) {
      double b = (double)look.soft[p] / sqrt(m.refinement.q995), rho = (double)m.refinement.usual[p];
      double want = b * (1 + ((double)look.blur[p] + (double)change[p]) / (2 * rho));
      assert_near((double)map[p], want, b * (1 / 255.0) / (2 * rho) + 1e-4 * want);
    }
  }
  fm_look_free(&look);
  fm_model_free(&m);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(mask),           TEST(refines_alike),           TEST(without_refinement),
      TEST(damaged_files),  TEST(normal_as_the_reference), TEST(mask_as_the_reference),
      TEST(maps_as_written)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
