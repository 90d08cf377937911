#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "score/radix.h"

#include <float.h>
#include <stdlib.h>

static void keys_order_as_floats(void **state) {
  (void)state;
  const float ascending[] = {-FLT_MAX, -2,     -1.0000001f, -1, -FLT_MIN,   -1e-45f,
                             0,        1e-45f, FLT_MIN,     1,  1.0000001f, FLT_MAX};
  for (size_t i = 0; i < sizeof ascending / sizeof *ascending; i++) {
    if (i) assert_true(fm_score_key(ascending[i - 1]) < fm_score_key(ascending[i]));
    assert_true(fm_score_of_key(fm_score_key(ascending[i])) == ascending[i]);
  }
  assert_int_equal(fm_score_key(-0.0f), fm_score_key(0.0f));
}

static int by_32(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static int by_64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Every kind of data: all bits, few values, narrow ranges, an outlier, sorted already, and every size around
 * the places where the sort changes its way. */
static uint64_t value(struct fm_rng *rng, int kind, size_t i) {
  uint64_t v = fm_rng_next(rng);
  switch (kind) {
  case 0:
    return v;
  case 1:
    return (v >> 61) << 32 | (v & 3);
  case 2:
    return (uint64_t)0x3f000000 << 32 | (v >> 40);
  case 3:
    return i == 7 ? UINT64_MAX : v >> 50;
  case 4:
    return i;
  default:
    return 42;
  }
}

static void sorts_as_qsort(void **state) {
  struct fm_context *ctx = *state;
  const size_t sizes[] = {0, 1, 2, 47, 48, 49, 300, 65535, 65536, 65537, 200000};
  for (int kind = 0; kind < 6; kind++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      size_t n = sizes[s];
      struct fm_rng rng = fm_rng_stream((uint64_t)kind, "sort");
      uint64_t *a = fm_alloc(ctx, n, 8), *b = fm_alloc(ctx, n, 8);
      uint32_t *c = fm_alloc(ctx, n, 4), *d = fm_alloc(ctx, n, 4);
      for (size_t i = 0; i < n; i++) {
        a[i] = b[i] = value(&rng, kind, i);
        c[i] = d[i] = (uint32_t)(kind == 3 ? a[i] : a[i] >> 32 | a[i]);
      }
      qsort(b, n, 8, by_64);
      qsort(d, n, 4, by_32);
      ASSERT_OK(ctx, fm_sort_u64(ctx, a, n));
      ASSERT_OK(ctx, fm_sort_u32(ctx, c, n));
      assert_memory_equal(a, b, 8 * n);
      assert_memory_equal(c, d, 4 * n);
      fm_free(ctx, a);
      fm_free(ctx, b);
      fm_free(ctx, c);
      fm_free(ctx, d);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(keys_order_as_floats), TEST(sorts_as_qsort)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
