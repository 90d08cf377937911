/* New pictures that join a model: what it scores then is what a model of all pictures scores, where the
 * method promises that; limits are respected; the file holds what became of it; thresholds are honest. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "model/seen.h"
#include "task/score_set.h"
#include "task/update.h"

#include <math.h>

enum { ALL = 11, OLD = 6, NEW = ALL - OLD, NEW_LEARNED = NEW - 1 };

struct setting {
  struct tiny t;
  struct fm_category old, fresh; /* parts of the tiny one */
};

static void open_setting(struct fm_context *ctx, struct setting *s, const char *method) {
  tiny_open(ctx, &s->t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, method, &s->t.fit.recipe));
  s->t.fit.recipe.size = fm_square(64);
  s->t.fit.recipe.batch = 4;
  s->t.fit.recipe.epochs = 2;
  s->t.fit.recipe.steps = 0;
  s->t.fit.recipe.hold_out = 0;
  s->old = s->fresh = s->t.category;
  s->old.train_count = OLD;
  s->fresh.train += OLD;
  s->fresh.train_count = NEW;
}

static void fit(struct setting *s, const struct fm_category *category, struct fm_model *m) {
  s->t.fit.category = category;
  ASSERT_OK(s->t.ctx, fm_fit_run(s->t.d, &s->t.fit, m));
}

static void update(struct setting *s, struct fm_model *m) {
  struct fm_update u = {.good = &s->fresh};
  ASSERT_OK(s->t.ctx, fm_model_update(s->t.d, m, &u));
  assert_int_equal(m->data.learned, OLD + NEW_LEARNED);
  assert_int_equal(m->data.joined, NEW_LEARNED);
}

/* Scores of the test pictures. */
static size_t score(struct setting *s, const struct fm_model *m, float scores[32]) {
  float peaks[32];
  size_t n = s->t.category.test_count;
  assert_true(n > 3 && n <= 32);
  ASSERT_OK(s->t.ctx,
            fm_score_set_scores(
                s->t.d, m, &(struct fm_score_list){.samples = s->t.category.test, .count = n, .text = "test"},
                scores, peaks));
  return n;
}

/* Of the old pictures and the new ones that an update learns from (the last one is held out). */
static void same_as_all_at_once(struct setting *s, double rounding) {
  struct fm_model one, two;
  struct fm_category all = s->t.category;
  float a[32], b[32], before[32];
  all.train_count = OLD + NEW_LEARNED;
  fit(s, &s->old, &one);
  score(s, &one, before);
  update(s, &one);
  fit(s, &all, &two);
  size_t n = score(s, &one, a), moved = 0;
  score(s, &two, b);
  for (size_t i = 0; i < n; i++) {
    if (!(fabs((double)(a[i] - b[i])) <= rounding * (double)b[i]))
      fail_msg("picture %zu: %g after an update, %g of all at once", i, (double)a[i], (double)b[i]);
    moved += fabs((double)(before[i] - b[i])) > 10 * rounding * (double)b[i];
  }
  assert_true(moved > n / 2); /* else nothing was tested */
  fm_model_free(&one);
  fm_model_free(&two);
}

static void padim_joins(void **state) {
  static const long channels[] = {4, 100, 12}; /* by the factor; by rows; first by rows, then by the factor */
  for (int i = 0; i < 3; i++) {
    struct setting s;
    open_setting(*state, &s, "padim");
    s.t.fit.recipe.channels = channels[i];
    same_as_all_at_once(&s, 1e-3);
    tiny_close(&s.t);
  }
}

static void patchcore_joins(void **state) {
  struct setting s;
  open_setting(*state, &s, "patchcore");
  s.t.fit.recipe.coreset = 1; /* the whole bank is the same, however it came about */
  struct fm_model one, two;
  struct fm_category all = s.t.category;
  float a[32], b[32];
  all.train_count = OLD + NEW_LEARNED;
  fit(&s, &s.old, &one);
  update(&s, &one);
  fit(&s, &all, &two);
  assert_int_equal(one.learned.total, two.learned.total);
  size_t n = score(&s, &one, a);
  score(&s, &two, b);
  for (size_t i = 0; i < n; i++) assert_true(fabs((double)(a[i] - b[i])) <= 1e-5 * (double)b[i]);
  fm_model_free(&one);
  fm_model_free(&two);
  tiny_close(&s.t);
}

static size_t bank_rows(const struct fm_model *m) {
  return fm_weights_find(&m->learned, "bank")->shape[0];
}

/* How many rows of a bank are in another one, number by number. */
static size_t rows_in(const struct fm_model *m, const struct fm_model *other) {
  const struct fm_weight *a = fm_weights_find(&m->learned, "bank"),
                         *b = fm_weights_find(&other->learned, "bank");
  size_t dims = a->shape[1], found = 0;
  for (size_t i = 0; i < a->shape[0]; i++)
    for (size_t k = 0; k < b->shape[0]; k++) {
      const float *x = m->learned.value + a->offset + i * dims,
                  *y = other->learned.value + b->offset + k * dims;
      if (memcmp(x, y, dims * sizeof *x) != 0) continue;
      found++;
      break;
    }
  return found;
}

/* The coreset goes on: all of the old bank stays, and there are as many as the share of all pictures. With a
 * limit that is reached the choice begins again among both, and the limit holds. */
static void patchcore_goes_on(void **state) {
  enum { CELLS = 8 * 8, LIMIT = 30 };
  for (int limit = 0; limit < 2; limit++) {
    struct setting s;
    struct fm_model old, m;
    open_setting(*state, &s, "patchcore");
    s.t.fit.recipe.bank_limit = limit ? LIMIT : 0;
    fit(&s, &s.old, &old);
    ASSERT_OK(s.t.ctx, fm_model_load(s.t.ctx, s.t.model, NULL, &m));
    update(&s, &m);
    assert_int_equal(bank_rows(&old), limit ? LIMIT : OLD * CELLS / 10);
    assert_int_equal(bank_rows(&m), limit ? LIMIT : (OLD + NEW_LEARNED) * CELLS / 10);
    size_t kept = rows_in(&old, &m);
    if (!limit) assert_int_equal(kept, bank_rows(&old));
    if (limit) assert_true(kept > 0 && kept < LIMIT);
    ASSERT_OK(s.t.ctx, fm_model_save(&m, s.t.model, false));
    fm_model_free(&m);
    ASSERT_OK(s.t.ctx, fm_model_load(s.t.ctx, s.t.model, NULL, &m)); /* its pictures' numbers are accepted */
    assert_int_equal(m.data.joined, NEW_LEARNED);
    fm_model_free(&m);
    fm_model_free(&old);
    tiny_close(&s.t);
  }
}

/* Steps from the learned weights: they move, a little, and the same way each time. */
static void networks_learn_on(void **state) {
  static const char *const methods[] = {"cdo", "cflow"};
  for (int i = 0; i < 2; i++) {
    struct setting s;
    struct fm_model old, m[2];
    open_setting(*state, &s, methods[i]);
    s.t.fit.recipe.blocks = 2;
    fit(&s, &s.old, &old);
    for (int k = 0; k < 2; k++) {
      struct fm_update u = {.good = &s.fresh, .epochs = 2};
      ASSERT_OK(s.t.ctx, fm_model_load(s.t.ctx, s.t.model, NULL, &m[k]));
      ASSERT_OK(s.t.ctx, fm_model_update(s.t.d, &m[k], &u));
    }
    size_t bytes = old.learned.total * sizeof(float);
    assert_memory_equal(m[0].learned.value, m[1].learned.value, bytes);
    assert_memory_not_equal(m[0].learned.value, old.learned.value, bytes);
    double moved = 0, all = 0;
    for (size_t k = 0; k < old.learned.total; k++) {
      moved += fabs((double)(m[0].learned.value[k] - old.learned.value[k]));
      all += fabs((double)old.learned.value[k]);
    }
    if (!(moved < 0.1 * all)) fail_msg("%s began again: moved by %g of %g", methods[i], moved, all);
    assert_int_equal(m[0].recipe.epochs, old.recipe.epochs); /* of the training, as it was */
    for (int k = 0; k < 2; k++) fm_model_free(&m[k]);
    fm_model_free(&old);
    tiny_close(&s.t);
  }
}

static void thresholds_are_honest(void **state) {
  struct setting s;
  struct fm_model m;
  open_setting(*state, &s, "patchcore");
  struct fm_context *ctx = s.t.ctx;
  for (int i = 0; i < 4; i++) {
    struct fm_update u = {.good = &s.fresh};
    fit(&s, &s.old, &m);
    double was = i == 0 ? 1e-12 : 1e3;
    m.image.value = m.pixel.value = was; /* far below, far over what there is */
    if (i == 2) fm_threshold_by_hand(7, 0.01, &m.image);
    if (i == 3) {
      for (u.old = s.t.category.test; u.old->flawed;) u.old++;
      u.old_count = 1;
    }
    ASSERT_OK(ctx, fm_model_update(s.t.d, &m, &u));
    double is = m.image.value;
    if (i == 0) assert_true(is > was && strstr(m.image.origin, "new good pictures"));
    if (i == 1) assert_true(is == was && strstr(m.image.origin, "before more pictures joined"));
    if (i == 2) assert_true(is == 7 && m.pixel.value == was && fm_threshold_is_by_hand(&m.image));
    if (i == 3) assert_true(is < was && strstr(m.image.origin, "old and new") && m.image.n == 2);
    fm_model_free(&m);
  }
  tiny_close(&s.t);
}

/* Pictures that it knows join once; some that are known among others are left out. */
static void known_pictures(void **state) {
  struct setting s;
  struct fm_model m;
  open_setting(*state, &s, "padim");
  struct fm_context *ctx = s.t.ctx;
  struct fm_update u = {.good = &s.old};
  fit(&s, &s.old, &m);
  char hash[17];
  memcpy(hash, m.data.hash, sizeof hash);
  assert_int_equal(fm_model_update(s.t.d, &m, &u), FM_USAGE);
  assert_non_null(strstr(ctx->message, "all 6 pictures already"));
  fm_error_clear(ctx);
  u.good = &s.t.category;
  ASSERT_OK(ctx, fm_model_update(s.t.d, &m, &u));
  assert_int_equal(m.data.learned, OLD + NEW_LEARNED);
  assert_string_not_equal(hash, m.data.hash);
  assert_true(fm_seen_valid(m.data.pictures));
  assert_int_equal(strlen(m.data.pictures), (OLD + NEW_LEARNED) * FM_SEEN_DIGITS);
  u.epochs = 3;
  u.good = &s.fresh; /* one of them was held out */
  assert_int_equal(fm_model_update(s.t.d, &m, &u), FM_USAGE);
  assert_non_null(strstr(ctx->message, "--epochs has no effect"));
  fm_error_clear(ctx);
  fm_model_free(&m);
  tiny_close(&s.t);
}

/* References of sharpened maps: new pictures join them where enough are there to say what is normal. */
static void references_join(void **state) {
  struct setting s;
  struct fm_model m;
  open_setting(*state, &s, "padim");
  struct fm_context *ctx = s.t.ctx;
  s.t.fit.recipe.channels = 20;
  s.t.fit.recipe.refine = true;
  s.t.fit.recipe.hold_out = 0.3;
  for (int enough = 0; enough < 2; enough++) {
    struct fm_update u = {.good = &s.fresh, .old = s.old.train, .old_count = enough ? 4 : 0};
    fit(&s, &s.old, &m);
    if (!m.refinement.there) fail_msg("this model shall sharpen its maps");
    size_t before = m.refinement.reference.count;
    ASSERT_OK(ctx, fm_model_update(s.t.d, &m, &u));
    if (!m.refinement.there) fail_msg("and shall go on doing so");
    assert_int_equal(m.refinement.reference.count, before + (enough ? m.data.joined : 0));
    fm_model_free(&m);
  }
  tiny_close(&s.t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(padim_joins),    TEST(patchcore_joins),       TEST(patchcore_goes_on), TEST(networks_learn_on),
      TEST(known_pictures), TEST(thresholds_are_honest), TEST(references_join)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
