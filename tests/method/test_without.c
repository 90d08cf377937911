#define _GNU_SOURCE
/* Pictures that a model learned from, scored as if it had not: beside models that really did not. */
#include "tiny.h"

#include "data/picture.h"
#include "method/scorer.h"
#include "task/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, PICTURE = 3 * SIDE * SIDE };

struct learned {
  struct tiny t;
  struct fm_model model;
  size_t count;       /* pictures */
  unsigned char *rgb; /* [count] */
};

/* keys: "key=value key=value" */
static void learn(struct fm_context *ctx, const char *method, const char *keys, struct learned *l) {
  struct fm_preprocess p;
  struct fm_recipe *r = &l->t.fit.recipe;
  tiny_open(ctx, &l->t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, method, r));
  r->size = fm_square(SIDE);
  r->batch = 4;
  char copy[80];
  snprintf(copy, sizeof copy, "%s", keys);
  for (char *key = strtok(copy, " "); key; key = strtok(NULL, " ")) {
    char *value = strchr(key, '=');
    *value = 0;
    ASSERT_OK(ctx, fm_recipe_set(ctx, r, key, value + 1, "here"));
  }
  ASSERT_OK(ctx, fm_fit_run(l->t.d, &l->t.fit, &l->model));
  l->count = l->t.category.train_count;
  assert_true(l->model.data.learned == l->count && l->model.data.held == 0);
  ASSERT_OK(ctx, fm_recipe_preprocess(ctx, r, &p));
  l->rgb = malloc(l->count * PICTURE);
  for (size_t i = 0; i < l->count; i++)
    ASSERT_OK(ctx, fm_picture_load(ctx, l->t.category.train[i].path, &p, l->rgb + i * PICTURE, NULL));
}

static void done(struct learned *l) {
  fm_model_free(&l->model);
  tiny_close(&l->t);
  free(l->rgb);
}

/* Cells of picture i; without itself where without is true. The caller's (free). */
static float *score(struct learned *l, const struct fm_model *m, size_t i, bool without, size_t *cells,
                    float *picture) {
  struct fm_scorer *s;
  struct fm_context *ctx = l->t.ctx;
  static float map[SIDE * SIDE];
  ASSERT_OK(ctx, fm_scorer_make(l->t.d, m, 1, false, &s));
  *cells = (size_t)s->height * (size_t)s->width;
  float *e = malloc(*cells * sizeof *e);
  if (without) {
    ASSERT_OK(ctx, fm_scorer_without(s, (int)i));
  } else { /* what was is forgotten */
    ASSERT_OK(ctx, fm_scorer_without(s, 0));
    ASSERT_OK(ctx, fm_scorer_without(s, -1));
  }
  ASSERT_OK(ctx, fm_scorer_run(s, 1, l->rgb + i * PICTURE, NULL, map, picture));
  bool none = isnan(*picture); /* of its own: then it is the map's largest value */
  if (none) *picture = 0;
  for (int k = 0; k < SIDE * SIDE && none; k++) *picture = map[k] > *picture ? map[k] : *picture;
  ASSERT_OK(ctx, fm_buffer_read(l->t.d, &s->cells, 0, e, *cells * sizeof *e));
  fm_scorer_free(s);
  return e;
}

/* The model of all pictures but those whose number leaves `out` when divided by `step`. */
static void fit_without(struct learned *l, size_t out, size_t step, struct fm_model *m) {
  struct fm_context *ctx = l->t.ctx;
  struct fm_sample *others = malloc(l->count * sizeof *others);
  size_t n = 0;
  for (size_t i = 0; i < l->count; i++)
    if (i % step != out) others[n++] = l->t.category.train[i];
  struct fm_train t = {.recipe = l->model.recipe,
                       .category = "gear",
                       .samples = others,
                       .count = n,
                       .expert = &l->model.expert};
  *m = l->model;
  m->data.learned = n;
  ASSERT_OK(ctx, fm_method_of(&t.recipe)->fit(l->t.d, &t, &m->learned));
  free(others);
}

/* Never below the truth, and above it by at most the share of the regulariser that one picture makes. */
static void padim(struct fm_context *ctx, const char *keys) {
  struct learned l;
  learn(ctx, "padim", keys, &l);
  double most = ((double)l.count - 1) / ((double)l.count - 2), farther = 0, seen = 0;
  for (size_t i = 0; i < l.count; i += 4) {
    struct fm_model m;
    size_t cells;
    float own;
    fit_without(&l, i, l.count, &m);
    float *cheap = score(&l, &l.model, i, true, &cells, &own),
          *learned = score(&l, &l.model, i, false, &cells, &own),
          *dear = score(&l, &m, i, false, &cells, &own);
    for (size_t q = 0; q < cells; q++) {
      double ratio = (double)cheap[q] / (double)dear[q];
      if (!(ratio > 0.999 && ratio < 1.001 * most))
        fail_msg("cell %zu: %g for %g", q, (double)cheap[q], (double)dear[q]);
      farther += (double)cheap[q] > 1.02 * (double)learned[q];
      seen++;
    }
    free(cheap);
    free(learned);
    free(dear);
    fm_weights_free(&m.learned);
  }
  assert_true(farther > 0.9 * seen);
  done(&l);
}

static void padim_by_the_factor(void **state) {
  padim(*state, "channels=7 floor=0 regulariser=0.01");
}

static void padim_by_rows(void **state) {
  padim(*state, "channels=100 floor=0 regulariser=0.01");
}

/* A bank that lacks the picture's rows. */
static void cut(const struct fm_weights *all, size_t out, struct fm_weights *some) {
  size_t rows = 0, columns = all->item[0].shape[1];
  const float *picture = all->value + all->item[1].offset;
  for (size_t i = 0; i < all->item[1].count; i++) rows += picture[i] != (float)out;
  *some = (struct fm_weights){.ctx = all->ctx};
  ASSERT_OK(all->ctx, fm_weights_add(some, "bank", 2, (size_t[]){rows, columns}, false));
  ASSERT_OK(all->ctx, fm_weights_add(some, "picture", 1, &rows, false));
  ASSERT_OK(all->ctx, fm_weights_add(some, "cell", 1, &rows, false));
  ASSERT_OK(all->ctx, fm_weights_allocate(some));
  for (size_t i = 0, k = 0; i < all->item[1].count; i++)
    if (picture[i] != (float)out) {
      memcpy(some->value + columns * k, all->value + columns * i, columns * sizeof(float));
      some->value[some->item[1].offset + k++] = -1; /* nobody's */
    }
}

static void patchcore(struct fm_context *ctx, const char *keys) {
  struct learned l;
  learn(ctx, "patchcore", keys, &l);
  for (size_t i = 0; i < l.count; i += 3) {
    struct fm_model m = l.model;
    size_t cells;
    float picture[3];
    cut(&l.model.learned, i, &m.learned);
    float *got = score(&l, &l.model, i, true, &cells, &picture[0]),
          *want = score(&l, &m, i, false, &cells, &picture[1]),
          *learned = score(&l, &l.model, i, false, &cells, &picture[2]);
    assert_memory_equal(got, want, cells * sizeof *got);
    assert_true(picture[0] == picture[1] && picture[0] > picture[2]);
    free(got);
    free(want);
    free(learned);
    fm_weights_free(&m.learned);
  }
  done(&l);
}

static void patchcore_of_one(void **state) {
  patchcore(*state, "neighbours=1");
}

static void patchcore_reweighted(void **state) {
  patchcore(*state, "reweight=3");
}

static void patchcore_of_several(void **state) {
  patchcore(*state, "neighbours=3");
}

/* A bank of one row cannot do without it; few pictures are scored by models of the others instead. */
static void too_few_rows(void **state) {
  struct fm_context *ctx = *state;
  struct learned l;
  struct fm_scorer *s;
  learn(ctx, "patchcore", "bank-limit=1", &l);
  assert_true(l.model.has_thresholds && l.model.image.n == l.count);
  ASSERT_OK(ctx, fm_scorer_make(l.t.d, &l.model, 1, false, &s));
  int picture = (int)l.model.learned.value[fm_weights_find(&l.model.learned, "picture")->offset];
  assert_int_equal(fm_scorer_without(s, picture), FM_USAGE);
  fm_error_clear(ctx);
  fm_scorer_free(s);
  done(&l);
}

/* The largest score without itself of all pictures. */
static float most_without(struct learned *l) {
  float most = 0;
  for (size_t i = 0; i < l->count; i++) {
    size_t cells;
    float own;
    free(score(l, &l->model, i, true, &cells, &own));
    most = own > most ? own : most;
  }
  return most;
}

static void thresholds(void **state) {
  struct learned l;
  learn(*state, "padim", "channels=20", &l);
  assert_true(l.model.has_thresholds && l.model.image.n == l.count);
  assert_non_null(strstr(l.model.image.origin, "good pictures, each scored without itself"));
  assert_true(l.model.image.value == (double)most_without(&l));
  assert_true(l.model.pixel.value == l.model.image.value); /* its score is its map's largest value */
  done(&l);
}

/* The largest score of all pictures, each by a model that learned from four fifths of the others. */
static float most_of_folds(struct learned *l) {
  enum { FOLDS = 5 };
  float most = 0;
  for (size_t k = 0; k < FOLDS; k++) {
    struct fm_model m;
    fit_without(l, k, FOLDS, &m);
    for (size_t i = k; i < l->count; i += FOLDS) {
      size_t cells;
      float own;
      free(score(l, &m, i, false, &cells, &own));
      most = own > most ? own : most;
    }
    fm_weights_free(&m.learned);
  }
  return most;
}

/* PatchCore asks models of the others where pictures are few: other scores than without their rows alone. */
static void thresholds_of_folds(void **state) {
  struct learned l;
  learn(*state, "patchcore", "coreset=0.2", &l);
  assert_true(l.model.has_thresholds && l.model.image.n == l.count);
  assert_non_null(strstr(l.model.image.origin, "good pictures, each scored without itself"));
  assert_true(l.model.image.value == (double)most_of_folds(&l));
  assert_true(l.model.image.value != (double)most_without(&l));
  done(&l);
}

/* CDO has no such way. */
static void refused(void **state) {
  struct fm_context *ctx = *state;
  struct fm_scorer s = {.method = NULL};
  struct tiny t;
  tiny_open(ctx, &t);
  s.d = t.d;
  ASSERT_OK(ctx, fm_method_find(ctx, "cdo", &s.method));
  assert_int_equal(fm_scorer_without(&s, 0), FM_USAGE);
  fm_error_clear(ctx);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(padim_by_the_factor),  TEST(padim_by_rows),        TEST(patchcore_of_one),
      TEST(patchcore_of_several), TEST(patchcore_reweighted), TEST(too_few_rows),
      TEST(thresholds),           TEST(thresholds_of_folds),  TEST(refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
