/* Who may ask, which paths there are, and which lines of a journal name a picture. */
#include "test.h"

#include "base/memory.h"
#include "serve/guard.h"
#include "serve/journal.h"

#include <stdio.h>
#include <string.h>

static void tokens(void **state) {
  (void)state;
  static const char token[] = "0123456789abcdef";
  assert_true(fm_guard_token("Bearer 0123456789abcdef", token));
  assert_false(fm_guard_token(NULL, token));
  assert_false(fm_guard_token("", token));
  assert_false(fm_guard_token("Bearer ", token));
  assert_false(fm_guard_token("Bearer ", ""));
  assert_false(fm_guard_token("bearer 0123456789abcdef", token));
  assert_false(fm_guard_token("Bearer 0123456789abcde", token));
  assert_false(fm_guard_token("Bearer 0123456789abcdeF", token));
  assert_false(fm_guard_token("Bearer 0123456789abcdef0123456789abcdef", token));
}

static void hosts(void **state) {
  (void)state;
  assert_true(fm_guard_local("localhost", NULL));
  assert_true(fm_guard_local("127.0.0.1:8471", NULL));
  assert_true(fm_guard_local("[::1]:8471", "http://[::1]:8471"));
  assert_true(fm_guard_local("localhost:8471", "http://localhost:8471"));
  static const char *const wrong[] = {"evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1@evil.example",
                                      "[::1",
                                      "[::2]",
                                      "192.168.0.1",
                                      "",
                                      "128.0.0.1"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(fm_guard_local(wrong[i], NULL));
  assert_false(fm_guard_local(NULL, NULL));
  assert_false(fm_guard_local("localhost:8471", "http://localhost:80"));
  assert_false(fm_guard_local("localhost:8471", "http://evil.example"));
  assert_false(fm_guard_local("localhost:8471", "null"));
  assert_true(fm_guard_foreign("line7:8471", "http://evil.example"));
  assert_false(fm_guard_foreign("line7:8471", "https://line7:8471"));
}

static void paths(void **state) {
  (void)state;
  char words[2][FM_GUARD_WORD + 1], name[200] = "/v1/pictures/";
  assert_true(fm_guard_path("/", "/", words));
  assert_true(fm_guard_path("/v1/pictures/6a-1/picture", "/v1/pictures/?/?", words));
  assert_string_equal(words[0], "6a-1");
  assert_string_equal(words[1], "picture");
  static const char *const wrong[] = {"/v1/pictures/6a-1",
                                      "/v1/pictures/6a-1/picture/",
                                      "/v1/pictures//picture",
                                      "/v1/pictures/../picture",
                                      "/v1/pictures/.x/picture",
                                      "/v1/pictures/a b/picture",
                                      "/v1/pictures/a%2f/x",
                                      "v1/pictures/a/b",
                                      ""};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_false(fm_guard_path(wrong[i], "/v1/pictures/?/?", words));
  memset(name + 13, 'a', FM_GUARD_WORD);
  strcpy(name + 13 + FM_GUARD_WORD, "/b");
  assert_true(fm_guard_path(name, "/v1/pictures/?/?", words));
  memset(name + 13, 'a', FM_GUARD_WORD + 1);
  strcpy(name + 14 + FM_GUARD_WORD, "/b");
  assert_false(fm_guard_path(name, "/v1/pictures/?/?", words));
}

static void numbers(void **state) {
  (void)state;
  assert_int_equal(fm_guard_number("17", 1, 100), 17);
  assert_int_equal(fm_guard_number("0", 0, 100), 0);
  static const char *const wrong[] = {"", "-1", "+1", "1.5", "0x10", "101", " 1", "9999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(fm_guard_number(wrong[i], 0, 100), -1);
}

static void lines(void **state) {
  (void)state;
  struct fm_context ctx;
  fm_context_init(&ctx);
  uint64_t hash = 0;
  static const char good[] = "{\"picture\":\"a.png\",\"file\":\"00000000000000ff\"}";
  assert_int_equal(fm_journal_parse(&ctx, good, strlen(good), &hash), FM_OK);
  assert_int_equal(hash, 255);
  static const char *const wrong[] = {"{}",
                                      "[]",
                                      "{\"file\":5}",
                                      "{\"file\":\"ff\"}",
                                      "{\"file\":\"00000000000000FG\"}",
                                      "{\"file\":\"00000000000000ff\"} {}",
                                      "{\"file\":\"00000000000000ff\",\"file\":\"00000000000000fe\"}"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(fm_journal_parse(&ctx, wrong[i], strlen(wrong[i]), &hash), FM_FORMAT);
    fm_error_clear(&ctx);
  }
  assert_int_equal(ctx.live_allocations, 0);
  fm_context_free(&ctx);
}

/* A journal that is opened again knows what it knew, by all of name, size, time and inode. */
static void known(void **state) {
  (void)state;
  struct fm_context ctx;
  struct fm_journal j;
  char path[200], *folder;
  fm_context_init(&ctx);
  assert_int_equal(fm_folder_make_temporary(&ctx, "/tmp/flawmap-journal-", &folder), FM_OK);
  snprintf(path, sizeof path, "%s/results.jsonl", folder);
  struct fm_file_stamp stamp = {.there = true, .size = 10, .modified = 5, .inode = 7}, other = stamp;
  assert_int_equal(fm_journal_open(&j, &ctx, path), FM_OK);
  for (int i = 0; i < 2000; i++) { /* more than fit at first */
    stamp.inode = (uint64_t)i;
    assert_int_equal(fm_journal_add(&j, &ctx, "a\xff.png", &stamp, "{\"score\":1}"), FM_OK);
  }
  fm_journal_close(&j);
  assert_int_equal(fm_journal_open(&j, &ctx, path), FM_OK);
  assert_int_equal(j.count, 2000);
  assert_true(fm_journal_knows(&j, "a\xff.png", &other));
  assert_false(fm_journal_knows(&j, "a\xfe.png", &other));
  other.size = 11;
  assert_false(fm_journal_knows(&j, "a\xff.png", &other));
  fm_journal_close(&j);
  assert_int_equal(fm_file_remove(&ctx, path), FM_OK);
  assert_int_equal(fm_folder_remove(&ctx, folder), FM_OK);
  fm_free(&ctx, folder);
  assert_int_equal(ctx.live_allocations, 0);
  fm_context_free(&ctx);
}

int main(void) {
  const struct CMUnitTest all[] = {cmocka_unit_test(tokens), cmocka_unit_test(hosts),
                                   cmocka_unit_test(paths),  cmocka_unit_test(numbers),
                                   cmocka_unit_test(lines),  cmocka_unit_test(known)};
  return cmocka_run_group_tests(all, NULL, NULL);
}
