/* PaDiM from pictures to a model: which channels, what it promises about the pictures it learned from, the
 * same bytes again, what it says about memory, what it refuses. Distances and gradients: tests/op/
 * test_mahalanobis.c, tests/method/test_gradient.c. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "base/memory.h"
#include "method/channels.h"
#include "method/scorer.h"
#include "model/method.h"
#include "op/mahalanobis.h"

#include <math.h>
#include <string.h>

enum { SIDE = 64, GRID = SIDE / 4, CELLS = GRID * GRID, PICTURE = 3 * SIDE * SIDE, LEARNED = 9 };

/* channels: 7 makes a model by the factor, 100 one by the rows of its nine pictures. */
static void open_tiny(struct fm_context *ctx, struct tiny *t, long channels) {
  tiny_open(ctx, t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "padim", &t->fit.recipe));
  t->fit.recipe.size = fm_square(SIDE);
  t->fit.recipe.batch = 4;
  t->fit.recipe.channels = channels;
  t->fit.recipe.refine = false;
  t->fit.recipe.learn_all = false;
}

static const struct fm_weight *tensor(const struct fm_model *m, const char *name) {
  return fm_weights_find(&m->learned, name);
}

/* ---- channels ---- */

static int chosen(struct fm_context *ctx, const struct fm_recipe *r, int channel[4096]) {
  int count, *list;
  ASSERT_OK(ctx, fm_channels_choose(ctx, r, &count, &list));
  for (int i = 0; i < count; i++) {
    channel[i] = list[i];
    assert_true(list[i] >= 0 && (!i || list[i] > list[i - 1]));
  }
  fm_free(ctx, list);
  return count;
}

static void from_the_seed(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  int a[4096], b[4096];
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "padim", &r));
  assert_int_equal(chosen(ctx, &r, a), 100);
  assert_true(a[99] < 176);
  assert_int_equal(chosen(ctx, &r, b), 100);
  assert_memory_equal(a, b, 100 * sizeof *a);
  r.seed++;
  chosen(ctx, &r, b);
  assert_memory_not_equal(a, b, 100 * sizeof *a);
  r.channels = 0;
  assert_int_equal(chosen(ctx, &r, b), 176);
  r.channels = 177;
  assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
  assert_non_null(strstr(ctx->message, "176"));
  fm_error_clear(ctx);
}

/* As Python's random.sample chose them; by the layer that they come from. */
static void published(void **state) {
  static const struct {
    const char *recipe;
    int count, of[3], layer[3], some[3];
  } table[] = {
      {"padim_resnet18", 100, {64, 128, 256}, {18, 23, 59}, {408, 9, 48}},
      {"padim_wide_resnet50_2", 550, {256, 512, 1024}, {82, 154, 314}, {1632, 39, 1064}},
  };
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  struct fm_preprocess p;
  int channel[4096];
  for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
    int layer[3] = {0}, found = 0;
    ASSERT_OK(ctx, fm_recipe_read(ctx, table[k].recipe, &r));
    ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
    ASSERT_OK(ctx, fm_recipe_preprocess(ctx, &r, &p));
    assert_true(fm_size_same(p.size, fm_square(256)) && fm_size_same(p.crop, fm_square(224)) &&
                p.resize == FM_RESIZE_LANCZOS);
    assert_true(r.hold_out == 0 && r.regulariser == 0.01 && r.floor == 0 && r.channels == table[k].count &&
                !r.refine);
    assert_int_equal(chosen(ctx, &r, channel), table[k].count);
    for (int i = 0; i < table[k].count; i++) {
      layer[channel[i] < table[k].of[0] ? 0 : channel[i] < table[k].of[0] + table[k].of[1] ? 1 : 2]++;
      for (int j = 0; j < 3; j++) found += channel[i] == table[k].some[j];
    }
    assert_memory_equal(layer, table[k].layer, sizeof layer);
    assert_int_equal(found, 3);
    strcpy(r.backbone, "efficientnet_lite0");
    assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
    assert_non_null(strstr(ctx->message, "176"));
    fm_error_clear(ctx);
  }
  static const char *const none[] = {"nonsense", "backbones"};
  for (size_t i = 0; i < 2; i++) {
    strcpy(r.channel_list, none[i]);
    assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
    assert_non_null(strstr(ctx->message, "resnet18_100_of_448, wide_resnet50_2_550_of_1792"));
    fm_error_clear(ctx);
  }
}

/* ---- learning ---- */

/* e of the pictures learned from: on average at most (N - 1)^2 / N / d at every cell, whatever they are. The
 * last of them alone: the same bits as in a batch. */
static void pictures_learned_from(struct tiny *t, const struct fm_model *m) {
  struct fm_context *ctx = t->ctx;
  struct fm_preprocess p;
  struct fm_holdout split;
  struct fm_scorer *s;
  ASSERT_OK(ctx, fm_recipe_preprocess(ctx, &m->recipe, &p));
  ASSERT_OK(ctx, fm_dataset_holdout(ctx, &t->category, m->recipe.hold_out, &split));
  assert_int_equal(split.learn_count, LEARNED);
  unsigned char *rgb = fm_alloc(ctx, (size_t)LEARNED, PICTURE);
  float *e = fm_alloc(ctx, (size_t)LEARNED * CELLS, sizeof *e);
  for (size_t i = 0; i < LEARNED; i++)
    ASSERT_OK(ctx, fm_picture_load(ctx, split.learn[i].path, &p, rgb + i * PICTURE, NULL));
  fm_holdout_free(ctx, &split);
  ASSERT_OK(ctx, fm_scorer_make(t->d, m, LEARNED, false, &s));
  assert_true(s->height == GRID && s->width == GRID);
  ASSERT_OK(ctx, fm_scorer_load(s, LEARNED, rgb, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(ctx, fm_buffer_read(t->d, &s->cells, 0, e, (size_t)LEARNED * CELLS * sizeof *e));
  double bound = (LEARNED - 1.0) * (LEARNED - 1.0) / LEARNED / (double)tensor(m, "channels")->count;
  for (int q = 0; q < CELLS; q++) {
    double sum = 0;
    for (int n = 0; n < LEARNED; n++) sum += (double)e[n * CELLS + q];
    if (!(sum > 0 && sum / LEARNED <= bound * (1 + 1e-4)))
      fail_msg("cell %d: %g, at most %g", q, sum / LEARNED, bound);
  }
  float alone[CELLS];
  ASSERT_OK(ctx, fm_scorer_load(s, 1, rgb + (LEARNED - 1) * PICTURE, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(ctx, fm_buffer_read(t->d, &s->cells, 0, alone, sizeof alone));
  assert_memory_equal(alone, e + (LEARNED - 1) * CELLS, sizeof alone);
  fm_scorer_free(s);
  fm_free(ctx, rgb);
  fm_free(ctx, e);
}

static void assert_same_learned(const struct fm_model *a, const struct fm_model *b) {
  assert_int_equal(a->learned.total, b->learned.total);
  assert_memory_equal(a->learned.value, b->learned.value, a->learned.total * sizeof(float));
}

static void learns(struct fm_context *ctx, long channels, size_t rows) {
  struct tiny t;
  struct fm_model first, again, loaded;
  open_tiny(ctx, &t, channels);
  ASSERT_OK(ctx, fm_fit_run(t.d, &t.fit, &first));
  assert_int_equal(tensor(&first, "channels")->count, channels);
  assert_int_equal(tensor(&first, "factor")->shape[0], fm_triangle(rows ? rows : (size_t)channels));
  assert_true((tensor(&first, "rows") != NULL) == (rows > 0));
  pictures_learned_from(&t, &first);
  ASSERT_OK(ctx, fm_fit_run(t.d, &t.fit, &again));
  assert_same_learned(&first, &again);
  ASSERT_OK(ctx, fm_model_load(ctx, t.model, NULL, &loaded));
  assert_same_learned(&first, &loaded);
  assert_true(loaded.recipe.channels == channels && loaded.image.value == first.image.value);
  /* In other batches the sums round otherwise, and no more than that. */
  fm_model_free(&again);
  t.fit.recipe.batch = 9;
  ASSERT_OK(ctx, fm_fit_run(t.d, &t.fit, &again));
  const struct fm_weight *mean = tensor(&first, "mean");
  for (size_t i = mean->offset; i < mean->offset + mean->count; i++) {
    double a = (double)first.learned.value[i], b = (double)again.learned.value[i];
    assert_true(fabs(a - b) <= 1e-5 * fmax(1e-3, fabs(a)));
  }
  fm_model_free(&first);
  fm_model_free(&again);
  fm_model_free(&loaded);
  tiny_close(&t);
}

static void by_the_factor(void **state) {
  learns(*state, 7, 0);
}

static void by_rows(void **state) {
  learns(*state, 100, LEARNED);
}

/* What a fit is given; the expert is made here. */
static struct fm_train train_of(struct fm_context *ctx, const struct tiny *t, struct fm_expert *expert) {
  const struct fm_backbone *backbone;
  ASSERT_OK(ctx, fm_backbone_find(ctx, t->fit.recipe.backbone, &backbone));
  ASSERT_OK(ctx, fm_expert_load(ctx, backbone, NULL, true, expert));
  return (struct fm_train){.recipe = t->fit.recipe,
                           .category = "gear",
                           .samples = t->category.train,
                           .count = t->category.train_count,
                           .expert = expert};
}

/* What is said before is taken, and not much less. */
static void memory(void **state) {
  struct fm_context *ctx = *state;
  for (long channels = 7; channels <= 100; channels += 93) {
    struct tiny t;
    struct fm_expert expert;
    struct fm_weights learned;
    size_t bytes;
    open_tiny(ctx, &t, channels);
    const struct fm_method *method = fm_method_of(&t.fit.recipe);
    struct fm_train train = train_of(ctx, &t, &expert);
    ASSERT_OK(ctx, method->memory(t.d, &train, &bytes));
    assert_int_equal(fm_device_live(t.d).bytes, 0);
    ASSERT_OK(ctx, method->fit(t.d, &train, &learned));
    size_t peak = fm_device_live(t.d).peak_bytes;
    if (!(peak <= bytes && bytes <= 2 * (peak + learned.total * sizeof(float))))
      fail_msg("%zu bytes said, %zu on the device and %zu on the host", bytes, peak,
               learned.total * sizeof(float));
    fm_weights_free(&learned);
    train.count = 1;
    assert_int_equal(method->fit(t.d, &train, &learned), FM_USAGE);
    assert_non_null(strstr(ctx->message, "two good pictures"));
    fm_error_clear(ctx);
    train.count = t.category.train_count;
    ctx->stop = true;
    assert_int_equal(method->fit(t.d, &train, &learned), FM_STOPPED);
    ctx->stop = false;
    fm_error_clear(ctx);
    fm_expert_free(&expert);
    tiny_close(&t);
  }
}

/* The largest published run: known before, and no more than a computer has. */
static void memory_of_the_largest(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  struct fm_expert expert;
  const struct fm_backbone *backbone;
  size_t bytes;
  setenv("XDG_DATA_HOME", "/nonexistent", 1);
  setenv("XDG_DATA_DIRS", "/nonexistent", 1);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  struct fm_train t = {.expert = &expert, .count = 391};
  ASSERT_OK(ctx, fm_recipe_read(ctx, "padim_wide_resnet50_2", &t.recipe));
  ASSERT_OK(ctx, fm_backbone_find(ctx, t.recipe.backbone, &backbone));
  ASSERT_OK(ctx, fm_expert_load(ctx, backbone, NULL, true, &expert));
  ASSERT_OK(ctx, fm_method_of(&t.recipe)->memory(d, &t, &bytes)); /* sums of 8 bytes, a factor of 4 */
  double sums = 151525.0 * 3136 * 8;
  assert_true((double)bytes > 1.5 * sums && (double)bytes < 1.8 * sums);
  t.count = 60; /* by rows */
  ASSERT_OK(ctx, fm_method_of(&t.recipe)->memory(d, &t, &bytes));
  assert_true((double)bytes < 0.5 * sums);
  fm_expert_free(&expert);
  ASSERT_OK(ctx, fm_device_close(d));
}

/* ---- what is refused ---- */

static void refused(struct fm_model *m, const char *said) {
  const struct fm_method *method = fm_method_of(&m->recipe);
  assert_int_equal(method->accept(m, "x.flawmap"), FM_FORMAT);
  if (!strstr(m->ctx->message, said) || !strstr(m->ctx->message, "x.flawmap"))
    fail_msg("%s", m->ctx->message);
  fm_error_clear(m->ctx);
}

static void wrong_models(void **state) {
  struct fm_context *ctx = *state;
  static const char *const names[] = {"channels", "mean", "factor", "rows"};
  for (int form = 0; form < 2; form++) {
    struct tiny t;
    struct fm_model m;
    open_tiny(ctx, &t, form ? 100 : 7);
    ASSERT_OK(ctx, fm_fit_run(t.d, &t.fit, &m));
    ASSERT_OK(ctx, fm_method_of(&m.recipe)->accept(&m, "x.flawmap"));
    for (int k = 0; k < 3 + form; k++) {
      struct fm_weight *w = (struct fm_weight *)tensor(&m, names[k]);
      for (int dim = 0; dim < w->dims && k; dim++) /* one more, one less */
        for (size_t change = 0; change < 2; change++) {
          size_t keep = w->shape[dim];
          w->shape[dim] = change ? keep - 1 : keep + 1;
          refused(&m, "padim.");
          w->shape[dim] = keep;
        }
      w->dims--;
      refused(&m, "padim.");
      w->dims++;
      w->name[0] ^= 1;
      refused(&m, k == 3 ? "factor" : names[k]);
      w->name[0] ^= 1;
    }
    float *channel = m.learned.value + tensor(&m, "channels")->offset;
    const float wrong[] = {-1, 0.5f, 176, channel[1], NAN, 1e30f};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
      float keep = channel[0];
      channel[0] = wrong[i];
      refused(&m, "channels");
      channel[0] = keep;
    }
    float *floor = m.learned.value + tensor(&m, "floor")->offset, was = *floor;
    for (int i = 0; i < 2; i++) {
      *floor = i ? NAN : -1;
      refused(&m, "floor");
    }
    *floor = was;
    m.recipe.floor = 0; /* a tensor that the recipe does not have, and the reverse */
    refused(&m, "floor");
    m.recipe.floor = 0.3;
    struct fm_weight *item = (struct fm_weight *)tensor(&m, "floor");
    item->name[0] ^= 1;
    refused(&m, "floor");
    item->name[0] ^= 1;
    m.data.learned++;
    if (form) refused(&m, "rows");
    m.data.learned--;
    ASSERT_OK(ctx, fm_method_of(&m.recipe)->accept(&m, "x.flawmap"));
    fm_model_free(&m);
    tiny_close(&t);
  }
}

/* A floor lies under every variance: the same model but for what it adds; as published there is none. */
static void floor_of(void **state) {
  struct fm_context *ctx = *state;
  double factor[3];
  for (int k = 0; k < 3; k++) {
    struct tiny t;
    struct fm_model m;
    open_tiny(ctx, &t, 7);
    t.fit.recipe.floor = k * 0.5;
    ASSERT_OK(ctx, fm_fit_run(t.d, &t.fit, &m));
    const struct fm_weight *floor = tensor(&m, "floor");
    assert_true((floor != NULL) == (k > 0));
    factor[k] = (double)m.learned.value[tensor(&m, "factor")->offset]; /* 1 / root of the variance */
    if (floor) {
      double added = 1 / (factor[k] * factor[k]) - 1 / (factor[0] * factor[0]),
             said = (double)m.learned.value[floor->offset];
      assert_true(fabs(added - said) <= 1e-4 * (said + 1 / (factor[0] * factor[0])));
    }
    fm_model_free(&m);
    tiny_close(&t);
  }
  assert_true(factor[0] > factor[1] && factor[1] > factor[2]);
}

/* Features without end have no covariance: said, not a model of NaN. */
static void no_factor(void **state) {
  struct fm_context *ctx = *state;
  struct tiny t;
  struct fm_expert expert;
  struct fm_weights learned;
  open_tiny(ctx, &t, 7);
  struct fm_train train = train_of(ctx, &t, &expert);
  for (size_t i = 0; i < expert.weights.total; i++) expert.weights.value[i] *= 1e20f;
  assert_int_equal(fm_method_of(&train.recipe)->fit(t.d, &train, &learned), FM_NUMERIC);
  assert_non_null(strstr(ctx->message, "--regulariser"));
  fm_error_clear(ctx);
  fm_expert_free(&expert);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(from_the_seed), TEST(published), TEST(by_the_factor),
                                     TEST(by_rows),       TEST(memory),    TEST(memory_of_the_largest),
                                     TEST(wrong_models),  TEST(floor_of),  TEST(no_factor)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
