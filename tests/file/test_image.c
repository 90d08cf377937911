#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "file/image.h"
#include "samples.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = sizeof samples / sizeof *samples };

static void samples_have_their_pixels(void **state) {
  struct fm_context *ctx = *state;
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    struct fm_image image;
    enum fm_status status = fm_image_decode(ctx, s->name, s->bytes, s->size, &image);
    if (s->width == 0) {
      assert_int_equal(status, FM_FORMAT);
      assert_non_null(strstr(ctx->message, "CMYK"));
      fm_error_clear(ctx);
      continue;
    }
    ASSERT_OK(ctx, status);
    if (image.width != s->width || image.height != s->height || image.channels != s->channels ||
        image.had_alpha != s->alpha || image.deep != s->deep)
      fail_msg("%s: %d x %d x %d, alpha %d, deep %d", s->name, image.width, image.height, image.channels,
               image.had_alpha, image.deep);
    size_t n = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
    for (size_t i = 0; i < n; i++)
      if (image.pixels[i] != s->pixels[i])
        fail_msg("%s: value %zu is %d, not %d", s->name, i, image.pixels[i], s->pixels[i]);
    fm_image_free(ctx, &image);
  }
}

static void sizes_without_pixels(void **state) {
  struct fm_context *ctx = *state;
  char path[] = "/tmp/fm-image-XXXXXX";
  close(mkstemp(path));
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    if (s->width == 0) continue;
    int width, height;
    ASSERT_OK(ctx, fm_file_write(ctx, path, s->bytes, s->size));
    ASSERT_OK(ctx, fm_image_size(ctx, path, &width, &height));
    assert_int_equal(width, s->width);
    assert_int_equal(height, s->height);
  }
  unlink(path);
}

/* Cut anywhere, every sample is refused with its name. (The last bytes of a TIFF may be padding and the
 * offset of the next picture, which is not read.) */
static void truncated_pictures_are_refused(void **state) {
  struct fm_context *ctx = *state;
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    bool tiff = strncmp(s->name, "tiff", 4) == 0;
    for (size_t n = 0; n + (tiff ? 8 : 0) < s->size; n++) {
      unsigned char *cut =
          malloc(n ? n : 1); /* of its exact size, so that AddressSanitizer sees a read behind it */
      struct fm_image image;
      if (n) memcpy(cut, s->bytes, n);
      fm_error_clear(ctx);
      enum fm_status status = fm_image_decode(ctx, s->name, cut, n, &image);
      free(cut);
      if (status != FM_FORMAT || !strstr(ctx->message, s->name))
        fail_msg("%s cut to %zu of %zu bytes: %s %s", s->name, n, s->size, fm_status_name(status),
                 ctx->message);
      assert_null(image.pixels);
    }
  }
}

/* Bits flipped anywhere: any status, no crash, no leak. */
static void damaged_pictures_do_no_harm(void **state) {
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(1, "damage");
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    unsigned char *copy = malloc(s->size);
    for (int round = 0; round < 300; round++) {
      struct fm_image image;
      memcpy(copy, s->bytes, s->size);
      for (int flips = 1 + round % 4; flips > 0; flips--)
        copy[fm_rng_integer(&rng, 0, (int64_t)s->size)] ^= (unsigned char)(1 << fm_rng_integer(&rng, 0, 8));
      if (fm_image_decode(ctx, s->name, copy, s->size, &image) == FM_OK) fm_image_free(ctx, &image);
      assert_null(image.pixels);
      fm_error_clear(ctx);
    }
    free(copy);
  }
}

static void put32(unsigned char *at, uint32_t v) {
  for (int i = 0; i < 4; i++) at[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* A PNG of one grey pixel whose header says another size (checksum corrected). */
static void large_sizes_cost_nothing(void **state) {
  static const struct {
    uint32_t width, height;
    enum fm_status status;
    const char *says;
  } cases[] = {{20000, 20000, FM_FORMAT, "ends too early"},
               {32769, 1, FM_LIMIT, "32769 x 1"},
               {32768, 16385, FM_LIMIT, "limits"},
               {0x7fffffff, 0x7fffffff, FM_LIMIT, "limits"},
               {0, 1, FM_FORMAT, "damaged"},
               {0x80000000, 1, FM_FORMAT, "damaged"}};
  struct fm_context *ctx = *state;
  unsigned char pixel = 9, *png;
  size_t size;
  ASSERT_OK(ctx,
            fm_png_encode(ctx, &(struct fm_image){.width = 1, .height = 1, .channels = 1, .pixels = &pixel},
                          &png, &size));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put32(png + 16, cases[i].width);
    put32(png + 20, cases[i].height);
    put32(png + 29, crc32_of(png + 12, 17)); /* of the chunk's type and content */
    struct fm_image image;
    fm_error_clear(ctx);
    enum fm_status status = fm_image_decode(ctx, "big.png", png, size, &image);
    if (status != cases[i].status || !strstr(ctx->message, cases[i].says) || !strstr(ctx->message, "big.png"))
      fail_msg("%u x %u: %s %s", cases[i].width, cases[i].height, fm_status_name(status), ctx->message);
  }
  fm_free(ctx, png);
}

static void encoded_and_decoded(void **state) {
  static const int sizes[][3] = {{1, 1, 1}, {1, 1, 3}, {7, 5, 1}, {64, 33, 3}, {2000, 3, 3}};
  struct fm_context *ctx = *state;
  struct fm_rng rng = fm_rng_stream(1, "noise");
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct fm_image in = {.width = sizes[i][0], .height = sizes[i][1], .channels = sizes[i][2]}, out;
    size_t n = (size_t)in.width * (size_t)in.height * (size_t)in.channels, size, again_size;
    unsigned char *bytes, *again;
    in.pixels = fm_alloc(ctx, n, 1);
    for (size_t k = 0; k < n; k++) in.pixels[k] = (unsigned char)fm_rng_next(&rng);
    ASSERT_OK(ctx, fm_png_encode(ctx, &in, &bytes, &size));
    ASSERT_OK(ctx, fm_png_encode(ctx, &in, &again, &again_size));
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    ASSERT_OK(ctx, fm_image_decode(ctx, "x", bytes, size, &out));
    assert_int_equal(out.width, in.width);
    assert_int_equal(out.height, in.height);
    assert_int_equal(out.channels, in.channels);
    assert_memory_equal(out.pixels, in.pixels, n);
    ASSERT_OK(ctx, fm_image_to_rgb(ctx, &out));
    assert_int_equal(out.channels, 3);
    for (size_t k = 0; k < 3 * n / (size_t)in.channels; k++)
      assert_int_equal(out.pixels[k], in.pixels[in.channels == 3 ? k : k / 3]);
    fm_free(ctx, bytes);
    fm_free(ctx, again);
    fm_image_free(ctx, &in);
    fm_image_free(ctx, &out);
  }
  unsigned char *bytes;
  size_t size;
  assert_int_equal(
      fm_png_encode(ctx, &(struct fm_image){.width = 1, .height = 1, .channels = 2}, &bytes, &size),
      FM_INTERNAL);
}

static void other_files_are_refused(void **state) {
  struct fm_context *ctx = *state;
  struct fm_image image;
  static const char text[] = "hello, I am a text file with the name of a picture";
  assert_int_equal(fm_image_decode(ctx, "a.png", (const unsigned char *)text, sizeof text, &image),
                   FM_FORMAT);
  assert_non_null(strstr(ctx->message, "'a.png' is no PNG, JPEG or TIFF"));
  fm_error_clear(ctx);
  assert_int_equal(fm_image_decode(ctx, "a.png", (const unsigned char *)text, 0, &image), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "'a.png' is empty"));
  fm_error_clear(ctx);
  assert_int_equal(fm_image_read(ctx, "/nonexistent/a.png", &image), FM_IO);
  assert_non_null(strstr(ctx->message, "/nonexistent/a.png"));
}

static void allocations_may_fail(void **state) {
  struct fm_context *ctx = *state;
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    enum fm_status status = FM_MEMORY;
    for (long n = 1; s->width && status != FM_OK; n++) {
      struct fm_image image, again;
      unsigned char *bytes = NULL;
      size_t size;
      ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
      status = fm_image_decode(ctx, s->name, s->bytes, s->size, &image);
      if (status == FM_OK) status = fm_image_to_rgb(ctx, &image);
      if (status == FM_OK) status = fm_png_encode(ctx, &image, &bytes, &size);
      if (status == FM_OK) status = fm_image_decode(ctx, "again", bytes, size, &again);
      if (status == FM_OK) fm_image_free(ctx, &again);
      fm_free(ctx, bytes);
      fm_image_free(ctx, &image);
      if (status != FM_OK) assert_int_equal(status, FM_MEMORY);
    }
  }
  ctx->fault[FM_FAULT_ALLOC].fail_at = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(samples_have_their_pixels),      TEST(sizes_without_pixels),
                                     TEST(truncated_pictures_are_refused), TEST(damaged_pictures_do_no_harm),
                                     TEST(large_sizes_cost_nothing),       TEST(encoded_and_decoded),
                                     TEST(other_files_are_refused),        TEST(allocations_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
