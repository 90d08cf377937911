#include "test.h"

#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <string.h>

static void grows(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  char *chars;
  size_t size;
  fm_text_begin(&text, ctx);
  for (int i = 0; i < 1000; i++) fm_text_printf(&text, "%03d,", i);
  fm_text_append(&text, "end");
  fm_text_append_bytes(&text, "\0x", 2);
  ASSERT_OK(ctx, fm_text_take(&text, &chars, &size));
  assert_int_equal(size, 4005);
  assert_memory_equal(chars + 3992, "998,999,end\0x", 14);
  fm_free(ctx, chars);
  ASSERT_OK(ctx, fm_text_take(&text, &chars, NULL)); /* taken: empty again */
  assert_string_equal(chars, "");
  fm_free(ctx, chars);
}

static void numbers_read_back(void **state) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0.1, "0.1"},
               {1, "1"},
               {-2.5e-300, "-2.5e-300"},
               {1.0 / 3, "0.33333333333333331"},
               {1e100, "1e+100"},
               {123456789, "123456789"}};
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_text text;
    char *chars;
    fm_text_begin(&text, ctx);
    fm_text_number(&text, cases[i].value);
    ASSERT_OK(ctx, fm_text_take(&text, &chars, NULL));
    assert_string_equal(chars, cases[i].text);
    fm_free(ctx, chars);
  }
}

static void failure_sticks(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  char *chars;
  fm_text_begin(&text, ctx);
  fm_text_append(&text, "before");
  ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = 1, .once = true};
  for (int i = 0; i < 100; i++) fm_text_append(&text, "after ");
  assert_int_equal(fm_text_take(&text, &chars, NULL), FM_MEMORY);
  assert_null(chars);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(grows), TEST(numbers_read_back), TEST(failure_sticks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
