/* A model with a standard sees pictures as the training lay; what comes out is as the pictures are. */
#define _XOPEN_SOURCE 700
#include "flawmap.h"

#include "base/memory.h"
#include "data/mask.h"
#include "file/image.h"
#include "method/patchcore.h"
#include "method/tiny.h"
#include "task/score_set.h"

#include <math.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE, COPIES = 4 };
static const float lights[COPIES] = {0.7f, 0.85f, 1.1f, 1.2f};

struct got {
  struct fm_context *ctx;
  float score[COPIES], gain[COPIES];
  double seen[COPIES]; /* the mean of what the network saw, in the picture's own light */
};

/* The first test picture under other light, as files of its own. */
static void relight(struct tiny *t, struct fm_sample copy[COPIES], char path[COPIES][512]) {
  for (int i = 0; i < COPIES; i++) {
    struct fm_image image;
    char name[32];
    snprintf(name, sizeof name, "relit%d.png", i);
    folder_path(&t->folder, name, path[i]);
    ASSERT_OK(t->ctx, fm_image_read(t->ctx, t->category.test[0].path, &image));
    fm_light_apply((float[]){lights[i], lights[i], lights[i]}, image.pixels, PIXELS);
    ASSERT_OK(t->ctx, fm_png_write(t->ctx, path[i], &image));
    fm_image_free(t->ctx, &image);
    copy[i] = t->category.test[0];
    copy[i].path = path[i];
  }
}

static void fit(struct tiny *t, const char *light, struct fm_model *m) {
  ASSERT_OK(t->ctx, fm_recipe_begin(t->ctx, "patchcore", &t->fit.recipe));
  t->fit.recipe.size = fm_square(SIZE);
  t->fit.recipe.refine = true;
  strcpy(t->fit.recipe.light, light);
  ASSERT_OK(t->ctx, tiny_fit(t));
  ASSERT_OK(t->ctx, fm_model_load(t->ctx, t->model, NULL, m));
}

static enum fm_status take(void *user, const struct fm_score_item *item) {
  struct got *g = user;
  g->score[item->index] = item->one.score;
  g->gain[item->index] = item->adjusted->lit ? item->adjusted->gain[0] : 0;
  for (int i = 0; item->one.repaired && i < 3 * PIXELS; i++)
    g->seen[item->index] += item->one.rgb[i] / (3.0 * PIXELS);
  return FM_OK;
}

static void score(struct tiny *t, const struct fm_model *m, const struct fm_sample *copy, bool refine,
                  struct got *got) {
  const struct fm_score_list list = {
      .samples = copy, .count = COPIES, .text = "test", .refine = refine, .take = take, .user = got};
  *got = (struct got){.ctx = t->ctx};
  ASSERT_OK(t->ctx, fm_score_set(t->d, m, &list));
}

static float range(const struct got *g) {
  float low = INFINITY, high = -INFINITY;
  for (int i = 0; i < COPIES; i++) {
    low = fminf(low, g->score[i]);
    high = fmaxf(high, g->score[i]);
  }
  return high - low;
}

/* The public API says the same to the bit. */
static void by_the_api(struct tiny *t, const struct fm_sample *copy, const struct got *want) {
  struct fm_session *s;
  struct fm_detector *d;
  struct fm_picture p[COPIES] = {{0}};
  struct fm_image image[COPIES];
  assert_int_equal(fm_session_open(NULL, &s), 0);
  assert_int_equal(fm_detector_open(s, t->model,
                                    &(struct fm_detector_options){.size = sizeof(struct fm_detector_options),
                                                                  .at_once = 3,
                                                                  .sharpen = -1,
                                                                  .untrained = 1},
                                    &d),
                   0);
  for (int i = 0; i < COPIES; i++) {
    ASSERT_OK(t->ctx, fm_image_read(t->ctx, copy[i].path, &image[i]));
    p[i] = (struct fm_picture){.size = sizeof p[i], .width = SIZE, .height = SIZE, .pixels = image[i].pixels};
  }
  assert_int_equal(fm_detector_score(d, COPIES, p), 0);
  for (int i = 0; i < COPIES; i++) {
    assert_true(p[i].score == want->score[i]);
    fm_image_free(t->ctx, &image[i]);
  }
  fm_detector_close(d);
  fm_session_close(s);
}

/* Light that differs by a factor hardly moves a score, though it does without a standard. */
static void light(void **state) {
  struct tiny t;
  struct fm_model off, on;
  struct got plain, lit, sharp;
  struct fm_sample copy[COPIES];
  char path[COPIES][512];
  tiny_open(*state, &t);
  relight(&t, copy, path);
  fit(&t, "off", &off);
  score(&t, &off, copy, false, &plain);
  fit(&t, "auto", &on);
  assert_int_equal(on.standard.light.mode, FM_LIGHT_GAIN);
  score(&t, &on, copy, false, &lit);
  score(&t, &on, copy, true, &sharp);
  assert_true(range(&lit) < range(&plain) / 4);
  for (int i = 0; i < COPIES; i++) {
    assert_true(plain.gain[i] == 0); /* nothing was done */
    assert_true(fabsf(logf(lit.gain[i] * lights[i] / (lit.gain[0] * lights[0]))) < 0.03f);
    assert_true(fabs(log(sharp.seen[i] / lights[i] / (sharp.seen[0] / (double)lights[0]))) < 0.03);
  }
  by_the_api(&t, copy, &lit);
  fm_model_free(&off);
  fm_model_free(&on);
  tiny_close(&t);
}

/* ---- pose ---- */

enum { LEVERS = 20, FLAWS = 6, LEVER = 128 };

struct spots { /* of each picture: where its map is highest, in its own pixels; how it lay */
  int x[FLAWS], y[FLAWS];
  float score[FLAWS];
  bool placed[FLAWS];
};

static enum fm_status take_spot(void *user, const struct fm_score_item *item) {
  struct spots *s = user;
  float row[LEVER], most = -INFINITY;
  for (int y = 0; y < item->one.height; y++) {
    fm_score_map_row(&item->one.map, y, row);
    for (int x = 0; x < item->one.width; x++) {
      if (row[x] <= most) continue;
      most = row[x];
      s->x[item->index] = x;
      s->y[item->index] = y;
    }
  }
  s->score[item->index] = item->one.score;
  s->placed[item->index] = item->adjusted->placed;
  return FM_OK;
}

static void lever_fit(struct tiny *t, struct fm_category *category, const char *method, const char *align,
                      struct fm_model *m) {
  ASSERT_OK(t->ctx, fm_recipe_begin(t->ctx, method, &t->fit.recipe));
  t->fit.recipe.size = fm_square(LEVER);
  t->fit.recipe.channels = 40;
  t->fit.recipe.refine = false;
  strcpy(t->fit.recipe.light, "auto");
  strcpy(t->fit.recipe.align, align);
  t->fit.category = category;
  ASSERT_OK(t->ctx, tiny_fit(t));
  ASSERT_OK(t->ctx, fm_model_load(t->ctx, t->model, NULL, m));
}

/* How far a place is from the nearest flawed pixel. */
static double far_from(struct fm_context *ctx, const struct fm_sample *s, int x, int y) {
  struct fm_drawn mask;
  double least = INFINITY;
  ASSERT_OK(ctx, fm_mask_read(ctx, s->mask, &mask));
  for (int i = 0; i < mask.width * mask.height; i++)
    if (mask.pixels[i]) least = fmin(least, hypot(i % mask.width - x, i / mask.width - y));
  fm_mask_release(ctx, &mask);
  return least;
}

static void levers_open(struct tiny *t, struct fm_dataset *set, struct fm_category *c) {
  const struct fm_make_options make = {
      .size = LEVER, .train = LEVERS, .test_good = 1, .per_kind = FLAWS, .product = "lever"};
  char data[512];
  ASSERT_OK(t->ctx, fm_make_dataset(t->ctx, folder_path(&t->folder, "levers", data), &make));
  ASSERT_OK(t->ctx, fm_dataset_open(t->ctx, data, NULL, set));
  ASSERT_OK(t->ctx, fm_category_open(t->ctx, set, "lever", c));
}

static void levers_close(struct tiny *t, struct fm_dataset *set, struct fm_category *c) {
  fm_category_close(t->ctx, c);
  fm_dataset_close(t->ctx, set);
  t->fit.category = &t->category;
}

/* Missing holes of levers that lie anywhere are found where they are in the picture. */
static void pose(void **state) {
  struct tiny t;
  struct fm_dataset set;
  struct fm_category c;
  struct fm_model m;
  tiny_open(*state, &t);
  levers_open(&t, &set, &c);
  const struct fm_sample *holes = c.test;
  while (strcmp(holes->kind, "no_hole") != 0) holes++;
  double far[2] = {0, 0};
  for (int on = 0; on < 2; on++) {
    struct spots s = {0};
    lever_fit(&t, &c, "padim", on ? "auto" : "off", &m);
    assert_true(m.standard.poses == (on == 1));
    const struct fm_score_list list = {
        .samples = holes, .count = FLAWS, .text = "test", .take = take_spot, .user = &s};
    ASSERT_OK(t.ctx, fm_score_set(t.d, &m, &list));
    for (int i = 0; i < FLAWS; i++) {
      assert_true(s.placed[i] == (on == 1));
      far[on] += far_from(t.ctx, &holes[i], s.x[i], s.y[i]) / FLAWS;
    }
    fm_model_free(&m);
  }
  if (far[1] > 4 || far[0] < 2 * far[1]) fail_msg("%g pixels off, %g without a pose", far[1], far[0]);
  levers_close(&t, &set, &c);
  tiny_close(&t);
}

/* Every row of the bank is a place that shows the picture itself, and its feature is that place's, whether
 * features are kept or looked for again. */
static void bank(void **state) {
  enum { GRID = LEVER / 8 };
  struct tiny t;
  struct fm_dataset set;
  struct fm_category c;
  struct fm_model m;
  struct fm_preprocess p;
  struct fm_weights again;
  unsigned char *rgb = fm_alloc(*state, LEVER * LEVER, 3), covered[LEVERS][GRID * GRID];
  size_t places = 0;
  tiny_open(*state, &t);
  levers_open(&t, &set, &c);
  lever_fit(&t, &c, "patchcore", "auto", &m);
  assert_true(m.standard.poses && m.data.learned == LEVERS);
  ASSERT_OK(t.ctx, fm_model_preprocess(&m, &p));
  for (size_t i = 0; i < LEVERS; i++) {
    struct fm_adjusted a;
    ASSERT_OK(t.ctx, fm_picture_load(t.ctx, c.train[i].path, &p, rgb, &a));
    fm_standard_covered(p.standard, &a, p.size, p.size, fm_square(GRID), covered[i]);
    for (int q = 0; q < GRID * GRID; q++) places += covered[i][q];
  }
  assert_in_range(places, LEVERS * GRID * GRID / 2, LEVERS * GRID * GRID * 9 / 10);
  const struct fm_weight *rows = fm_weights_find(&m.learned, "bank"),
                         *picture = fm_weights_find(&m.learned, "picture"),
                         *cell = fm_weights_find(&m.learned, "cell");
  for (size_t i = 0; i < rows->shape[0]; i++) {
    size_t of = (size_t)m.learned.value[picture->offset + i], at = (size_t)m.learned.value[cell->offset + i];
    if (!covered[of][at]) fail_msg("row %zu is cell %zu of picture %zu, which is not covered", i, at, of);
  }
  const struct fm_train train = {.recipe = m.recipe,
                                 .category = "lever",
                                 .samples = c.train,
                                 .count = c.train_count,
                                 .expert = &m.expert,
                                 .standard = &m.standard};
  ASSERT_OK(t.ctx, fm_patchcore_learn(t.d, &train, 0, &again));
  assert_int_equal(again.total, m.learned.total);
  assert_memory_equal(again.value, m.learned.value, again.total * sizeof *again.value);
  fm_weights_free(&again);
  fm_model_free(&m);
  fm_free(t.ctx, rgb);
  levers_close(&t, &set, &c);
  tiny_close(&t);
}

/* The same pictures give the same bytes, and what is not known is refused before anything is read. */
static void bytes(void **state) {
  struct tiny t;
  struct fm_model m;
  char first[512];
  tiny_open(*state, &t);
  fit(&t, "auto", &m);
  fm_model_free(&m);
  strcpy(first, t.model);
  tiny_name(&t, "again.flawmap");
  fit(&t, "auto", &m);
  fm_model_free(&m);
  assert_same_file(t.ctx, first, t.model);
  strcpy(t.fit.recipe.align, "maybe");
  assert_int_equal(fm_recipe_check(t.ctx, &t.fit.recipe), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "--align maybe is not known"));
  fm_error_clear(t.ctx);
  strcpy(t.fit.recipe.light, "bright");
  assert_int_equal(fm_recipe_check(t.ctx, &t.fit.recipe), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "--light bright is not known"));
  fm_error_clear(t.ctx);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(light), TEST(pose), TEST(bank), TEST(bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
