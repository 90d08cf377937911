#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "file/tiff.h"
#include "samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static float *noise(struct fm_context *ctx, size_t count) {
  struct fm_rng rng = fm_rng_stream(2, "noise");
  float *values = fm_alloc(ctx, count, sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++) values[i] = (float)fm_rng_normal(&rng);
  return values;
}

static void written_and_read_again(void **state) {
  static const int sizes[][2] = {{1, 1}, {1, 50}, {77, 123}, {900, 900}, {32768, 2}};
  struct fm_context *ctx = *state;
  char path[] = "/tmp/fm-tiff-XXXXXX";
  close(mkstemp(path));
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int w = sizes[i][0], h = sizes[i][1], width, height;
    size_t n = (size_t)w * (size_t)h, first_size, second_size;
    unsigned char *first, *second;
    float *values = noise(ctx, n), *again;
    ASSERT_OK(ctx, fm_tiff_write(ctx, path, w, h, values));
    ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 28, &first, &first_size));
    ASSERT_OK(ctx, fm_tiff_read(ctx, path, &width, &height, &again));
    assert_int_equal(width, w);
    assert_int_equal(height, h);
    assert_memory_equal(again, values, n * sizeof *values);
    ASSERT_OK(ctx, fm_tiff_write(ctx, path, w, h, again));
    ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 28, &second, &second_size));
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    fm_free(ctx, first);
    fm_free(ctx, second);
    fm_free(ctx, values);
    fm_free(ctx, again);
  }
  unlink(path);
}

static void expect(struct fm_context *ctx, const char *path, const void *bytes, size_t size,
                   enum fm_status status, const char *says) {
  int width, height;
  float *values;
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_file_write(ctx, path, bytes, size));
  enum fm_status got = fm_tiff_read(ctx, path, &width, &height, &values);
  if (got != status || !strstr(ctx->message, says) || !strstr(ctx->message, path))
    fail_msg("%zu bytes: %s %s, not %s", size, fm_status_name(got), ctx->message, says);
  assert_null(values);
}

static void bad_maps_are_refused(void **state) {
  struct fm_context *ctx = *state;
  char path[] = "/tmp/fm-tiff-XXXXXX";
  close(mkstemp(path));
  float values[12] = {1, 2, 3, 4, 5, 6, 7, NAN, 9, 10, 11, 12};
  unsigned char *bytes;
  size_t size;
  ASSERT_OK(ctx, fm_tiff_write(ctx, path, 4, 3, values));
  ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 20, &bytes, &size));
  expect(ctx, path, bytes, size, FM_FORMAT, "not a finite number at row 1, column 3");
  for (size_t n = 0; n + 8 < size; n++) /* the last bytes are padding and the offset of no next picture */
    expect(ctx, path, bytes, n, FM_FORMAT, "TIFF");
  fm_free(ctx, bytes);
  expect(ctx, path, "hello", 5, FM_FORMAT, "not a TIFF file");
  expect(ctx, path, tiff_planes_bytes, sizeof tiff_planes_bytes, FM_FORMAT, "3 channels of 8 bits");
  unlink(path);
  int width, height;
  float *map;
  fm_error_clear(ctx);
  assert_int_equal(fm_tiff_read(ctx, path, &width, &height, &map), FM_IO);
}

static void faults_leave_the_old_file(void **state) {
  struct fm_context *ctx = *state;
  char path[] = "/tmp/fm-tiff-XXXXXX";
  close(mkstemp(path));
  const float old = 7, new = 8;
  for (int kind = FM_FAULT_ALLOC; kind <= FM_FAULT_FILE; kind++) {
    enum fm_status status = FM_IO;
    for (long n = 1; status != FM_OK; n++) {
      int width, height;
      float *value;
      ctx->fault[kind] = (struct fm_fault){0};
      ASSERT_OK(ctx, fm_tiff_write(ctx, path, 1, 1, &old));
      ctx->fault[kind] = (struct fm_fault){.fail_at = n};
      status = fm_tiff_write(ctx, path, 1, 1, &new);
      ctx->fault[kind] = (struct fm_fault){0};
      ASSERT_OK(ctx, fm_tiff_read(ctx, path, &width, &height, &value));
      assert_true(*value == (status == FM_OK ? new : old));
      fm_free(ctx, value);
    }
  }
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(written_and_read_again), TEST(bad_maps_are_refused),
                                     TEST(faults_leave_the_old_file)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
