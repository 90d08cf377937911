/* Colours, fonts, shrinking, outlines, overlays, the contact sheet. */
#include "test.h"

#include "base/memory.h"
#include "report/canvas.h"
#include "report/contact.h"
#include "report/font.h"
#include "report/heat.h"
#include "report/overlay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char black[3] = {0, 0, 0}, white[3] = {255, 255, 255};

static void threshold_has_the_middle_colour(void **state) {
  (void)state;
  struct fm_heat heat = fm_heat_make(-1, 2, 30);
  assert_true(fm_heat_position(&heat, -5) == 0 && fm_heat_position(&heat, -1) == 0);
  assert_true(fm_heat_position(&heat, 2) == 0.5 && fm_heat_position(&heat, 30) == 1);
  assert_true(fm_heat_position(&heat, 99) == 1 && fm_heat_position(&heat, NAN) == 0);
  assert_true(fm_heat_position(&heat, 0.5) == 0.25 && fm_heat_position(&heat, 16) == 0.75);
}

static void heat_is_always_in_order(void **state) {
  (void)state;
  const double v[] = {NAN, -3, 0, 0, 5, 1e30, -INFINITY, 7};
  for (size_t i = 0; i < 8; i++)
    for (size_t j = 0; j < 8; j++)
      for (size_t k = 0; k < 8; k++) {
        struct fm_heat h = fm_heat_make(v[i], v[j], v[k]);
        assert_true(h.low < h.middle && h.middle < h.high && isfinite(h.high - h.low));
      }
}

/* Ever brighter: a map reads in grey too. */
static void colours_rise(void **state) {
  (void)state;
  double before = -1;
  for (int i = 0; i <= 100; i++) {
    unsigned char c[3];
    fm_heat_colour(i / 100.0, c);
    double light = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2];
    assert_true(light >= before);
    before = light;
  }
  assert_true(before > 200);
}

static void text_is_drawn_and_clipped(void **state) {
  struct fm_context *ctx = *state;
  struct fm_image image;
  ASSERT_OK(ctx, fm_canvas_make(ctx, 8, 9, black, &image));
  fm_font_draw(&image, 1, 1, 1, white, "I");
  const char *want = "........"
                     "..###..."
                     "...#...."
                     "...#...."
                     "...#...."
                     "...#...."
                     "...#...."
                     "..###..."
                     "........";
  for (size_t i = 0; i < 72; i++) assert_int_equal(image.pixels[3 * i], want[i] == '#' ? 255 : 0);
  fm_font_draw(&image, -3, -2, 3, white, "Wide \xc3\xa9 text\n");
  fm_font_draw(&image, 7, 8, 2, white, "~");
  fm_image_free(ctx, &image);
  assert_int_equal(fm_font_length("a\xc3\xa9\xe2\x82\xac!"), 4);
}

static void fitting(void **state) {
  (void)state;
  const int want[][5] = {{900, 900, 256, 256, 256},
                         {900, 300, 256, 256, 85},
                         {30, 20, 256, 30, 20},
                         {1, 20000, 256, 1, 256},
                         {32768, 1, 256, 256, 1}};
  for (size_t i = 0; i < 5; i++) {
    int w, h;
    fm_canvas_fit(want[i][0], want[i][1], want[i][2], &w, &h);
    assert_int_equal(w, want[i][3]);
    assert_int_equal(h, want[i][4]);
  }
}

static void shrinking_averages_areas(void **state) {
  struct fm_context *ctx = *state;
  unsigned char grey[] = {0, 90, 180, 30, 60, 120}; /* 3 x 2 */
  struct fm_image from = {.width = 3, .height = 2, .channels = 1, .pixels = grey}, to;
  ASSERT_OK(ctx, fm_canvas_shrink(ctx, &from, 2, 1, &to));
  /* left: (0 + 30) 1 + (90 + 60) 1/2 over 3; right: (90 + 60) 1/2 + (180 + 120) 1 over 3 */
  assert_int_equal(to.pixels[0], 35);
  assert_int_equal(to.pixels[3], 125);
  assert_int_equal(to.pixels[5], 125);
  fm_image_free(ctx, &to);
  const float map[] = {0, 90, 180, 30, 60, 120};
  float *small;
  ASSERT_OK(ctx, fm_canvas_shrink_map(ctx, map, 3, 2, 2, 1, &small));
  assert_true(fabsf(small[0] - 35) < 1e-4f && fabsf(small[1] - 125) < 1e-4f);
  fm_free(ctx, small);
}

static void no_flaw_is_lost(void **state) {
  struct fm_context *ctx = *state;
  unsigned char mask[100 * 70] = {0}, *small;
  mask[69 * 100 + 99] = 7;
  mask[35 * 100 + 1] = 1;
  ASSERT_OK(ctx, fm_canvas_shrink_mask(ctx, mask, 100, 70, 10, 7, &small));
  for (size_t i = 0; i < 70; i++) assert_int_equal(small[i], i == 69 || i == 30);
  fm_free(ctx, small);
}

static void outline_is_the_border(void **state) {
  struct fm_context *ctx = *state;
  struct fm_image image;
  ASSERT_OK(ctx, fm_canvas_make(ctx, 7, 6, black, &image));
  unsigned char mask[42] = {0};
  for (int y = 1; y < 6; y++)
    for (int x = 1; x < 6; x++) mask[y * 7 + x] = 1; /* touches the lower edge */
  fm_canvas_outline(&image, mask, 1, white, false);
  const char *want = "......."
                     ".#####."
                     ".#...#."
                     ".#...#."
                     ".#...#."
                     ".#####.";
  for (size_t i = 0; i < 42; i++) assert_int_equal(image.pixels[3 * i], want[i] == '#' ? 255 : 0);
  fm_image_free(ctx, &image);
}

static void overlay_shows_only_what_is_hot(void **state) {
  struct fm_context *ctx = *state;
  enum { SIDE = 12, PIXELS = SIDE * SIDE };
  unsigned char pixels[PIXELS], truth[PIXELS] = {0}, *mask;
  float map[PIXELS] = {0};
  memset(pixels, 100, sizeof pixels);
  for (int y = 3; y < 9; y++)
    for (int x = 3; x < 9; x++) map[y * SIDE + x] = 2;
  truth[0] = 1;
  map[20] = 0.3f; /* under 0.2 of the way: not shown */
  struct fm_image image = {.width = SIDE, .height = SIDE, .channels = 1, .pixels = pixels}, out;
  struct fm_heat heat = fm_heat_make(0, 1, 3);
  ASSERT_OK(ctx, fm_mask_from_map(ctx, map, SIDE, SIDE, 1, &mask));
  assert_int_equal(mask[4 * SIDE + 4], 255);
  assert_int_equal(mask[0], 0);
  ASSERT_OK(ctx, fm_overlay_draw(ctx, &image, map, mask, truth, &heat, &out));
  const unsigned char *cold = out.pixels + 3 * 20, *border = out.pixels + 3 * (3 * SIDE + 3),
                      *hot = out.pixels + 3 * (5 * SIDE + 5);
  assert_true(cold[0] == 100 && cold[1] == 100 && cold[2] == 100);
  assert_true(border[0] == 0 && border[1] == 229 && border[2] == 255);
  assert_true(hot[0] > 180 && hot[2] < 100);
  assert_int_equal(out.pixels[0], out.pixels[1]); /* the truth's outline: white or black */
  assert_true(out.pixels[0] == 255 || out.pixels[0] == 0);
  fm_image_free(ctx, &out);
  fm_free(ctx, mask);
  /* A threshold is exceeded, not reached. */
  ASSERT_OK(ctx, fm_mask_from_map(ctx, map, SIDE, SIDE, 2, &mask));
  for (int i = 0; i < PIXELS; i++) assert_int_equal(mask[i], 0);
  fm_free(ctx, mask);
}

static void contact_sheet_has_a_limit(void **state) {
  struct fm_context *ctx = *state;
  struct fm_contact contact;
  struct fm_image tile[FM_CONTACT_TILES] = {{0}}, sheet;
  ASSERT_OK(ctx, fm_canvas_make(ctx, 300, 20, white, &tile[0]));
  fm_contact_begin(&contact, ctx, 1000);
  for (int i = 0; i < 1000; i++) ASSERT_OK(ctx, fm_contact_add(&contact, tile, "kind/name 1.234", i == 3));
  assert_int_equal(contact.count, 143); /* every seventh */
  ASSERT_OK(ctx, fm_contact_draw(&contact, "a title", &sheet));
  assert_true(sheet.width > 1500 && sheet.width < 1800 && sheet.height > 6000 && sheet.height < 8000);
  fm_image_free(ctx, &sheet);
  fm_contact_free(&contact);
  fm_contact_begin(&contact, ctx, 0);
  ASSERT_OK(ctx, fm_contact_draw(&contact, "nothing", &sheet));
  fm_image_free(ctx, &sheet);
  fm_contact_free(&contact);
  fm_image_free(ctx, &tile[0]);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(threshold_has_the_middle_colour),
                                     TEST(heat_is_always_in_order),
                                     TEST(colours_rise),
                                     TEST(text_is_drawn_and_clipped),
                                     TEST(fitting),
                                     TEST(shrinking_averages_areas),
                                     TEST(no_flaw_is_lost),
                                     TEST(outline_is_the_border),
                                     TEST(overlay_shows_only_what_is_hot),
                                     TEST(contact_sheet_has_a_limit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
