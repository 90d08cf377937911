/* Pixels counted by value: average precision, recall, false pixels and the best threshold as by hand. */
#define _XOPEN_SOURCE 700
#include "data/folder.h"
#include "refine/tally.h"

#include <math.h>

static void near(double got, double want, double most) {
  if (!(fabs(got - want) <= most)) fail_msg("%.9g instead of %.9g", got, want);
}

/* Two pictures of eight pixels: 4, 3, 2, 1 ... times the scale's unit. */
static void as_by_hand(void **state) {
  static const float map[2][8] = {{8, 4, 2, 1, 0.5f, 0, -1, 0.25f}, {6, 3, 1.5f, 0.7f, 0.3f, 0.1f, 0, 0}};
  static const unsigned char mask[2][8] = {{1, 0, 1, 0, 0, 0, 0, 0}, {1, 1, 0, 0, 0, 0, 0, 0}};
  struct fm_context *ctx = *state;
  for (int turn = 0; turn < 2; turn++) {
    float unit = turn ? 1000 : 1; /* maps of another size, and a scale that takes it out */
    struct fm_tally t;
    ASSERT_OK(ctx, fm_tally_make(ctx, 2, 1 / unit, &t));
    for (size_t i = 0; i < 2; i++) {
      float scaled[8];
      for (int k = 0; k < 8; k++) scaled[k] = map[i][k] * unit;
      fm_tally_add(&t, i, 8, scaled, mask[i]);
    }
    /* from the top: 8 (flaw), 6 (flaw), 4, 3 (flaw), 2 (flaw) */
    near(fm_tally_ap(&t), (1 + 1 + 3.0 / 4 + 4.0 / 5) / 4, 1e-9);
    double u = (double)unit;
    near(fm_tally_recall(&t, 2.5 * u), 0.75, 1e-9);
    near(fm_tally_recall(&t, 9 * u), 0, 1e-9);
    near(fm_tally_false(&t, 1.2 * u), 2.0 / 12, 1e-9);
    near(fm_tally_false(&t, -5 * u), 1, 0.5); /* nothing is told apart at the lower end */
    /* 4 and 1.5 are the largest normal values */
    near(fm_tally_at_false(&t, 0), 4 * u, 0.05 * u);
    near(fm_tally_at_false(&t, 1.5 / 12), 1.5 * u, 0.02 * u);
    /* F1.5 over 2 to 3: (3.25/6.5 + 1) / 2; over 1.5 to 2: (6.5/7.5 + 1) / 2, the best; over 4 to 6: 3.25/5.5
     */
    near(fm_tally_best(&t, 0), 1.5 * u, 0.03 * u);
    near(fm_tally_best(&t, 3.5 * u), 4 * u, 0.05 * u);
    double best = fm_tally_best(&t, 0);
    near(fm_tally_recall(&t, best), 1, 1e-9);
    near(fm_tally_false(&t, best), 1.0 / 12, 1e-9);
    fm_tally_free(&t);
  }
}

/* Both flaws with three false pixels are better than one without any: by F1 it is the other way round. */
static void missed_counts_more(void **state) {
  static const float map[6] = {8, 4, 3, 2.5f, 2, 1};
  static const unsigned char mask[6] = {1, 0, 0, 0, 1, 0};
  struct fm_context *ctx = *state;
  struct fm_tally t;
  ASSERT_OK(ctx, fm_tally_make(ctx, 1, 1, &t));
  fm_tally_add(&t, 0, 6, map, mask);
  near(fm_tally_best(&t, 0), 1, 0.02);
  near(fm_tally_best(&t, 2.2), 4, 0.05);
  fm_tally_free(&t);
}

static void without_flaws(void **state) {
  static const float map[4] = {1, 2, 3, 4};
  struct fm_context *ctx = *state;
  struct fm_tally t;
  ASSERT_OK(ctx, fm_tally_make(ctx, 1, 1, &t));
  assert_true(isnan(fm_tally_ap(&t)) && isnan(fm_tally_best(&t, 0)) && isnan(fm_tally_recall(&t, 1)));
  fm_tally_add(&t, 0, 4, map, NULL);
  assert_true(isnan(fm_tally_ap(&t)) && isnan(fm_tally_best(&t, 0)) && isnan(fm_tally_recall(&t, 1)));
  near(fm_tally_false(&t, 2), 0.5, 1e-9);
  near(fm_tally_at_false(&t, 0.25), 3, 0.04);
  fm_tally_free(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(as_by_hand), TEST(missed_counts_more), TEST(without_flaws)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
