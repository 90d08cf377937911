/* The pictures that a model learned from are known again by their bytes, whatever they are called. */
#define _XOPEN_SOURCE 700
#include "data/folder.h"
#include "model/seen.h"

#include <stdio.h>

enum { FILES = 40 };

/* Files 0 to FILES - 1; content(i) is what is in each. */
static struct fm_sample *make(struct fm_context *ctx, struct folder *f) {
  struct fm_sample *s = fm_alloc(ctx, FILES, sizeof *s);
  assert_non_null(s);
  for (int i = 0; i < FILES; i++) {
    char path[512], name[32], bytes[32];
    snprintf(name, sizeof name, "%d.png", i);
    folder_path(f, name, path);
    int n = snprintf(bytes, sizeof bytes, "picture %d", i % 30); /* 30 to 39 are copies of 0 to 9 */
    ASSERT_OK(ctx, fm_file_write(ctx, path, bytes, (size_t)n));
    s[i].path = fm_strdup(ctx, path);
  }
  return s;
}

static void finds_copies(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  struct fm_sample *s = make(ctx, &f);
  bool seen[FILES];
  size_t found;
  char *text, *again, *none;
  ASSERT_OK(ctx, fm_seen_make(ctx, s, 20, &text)); /* 0 to 19 */
  assert_int_equal(strlen(text), 20 * FM_SEEN_DIGITS);
  assert_true(fm_seen_valid(text));
  ASSERT_OK(ctx, fm_seen_find(ctx, text, s, FILES, seen, &found));
  assert_int_equal(found, 30);
  for (int i = 0; i < FILES; i++) assert_int_equal(seen[i], i % 30 < 20);
  /* The same pictures in any order, and each as often as one likes, are the same text. */
  struct fm_sample turned[40];
  for (int i = 0; i < 40; i++) turned[i] = s[19 - i % 20];
  ASSERT_OK(ctx, fm_seen_make(ctx, turned, 40, &again));
  assert_string_equal(text, again);
  /* Of nothing, and from a model that knows nothing. */
  ASSERT_OK(ctx, fm_seen_make(ctx, s, 0, &none));
  assert_string_equal(none, "");
  const char *const unknown[] = {"", NULL};
  for (int k = 0; k < 2; k++) {
    found = 7;
    ASSERT_OK(ctx, fm_seen_find(ctx, unknown[k], s, FILES, seen, &found));
    assert_int_equal(found, 0);
    for (int i = 0; i < FILES; i++) assert_false(seen[i]);
  }
  /* A picture that is gone is said. */
  ASSERT_OK(ctx, fm_file_remove(ctx, s[3].path));
  fm_free(ctx, again);
  assert_int_equal(fm_seen_make(ctx, s, 20, &again), FM_IO);
  assert_non_null(strstr(ctx->message, "3.png"));
  for (int i = 0; i < FILES; i++) fm_free(ctx, s[i].path);
  fm_free(ctx, s);
  fm_free(ctx, text);
  fm_free(ctx, none);
  folder_remove(&f);
}

static void hostile(void **state) {
  struct fm_context *ctx = *state;
  static const char *const wrong[] = {"0",
                                      "0123456789abcdeF",
                                      "0123456789abcde ",
                                      "0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdef",
                                      "1123456789abcdef0123456789abcdef"};
  assert_true(fm_seen_valid("") && fm_seen_valid("0123456789abcdef1123456789abcdef"));
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(fm_seen_valid(wrong[i]));
  /* The bound. */
  char *text = fm_alloc(ctx, FM_SEEN_MOST + 2, FM_SEEN_DIGITS);
  assert_non_null(text);
  for (int i = 0; i <= FM_SEEN_MOST; i++)
    snprintf(text + (size_t)i * FM_SEEN_DIGITS, FM_SEEN_DIGITS + 1, "%016x", (unsigned)i);
  assert_false(fm_seen_valid(text));
  text[(size_t)FM_SEEN_MOST * FM_SEEN_DIGITS] = 0;
  assert_true(fm_seen_valid(text));
  fm_free(ctx, text);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(finds_copies), TEST(hostile)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
