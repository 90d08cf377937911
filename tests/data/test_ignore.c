#define _XOPEN_SOURCE 700
#include "test.h"

#include "base/memory.h"
#include "data/folder.h"
#include "data/ignore.h"
#include "file/image.h"

#include <stdlib.h>
#include <string.h>

/* '#' is ignored, rows parted by '\n'. */
static struct fm_ignore draw(struct fm_context *ctx, const char *text) {
  struct fm_ignore ignore = {.size = {(int)strcspn(text, "\n"), 0}};
  size_t n = 0;
  ignore.pixels = fm_alloc(ctx, strlen(text), 1);
  for (; *text; text++) {
    if (*text == '\n')
      ignore.size.height++;
    else
      ignore.pixels[n++] = *text == '#';
  }
  return ignore;
}

static const char *const corner = "##..\n"
                                  "#...\n"
                                  "....\n"
                                  ".#..\n";

static void places(void **state) {
  struct fm_ignore ignore = draw(*state, corner);
  assert_true(fm_ignore_at(&ignore, 0, 0));
  assert_true(fm_ignore_at(&ignore, 0.49f, 0.1f));
  assert_false(fm_ignore_at(&ignore, 0.51f, 0.1f));
  assert_true(fm_ignore_at(&ignore, 0.3f, 1));
  assert_false(fm_ignore_at(&ignore, -0.1f, 0.1f)); /* outside of the picture */
  unsigned char row[8];
  fm_ignore_row(&ignore, 8, 8, 1, row);
  assert_memory_equal(row, ((unsigned char[]){1, 1, 1, 1, 0, 0, 0, 0}), 8);
  assert_true(fm_ignore_share(&ignore) == 0.25);
  fm_ignore_free(*state, &ignore);
}

/* Whatever lies in the region, the painted picture is the same; the rest is untouched; between the borders
 * the values are between theirs. */
static void paint_hides_what_is_there(void **state) {
  struct fm_context *ctx = *state;
  struct fm_ignore ignore = draw(ctx, corner);
  for (int channels = 1; channels <= 3; channels += 2) {
    enum { SIDE = 16 };
    unsigned char a[SIDE * SIDE * 3], b[SIDE * SIDE * 3];
    struct fm_image in[2] = {{.width = SIDE, .height = SIDE, .channels = channels, .pixels = a},
                             {.width = SIDE, .height = SIDE, .channels = channels, .pixels = b}},
                    out[2];
    size_t bytes = (size_t)(SIDE * SIDE * channels);
    for (size_t i = 0; i < bytes; i++) a[i] = (unsigned char)(100 + rand() % 50);
    for (size_t i = 0; i < bytes; i++) {
      size_t x = i / (size_t)channels % SIDE, y = i / (size_t)channels / SIDE;
      bool hidden = fm_ignore_at(&ignore, ((float)x + 0.5f) / SIDE, ((float)y + 0.5f) / SIDE);
      b[i] = hidden ? (unsigned char)(rand() % 256) : a[i];
    }
    assert_memory_not_equal(a, b, bytes);
    for (int k = 0; k < 2; k++) ASSERT_OK(ctx, fm_ignore_paint(ctx, &ignore, &in[k], &out[k]));
    assert_memory_equal(out[0].pixels, out[1].pixels, bytes);
    for (size_t i = 0; i < bytes; i++) {
      size_t x = i / (size_t)channels % SIDE, y = i / (size_t)channels / SIDE;
      bool hidden = fm_ignore_at(&ignore, ((float)x + 0.5f) / SIDE, ((float)y + 0.5f) / SIDE);
      if (hidden)
        assert_in_range(out[0].pixels[i], 100, 150);
      else
        assert_int_equal(out[0].pixels[i], a[i]);
    }
    for (int k = 0; k < 2; k++) fm_image_free(ctx, &out[k]);
  }
  struct fm_image wide = {.width = 32, .height = 16, .channels = 1, .pixels = (unsigned char *)""}, out;
  assert_int_equal(fm_ignore_paint(ctx, &ignore, &wide, &out), FM_USAGE);
  assert_non_null(strstr(ctx->message, "32 x 16"));
  fm_error_clear(ctx);
  fm_ignore_free(ctx, &ignore);
}

static void maps_are_lowest_there(void **state) {
  struct fm_ignore ignore = draw(*state, corner);
  float map[16] = {9, 9, 1, 2, 9, 3, 4, 5, 6, 7, 8, 1, 2, 9, 3, 4};
  fm_ignore_map(&ignore, map, fm_square(4), fm_square(4));
  const float want[16] = {1, 1, 1, 2, 1, 3, 4, 5, 6, 7, 8, 1, 2, 1, 3, 4};
  for (int i = 0; i < 16; i++) assert_true(map[i] == want[i]);
  /* The middle of the same. */
  float middle[4] = {5, 6, 7, 8};
  fm_ignore_map(&ignore, middle, fm_square(2), fm_square(4));
  assert_true(middle[0] == 5 && middle[1] == 6 && middle[2] == 7 && middle[3] == 8);
  fm_ignore_free(*state, &ignore);
}

static void two_in_one(void **state) {
  struct fm_context *ctx = *state;
  struct fm_ignore a = draw(ctx, corner), b = draw(ctx, "..\n.#\n"), none = {0};
  ASSERT_OK(ctx, fm_ignore_join(ctx, &none, &b));
  assert_true(fm_ignore_at(&none, 0.9f, 0.9f) && !fm_ignore_at(&none, 0.1f, 0.1f));
  ASSERT_OK(ctx, fm_ignore_join(ctx, &none, &a)); /* the larger one's size */
  assert_int_equal(none.size.width, 4);
  for (int i = 0; i < 16; i++) assert_int_equal(none.pixels[i], a.pixels[i] || (i / 4 > 1 && i % 4 > 1));
  struct fm_ignore wide = draw(ctx, "#...\n");
  assert_int_equal(fm_ignore_join(ctx, &none, &wide), FM_USAGE);
  fm_error_clear(ctx);
  char h[17] = "0123456789abcdef", g[17] = "0123456789abcdef";
  fm_ignore_hash(&a, h);
  fm_ignore_hash(&b, g);
  assert_string_not_equal(h, g);
  fm_ignore_free(ctx, &wide);
  fm_ignore_free(ctx, &none);
  fm_ignore_free(ctx, &a);
  fm_ignore_free(ctx, &b);
}

static void masks_of_files(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  char path[512];
  unsigned char *pixels = fm_alloc(ctx, 3000, 10);
  const struct fm_image image = {.width = 3000, .height = 10, .channels = 1, .pixels = pixels};
  struct fm_ignore ignore;
  folder_path(&f, "mask.png", path);
  ASSERT_OK(ctx, fm_png_write(ctx, path, &image));
  assert_int_equal(fm_ignore_read(ctx, path, &ignore), FM_USAGE); /* nothing */
  fm_error_clear(ctx);
  pixels[2999] = 255; /* a single pixel is not lost when the mask becomes smaller */
  ASSERT_OK(ctx, fm_png_write(ctx, path, &image));
  ASSERT_OK(ctx, fm_ignore_read(ctx, path, &ignore));
  assert_int_equal(ignore.size.width, FM_IGNORE_MAX_SIDE);
  assert_true(fm_ignore_at(&ignore, 1, 0) && !fm_ignore_at(&ignore, 0, 0));
  fm_ignore_free(ctx, &ignore);
  memset(pixels, 255, 30000);
  ASSERT_OK(ctx, fm_png_write(ctx, path, &image));
  assert_int_equal(fm_ignore_read(ctx, path, &ignore), FM_USAGE); /* everything */
  fm_error_clear(ctx);
  fm_free(ctx, pixels);
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(places), TEST(paint_hides_what_is_there),
                                     TEST(maps_are_lowest_there), TEST(two_in_one), TEST(masks_of_files)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
