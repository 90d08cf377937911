#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of this header and `data` bytes of value 7; the length field says header + extra. */
static enum fm_status parse(struct fm_context *ctx, const char *header, size_t data, long extra,
                            struct fm_safetensors **file) {
  size_t n = strlen(header);
  unsigned char *bytes = fm_alloc(ctx, 8 + n + data, 1);
  assert_non_null(bytes);
  uint64_t length = n + (uint64_t)extra;
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, header, n);
  memset(bytes + 8 + n, 7, data);
  return fm_safetensors_parse(ctx, "x.safetensors", bytes, 8 + n + data, file);
}

#define ENTRY(name, type, shape, begin, end)                                                                 \
  "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"

static void hostile_headers_are_refused(void **state) {
  static const struct {
    const char *header;
    size_t data;
    long extra;
    enum fm_status status;
    const char *says;
  } cases[] = {
      {"", 0, 0, FM_FORMAT, "not a JSON object"},
      {"{}", 0, 1, FM_FORMAT, "would be 3 bytes long"},
      {"{}", 0, -3, FM_FORMAT, "would be 18446744073709551615"},
      {"{}", 1, 0, FM_FORMAT, "belong to no tensor"},
      {"{} x", 0, 0, FM_FORMAT, "something follows"},
      {"[]", 0, 0, FM_FORMAT, "not a JSON object"},
      {"hello", 0, 0, FM_FORMAT, "not a JSON object"},
      {"{\"a\":1}", 0, 0, FM_FORMAT, "tensor 'a' is not described"},
      {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 7, 0, FM_FORMAT,
       "ends at byte 8 of the data, of which there are 7"},
      {"{" ENTRY("a", "F32", "[2]", "0", "8") "}", 9, 0, FM_FORMAT, "1 bytes after"},
      {"{" ENTRY("a", "F32", "[2]", "0", "4") "}", 4, 0, FM_FORMAT, "tensor 'a' has 4 bytes"},
      {"{" ENTRY("a", "F32", "[2]", "8", "0") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[2]", "0", "8.5") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[2]", "-8", "0") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[2]", "0", "1e300") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[2]", "0", "null") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[2]", "0,8", "8") "}", 8, 0, FM_FORMAT, "data_offsets"},
      {"{" ENTRY("a", "F32", "[-2]", "0", "8") "}", 8, 0, FM_FORMAT, "whole number"},
      {"{" ENTRY("a", "F32", "[2.5]", "0", "8") "}", 8, 0, FM_FORMAT, "whole number"},
      {"{" ENTRY("a", "F32", "[\"2\"]", "0", "8") "}", 8, 0, FM_FORMAT, "whole number"},
      {"{" ENTRY("a", "F32", "2", "0", "8") "}", 8, 0, FM_FORMAT, "shape"},
      {"{" ENTRY("a", "F32", "[4503599627370496,4503599627370496,2]", "0", "0") "}", 0, 0, FM_FORMAT,
       "too large"},
      {"{" ENTRY("a", "F64", "[4503599627370496,512]", "0", "0") "}", 0, 0, FM_FORMAT, "shape and type"},
      {"{" ENTRY("a", "F32", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, 0, FM_LIMIT, "dimensions"},
      {"{" ENTRY("a", "U64", "[1]", "0", "8") "}", 8, 0, FM_FORMAT, "type 'U64'"},
      {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("a", "F32", "[1]", "4", "8") "}", 8, 0, FM_FORMAT,
       "there twice"},
      {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "2", "6") "}", 6, 0, FM_FORMAT,
       "tensor 'b' overlaps"},
      {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "0", "4") "}", 4, 0, FM_FORMAT,
       "overlaps"},
      {"{" ENTRY("a", "F32", "[1]", "0", "4") "," ENTRY("b", "F32", "[1]", "6", "10") "}", 10, 0, FM_FORMAT,
       "tensor 'b' begins after a gap"},
      {"{" ENTRY("a", "F32", "[1]", "4", "8") "}", 8, 0, FM_FORMAT, "gap"},
      {"{" ENTRY("", "F32", "[1]", "0", "4") "}", 4, 0, FM_FORMAT, "name"},
      {"{" ENTRY("\\u001b[2J", "F32", "[1]", "0", "4") "}", 4, 0, FM_FORMAT, "control characters"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0, FM_FORMAT,
       "dtype"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0, FM_FORMAT, "dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, 0, FM_FORMAT, "data_offsets"},
      {"{\"__metadata__\":[]}", 0, 0, FM_FORMAT, "__metadata__ is not"},
      {"{\"__metadata__\":{\"a\":1}}", 0, 0, FM_FORMAT, "not a string"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, 0, FM_FORMAT, "__metadata__ is there twice"},
  };
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_safetensors *file = NULL;
    fm_error_clear(ctx);
    enum fm_status status = parse(ctx, cases[i].header, cases[i].data, cases[i].extra, &file);
    if (status != cases[i].status || !strstr(ctx->message, cases[i].says) ||
        !strstr(ctx->message, "x.safetensors"))
      fail_msg("%s: %s: %s", cases[i].header, fm_status_name(status), ctx->message);
    assert_null(file);
  }
}

static void short_and_deep_files_are_refused(void **state) {
  struct fm_context *ctx = *state;
  struct fm_safetensors *file = NULL;
  for (size_t n = 0; n < 8; n++)
    assert_int_equal(fm_safetensors_parse(ctx, "x", fm_alloc(ctx, n, 1), n, &file), FM_FORMAT);
  enum { DEEP = 1000000 };
  char *nest = calloc(DEEP + 1, 1);
  memset(nest, '[', DEEP);
  assert_int_equal(parse(ctx, nest, 0, 0, &file), FM_FORMAT);
  free(nest);
  enum { MANY = 12000000 };
  char *list = calloc(MANY + 1, 1);
  for (size_t i = 0; i < MANY; i += 2) memcpy(list + i, "0,", 2);
  memcpy(list, "{\"a\":[", 6);
  memcpy(list + MANY - 3, "0]}", 3);
  fm_error_clear(ctx);
  assert_int_equal(parse(ctx, list, 0, 0, &file), FM_LIMIT);
  free(list);
  unsigned char *zero = fm_alloc(ctx, 12, 1);
  zero[0] = 4;
  zero[8] = '{', zero[9] = '}';
  assert_int_equal(fm_safetensors_parse(ctx, "x", zero, 12, &file), FM_FORMAT); /* {}\0\0 */
}

static void order_of_the_data_is_the_order(void **state) {
  struct fm_context *ctx = *state;
  struct fm_safetensors *file;
  ASSERT_OK(ctx,
            parse(ctx,
                  "{" ENTRY("b", "I16", "[3]", "4", "10") "," ENTRY("a", "F32", "[]", "0", "4") "," ENTRY(
                      "empty", "F32", "[0,5]", "10", "10") "," ENTRY("none", "F32", "[0]", "4", "4") "}   ",
                  10, 0, &file));
  assert_int_equal(fm_safetensors_count(file), 4);
  static const char *const order[] = {"a", "none", "b", "empty"};
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(fm_safetensors_at(file, i)->name, order[i]);
    assert_ptr_equal(fm_safetensors_find(file, order[i]), fm_safetensors_at(file, i));
  }
  assert_int_equal(fm_safetensors_find(file, "a")->dims, 0);
  assert_int_equal(fm_safetensors_find(file, "a")->count, 1);
  assert_int_equal(fm_safetensors_find(file, "empty")->count, 0);
  assert_int_equal(fm_safetensors_find(file, "b")->bytes[5], 7);
  assert_null(fm_safetensors_find(file, "c"));
  assert_null(fm_safetensors_at(file, 4));
  assert_null(fm_safetensors_meta(file, "x"));
  fm_safetensors_free(ctx, file);
}

static void written_and_read_again(void **state) {
  struct fm_context *ctx = *state;
  char path[] = "/tmp/fm-safetensors-XXXXXX";
  close(mkstemp(path));
  const float weights[6] = {1, -2.5f, 3e-30f, 4, 5, INFINITY};
  const int64_t steps = 1234567890123;
  const uint16_t halves[8] = {0x3C00, 0xC000, 0x0001, 0x7BFF, 0xFC00, 0x8000, 0x3555, 0x0400};
  const uint16_t brains[2] = {0x3F80, 0xC2F7};
  const double doubles[2] = {0.1, -1e10};
  struct fm_safetensors_out *out;
  ASSERT_OK(ctx, fm_safetensors_out_open(ctx, &out));
  ASSERT_OK(ctx, fm_safetensors_out_meta(out, "method", "cdo \"2023\"\n\x01 \xc3\xa9"));
  ASSERT_OK(ctx, fm_safetensors_out_meta(out, "empty", ""));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "w", FM_F32, 2, (size_t[]){2, 3}, weights));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "steps", FM_I64, 0, NULL, &steps));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "half", FM_F16, 1, (size_t[]){8}, halves));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "brain", FM_BF16, 1, (size_t[]){2}, brains));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "double", FM_F64, 1, (size_t[]){2}, doubles));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "nothing", FM_F32, 1, (size_t[]){0}, NULL));
  ASSERT_OK(ctx, fm_safetensors_out_write(out, path));
  unsigned char *memory, *disk;
  size_t size, disk_size;
  ASSERT_OK(ctx, fm_safetensors_out_encode(out, &memory, &size));
  fm_safetensors_out_free(out);
  ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 20, &disk, &disk_size));
  assert_int_equal(size, disk_size);
  assert_memory_equal(memory, disk, size);
  uint64_t header;
  memcpy(&header, disk, 8);
  assert_int_equal((header + 8) % 64, 0);
  fm_free(ctx, memory);
  fm_free(ctx, disk);

  struct fm_safetensors *file;
  ASSERT_OK(ctx, fm_safetensors_read(ctx, path, &file));
  unlink(path);
  assert_string_equal(fm_safetensors_path(file), path);
  assert_int_equal(fm_safetensors_count(file), 6);
  assert_string_equal(fm_safetensors_meta(file, "method"), "cdo \"2023\"\n\x01 \xc3\xa9");
  assert_string_equal(fm_safetensors_meta(file, "empty"), "");
  assert_memory_equal(fm_safetensors_find(file, "steps")->bytes, &steps, 8);
  float got[8];
  ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "w", 2, (size_t[]){2, 3}, got));
  assert_memory_equal(got, weights, sizeof weights);
  ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "half", 1, (size_t[]){8}, got));
  const float expected[8] = {1, -2, 0x1p-24f, 65504, -INFINITY, -0.0f, 0.333251953125f, 0x1p-14f};
  assert_memory_equal(got, expected, sizeof expected);
  ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "brain", 1, (size_t[]){2}, got));
  assert_true(got[0] == 1 && got[1] == -123.5f);
  ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, "double", 1, (size_t[]){2}, got));
  assert_true(got[0] == 0.1f && got[1] == -1e10f);

  assert_int_equal(fm_safetensors_floats(ctx, file, "w", 2, (size_t[]){3, 2}, got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "'w' has shape [2, 3] instead of [3, 2]"));
  fm_error_clear(ctx);
  assert_int_equal(fm_safetensors_floats(ctx, file, "v", 1, (size_t[]){7}, got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "no tensor 'v' (of shape [7])"));
  fm_error_clear(ctx);
  assert_int_equal(fm_safetensors_floats(ctx, file, "steps", 0, NULL, got), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "I64"));
  fm_safetensors_free(ctx, file);
}

static void data_begin_at_a_multiple_of_64(void **state) {
  struct fm_context *ctx = *state;
  char name[80];
  for (size_t n = 1; n < 70; n++) {
    struct fm_safetensors_out *out;
    unsigned char *bytes;
    size_t size;
    uint64_t header;
    const float value = 1;
    memset(name, 'x', n);
    name[n] = 0;
    ASSERT_OK(ctx, fm_safetensors_out_open(ctx, &out));
    ASSERT_OK(ctx, fm_safetensors_out_tensor(out, name, FM_F32, 0, NULL, &value));
    ASSERT_OK(ctx, fm_safetensors_out_encode(out, &bytes, &size));
    memcpy(&header, bytes, 8);
    assert_int_equal((header + 8) % 64, 0);
    assert_int_equal(size, header + 8 + 4);
    fm_free(ctx, bytes);
    fm_safetensors_out_free(out);
  }
}

static void writer_refuses_nonsense(void **state) {
  struct fm_context *ctx = *state;
  struct fm_safetensors_out *out;
  float value = 1;
  ASSERT_OK(ctx, fm_safetensors_out_open(ctx, &out));
  const size_t huge[] = {SIZE_MAX / 2, 4};
  assert_int_equal(fm_safetensors_out_tensor(out, "a", FM_F32, 2, huge, &value), FM_LIMIT);
  assert_int_equal(fm_safetensors_out_tensor(out, "", FM_F32, 0, NULL, &value), FM_INTERNAL);
  assert_int_equal(fm_safetensors_out_tensor(out, "a", FM_F32, 9, huge, &value), FM_INTERNAL);
  fm_safetensors_out_free(out);
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_safetensors_out_open(ctx, &out));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "a", FM_F32, 0, NULL, &value));
  ASSERT_OK(ctx, fm_safetensors_out_tensor(out, "a", FM_F32, 0, NULL, &value));
  assert_int_equal(fm_safetensors_out_write(out, "/nonexistent/x"), FM_INTERNAL);
  fm_safetensors_out_free(out);
}

/* Every allocation fails once: a status, no leak, no crash. */
static void allocations_may_fail(void **state) {
  struct fm_context *ctx = *state;
  for (long n = 1;; n++) {
    ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
    const char *header = "{" ENTRY("a", "F32", "[1]", "0", "4") "}";
    struct fm_safetensors *file;
    unsigned char *bytes = fm_alloc(ctx, 8 + strlen(header) + 4, 1);
    bytes[0] = (unsigned char)strlen(header);
    memcpy(bytes + 8, header, strlen(header));
    ctx->fault[FM_FAULT_ALLOC].count = 0;
    ctx->fault[FM_FAULT_ALLOC].fail_at = n;
    enum fm_status status = fm_safetensors_parse(ctx, "x", bytes, 8 + strlen(header) + 4, &file);
    if (status == FM_OK) {
      fm_safetensors_free(ctx, file);
      assert_true(n > 3);
      break;
    }
    assert_int_equal(status, FM_MEMORY);
  }
  ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(hostile_headers_are_refused),
                                     TEST(short_and_deep_files_are_refused),
                                     TEST(order_of_the_data_is_the_order),
                                     TEST(written_and_read_again),
                                     TEST(data_begin_at_a_multiple_of_64),
                                     TEST(writer_refuses_nonsense),
                                     TEST(allocations_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
