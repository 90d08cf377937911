/* The memory plan: nothing alive at the same time shares a place, kinds keep to themselves, limits hold. */
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "net/plan.h"

enum { COUNT = 200, ALIGN = 128 };

static bool overlap(const struct fm_slot *a, const struct fm_slot *b) {
  return a->chunk == b->chunk && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static void check(const struct fm_slot *s, size_t most) {
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(s[i].offset % ALIGN, 0);
    assert_true(s[i].offset + s[i].bytes <= most);
    for (int j = 0; j < i; j++) {
      if (!overlap(&s[i], &s[j])) continue;
      assert_true(s[i].last < s[j].first || s[j].last < s[i].first); /* never both alive */
      assert_int_equal(s[i].kind, s[j].kind);
      if (s[i].kind) assert_int_equal(s[i].offset, s[j].offset); /* place for place */
    }
  }
}

static void random_slots(void **state) {
  struct fm_context *ctx = *state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    struct fm_rng rng = fm_rng_stream(seed, "plan");
    struct fm_slot s[COUNT];
    size_t *bytes, sum = 0, planned = 0;
    int chunks;
    for (int i = 0; i < COUNT; i++) {
      int kind = (int)fm_rng_integer(&rng, 0, 4), first = (int)fm_rng_integer(&rng, 0, 100);
      size_t size = kind ? (size_t)kind * 1000 : (size_t)fm_rng_integer(&rng, 1, 5000);
      s[i] = (struct fm_slot){
          .bytes = size, .first = first, .last = first + (int)fm_rng_integer(&rng, 0, 20), .kind = kind};
      sum += size;
    }
    size_t most = seed % 2 ? (size_t)1 << 30 : 8192;
    ASSERT_OK(ctx, fm_plan(ctx, s, COUNT, ALIGN, most, &bytes, &chunks));
    check(s, most);
    for (int i = 0; i < chunks; i++) planned += bytes[i];
    assert_true(planned < sum * 2 / 3); /* memory is reused */
    fm_free(ctx, bytes);
  }
}

static void too_large_is_refused(void **state) {
  struct fm_context *ctx = *state;
  struct fm_slot s = {.bytes = 10000, .first = 0, .last = 1};
  size_t *bytes;
  int chunks;
  assert_int_equal(fm_plan(ctx, &s, 1, ALIGN, 5000, &bytes, &chunks), FM_MEMORY);
  assert_null(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(random_slots), TEST(too_large_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
