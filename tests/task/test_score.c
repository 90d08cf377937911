/* What a picture's score is: the detector's own, else the largest value of its map at the picture's own size;
 * sharpened maps leave it alone. The list, the batch and the public API say the same. */
#define _XOPEN_SOURCE 700
#include "flawmap.h"

#include "file/image.h"
#include "method/scorer.h"
#include "method/tiny.h"
#include "task/score_set.h"

#include <math.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE, MOST = 16 };

struct got {
  struct fm_context *ctx;
  float score[MOST], peak[MOST], largest[MOST], own_map[MOST];
};

static enum fm_status take(void *user, const struct fm_score_item *item) {
  struct got *g = user;
  float row[SIZE];
  g->score[item->index] = item->one.score;
  g->peak[item->index] = item->one.peak;
  g->largest[item->index] = -INFINITY;
  for (int y = 0; y < item->one.height; y++) {
    fm_score_map_row(&item->one.map, y, row);
    for (int x = 0; x < item->one.width; x++)
      g->largest[item->index] = fmaxf(g->largest[item->index], row[x]);
  }
  for (int i = 0; item->one.base && i < (int)fm_size_pixels(item->one.size); i++)
    g->own_map[item->index] = fmaxf(g->own_map[item->index], item->one.base[i]);
  return FM_OK;
}

static void fit(struct tiny *t, const char *method, struct fm_size size, struct fm_model *m) {
  long tile = t->fit.recipe.tile;
  ASSERT_OK(t->ctx, fm_recipe_begin(t->ctx, method, &t->fit.recipe));
  t->fit.recipe.size = size;
  t->fit.recipe.tile = tile;
  t->fit.recipe.channels = 20;
  t->fit.recipe.refine = true;
  ASSERT_OK(t->ctx, tiny_fit(t));
  ASSERT_OK(t->ctx, fm_model_load(t->ctx, t->model, NULL, m));
  m->refinement.scores = false; /* whatever was found */
}

/* The scores that the detector itself has; NaN: none. */
static void own_scores(struct tiny *t, const struct fm_model *m, float *scores) {
  struct fm_scorer *s;
  struct fm_preprocess p;
  unsigned char *rgb = fm_alloc(t->ctx, MOST * PIXELS, 3);
  float *maps = fm_alloc(t->ctx, MOST * PIXELS, sizeof *maps);
  size_t count = t->category.test_count;
  ASSERT_OK(t->ctx, fm_recipe_preprocess(t->ctx, &m->recipe, &p));
  for (size_t i = 0; i < count; i++)
    ASSERT_OK(t->ctx, fm_picture_load(t->ctx, t->category.test[i].path, &p, rgb + i * PIXELS * 3, NULL));
  ASSERT_OK(t->ctx, fm_scorer_make(t->d, m, 4, false, &s));
  ASSERT_OK(t->ctx, fm_scorer_run(s, (int)count, rgb, NULL, maps, scores));
  fm_scorer_free(s);
  fm_free(t->ctx, rgb);
  fm_free(t->ctx, maps);
}

static void by_the_api(struct tiny *t, const float *want) {
  struct fm_session *s;
  struct fm_detector *d;
  assert_int_equal(fm_session_open(NULL, &s), 0);
  assert_int_equal(fm_detector_open(s, t->model,
                                    &(struct fm_detector_options){.size = sizeof(struct fm_detector_options),
                                                                  .at_once = 3,
                                                                  .sharpen = -1,
                                                                  .untrained = 1},
                                    &d),
                   0);
  struct fm_picture p[MOST] = {{0}};
  struct fm_image image[MOST];
  size_t count = t->category.test_count;
  for (size_t i = 0; i < count; i++) {
    ASSERT_OK(t->ctx, fm_image_read(t->ctx, t->category.test[i].path, &image[i]));
    p[i] = (struct fm_picture){.size = sizeof p[i], .width = SIZE, .height = SIZE, .pixels = image[i].pixels};
  }
  assert_int_equal(fm_detector_score(d, (int)count, p), 0);
  for (size_t i = 0; i < count; i++) {
    assert_true(p[i].score == want[i]);
    fm_image_free(t->ctx, &image[i]);
  }
  fm_detector_close(d);
  fm_session_close(s);
}

/* The test pictures, with the detector's own maps and with sharpened ones. */
static void score_both(struct tiny *t, const struct fm_model *m, struct got *plain, struct got *sharp) {
  struct fm_score_list list = {.samples = t->category.test,
                               .count = t->category.test_count,
                               .text = "test",
                               .take = take,
                               .user = plain};
  ASSERT_OK(t->ctx, fm_score_set(t->d, m, &list));
  list.refine = true;
  list.user = sharp;
  ASSERT_OK(t->ctx, fm_score_set(t->d, m, &list));
}

/* PatchCore has a score of its own, PaDiM has not. */
static void own_score_or_peak(void **state) {
  static const char *const methods[] = {"patchcore", "padim"};
  for (int k = 0; k < 2; k++) {
    struct tiny t;
    struct fm_model m;
    tiny_open(*state, &t);
    fit(&t, methods[k], fm_square(SIZE), &m);
    struct got plain = {.ctx = t.ctx}, sharp = {.ctx = t.ctx};
    float own[MOST];
    size_t count = t.category.test_count;
    assert_in_range(count, 3, MOST);
    own_scores(&t, &m, own);
    score_both(&t, &m, &plain, &sharp);
    size_t apart = 0;
    for (size_t i = 0; i < count; i++) {
      assert_true(isnan(own[i]) == (k == 1));
      assert_true(plain.peak[i] == plain.largest[i] && sharp.peak[i] == sharp.largest[i]);
      assert_true(plain.score[i] == (k ? plain.peak[i] : own[i]));
      assert_true(sharp.score[i] == plain.score[i]); /* sharpening changes the map only */
      assert_true(sharp.own_map[i] == plain.peak[i]);
      apart += plain.score[i] != plain.peak[i] || sharp.score[i] != sharp.peak[i];
    }
    assert_int_equal(apart, count); /* else nothing above tells one from the other */
    m.refinement.scores = true;     /* or brings a score of its own, where the model says so */
    score_both(&t, &m, &plain, &sharp);
    for (size_t i = 0; i < count; i++) assert_true(sharp.score[i] == sharp.peak[i]);
    by_the_api(&t, plain.score);
    fm_model_free(&m);
    tiny_close(&t);
  }
}

/* A network that is wider than high: the list and the public API say the same, at the pictures' own size. */
static void rectangle(void **state) {
  static const char *const methods[] = {"patchcore", "padim"};
  for (int k = 0; k < 2; k++) {
    struct tiny t;
    struct fm_model m;
    tiny_open(*state, &t);
    fit(&t, methods[k], (struct fm_size){96, 32}, &m);
    assert_true(fm_size_same(m.recipe.size, (struct fm_size){96, 32}));
    struct got plain = {.ctx = t.ctx}, sharp = {.ctx = t.ctx};
    score_both(&t, &m, &plain, &sharp);
    for (size_t i = 0; i < t.category.test_count; i++) {
      assert_true(plain.peak[i] == plain.largest[i] && sharp.peak[i] == sharp.largest[i]);
      assert_true(sharp.score[i] == plain.score[i]);
    }
    by_the_api(&t, plain.score);
    fm_model_free(&m);
    tiny_close(&t);
  }
}

/* Pictures in tiles: the list and the public API say the same; a score is the map's largest value, or the
 * largest of the tiles' own. */
static void tiles(void **state) {
  static const char *const methods[] = {"patchcore", "padim"};
  for (int k = 0; k < 2; k++) {
    struct tiny t;
    struct fm_model m;
    tiny_open(*state, &t);
    t.fit.recipe.tile = 48;
    fit(&t, methods[k], fm_square(32), &m);
    assert_true(m.recipe.tile == 48 && m.data.tiles == 4 * m.data.learned && m.refinement.there);
    struct got plain = {.ctx = t.ctx}, sharp = {.ctx = t.ctx};
    score_both(&t, &m, &plain, &sharp);
    for (size_t i = 0; i < t.category.test_count; i++) {
      assert_true(plain.peak[i] == plain.largest[i] && sharp.peak[i] == sharp.largest[i]);
      assert_true(sharp.score[i] == plain.score[i]);
      assert_true((plain.score[i] == plain.peak[i]) == (k == 1));
    }
    by_the_api(&t, plain.score);
    fm_model_free(&m);
    tiny_close(&t);
  }
}

/* Turns the colours of a square around a place. */
static void stain(struct fm_image *image, int x, int y) {
  enum { HALF = 3 };
  for (int row = y - HALF; row < y + HALF; row++)
    for (int i = 3 * (x - HALF); i < 3 * (x + HALF); i++) image->pixels[row * 3 * image->width + i] ^= 255;
}

/* A flaw on every seam, and where seams cross, is what changes the map most, where it lies. */
static void on_every_seam(void **state) {
  enum { TILE = 32, SEAMS = 4, FAR = 8 };
  static const int seam[SEAMS] = {16, 32, 48, 24}; /* where tiles begin and end; the last one is none */
  struct tiny t;
  struct fm_model m;
  struct fm_session *s;
  struct fm_detector *d;
  float *map, *clean;
  tiny_open(*state, &t);
  t.fit.recipe.tile = TILE;
  fit(&t, "padim", fm_square(64), &m);
  map = fm_alloc(t.ctx, PIXELS, sizeof *map);
  clean = fm_alloc(t.ctx, PIXELS, sizeof *clean);
  assert_int_equal(fm_session_open(NULL, &s), 0);
  assert_int_equal(fm_detector_open(s, t.model,
                                    &(struct fm_detector_options){.size = sizeof(struct fm_detector_options),
                                                                  .at_once = 4,
                                                                  .sharpen = -1,
                                                                  .untrained = 1},
                                    &d),
                   0);
  for (int k = 0; k < SEAMS * SEAMS; k++) {
    struct fm_image image;
    int x = seam[k % SEAMS], y = seam[k / SEAMS], at = 0;
    ASSERT_OK(t.ctx, fm_image_read(t.ctx, t.category.train[0].path, &image));
    struct fm_picture p = {
        .size = sizeof p, .width = SIZE, .height = SIZE, .pixels = image.pixels, .map = clean};
    assert_int_equal(fm_detector_score(d, 1, &p), 0);
    stain(&image, x, y);
    p.map = map;
    assert_int_equal(fm_detector_score(d, 1, &p), 0);
    for (int i = 0; i < PIXELS; i++)
      if (map[i] - clean[i] > map[at] - clean[at]) at = i;
    if (abs(at % SIZE - x) > FAR || abs(at / SIZE - y) > FAR)
      fail_msg("a flaw at %d, %d shows at %d, %d", x, y, at % SIZE, at / SIZE);
    fm_image_free(t.ctx, &image);
  }
  fm_detector_close(d);
  fm_session_close(s);
  fm_free(t.ctx, map);
  fm_free(t.ctx, clean);
  fm_model_free(&m);
  tiny_close(&t);
}

/* Less memory, smaller bites; never less than one picture. */
static void plans(void **state) {
  struct tiny t;
  struct fm_score_plan all, some, none, unknown;
  tiny_open(*state, &t);
  t.ctx->threads = 4;
  struct fm_score_list list = {
      .samples = t.category.test, .count = t.category.test_count, .images = true, .work_bytes = 7};
  fm_score_plan_make(t.ctx, &list, 8, (size_t)1 << 30, &all);
  assert_true(all.width == SIZE && all.height == SIZE && all.at_once == 4 && all.workers == 2);
  assert_int_equal(all.image_limit, 3 * PIXELS * 32);
  fm_score_plan_make(t.ctx, &list, 8, (size_t)PIXELS * 36, &some); /* three quarters: 27 bytes a pixel */
  assert_true(some.at_once == 2 && some.workers == 2 && some.image_limit == 0);
  assert_true(some.bytes <= (size_t)PIXELS * 27);
  fm_score_plan_make(t.ctx, &list, 8, 1, &none);
  assert_true(none.at_once == 1 && none.workers == 1 && none.bytes > none.free);
  fm_score_plan_make(t.ctx, &list, 8, 0, &unknown);
  assert_true(unknown.at_once == 4 && unknown.image_limit == all.image_limit);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(own_score_or_peak), TEST(rectangle), TEST(tiles),
                                     TEST(on_every_seam), TEST(plans)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
