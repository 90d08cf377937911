/* Whether sharpening pays is found with flaws drawn on good pictures; what was found comes back from the
 * model's file; and a model that keeps its maps says so. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"
#include "refine/f2pad_internal.h"
#include "task/score_batch.h"
#include "task/sharpen.h"

#include <math.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE };

static void fit(struct tiny *t, struct fm_model *m) {
  tiny_open(t->ctx, t);
  ASSERT_OK(t->ctx, fm_recipe_begin(t->ctx, "padim", &t->fit.recipe));
  t->fit.recipe.size = fm_square(SIZE);
  t->fit.recipe.channels = 20;
  t->fit.recipe.refine = true;
  ASSERT_OK(t->ctx, tiny_fit(t));
  ASSERT_OK(t->ctx, fm_model_load(t->ctx, t->model, NULL, m));
}

static void judge(struct tiny *t, struct fm_model *m) {
  ASSERT_OK(t->ctx, fm_f2pad_judge(t->d, m, t->category.test, 2, &m->refinement)); /* whatever is in them */
}

static void pays_or_not(void **state) {
  struct tiny t = {.ctx = *state};
  struct fm_model m;
  fit(&t, &m);
  struct fm_refinement *r = &m.refinement;
  assert_true(r->there && !r->off && r->worth.known);
  assert_true(r->worth.ap[1] > r->worth.ap[0] && r->worth.recall[1] > r->worth.recall[0]);
  assert_true(r->scores == (r->worth.auroc[1] > r->worth.auroc[0]));
  assert_true(r->threshold.value > 0 && r->threshold.n == 2 && r->base > 0);
  judge(&t, &m);
  assert_false(r->off);
  struct fm_refinement before = *r;
  /* rho that changes from pixel to pixel makes noise of a map. */
  for (int i = 0; i < PIXELS; i++) r->usual[i] = (float)(i * 7919 % 101 + 1) / 1e4f;
  judge(&t, &m);
  assert_true(r->off && !r->scores);
  assert_true(r->worth.ap[1] < before.worth.ap[1]);
  assert_true(r->worth.ap[0] == before.worth.ap[0]);
  fm_model_free(&m);
  tiny_close(&t);
}

/* What a model of this kind says and keeps. */
static void comes_back(void **state) {
  struct tiny t = {.ctx = *state};
  struct fm_model m, back;
  char sentence[400];
  fit(&t, &m);
  struct fm_refinement *r = &m.refinement;
  r->scores = true;
  r->worth = (struct fm_worth){true, {0.37, 0.29}, {0.5, 0.25}, {0.75, 0.875}};
  fm_threshold_by_hand(4.5, 0.01, &r->image);
  ASSERT_OK(t.ctx, fm_model_save(&m, t.model, false));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &back));
  assert_true(back.refinement.scores && back.refinement.there && !back.refinement.off);
  assert_true(back.refinement.image.value == 4.5);
  assert_memory_equal(&back.refinement.worth.ap, &r->worth.ap, sizeof r->worth.ap);
  assert_memory_equal(&back.refinement.worth.auroc, &r->worth.auroc, sizeof r->worth.auroc);
  fm_refinement_sentence(&back.refinement, sentence);
  assert_non_null(strstr(sentence, "29.0 %"));
  assert_non_null(strstr(sentence, "score comes from them"));
  fm_model_free(&back);
  r->off = true;
  r->there = r->scores = false;
  ASSERT_OK(t.ctx, fm_model_save(&m, t.model, false));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &back));
  assert_true(back.refinement.off && !back.refinement.there && !back.refinement.reference.jpeg);
  fm_refinement_sentence(&back.refinement, sentence);
  assert_non_null(strstr(sentence, "does not pay"));
  struct fm_f2pad *f;
  assert_int_equal(fm_f2pad_make(t.d, &back, 1, &f), FM_USAGE);
  fm_error_clear(t.ctx);
  fm_model_free(&back);
  fm_model_free(&m);
  tiny_close(&t);
}

/* Scores of pictures are their sharpened maps' where the model says so, and the threshold is of those. */
static void scores_of_pictures(void **state) {
  struct tiny t = {.ctx = *state};
  struct fm_model m;
  struct fm_score_batch *batch;
  struct fm_score_one one;
  struct fm_preprocess p;
  unsigned char rgb[PIXELS * 3];
  fit(&t, &m);
  ASSERT_OK(t.ctx, fm_recipe_preprocess(t.ctx, &m.recipe, &p));
  ASSERT_OK(t.ctx, fm_picture_load(t.ctx, t.category.test[0].path, &p, rgb, NULL));
  for (int scores = 0; scores < 2; scores++) {
    m.refinement.scores = scores;
    ASSERT_OK(t.ctx, fm_score_batch_make(t.d, &m, 1, true, &batch));
    ASSERT_OK(t.ctx, fm_score_batch_run(batch, 1, rgb, NULL));
    ASSERT_OK(t.ctx, fm_score_one_open(batch, t.ctx, 0, SIZE, SIZE, &one));
    assert_true(one.own_score != one.peak);
    assert_true(one.score == (scores ? one.peak : one.own_score));
    fm_score_one_close(t.ctx, &one);
    fm_score_batch_free(batch);
  }
  m.refinement.image.value = -1;
  ASSERT_OK(t.ctx, fm_sharpen_calibrate(t.d, &m, t.category.test, 1, "good pictures"));
  assert_true(m.refinement.image.value == (double)one.score && m.refinement.image.n == 1);
  m.refinement.scores = false;
  m.refinement.image.value = -1;
  ASSERT_OK(t.ctx, fm_sharpen_calibrate(t.d, &m, t.category.test, 1, "good pictures"));
  assert_true(m.refinement.image.value == -1);
  fm_model_free(&m);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(pays_or_not), TEST(comes_back), TEST(scores_of_pictures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
