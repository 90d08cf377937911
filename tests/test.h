/* What every test file includes: cmocka with its prerequisites, and a context with leak check. */
#ifndef FM_TESTS_TEST_H
#define FM_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/status.h"

/* For cmocka_unit_test_setup_teardown: *state is a ready context; at the end nothing may be left allocated.
 */
static inline int test_context_open(void **state) {
  static struct fm_context ctx;
  fm_context_init(&ctx);
  ctx.quiet = true;
  *state = &ctx;
  return 0;
}

static inline int test_context_close(void **state) {
  struct fm_context *ctx = *state;
  long live = ctx->live_allocations;
  fm_context_free(ctx);
  if (live) print_error("%ld allocations were not freed\n", live);
  return live ? -1 : 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, test_context_open, test_context_close)

/* Asserts FM_OK and shows the message otherwise. */
#define ASSERT_OK(ctx, call)                                                                                 \
  do {                                                                                                       \
    enum fm_status assert_ok_ = (call);                                                                      \
    if (assert_ok_ != FM_OK) fail_msg("%s: %s", #call, (ctx)->message);                                      \
  } while (0)

#endif
