/* F2PAD's windows: they hold what may change with a margin, cells near their own edges do not count, and what
 * comes out is what comes out of the whole picture, nearly. */
#define _XOPEN_SOURCE 700
#include "method/scorer.h"
#include "method/tiny.h"
#include "refine/descent.h"

#include <math.h>

enum { LARGE = 1, LOW = 2, SMALL = FM_WINDOWS - 1 };

static void make_box(struct fm_mask *m, int left, int top, int right, int bottom) {
  int wide = m->half.width;
  memset(m->room, 0, fm_size_pixels(m->half) * sizeof *m->room);
  m->inside = 0;
  for (int y = top / 2; y < bottom / 2; y++)
    for (int x = left / 2; x < right / 2; x++, m->inside++) m->room[y * wide + x] = 1;
}

static void sizes(void **state) {
  (void)state;
  const struct fm_size wide = {512, 384}, small = {32, 32}, odd = {100, 128};
  assert_true(fm_size_same(fm_window_size(wide, FM_WINDOW_WHOLE), wide));
  assert_true(fm_size_same(fm_window_size(wide, LARGE), (struct fm_size){384, 288}));
  assert_true(fm_size_same(fm_window_size(wide, SMALL), (struct fm_size){256, 192}));
  assert_true(fm_size_same(fm_window_size(wide, LOW), (struct fm_size){512, 192}));
  assert_true(fm_size_same(fm_window_size(fm_square(224), SMALL), fm_square(128)));
  assert_true(fm_size_same(fm_window_size(small, SMALL), small));
  assert_int_equal(fm_window_size(odd, SMALL).width, 100);
  for (int kind = 1; kind < FM_WINDOWS; kind++)
    assert_true(fm_size_pixels(fm_window_size(wide, kind)) <= fm_size_pixels(fm_window_size(wide, kind - 1)));
}

/* Wherever the box lies, all of it and its margin are in the window, but for what is outside the picture. */
static void around(void **state) {
  struct fm_context *ctx = *state;
  struct fm_mask m;
  int seen[FM_WINDOWS] = {0};
  ASSERT_OK(ctx, fm_mask_make(ctx, (struct fm_size){512, 384}, &m));
  for (int wide = 8; wide < 512; wide += 56)
    for (int high = 8; high < 384; high += 46)
      for (int at = 0; at < 9; at++) {
        const int left = at % 3 * (512 - wide) / 4 * 2, top = at / 3 * (384 - high) / 4 * 2;
        make_box(&m, left, top, left + wide, top + high);
        const struct fm_window w = fm_window_around(&m);
        const struct fm_size size = fm_window_size(m.size, w.kind);
        assert_true(w.x % 32 == 0 && w.y % 32 == 0 && w.x >= 0 && w.y >= 0);
        assert_true(w.x + size.width <= 512 && w.y + size.height <= 384);
        assert_true(w.x == 0 || left - w.x >= FM_WINDOW_MARGIN);
        assert_true(w.y == 0 || top - w.y >= FM_WINDOW_MARGIN);
        assert_true(w.x + size.width == 512 || w.x + size.width - left - wide >= FM_WINDOW_MARGIN);
        assert_true(w.y + size.height == 384 || w.y + size.height - top - high >= FM_WINDOW_MARGIN);
        seen[w.kind]++;
      }
  for (int kind = 0; kind < FM_WINDOWS; kind++) assert_true(seen[kind] > 0);
  make_box(&m, 250, 180, 258, 188);
  assert_int_equal(fm_window_around(&m).kind, SMALL);
  fm_mask_free(&m);
}

/* Cells of 8 pixels: the window's own place of the picture's limits, none within 24 pixels of a cut. */
static void limits(void **state) {
  enum { WIDE = 64, HIGH = 48, W = 32, H = 24 };
  const struct fm_window window = {SMALL, 256, 96}; /* at the right edge, cut on three sides */
  float limit[HIGH * WIDE], out[H * W];
  (void)state;
  for (int i = 0; i < HIGH * WIDE; i++) limit[i] = (float)i;
  fm_window_limits((struct fm_size){512, 384}, window, limit, WIDE, out, H, W);
  for (int y = 0; y < H; y++)
    for (int x = 0; x < W; x++) {
      bool counts = x >= 3 && y >= 3 && y < H - 3;
      float want = counts ? limit[(12 + y) * WIDE + 32 + x] : INFINITY;
      assert_true(out[y * W + x] == want);
    }
}

/* A part of a mask steps as the whole one does where nothing else may change. */
static void parts(void **state) {
  struct fm_context *ctx = *state;
  enum { SIDE = 128, X = 32, Y = 64, PART = 64 };
  struct fm_mask whole, part;
  static float g[SIDE * SIDE], cut[PART * PART];
  ASSERT_OK(ctx, fm_mask_make(ctx, fm_square(SIDE), &whole));
  ASSERT_OK(ctx, fm_mask_make(ctx, fm_square(PART), &part));
  make_box(&whole, X + 26, Y + 26, X + 38, Y + 36);
  for (int i = 0; i < SIDE * SIDE / 4; i++) whole.a[i] = whole.room[i];
  fm_mask_cut(&whole, X, Y, &part);
  assert_int_equal(part.inside, whole.inside);
  for (int t = 1; t <= 4; t++) {
    for (int i = 0; i < SIDE * SIDE; i++) g[i] = (float)((i * 7 + t) % 13) - 6;
    for (int i = 0; i < PART * PART; i++) cut[i] = g[(Y + i / PART) * SIDE + X + i % PART];
    ASSERT_OK(ctx, fm_mask_step(&whole, g, t, 10));
    ASSERT_OK(ctx, fm_mask_step(&part, cut, t, 10));
  }
  float *want = fm_alloc(ctx, SIDE * SIDE / 4, sizeof *want);
  memcpy(want, whole.a, SIDE * SIDE / 4 * sizeof *want);
  memset(whole.a, 0, SIDE * SIDE / 4 * sizeof *want);
  fm_mask_paste(&part, X, Y, &whole);
  double moved = 0;
  for (int i = 0; i < SIDE * SIDE / 4; i++) {
    assert_true(fabsf(whole.a[i] - want[i]) < 1e-6f);
    moved += fabs(1 - (double)want[i]) * (double)whole.room[i];
  }
  assert_true(moved > 1);
  fm_free(ctx, want);
  fm_mask_free(&part);
  fm_mask_free(&whole);
}

/* The limits of cells: what a good picture has. */
static void limits_of(struct tiny *t, struct fm_model *m, const unsigned char *rgb, float *map) {
  struct fm_scorer *s;
  ASSERT_OK(t->ctx, fm_scorer_make(t->d, m, 1, false, &s));
  ASSERT_OK(t->ctx, fm_scorer_run(s, 1, rgb, NULL, map, NULL));
  size_t cells = (size_t)(s->height * s->width);
  m->refinement.height = s->height;
  m->refinement.width = s->width;
  m->refinement.limit = fm_alloc(t->ctx, cells, sizeof *m->refinement.limit);
  ASSERT_OK(t->ctx, fm_buffer_read(t->d, &s->cells, 0, m->refinement.limit, cells * sizeof(float)));
  fm_scorer_free(s);
}

/* The same mask from a window as from the whole picture, nearly: PatchCore at 256, a chequered flaw on a
 * picture that is its own reference without it. */
static void as_the_whole(void **state) {
  enum { SIDE = 256, PIXELS = SIDE * SIDE };
  struct tiny t;
  struct fm_model m;
  struct fm_mask mask[2];
  struct fm_preprocess p;
  tiny_open(*state, &t);
  ASSERT_OK(t.ctx, fm_recipe_begin(t.ctx, "patchcore", &t.fit.recipe));
  t.fit.recipe.size = fm_square(SIDE);
  t.fit.recipe.coreset = 0.01;
  t.fit.recipe.refine = false;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  ASSERT_OK(t.ctx, fm_model_preprocess(&m, &p));
  unsigned char *rgb = fm_alloc(t.ctx, PIXELS, 3);
  float *map = fm_alloc(t.ctx, PIXELS, sizeof *map), *reference = fm_alloc(t.ctx, PIXELS, 16);
  ASSERT_OK(t.ctx, fm_picture_load(t.ctx, t.category.test[0].path, &p, rgb, NULL));
  limits_of(&t, &m, rgb, map);
  for (int i = 0; i < PIXELS; i++)
    for (int c = 0; c < 3; c++) reference[4 * i + c] = (float)rgb[3 * i + c] / 255;
  for (int y = 112; y < 136; y++)
    for (int x = 112; x < 136; x++) memset(rgb + 3 * (y * SIDE + x), (x / 4 + y / 4) % 2 ? 255 : 0, 3);
  for (int k = 0; k < 2; k++) {
    struct fm_descent *descent;
    const struct fm_window window = {k ? LARGE : FM_WINDOW_WHOLE, 32 * k, 32 * k};
    ASSERT_OK(t.ctx, fm_mask_make(t.ctx, fm_square(SIDE), &mask[k]));
    make_box(&mask[k], 96, 96, 152, 152);
    for (int i = 0; i < PIXELS / 4; i++) mask[k].a[i] = mask[k].room[i];
    const struct fm_descent_item item = {rgb, reference, &mask[k], window};
    ASSERT_OK(t.ctx, fm_descent_make(t.d, &m, window.kind, 1, &descent));
    ASSERT_OK(t.ctx, fm_descent_run(descent, 1, &item));
    fm_descent_free(descent);
  }
  double apart = 0, changed = 0;
  for (int i = 0; i < PIXELS / 4; i++) {
    apart += fabs((double)mask[0].a[i] - (double)mask[1].a[i]);
    changed += (double)mask[0].a[i];
  }
  if (!(changed > 36 && apart < 0.15 * changed)) fail_msg("%g of %g differ", apart, changed);
  for (int k = 0; k < 2; k++) fm_mask_free(&mask[k]);
  fm_free(t.ctx, rgb);
  fm_free(t.ctx, map);
  fm_free(t.ctx, reference);
  fm_model_free(&m);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(sizes), TEST(around), TEST(limits), TEST(parts),
                                     TEST(as_the_whole)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
