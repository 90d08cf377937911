/* Scores unlike the others: found where a few lie far off, and only then. */
#include "test.h"

#include "base/rng.h"
#include "score/odd.h"

#include <math.h>

static size_t find(struct fm_context *ctx, size_t n, const float *score, bool *odd) {
  size_t count;
  ASSERT_OK(ctx, fm_odd_find(ctx, n, score, odd, &count));
  size_t set = 0;
  for (size_t i = 0; i < n; i++) set += odd[i];
  assert_int_equal(set, count);
  return count;
}

/* A product's scores: the largest of many values, so that their upper tail is the longer one. */
static float largest(struct fm_rng *rng) {
  double u = 1e-6 + 0.999998 * (double)fm_rng_uniform(rng);
  return (float)(1 - 0.1 * log(-log(u)));
}

static void usual_scores(void **state) {
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(1, "odd");
  enum { SETS = 300, SCORES = 41 };
  size_t alarms = 0;
  for (int s = 0; s < SETS; s++) {
    float score[SCORES];
    bool odd[SCORES];
    for (int i = 0; i < SCORES; i++) score[i] = largest(&rng);
    alarms += find(ctx, SCORES, score, odd);
  }
  assert_true(alarms <= 37); /* three in a thousand scores, at most */
}

static void odd_ones(void **state) {
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(2, "odd");
  enum { SCORES = 41 };
  for (size_t smuggled = 0; smuggled <= 5; smuggled++) {
    float score[SCORES];
    bool odd[SCORES];
    for (int i = 0; i < SCORES; i++)
      score[i] = 1 + 0.02f * (float)i / SCORES + 0.0001f * fm_rng_uniform(&rng);
    for (size_t i = 0; i < smuggled; i++) score[i * 7 + 3] = 2 + (float)i;
    size_t found = find(ctx, SCORES, score, odd);
    assert_int_equal(found, smuggled <= 4 ? smuggled : 0); /* five of 41 are a second look of the product */
    for (size_t i = 0; i < smuggled && found; i++) assert_true(odd[i * 7 + 3]);
  }
}

static void nothing_to_say(void **state) {
  struct fm_context *ctx = *state;
  float same[20], few[9] = {1, 1.1f, 1.2f, 1, 1.1f, 1, 1.2f, 1, 9};
  bool odd[20];
  for (int i = 0; i < 20; i++) same[i] = i == 4 ? 3 : 2;
  assert_int_equal(find(ctx, 9, few, odd), 0);
  assert_int_equal(find(ctx, 20, same, odd), 0); /* no spread: nothing is far */
  assert_int_equal(find(ctx, 0, NULL, odd), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(usual_scores), TEST(odd_ones), TEST(nothing_to_say)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
