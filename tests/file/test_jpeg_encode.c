#include "test.h"

#include "base/memory.h"
#include "file/image.h"
#include "file/jpeg_encode.h"

#include <stdlib.h>

/* What is written is read back, nearly; in colour and in grey. */
static void round_trip(void **state) {
  struct fm_context *ctx = *state;
  enum { WIDTH = 61, HEIGHT = 47 };
  unsigned char pixels[3 * WIDTH * HEIGHT];
  for (int channels = 1; channels <= 3; channels += 2) {
    for (int i = 0; i < WIDTH * HEIGHT; i++)
      for (int c = 0; c < channels; c++)
        pixels[i * channels + c] = (unsigned char)(i % WIDTH * 2 + i / WIDTH + 20 * c);
    struct fm_image in = {.width = WIDTH, .height = HEIGHT, .channels = channels, .pixels = pixels},
                    out = {0};
    unsigned char *bytes;
    size_t size;
    ASSERT_OK(ctx, fm_jpeg_encode(ctx, &in, 95, &bytes, &size));
    ASSERT_OK(ctx, fm_image_decode(ctx, "memory", bytes, size, &out));
    assert_int_equal(out.width, WIDTH);
    assert_int_equal(out.height, HEIGHT);
    assert_int_equal(out.channels, channels);
    for (int i = 0; i < WIDTH * HEIGHT * channels; i++) assert_true(abs(out.pixels[i] - pixels[i]) <= 6);
    fm_image_free(ctx, &out);
    fm_free(ctx, bytes);
  }
}

static void failures(void **state) {
  struct fm_context *ctx = *state;
  enum { SIDE = 300 }; /* noise: more than one block of output */
  unsigned char *pixels = fm_alloc(ctx, SIDE * SIDE, 3), *bytes;
  for (int i = 0; i < 3 * SIDE * SIDE; i++) pixels[i] = (unsigned char)((unsigned)i * 2654435761u >> 24);
  struct fm_image in = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
  size_t size;
  long n = 1;
  for (;; n++) {
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    if (fm_jpeg_encode(ctx, &in, 90, &bytes, &size) == FM_OK) break;
    assert_null(bytes);
    fm_error_clear(ctx);
  }
  ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){0};
  assert_true(n > 2 && size > 32768);
  fm_free(ctx, bytes);
  in.width = 70000; /* over what JPEG can hold; the library says so before it looks at a pixel */
  assert_int_equal(fm_jpeg_encode(ctx, &in, 90, &bytes, &size), FM_INTERNAL);
  fm_free(ctx, pixels);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(round_trip), TEST(failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
