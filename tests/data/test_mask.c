#define _XOPEN_SOURCE 700
#include "folder.h"

#include "data/mask.h"
#include "file/jpeg_encode.h"

#include <png.h>

enum { W = 12, H = 8, FLAWED = 6 }; /* a rectangle of 3 x 2 pixels is flawed */

static bool flawed(size_t x, size_t y) {
  return x >= 4 && x < 7 && y >= 3 && y < 5;
}

/* A PNG of W x H: value[flawed] in every channel; alpha[flawed] where the type has it. */
static void put_png(struct fm_context *ctx, const struct folder *f, const char *name, int type, int depth,
                    const int value[2], const int alpha[2], const png_color *palette) {
  char path[512];
  folder_touch(ctx, f, name);
  FILE *file = fopen(folder_path(f, name, path), "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_set_IHDR(png, info, W, H, depth, type, 0, 0, 0);
  if (palette) png_set_PLTE(png, info, palette, 2);
  png_write_info(png, info);
  if (depth < 8) png_set_packing(png);
  int colours = type & PNG_COLOR_MASK_COLOR && !palette ? 3 : 1, channels = colours + (alpha != NULL);
  for (size_t y = 0; y < H; y++) {
    unsigned char row[W * 4 * 2], *at = row;
    for (size_t x = 0; x < W; x++)
      for (int c = 0; c < channels; c++) {
        int v = (c < colours ? value : alpha)[flawed(x, y)];
        if (depth == 16) *at++ = (unsigned char)(v >> 8);
        *at++ = (unsigned char)v;
      }
    png_write_row(png, row);
  }
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  fclose(file);
}

static void expect_mask(struct fm_context *ctx, const struct folder *f, const char *name) {
  struct fm_drawn m;
  char path[512];
  ASSERT_OK(ctx, fm_mask_read(ctx, folder_path(f, name, path), &m));
  assert_true(m.width == W && m.height == H);
  if (m.set != FLAWED) fail_msg("%s: %zu flawed pixels", name, m.set);
  assert_int_equal(m.edge, 0);
  for (size_t i = 0; i < W * H; i++) assert_int_equal(m.pixels[i], flawed(i % W, i / W));
  fm_mask_release(ctx, &m);
}

static const int white[2] = {0, 255}, one[2] = {0, 1}, opaque[2] = {255, 255};

/* Any depth, any colour, any palette: what is not zero is flawed. */
static void whatever_is_not_zero(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const png_color alike[2] = {{0, 0, 0}, {0, 0, 0}}, red[2] = {{0, 0, 0}, {255, 0, 0}},
                         turned[2] = {{9, 9, 9}, {0, 0, 0}};
  static const int zero_is_flawed[2] = {1, 0};
  put_png(ctx, &f, "8.png", PNG_COLOR_TYPE_GRAY, 8, white, NULL, NULL);
  put_png(ctx, &f, "8one.png", PNG_COLOR_TYPE_GRAY, 8, one, NULL, NULL);
  put_png(ctx, &f, "16one.png", PNG_COLOR_TYPE_GRAY, 16, one, NULL, NULL);
  put_png(ctx, &f, "1.png", PNG_COLOR_TYPE_GRAY, 1, one, NULL, NULL);
  put_png(ctx, &f, "rgb16.png", PNG_COLOR_TYPE_RGB, 16, one, NULL, NULL);
  put_png(ctx, &f, "rgba.png", PNG_COLOR_TYPE_RGBA, 8, one, opaque, NULL);
  put_png(ctx, &f, "palette.png", PNG_COLOR_TYPE_PALETTE, 8, one, NULL, red);
  put_png(ctx, &f, "black.png", PNG_COLOR_TYPE_PALETTE, 2, one, NULL, alike); /* the index counts */
  put_png(ctx, &f, "turned.png", PNG_COLOR_TYPE_PALETTE, 1, zero_is_flawed, NULL, turned);
  static const char *const names[] = {"8.png",    "8one.png",    "16one.png", "1.png",     "rgb16.png",
                                      "rgba.png", "palette.png", "black.png", "turned.png"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) expect_mask(ctx, &f, names[i]);
  folder_remove(&f);
}

static void transparency_is_no_mask(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const int nothing[2] = {0, 0};
  char path[512];
  struct fm_drawn m;
  put_png(ctx, &f, "a.png", PNG_COLOR_TYPE_RGBA, 8, nothing, white, NULL);
  put_png(ctx, &f, "b.png", PNG_COLOR_TYPE_GRAY_ALPHA, 8, opaque, white, NULL);
  for (const char *name = "a.png"; name; name = name[0] == 'a' ? "b.png" : NULL) {
    assert_int_equal(fm_mask_read(ctx, folder_path(&f, name, path), &m), FM_FORMAT);
    assert_non_null(strstr(ctx->message, "transparency"));
    fm_error_clear(ctx);
  }
  folder_remove(&f);
}

/* A JPEG has faint noise around the flaw, which is no flaw. */
static void noise_of_a_jpeg(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  enum { SIDE = 64 };
  static unsigned char pixels[SIDE * SIDE * 3];
  size_t set = 0;
  for (size_t i = 0; i < SIDE * SIDE; i++) {
    bool in = i % SIDE > 20 && i % SIDE < 43 && i / SIDE > 13 && i / SIDE < 30;
    memset(pixels + 3 * i, in ? 255 : 0, 3);
    set += in;
  }
  unsigned char *bytes;
  size_t size;
  struct fm_image image = {.width = SIDE, .height = SIDE, .channels = 3, .pixels = pixels};
  ASSERT_OK(ctx, fm_jpeg_encode(ctx, &image, 90, &bytes, &size));
  folder_put(ctx, &f, "m.jpg", bytes, size);
  fm_free(ctx, bytes);
  char path[512];
  struct fm_drawn m;
  ASSERT_OK(ctx, fm_image_read(ctx, folder_path(&f, "m.jpg", path), &image));
  size_t noisy = 0;
  for (size_t i = 0; i < SIDE * SIDE; i++) noisy += image.pixels[i * (size_t)image.channels] > 0;
  assert_true(noisy > set); /* or this test tests nothing */
  fm_image_free(ctx, &image);
  ASSERT_OK(ctx, fm_mask_read(ctx, path, &m));
  assert_true(m.lossy);
  assert_int_equal(m.set, set);
  fm_mask_release(ctx, &m);
  folder_remove(&f);
}

static void a_folder_is_a_union(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const int nothing[2] = {0, 0};
  put_png(ctx, &f, "7/0.png", PNG_COLOR_TYPE_GRAY, 8, nothing, NULL, NULL);
  put_png(ctx, &f, "7/1.png", PNG_COLOR_TYPE_GRAY, 16, one, NULL, NULL);
  put_png(ctx, &f, "7/2.png", PNG_COLOR_TYPE_GRAY, 8, nothing, NULL, NULL);
  expect_mask(ctx, &f, "7");
  char path[512];
  struct fm_drawn m;
  folder_touch(ctx, &f, "8/notes.txt");
  assert_int_equal(fm_mask_read(ctx, folder_path(&f, "8", path), &m), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "no picture"));
  fm_error_clear(ctx);
  folder_remove(&f);
}

/* Most masks inverted: refused. A few, or a flaw that fills most of the picture: not. */
static void what_looks_wrong(void **state) {
  struct fm_context *ctx = *state;
  ctx->quiet = true;
  const struct fm_drawn inverted = {.width = 10, .height = 10, .set = 90, .edge = 36, .lossy = true},
                        full = {.width = 10, .height = 10, .set = 100, .edge = 36},
                        large = {.width = 10, .height = 10, .set = 60, .edge = 10},
                        empty = {.width = 10, .height = 10};
  struct fm_mask_census c = {0};
  fm_mask_count(&c, &inverted, "a_mask.png", "a.png");
  assert_int_equal(fm_mask_census_say(ctx, &c), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "1 of 1 masks look inverted, the first is 'a_mask.png'"));
  fm_error_clear(ctx);
  fm_mask_count(&c, &full, "b_mask.png", "b.png");
  fm_mask_count(&c, &large, "c_mask.png", "c.png");
  fm_mask_count(&c, &empty, "d_mask.png", "d.png");
  assert_true(c.masks == 4 && c.inverted == 1 && c.empty == 1 && c.lossy == 1);
  assert_string_equal(c.first_empty, "d.png");
  ASSERT_OK(ctx, fm_mask_census_say(ctx, &c));
}

/* A background of 3 in place of 0: everything is flawed, which is said, and refused where most masks are so.
 * A mask of one value only may be meant. */
static void a_background_that_is_not_black(void **state) {
  struct fm_context *ctx = *state;
  struct folder f = folder_make();
  static const int grey[2] = {3, 255}, all[2] = {255, 255};
  char path[512];
  struct fm_drawn dirty, whole, clean;
  put_png(ctx, &f, "dirty.png", PNG_COLOR_TYPE_GRAY, 8, grey, NULL, NULL);
  put_png(ctx, &f, "whole.png", PNG_COLOR_TYPE_GRAY, 8, all, NULL, NULL);
  put_png(ctx, &f, "clean.png", PNG_COLOR_TYPE_RGB, 8, white, NULL, NULL);
  ASSERT_OK(ctx, fm_mask_read(ctx, folder_path(&f, "dirty.png", path), &dirty));
  ASSERT_OK(ctx, fm_mask_read(ctx, folder_path(&f, "whole.png", path), &whole));
  ASSERT_OK(ctx, fm_mask_read(ctx, folder_path(&f, "clean.png", path), &clean));
  assert_true(dirty.no_ground && !whole.no_ground && !clean.no_ground);
  assert_true(dirty.set == W * H && whole.set == W * H);
  struct fm_mask_census c = {0};
  fm_mask_count(&c, &clean, "clean.png", "c.png");
  fm_mask_count(&c, &whole, "whole.png", "w.png");
  fm_mask_count(&c, &dirty, "dirty.png", "d.png");
  clean.orientation = 6;
  fm_mask_count(&c, &clean, "turned.png", "t.png");
  assert_true(c.masks == 4 && c.no_ground == 1 && c.whole == 1 && c.turned == 1);
  assert_string_equal(c.first_no_ground, "dirty.png");
  assert_string_equal(c.first_whole, "whole.png");
  assert_string_equal(c.first_turned, "turned.png");
  ASSERT_OK(ctx, fm_mask_census_say(ctx, &c));
  c = (struct fm_mask_census){0};
  fm_mask_count(&c, &dirty, "dirty.png", "d.png");
  assert_int_equal(fm_mask_census_say(ctx, &c), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "1 of 1 masks have no black pixel"));
  fm_error_clear(ctx);
  fm_mask_release(ctx, &dirty);
  fm_mask_release(ctx, &whole);
  fm_mask_release(ctx, &clean);
  folder_remove(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(whatever_is_not_zero), TEST(transparency_is_no_mask),
                                     TEST(noise_of_a_jpeg),      TEST(a_folder_is_a_union),
                                     TEST(what_looks_wrong),     TEST(a_background_that_is_not_black)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
