#include "test.h"

#include "base/rng.h"
#include "score/beta.h"
#include "score/threshold.h"

#include <math.h>
#include <string.h>

/* scipy.special.betainc of SciPy 1.17 */
static void incomplete_beta(void **state) {
  (void)state;
  const double want[][4] = {{1, 1, 0.3, 0.3},
                            {2.5, 0.7, 0.2, 0.010532224589409257},
                            {1, 42, 0.01, 0.34434077942585617},
                            {10, 90, 0.15, 0.9404700914271283},
                            {500, 3, 0.99, 0.1217181983607307},
                            {0.5, 0.5, 0.5, 0.5},
                            {1000, 1000, 0.52, 0.9632205167213604}};
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    double got = fm_beta_below(want[i][0], want[i][1], want[i][2]);
    assert_true(fabs(got - want[i][3]) < 1e-11);
    assert_true(fabs(fm_beta_quantile(want[i][0], want[i][1], want[i][3]) - want[i][2]) < 1e-10);
  }
  assert_true(fm_beta_below(2, 3, 0) == 0 && fm_beta_below(2, 3, 1) == 1);
}

/* hits, n, then scipy's betaincinv(hits, n - hits + 1, .025) and betaincinv(hits + 1, n - hits, .975) */
static void interval(void **state) {
  (void)state;
  const double want[][4] = {{0, 42, 0.0, 0.08408385494035513},
                            {1, 100, 0.00025314603297742064, 0.054459385392080645},
                            {3, 200, 0.003104107621553509, 0.0432082819177126},
                            {10, 10, 0.6915028921812392, 1.0},
                            {5, 1000, 0.00162541951756276, 0.011629470559812147},
                            {0, 1, 0.0, 0.975},
                            {7, 8, 0.47349032912479344, 0.9968402764687481},
                            {0, 0, 0, 1}};
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    double low, high;
    fm_rate_interval((size_t)want[i][0], (size_t)want[i][1], 0.95, &low, &high);
    assert_true(fabs(low - want[i][2]) < 1e-11);
    assert_true(fabs(high - want[i][3]) < 1e-11);
  }
}

static void needs(void **state) {
  (void)state;
  assert_int_equal(fm_threshold_needs(0.01), 99);
  assert_int_equal(fm_threshold_needs(0.05), 19);
  assert_int_equal(fm_threshold_needs(0.1), 9);
  assert_int_equal(fm_threshold_needs(0.001), 999);
  assert_int_equal(fm_threshold_needs(0.3), 3); /* (3 + 1) * 0.3 = 1.2 */
  assert_int_equal(fm_threshold_needs(0.9), 1);
}

static void conformal_rank(void **state) {
  struct fm_context *ctx = *state;
  float score[200];
  for (int i = 0; i < 200; i++) score[i] = (float)((i * 77) % 200); /* 0 .. 199 in another order */
  struct fm_threshold t;
  /* ceil(201 * 0.99) = 199: the 199th smallest is 198, one score lies over it. */
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 200, score, 0.01, 0, "held-out good pictures", &t));
  assert_int_equal(t.k, 199);
  assert_true(t.kept && t.value == 198 && t.n == 200);
  assert_true(fabs(t.promised - 2.0 / 201) < 1e-15);
  double low, high;
  fm_rate_interval(1, 200, 0.95, &low, &high);
  assert_true(t.low == low && t.high == high);
  assert_string_equal(t.origin, "200 held-out good pictures");
}

/* With 99 scores (99 + 1)(1 - 0.01) is 99 exactly; with 98 the promise cannot be kept. */
static void promise_needs_pictures(void **state) {
  struct fm_context *ctx = *state;
  float score[99];
  for (int i = 0; i < 99; i++) score[i] = -(float)i;
  struct fm_threshold t;
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 99, score, 0.01, 0, "good pictures", &t));
  assert_true(t.kept && t.k == 99 && t.value == 0 && t.promised <= 0.01);
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 99, score, 0.29, 0, "good pictures", &t));
  assert_int_equal(t.k, 71); /* 100 * 0.29 is 28.999999999999996 in doubles */
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 98, score, 0.01, 0, "good pictures", &t));
  assert_false(fm_threshold_is_by_hand(&t));
  assert_true(!t.kept && t.k == 98 && t.value == 0 && t.promised > 0.01);
  assert_non_null(strstr(t.origin, "the largest score of 98 good pictures"));
  char sentence[400];
  fm_threshold_sentence(&t, sentence);
  assert_non_null(strstr(sentence, "; 1 % takes 99 good pictures, there are 98"));
  /* 1 / 42; 1 - 0.025^(1/41) = 8.60 % */
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 41, score, 0.01, 0, "held-out good pictures", &t));
  fm_threshold_sentence(&t, sentence);
  assert_string_equal(sentence,
                      "0, from the largest score of 41 held-out good pictures; expected false alarms 2.4 % "
                      "(95 % interval 0 to 8.6 %); 1 % takes 99 good pictures, there are 41");
  fm_threshold_by_hand(2.5, 0.01, &t);
  fm_threshold_sentence(&t, sentence);
  assert_string_equal(sentence, "2.5, from the command line (set by hand), without a promise");
  assert_true(fm_threshold_is_by_hand(&t));
}

/* Odd ones do not decide, but they count: the promise is that of the score that decides. */
static void odd_ones_count(void **state) {
  struct fm_context *ctx = *state;
  float score[299];
  for (int i = 0; i < 299; i++) score[i] = (float)i;
  struct fm_threshold t;
  /* 300 * 0.01 = 3 may lie over it, which two odd ones do not use up. */
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 299, score, 0.01, 2, "good pictures", &t));
  assert_true(t.kept && t.k == 297 && t.value == 296);
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 299, score, 0.01, 5, "good pictures", &t));
  assert_true(!t.kept && t.k == 294 && t.value == 293 && fabs(t.promised - 6.0 / 300) < 1e-15);
  assert_string_equal(t.origin, "the largest score but 5 far over the others of 299 good pictures");
  char sentence[400];
  fm_threshold_sentence(&t, sentence);
  assert_null(strstr(sentence, "takes")); /* more pictures would not help */
  ASSERT_OK(ctx, fm_threshold_choose(ctx, 40, score, 0.01, 1, "good pictures", &t));
  assert_true(!t.kept && t.k == 39 && t.value == 38 && t.high > t.promised);
}

/* The promise itself: over many draws the next good picture is over the threshold at most alpha of the time.
 */
static void promise_holds(void **state) {
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(5, "conformal");
  int over = 0, draws = 20000;
  for (int d = 0; d < draws; d++) {
    float score[39];
    for (int i = 0; i < 39; i++) score[i] = (float)exp(fm_rng_normal(&rng));
    struct fm_threshold t;
    ASSERT_OK(ctx, fm_threshold_choose(ctx, 39, score, 0.05, 0, "x", &t));
    over += exp(fm_rng_normal(&rng)) > t.value;
  }
  double rate = (double)over / draws; /* 2/40 expected; standard error 0.0015 */
  assert_true(rate > 0.045 && rate < 0.055);
}

/* The interval: of the thresholds of many draws, the share whose true rate lies inside is 95 % or more.
 * Scores are uniform, so that a threshold's true rate is 1 - threshold. */
static void interval_holds(void **state) {
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(6, "interval");
  static const double alphas[] = {0.01, 0.1, 0.3};
  for (int a = 0; a < 3; a++) {
    int inside = 0, over = 0, draws = 4000;
    for (int d = 0; d < draws; d++) {
      float score[41];
      for (int i = 0; i < 41; i++) score[i] = (float)fm_rng_uniform(&rng);
      struct fm_threshold t;
      ASSERT_OK(ctx, fm_threshold_choose(ctx, 41, score, alphas[a], 0, "x", &t));
      inside += 1 - t.value >= t.low && 1 - t.value <= t.high;
      over += 1 - t.value > t.high;
    }
    assert_true(inside >= draws * 94 / 100);                           /* standard error 0.34 % */
    assert_true(over > draws * 15 / 1000 && over < draws * 35 / 1000); /* 2.5 %: the upper end is exact */
  }
}

static void refusals(void **state) {
  struct fm_context *ctx = *state;
  float score[] = {1, 2, NAN};
  struct fm_threshold t;
  assert_int_equal(fm_threshold_choose(ctx, 2, score, 0, 0, "x", &t), FM_USAGE);
  assert_int_equal(fm_threshold_choose(ctx, 2, score, 1, 0, "x", &t), FM_USAGE);
  assert_int_equal(fm_threshold_choose(ctx, 2, score, NAN, 0, "x", &t), FM_USAGE);
  assert_int_equal(fm_threshold_choose(ctx, 0, NULL, 0.01, 0, "x", &t), FM_USAGE);
  fm_error_clear(ctx);
  assert_int_equal(fm_threshold_choose(ctx, 3, score, 0.01, 0, "x", &t), FM_NUMERIC);
  assert_non_null(strstr(ctx->message, "score 3"));
}

/* A picture that passes has no outline; a flagged one has one, if only at its strongest spot. */
static void outlines(void **state) {
  const struct fm_threshold pixel = {.value = 2};
  const double peaks[] = {5, 2.0001, 2, 0.3, 0, -4, -1e-30};
  for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
    assert_true(fm_threshold_outline(&pixel, false, peaks[i]) > peaks[i]);
    double over = fm_threshold_outline(&pixel, true, peaks[i]);
    if (peaks[i] > 2)
      assert_true(over == 2);
    else if (peaks[i] != 0)
      assert_true(over < peaks[i] && over >= peaks[i] - 0.3001 * fabs(peaks[i]));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(incomplete_beta),
                                     TEST(interval),
                                     TEST(needs),
                                     TEST(conformal_rank),
                                     TEST(promise_needs_pictures),
                                     TEST(odd_ones_count),
                                     TEST(promise_holds),
                                     TEST(interval_holds),
                                     TEST(refusals),
                                     TEST(outlines)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
