/* A model judged by pieces on good pictures: a detector that learned ranks them far better than chance, and
 * the same again gives the same. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"
#include "task/judge.h"

enum { HELD = 4, ROUNDS = 5 };

static void pieces_are_found(void **state) {
  struct tiny t;
  struct fm_model m;
  struct fm_judgement once, again;
  tiny_open(*state, &t);
  ASSERT_OK(t.ctx, fm_recipe_begin(t.ctx, "padim", &t.fit.recipe));
  t.fit.recipe.size = fm_square(64);
  t.fit.recipe.channels = 20;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  ASSERT_OK(t.ctx, fm_judge(t.d, &m, t.category.train, HELD, ROUNDS, "judging", &once));
  ASSERT_OK(t.ctx, fm_judge(t.d, &m, t.category.train, HELD, ROUNDS, "judging", &again));
  assert_memory_equal(&once, &again, sizeof once);
  assert_int_equal(once.metrics.good + once.metrics.flawed, HELD * (1 + ROUNDS));
  assert_in_range(once.metrics.marked, HELD * ROUNDS - 3, HELD * ROUNDS);
  assert_true(once.metrics.pixel_auroc > 0.7 && once.metrics.pixel_auroc < 1);
  assert_true(once.metrics.pixel_ap > 0.05);
  assert_int_equal(fm_judge(t.d, &m, NULL, 0, 1, "judging", &again), FM_USAGE);
  fm_error_clear(t.ctx);
  fm_model_free(&m);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(pieces_are_found)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
