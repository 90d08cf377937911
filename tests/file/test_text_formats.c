#include "test.h"

#include "base/memory.h"
#include "file/csv.h"
#include "file/ini.h"
#include "file/json.h"
#include "file/sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_text(struct fm_context *ctx, struct fm_text *text, const char *expected) {
  char *chars;
  ASSERT_OK(ctx, fm_text_take(text, &chars, NULL));
  assert_string_equal(chars, expected);
  fm_free(ctx, chars);
}

static void json_of_every_kind(void **state) {
  struct fm_context *ctx = *state;
  for (int pretty = 0; pretty < 2; pretty++) {
    struct fm_text text;
    struct fm_json j;
    fm_text_begin(&text, ctx);
    fm_json_begin(&j, &text, pretty);
    fm_json_object(&j, NULL);
    fm_json_number(&j, "auroc", 0.99);
    fm_json_number(&j, "nothing", NAN);
    fm_json_number(&j, "much", -INFINITY);
    fm_json_array(&j, "list");
    fm_json_integer(&j, NULL, INT64_MIN);
    fm_json_bool(&j, NULL, true);
    fm_json_null(&j, NULL);
    fm_json_object(&j, NULL);
    fm_json_end(&j);
    fm_json_end(&j);
    fm_json_array(&j, "empty");
    fm_json_end(&j);
    fm_json_string(&j, "k\"ey", NULL);
    fm_json_end(&j);
    fm_json_end(&j); /* one too many does nothing */
    expect_text(
        ctx, &text,
        pretty
            ? "{\n  \"auroc\": 0.99,\n  \"nothing\": null,\n  \"much\": null,\n  \"list\": [\n"
              "    -9223372036854775808,\n    true,\n    null,\n    {}\n  ],\n  \"empty\": [],\n"
              "  \"k\\\"ey\": null\n}\n"
            : "{\"auroc\":0.99,\"nothing\":null,\"much\":null,\"list\":[-9223372036854775808,true,null,{}],"
              "\"empty\":[],\"k\\\"ey\":null}");
  }
}

static void json_strings_are_escaped(void **state) {
  static const struct {
    const char *in, *out;
  } cases[] = {{"", "\"\""},
               {"a\\b\"c\n\t\x01\x7f", "\"a\\\\b\\\"c\\n\\u0009\\u0001\\u007f\""},
               {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
               {"\xff\xc3", "\"\\ufffd\\ufffd\""},                          /* no UTF-8; cut off */
               {"\xc0\xaf!", "\"\\ufffd\\ufffd!\""},                        /* overlong */
               {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},               /* a surrogate */
               {"\xf4\x90\x80\x80x", "\"\\ufffd\\ufffd\\ufffd\\ufffdx\""}}; /* beyond U+10FFFF */
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_text text;
    fm_text_begin(&text, ctx);
    fm_json_quote(&text, cases[i].in);
    expect_text(ctx, &text, cases[i].out);
  }
}

static void json_too_deep(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  struct fm_json j;
  char *chars;
  fm_text_begin(&text, ctx);
  fm_json_begin(&j, &text, true);
  for (int i = 0; i < 40; i++) fm_json_array(&j, NULL);
  assert_int_equal(fm_text_take(&text, &chars, NULL), FM_INTERNAL);
}

static void csv_is_quoted(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, ctx);
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, 3, (const char *const[]){"name", "a,b", "say \"hi\""});
  fm_csv_string(&csv, "two\nlines");
  fm_csv_number(&csv, 0.5);
  fm_csv_number(&csv, NAN);
  fm_csv_integer(&csv, -3);
  fm_csv_string(&csv, NULL);
  fm_csv_string(&csv, "");
  fm_csv_string(&csv, " blank");
  fm_csv_row(&csv);
  expect_text(ctx, &text, "name,\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",0.5,,-3,,,\" blank\"\n");
}

/* Names of pictures that a spreadsheet would run. */
static void csv_holds_no_formula(void **state) {
  struct fm_context *ctx = *state;
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, ctx);
  fm_csv_begin(&csv, &text);
  fm_csv_strings(&csv, 5, (const char *const[]){"=cmd|' /C calc'!A1", "+1", "-1", "@SUM(A1)", "a=b+c-d@e"});
  fm_csv_strings(&csv, 4,
                 (const char *const[]){"\t=1", "\r=1", "\n=1",
                                       "\xEF\xBC\x9D"
                                       "1"});
  fm_csv_string(&csv, "=\"1\"");
  fm_csv_number(&csv, -1.5);
  fm_csv_integer(&csv, -2);
  fm_csv_row(&csv);
  expect_text(ctx, &text,
              "\"'=cmd|' /C calc'!A1\",\"'+1\",\"'-1\",\"'@SUM(A1)\",a=b+c-d@e\n"
              "\"'\t=1\",\"'\r=1\",\"'\n=1\",\"'\xEF\xBC\x9D"
              "1\"\n"
              "\"'=\"\"1\"\"\",-1.5,-2\n");
}

/* FIPS 180-2, appendix B, and the empty message. */
static void sha256_known_answers(void **state) {
  struct fm_context *ctx = *state;
  char hex[65];
  ASSERT_OK(ctx, fm_sha256_bytes(ctx, "abc", 3, hex));
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ASSERT_OK(ctx, fm_sha256_bytes(ctx, "", 0, hex));
  assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  struct fm_sha256 sha;
  ASSERT_OK(ctx, fm_sha256_begin(&sha, ctx));
  for (int i = 0; i < 1000000; i += 1000) {
    char block[1000];
    memset(block, 'a', sizeof block);
    ASSERT_OK(ctx, fm_sha256_update(&sha, block, sizeof block));
  }
  ASSERT_OK(ctx, fm_sha256_end(&sha, hex));
  fm_sha256_free(&sha);
  assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  assert_int_equal(fm_sha256_file(ctx, "/nonexistent/file", hex), FM_IO);
}

static void ini_is_read(void **state) {
  struct fm_context *ctx = *state;
  static const char text[] = "\xEF\xBB\xBF; a recipe\r\n"
                             "method = cdo\n"
                             "\n"
                             "[train] # the loop\n"
                             "  lr=4e-4 ; start\r\n"
                             "url = https://example.org/a#b;c\n"
                             "empty =\n"
                             "eq = a = b\n"
                             "[eval]\n"
                             "lr = 1";
  struct fm_ini ini;
  ASSERT_OK(ctx, fm_ini_parse(ctx, "x.ini", text, sizeof text - 1, &ini));
  assert_int_equal(ini.count, 6);
  assert_string_equal(fm_ini_find(&ini, "", "method"), "cdo");
  assert_string_equal(fm_ini_find(&ini, "train", "lr"), "4e-4");
  assert_string_equal(fm_ini_find(&ini, "train", "url"), "https://example.org/a#b;c");
  assert_string_equal(fm_ini_find(&ini, "train", "empty"), "");
  assert_string_equal(fm_ini_find(&ini, "train", "eq"), "a = b");
  assert_string_equal(fm_ini_find(&ini, "eval", "lr"), "1");
  assert_null(fm_ini_find(&ini, "eval", "method"));
  assert_int_equal(ini.entries[5].line, 10);
  fm_ini_free(ctx, &ini);
  ASSERT_OK(ctx, fm_ini_parse(ctx, "x.ini", "", 0, &ini));
  assert_int_equal(ini.count, 0);
  fm_ini_free(ctx, &ini);
}

static void bad_ini_is_refused(void **state) {
  static const struct {
    const char *text, *says;
  } cases[] = {{"a = 1\nb\n", "line 2: neither"},
               {"[a\n", "line 1: a section"},
               {"[a] b\n", "line 1: a section"},
               {"[]\n", "improper name"},
               {"[a b]\n", "improper name"},
               {"= 1\n", "improper name"},
               {"a b = 1\n", "improper name"},
               {"a = \x1b[2J\n", "control character"},
               {"a = 1\n\na = 2\n", "line 3: 'a' was already set in line 1"},
               {"[s]\na = 1\n[t]\n[s]\na = 2\n", "already set in line 2"}};
  struct fm_context *ctx = *state;
  struct fm_ini ini;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_error_clear(ctx);
    enum fm_status status = fm_ini_parse(ctx, "x.ini", cases[i].text, strlen(cases[i].text), &ini);
    if (status != FM_FORMAT || !strstr(ctx->message, cases[i].says) || !strstr(ctx->message, "x.ini"))
      fail_msg("%s: %s %s", cases[i].text, fm_status_name(status), ctx->message);
  }
  fm_error_clear(ctx);
  assert_int_equal(fm_ini_parse(ctx, "x", "a\0b", 3, &ini), FM_FORMAT);
  char *many = malloc(FM_INI_MAX_FILE + 2);
  size_t n = 0;
  for (int i = 0; i <= FM_INI_MAX_ENTRIES; i++) n += (size_t)sprintf(many + n, "k%d=\n", i);
  assert_int_equal(fm_ini_parse(ctx, "x", many, n, &ini), FM_LIMIT);
  assert_int_equal(fm_ini_parse(ctx, "x", many, FM_INI_MAX_FILE + 1, &ini), FM_LIMIT);
  free(many);
}

static void allocations_may_fail(void **state) {
  struct fm_context *ctx = *state;
  enum fm_status status = FM_MEMORY;
  for (long n = 1; status != FM_OK; n++) {
    struct fm_ini ini;
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    status = fm_ini_parse(ctx, "x", "a=1\nb=2\n", 8, &ini);
    if (status == FM_OK)
      fm_ini_free(ctx, &ini);
    else
      assert_int_equal(status, FM_MEMORY);
  }
  ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(json_of_every_kind), TEST(json_strings_are_escaped), TEST(json_too_deep),
      TEST(csv_is_quoted),      TEST(csv_holds_no_formula),     TEST(sha256_known_answers),
      TEST(ini_is_read),        TEST(bad_ini_is_refused),       TEST(allocations_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
