#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/piece.h"
#include "file/image.h"

#include <stdlib.h>
#include <string.h>

enum { W = 200, H = 160 };

/* Stripes and noise: a picture in which every kind shows. */
static struct fm_image busy(struct fm_context *ctx, int w, int h, bool grey) {
  struct fm_image image = {.width = w, .height = h, .channels = 3};
  struct fm_rng rng = fm_rng_stream(2, "busy");
  image.pixels = fm_alloc(ctx, (size_t)w * (size_t)h, 3);
  assert_non_null(image.pixels);
  for (int i = 0; i < w * h; i++) {
    int stripe = i % w / 13 % 2 * 90 + i / w / 9 % 2 * 40 + 50 + (int)fm_rng_integer(&rng, 0, 8);
    for (int c = 0; c < 3; c++) image.pixels[3 * i + c] = (unsigned char)(stripe + (grey ? 0 : 20 * c));
  }
  return image;
}

/* Of every kind: the same again, other pieces for another picture or seed; what changed plainly lies in the
 * mask or beside it, and what the mask marks lies in one place. */
static void every_kind_shows(void **state) {
  struct fm_context *ctx = *state;
  struct fm_image before = busy(ctx, W, H, false);
  static unsigned char mask[W * H], again[W * H];
  size_t different = 0;
  for (uint32_t p = 0; p < 8 * FM_PIECE_KINDS; p++) {
    struct fm_image image = busy(ctx, W, H, false), same = busy(ctx, W, H, false);
    ASSERT_OK(ctx, fm_piece_draw(ctx, 5, 1, p, &image, mask));
    ASSERT_OK(ctx, fm_piece_draw(ctx, 5, 1, p, &same, again));
    assert_memory_equal(image.pixels, same.pixels, 3 * W * H);
    assert_memory_equal(mask, again, W * H);
    int marked = 0, plain = 0, missed = 0, most = 0;
    for (int i = 0; i < W * H; i++) {
      int change = 0;
      for (int c = 0; c < 3; c++) {
        int by = abs(image.pixels[3 * i + c] - before.pixels[3 * i + c]);
        change = by > change ? by : change;
      }
      most = change > most ? change : most;
      marked += mask[i];
      plain += change > 40;
      missed += change > 40 && !mask[i];
    }
    assert_in_range(marked, 3, W * H / 8);
    assert_true(most >= 16);
    assert_true(4 * missed <= plain + 20);
    ASSERT_OK(ctx, fm_piece_draw(ctx, 6, 1, p, &same, again));
    different += memcmp(mask, again, W * H) != 0;
    fm_image_free(ctx, &image);
    fm_image_free(ctx, &same);
  }
  assert_int_equal(different, 8 * FM_PIECE_KINDS);
  fm_image_free(ctx, &before);
}

/* Each kind has its turn, and the next round gives a picture another one. */
static void kinds_take_turns(void **state) {
  (void)state;
  int seen[FM_PIECE_KINDS] = {0};
  for (uint32_t p = 0; p < 20; p++) seen[fm_piece_kind(3, p)]++;
  for (int k = 0; k < FM_PIECE_KINDS; k++) assert_int_equal(seen[k], 20 / FM_PIECE_KINDS);
  assert_true(fm_piece_kind(0, 7) != fm_piece_kind(1, 7));
}

static void grey_stays_grey(void **state) {
  struct fm_context *ctx = *state;
  static unsigned char mask[W * H];
  for (uint32_t p = 0; p < 4 * FM_PIECE_KINDS; p++) {
    struct fm_image image = busy(ctx, W, H, true);
    ASSERT_OK(ctx, fm_piece_draw(ctx, 5, 0, p, &image, mask));
    for (int i = 0; i < W * H; i++) {
      assert_int_equal(image.pixels[3 * i], image.pixels[3 * i + 1]);
      assert_int_equal(image.pixels[3 * i], image.pixels[3 * i + 2]);
    }
    fm_image_free(ctx, &image);
  }
}

/* Where nothing can be moved, bent or faded so that it shows, a stain comes; and pictures of any size are
 * taken. */
static void plain_and_small_pictures(void **state) {
  struct fm_context *ctx = *state;
  static const int sizes[][2] = {{1, 1}, {2, 1}, {3, 200}, {200, 3}, {64, 64}, {300, 100}};
  static const unsigned char grounds[] = {0, 128, 255};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
    for (size_t g = 0; g < 3; g++)
      for (uint32_t p = 0; p < 2 * FM_PIECE_KINDS; p++) {
        size_t n = (size_t)sizes[k][0] * (size_t)sizes[k][1], marked = 0, changed = 0;
        struct fm_image image = {.width = sizes[k][0], .height = sizes[k][1], .channels = 3};
        image.pixels = fm_alloc(ctx, n, 3);
        unsigned char *mask = fm_alloc(ctx, n, 1);
        memset(image.pixels, grounds[g], 3 * n);
        ASSERT_OK(ctx, fm_piece_draw(ctx, 1, 0, p, &image, mask));
        for (size_t i = 0; i < n; i++) marked += mask[i];
        for (size_t i = 0; i < 3 * n; i++) changed += image.pixels[i] != grounds[g];
        if (n >= 64 * 64) assert_true(marked > 0 && changed > 0);
        fm_free(ctx, mask);
        fm_image_free(ctx, &image);
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(every_kind_shows), TEST(kinds_take_turns), TEST(grey_stays_grey),
                                     TEST(plain_and_small_pictures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
