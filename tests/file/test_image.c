#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/rng.h"
#include "file/image.h"
#include "file/sniff.h"
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
    size_t bytes, pixels = (size_t)s->width * (size_t)s->height;
    ASSERT_OK(ctx, fm_file_write(ctx, path, s->bytes, s->size));
    ASSERT_OK(ctx, fm_image_size(ctx, path, &width, &height, &bytes));
    assert_true(bytes >= s->size + pixels * (s->deep ? 6 : 3)); /* 16 bits are narrowed afterwards */
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
  assert_non_null(strstr(ctx->message, "'a.png' is no PNG, JPEG, TIFF, BMP or WebP picture"));
  fm_error_clear(ctx);
  assert_int_equal(fm_image_decode(ctx, "a.png", (const unsigned char *)text, 0, &image), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "'a.png' is empty"));
  fm_error_clear(ctx);
  assert_int_equal(fm_image_read(ctx, "/nonexistent/a.png", &image), FM_IO);
  assert_non_null(strstr(ctx->message, "/nonexistent/a.png"));
}

/* One file is one picture: what has more of them is refused with their number; smaller copies are no pages.
 */
static void files_of_several_pictures(void **state) {
  struct fm_context *ctx = *state;
#define FILE_OF(name, says)                                                                                  \
  { #name, name, sizeof name, says }
  static const struct {
    const char *name;
    const unsigned char *bytes;
    size_t size;
    const char *says; /* NULL: read, as 3 x 2 pixels */
  } cases[] = {FILE_OF(tiff_pages, "has 3 pages (3 x 2, 3 x 2, 2 x 1)"),
               FILE_OF(tiff_thumb_first, NULL),
               FILE_OF(tiff_pyramid, NULL),
               FILE_OF(tiff_only_thumbs, "every page of 'tiff_only_thumbs' is a thumbnail"),
               FILE_OF(webp_animation, "an animation of 2 frames"),
               FILE_OF(png_animation, "an animation of 2 frames")};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fm_image image;
    enum fm_status status = fm_image_decode(ctx, cases[i].name, cases[i].bytes, cases[i].size, &image);
    if (cases[i].says) {
      if (status != FM_FORMAT || !strstr(ctx->message, cases[i].says) || !strstr(ctx->message, cases[i].name))
        fail_msg("%s: %s %s", cases[i].name, fm_status_name(status), ctx->message);
    } else {
      static const unsigned char pixels[6] = {0, 1, 2, 3, 4, 5};
      ASSERT_OK(ctx, status);
      assert_int_equal(image.width, 3);
      assert_int_equal(image.height, 2);
      assert_memory_equal(image.pixels, pixels, sizeof pixels);
    }
    fm_image_free(ctx, &image);
    fm_error_clear(ctx);
  }
}

static void depth_and_orientation_are_told(void **state) {
  struct fm_context *ctx = *state;
  for (const struct sample *s = samples; s < samples + SAMPLES; s++) {
    if (!s->width) continue;
    struct fm_image image;
    const char *turned = strstr(s->name, "turned_");
    ASSERT_OK(ctx, fm_image_decode(ctx, s->name, s->bytes, s->size, &image));
    int orientation = image.orientation ? image.orientation : 1;
    if (orientation != (turned ? turned[7] - '0' : 1)) fail_msg("%s: orientation %d", s->name, orientation);
    if (image.twelve != (strstr(s->name, "_12_") != NULL)) fail_msg("%s: twelve %d", s->name, image.twelve);
    fm_image_free(ctx, &image);
  }
}

static void kinds_that_are_not_read_are_named(void **state) {
  struct fm_context *ctx = *state;
  static const struct {
    size_t length;
    const char *bytes, *says;
  } cases[] = {{9, "GIF89a\1\0\1", "GIF"},
               {15, "P5\n640 480\n255\n", "Netpbm"},
               {10, "\0\0\0\x0cjP  \r\n", "JPEG 2000"},
               {12, "\0\0\0 ftypheic", "HEIF"},
               {12, "\0\0\0 ftypavif", "AVIF"},
               {6, "8BPS\0\1", "Photoshop"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char bytes[64] = {0};
    struct fm_image image;
    memcpy(bytes, cases[i].bytes, cases[i].length);
    assert_int_equal(fm_image_decode(ctx, "a.png", bytes, sizeof bytes, &image), FM_FORMAT);
    if (!strstr(ctx->message, cases[i].says) || !strstr(ctx->message, "does not read"))
      fail_msg("%s: %s", cases[i].says, ctx->message);
    fm_error_clear(ctx);
  }
  static const struct {
    const char *name;
    enum fm_looks looks;
  } names[] = {{"a/b.PNG", FM_LOOKS_READ},     {"x.jfif", FM_LOOKS_READ},    {"x.BMP", FM_LOOKS_READ},
               {"x.webp", FM_LOOKS_READ},      {"x.gif", FM_LOOKS_UNREAD},   {"x.CR2", FM_LOOKS_UNREAD},
               {"x.txt", FM_LOOKS_NONE},       {"x.png.txt", FM_LOOKS_NONE}, {"png", FM_LOOKS_NONE},
               {"gif.d/readme", FM_LOOKS_NONE}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (fm_looks_by_name(names[i].name) != names[i].looks) fail_msg("%s", names[i].name);
}

/* Headers of bitmaps that promise what is not there: each is refused, none is believed. */
static void bitmaps_are_checked(void **state) {
  struct fm_context *ctx = *state;
  static const struct {
    size_t at; /* in bmp_24: 5 x 3 pixels */
    unsigned char bytes[4];
    enum fm_status status;
  } cases[] = {{10, {0xff, 0xff, 0xff, 0xff}, FM_FORMAT}, /* where the pixels begin */
               {10, {0x37, 0, 0, 0}, FM_FORMAT},
               {14, {39, 0, 0, 0}, FM_FORMAT}, /* the header's size */
               {14, {0xff, 0, 0, 0}, FM_FORMAT},
               {18, {0, 0, 0, 0}, FM_FORMAT}, /* width */
               {18, {0xff, 0xff, 0xff, 0xff}, FM_FORMAT},
               {18, {0xff, 0xff, 0xff, 0x7f}, FM_LIMIT},
               {22, {0, 0, 0, 0x80}, FM_FORMAT}, /* height */
               {22, {0, 0, 1, 0}, FM_LIMIT},
               {28, {7, 0, 0, 0}, FM_FORMAT}, /* bits, compression */
               {28, {24, 0, 1, 0}, FM_FORMAT},
               {28, {16, 0, 3, 0}, FM_FORMAT},
               {30, {4, 0, 0, 0}, FM_FORMAT}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char copy[sizeof bmp_24_bytes];
    struct fm_image image;
    memcpy(copy, bmp_24_bytes, sizeof copy);
    memcpy(copy + cases[i].at, cases[i].bytes, 4);
    enum fm_status status = fm_image_decode(ctx, "b.bmp", copy, sizeof copy, &image);
    if (status != cases[i].status || !strstr(ctx->message, "b.bmp"))
      fail_msg("case %zu: %s %s", i, fm_status_name(status), ctx->message);
    fm_error_clear(ctx);
  }
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
  const struct CMUnitTest tests[] = {TEST(samples_have_their_pixels),
                                     TEST(sizes_without_pixels),
                                     TEST(truncated_pictures_are_refused),
                                     TEST(damaged_pictures_do_no_harm),
                                     TEST(large_sizes_cost_nothing),
                                     TEST(encoded_and_decoded),
                                     TEST(other_files_are_refused),
                                     TEST(files_of_several_pictures),
                                     TEST(depth_and_orientation_are_told),
                                     TEST(kinds_that_are_not_read_are_named),
                                     TEST(bitmaps_are_checked),
                                     TEST(allocations_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
