/* Numbers in ascending order; nothing and one number, too. */
#include "test.h"

#include "base/rng.h"
#include "base/sort.h"

static void ascending(void **state) {
  (void)state;
  enum { MOST = 300 };
  struct fm_rng rng = fm_rng_stream(1, "sort");
  for (size_t n = 0; n <= MOST; n++) {
    float f[MOST + 1];
    double d[MOST + 1], sum = 0, sorted = 0;
    for (size_t i = 0; i < n; i++)
      d[i] = f[i] = fm_rng_uniform(&rng) < 0.2f ? 0.5f : fm_rng_uniform(&rng) - 0.5f;
    for (size_t i = 0; i < n; i++) sum += d[i] * d[i] * d[i];
    f[n] = -9;
    d[n] = -9;
    fm_sort_floats(f, n);
    fm_sort_doubles(d, n);
    for (size_t i = 0; i < n; i++) {
      assert_true((double)f[i] == d[i] && (!i || d[i - 1] <= d[i]));
      sorted += d[i] * d[i] * d[i];
    }
    assert_true(sum - sorted < 1e-9 && sorted - sum < 1e-9); /* the same numbers */
    assert_true(f[n] == -9 && d[n] == -9);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(ascending)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
