/* What is foreign is shown, what is ours stays, and everything else is as printf has it. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/print.h"
#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char *show(char out[256], const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *show(char out[256], const char *format, ...) {
  va_list args;
  va_start(args, format);
  fm_vshow(out, 256, format, args);
  va_end(args);
  return out;
}

static void test_foreign(void **state) {
  static const char *const rows[][2] = {
      {"plain.png", "plain.png"},
      {"\x1b]0;pwn\x07", "\\x1b]0;pwn\\x07"},
      {"a\nflawmap: forged\r\n", "a\\nflawmap: forged\\r\\n"},
      {"tab\there\x7f", "tab\\there\\x7f"},
      {"B\xc3\xbc"
       "chse \xe6\xbc\xa2 \xf0\x9f\x94\xa7",
       "B\xc3\xbc"
       "chse \xe6\xbc\xa2 \xf0\x9f\x94\xa7"},
      {"\xc2\x9b"
       "31m",
       "\\u009b31m"}, /* a control sequence in one character */
      {"\xe2\x80\xaegnp.exe", "\\u202egnp.exe"},
      {"a\xe2\x80\x8b"
       "b\xe2\x81\xa6\xef\xbb\xbf",
       "a\\u200bb\\u2066\\ufeff"},
      {"\xf3\xa0\x80\xa1", "\\U000e0021"},
      {"\xff\xc3(\xc0\xaf\xed\xa0\x80", "\\xff\\xc3(\\xc0\\xaf\\xed\\xa0\\x80"},
      {"\xf4\x90\x80\x80\xf8", "\\xf4\\x90\\x80\\x80\\xf8"},
      {"cut \xe6\xbc", "cut \\xe6\\xbc"},
      {"C:\\x1b", "C:\\x1b"}};
  char once[256], twice[256];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_string_equal(show(once, "%s", rows[i][0]), rows[i][1]);
    assert_string_equal(show(twice, "%s", once), once); /* a message inside a message */
  }
  assert_string_equal(show(once, "'%s'\n\x1b[K%c|%c", "\n", '\x1b', 'x'), "'\\n'\n\x1b[K\\x1b|x");
}

/* Widths count what is seen, and a precision never leaves half a letter. */
static void test_widths(void **state) {
  char out[256];
  assert_string_equal(show(out, "%-6s|%6s|", "\n", "\xc3\xbc"), "\\n    |     \xc3\xbc|");
  assert_string_equal(show(out, "%.3s|%.4s|%.*s|", "\xc3\xbc\xc3\xbc", "\xc3\xbc\xc3\xbc", 2, "abc"),
                      "\xc3\xbc|\xc3\xbc\xc3\xbc|ab|");
  assert_string_equal(show(out, "%*s|%-*s|%*s|", 3, "a", 3, "b", -3, "c"), "  a|b  |c  |");
  assert_string_equal(show(out, "%.0s|%.5s|", "abc", ""), "||");
}

#define SAME(...)                                                                                            \
  do {                                                                                                       \
    char ours[256], theirs[256];                                                                             \
    snprintf(theirs, sizeof theirs, __VA_ARGS__);                                                            \
    assert_string_equal(show(ours, __VA_ARGS__), theirs);                                                    \
  } while (0)

static void test_numbers(void **state) {
  SAME("%d %i %5d|%-5d|%05d|%+d|% d %u %x %#X %o", -1, 2, 3, 4, 5, 6, 7, 8u, 255u, 255u, 8u);
  SAME("%ld %lu %lld %llu %zu %jd %td", -1L, 2UL, -3LL, 4ULL, (size_t)5, (intmax_t)-6, (ptrdiff_t)7);
  SAME("%hd %hhu %hu", (short)-3, (unsigned char)200, (unsigned short)60000);
  SAME("%f %.3f %8.2f|%-8.1f|%08.3f %e %.2E %g %.15g %a", 1.5, 2.25, 3.125, 4.0625, -5.5, 6e10, 7e-7, 8e20,
       0.1, 1.0);
  SAME("%*d|%-*d|%.*f|%.*f", 5, 1, 5, 2, 2, 3.14159, -1, 2.5);
  SAME("%%|%5.1f %%|%d%%", 99.5, 7);
  SAME("%.2Lf %p", 1.25L, (void *)state);
}

static void test_cut(void **state) {
  struct fm_context ctx;
  char wide[3000];
  fm_context_init(&ctx);
  memset(wide, 'w', sizeof wide - 1);
  wide[sizeof wide - 1] = 0;
  wide[1022] = '\xc3'; /* a letter across the end of a message's room */
  wide[1023] = '\xbc';
  fm_error(&ctx, FM_IO, "%s", wide);
  assert_int_equal(strlen(ctx.message), 1022);
  fm_error_clear(&ctx);
  fm_error(&ctx, FM_IO, "cannot open '%s'", "a\nflawmap: forged");
  assert_string_equal(ctx.message, "cannot open 'a\\nflawmap: forged'");
  fm_context_free(&ctx);
}

/* A stream gets everything, however long. */
static void test_stream(void **state) {
  char *wide = malloc(10001), *got = NULL;
  size_t size = 0;
  memset(wide, 'w', 10000);
  wide[10000] = 0;
  wide[5000] = '\n';
  FILE *stream = open_memstream(&got, &size);
  fm_print_to(stream, "%s|%d\n", wide, 7);
  fclose(stream);
  assert_int_equal(size, 10001 + 3);
  assert_memory_equal(got + 5000, "\\nw", 3);
  assert_string_equal(got + 10001, "|7\n");
  free(got);
  struct fm_context ctx;
  struct fm_text text;
  fm_context_init(&ctx);
  fm_text_begin(&text, &ctx);
  fm_text_show(&text, "%s: %s\n", "a\x1b", wide);
  assert_int_equal(text.status, FM_OK);
  assert_int_equal(text.size, 5 + 2 + 10001 + 1);
  assert_memory_equal(text.chars, "a\\x1b: w", 8);
  fm_text_free(&text);
  assert_int_equal(ctx.live_allocations, 0);
  fm_context_free(&ctx);
  free(wide);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_foreign), cmocka_unit_test(test_widths),
                                     cmocka_unit_test(test_numbers), cmocka_unit_test(test_cut),
                                     cmocka_unit_test(test_stream)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
