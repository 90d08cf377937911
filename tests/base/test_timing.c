/* fm_timing_run: how often it runs, what it keeps, how it ends. */
#include "test.h"

#include "base/log.h"
#include "base/timing.h"

struct work {
  int calls, fail_at;
  double sleep[8];
};

static void wait_for(double seconds) {
  for (double begin = fm_seconds(); fm_seconds() - begin < seconds;) {}
}

static enum fm_status work(void *arg) {
  struct work *w = arg;
  if (++w->calls == w->fail_at) return FM_DEVICE;
  if (w->calls <= 8) wait_for(w->sleep[w->calls - 1]);
  return FM_OK;
}

/* The run that warms up is the longest and does not count; the median is neither the shortest nor the
 * longest. */
static void test_median(void **state) {
  struct work w = {.sleep = {1.2, 0.3, 0.001, 0.7}};
  struct fm_timing t;
  ASSERT_OK((struct fm_context *)*state, fm_timing_run(*state, work, &w, 3, 0, &t));
  assert_int_equal(w.calls, 4);
  assert_int_equal(t.runs, 3);
  assert_true(t.least >= 0.001 && t.least < 0.3);
  assert_true(t.median >= 0.3 && t.median < 0.7);
}

static void test_seconds(void **state) {
  struct work w = {.sleep = {0}};
  struct fm_timing t;
  double begin = fm_seconds();
  for (int i = 0; i < 8; i++) w.sleep[i] = 0.05;
  ASSERT_OK((struct fm_context *)*state, fm_timing_run(*state, work, &w, 1, 0.25, &t));
  assert_true(fm_seconds() - begin >= 0.29);
  assert_true(t.runs >= 3);
}

static void test_failure_ends_it(void **state) {
  struct work w = {.fail_at = 3};
  struct fm_timing t;
  assert_int_equal(fm_timing_run(*state, work, &w, 5, 0, &t), FM_DEVICE);
  assert_int_equal(w.calls, 3);
}

static void test_stop(void **state) {
  struct fm_context *ctx = *state;
  struct work w = {0};
  struct fm_timing t;
  atomic_store(&ctx->stop, true);
  assert_int_equal(fm_timing_run(ctx, work, &w, 5, 0, &t), FM_STOPPED);
  assert_int_equal(w.calls, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(test_median), TEST(test_seconds), TEST(test_failure_ends_it),
                                     TEST(test_stop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
