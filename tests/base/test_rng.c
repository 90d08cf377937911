#include "test.h"

#include "base/rng.h"

/* Values of the definition in Python: splitmix64 over (seed 1, "image.fine"). */
static void known_values(void **state) {
  (void)state;
  struct fm_rng rng = fm_rng_stream(1, "image.fine");
  assert_int_equal(fm_rng_at(&rng, 0), 6944389848518825534u);
  assert_int_equal(fm_rng_at(&rng, 5), 6754745673441066078u);
  assert_true(fm_rng_uniform_at(&rng, 5) == (float)(6754745673441066078u >> 40) * 0x1p-24f);
}

static void permutation_holds_everything(void **state) {
  (void)state;
  struct fm_rng rng = fm_rng_stream(7, "epoch.3");
  uint32_t order[100];
  bool seen[100] = {0};
  fm_rng_permutation(&rng, order, 100);
  for (int i = 0; i < 100; i++) {
    assert_in_range(order[i], 0, 99);
    assert_false(seen[order[i]]);
    seen[order[i]] = true;
  }
}

static void integers_stay_in_range(void **state) {
  (void)state;
  struct fm_rng rng = fm_rng_stream(7, "range");
  int64_t low = 100, high = -100;
  for (int i = 0; i < 10000; i++) {
    int64_t v = fm_rng_integer(&rng, -3, 5);
    if (v < low) low = v;
    if (v > high) high = v;
  }
  assert_int_equal(low, -3);
  assert_int_equal(high, 4);
  assert_int_equal(fm_rng_integer(&rng, 9, 9), 9);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(known_values), TEST(permutation_holds_everything),
                                     TEST(integers_stay_in_range)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
