/* The time left that progress names. */
#include "test.h"

#include "base/log.h"

static void wait_for(double seconds) {
  for (double begin = fm_seconds(); fm_seconds() - begin < seconds;) {}
}

/* A first step of 0.6 s in which kernels are compiled, then nine of 0.01 s or, on a busy machine, more: ten
 * times what they took for the 90 that are left, not 6 s more. */
static void compiling_does_not_count(void **state) {
  struct fm_context *ctx = *state;
  struct fm_progress p;
  fm_progress_begin(&p, ctx, "work", 0, 100);
  assert_true(fm_progress_left(&p) < 0);
  wait_for(0.6);
  fm_slow_first(ctx);
  double begin = fm_seconds();
  fm_progress_step(&p, 1);
  assert_true(fm_progress_left(&p) < 0); /* still nothing is known */
  for (int i = 0; i < 9; i++) {
    wait_for(0.01);
    fm_progress_step(&p, 1);
  }
  double took = fm_seconds() - begin;
  assert_true(fm_progress_left(&p) >= 0.9 && fm_progress_left(&p) <= 10 * took);
  fm_progress_end(&p);
}

/* What a branch of the context does first, its root has done first. */
static void branches_share_it(void **state) {
  struct fm_context *ctx = *state, branch;
  struct fm_progress p;
  fm_context_branch(&branch, ctx);
  fm_progress_begin(&p, &branch, "work", 0, 10);
  fm_slow_first(ctx);
  fm_progress_step(&p, 1);
  assert_true(fm_progress_left(&p) < 0);
  fm_progress_step(&p, 1);
  assert_true(fm_progress_left(&p) >= 0);
  fm_progress_end(&p);
  fm_context_free(&branch);
}

/* Steps done before a resumed run took no time of this one. */
static void resumed(void **state) {
  struct fm_progress p;
  fm_progress_begin(&p, *state, "work", 50, 100);
  wait_for(0.02);
  fm_progress_step(&p, 1);
  assert_true(fm_progress_left(&p) >= 49 * 0.02);
  fm_progress_end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(compiling_does_not_count), TEST(branches_share_it), TEST(resumed)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
