#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/synthetic.h"

#include <stdlib.h>
#include <string.h>

enum { S = 80, N = S * S };

static uint64_t fnv(const unsigned char *bytes, size_t n) {
  uint64_t h = 0xCBF29CE484222325u;
  for (size_t i = 0; i < n; i++) h = (h ^ bytes[i]) * 0x100000001B3u;
  return h;
}

/* White pictures of 80x80, seed 111, by an implementation of the definition in Python (numpy, without this
 * code). */
static void same_numbers_as_the_definition(void **state) {
  (void)state;
  static const struct {
    int epoch;
    uint32_t picture;
    int area;
    uint64_t rgb, mask;
    bool background; /* the left 60 columns are */
  } cases[] = {
      {0, 0, 152, 0xe114c4afe7847175u, 0xb288be862d99ef1du, false},
      {3, 5, 40, 0xa0ca276297fa05afu, 0x86b8e6814d5bbd8du, false},
      {49, 208, 278, 0x6f563cb7e791c0e3u, 0x432fbcd95179d6c1u, false},
      {1, 2, 240, 0xdf9d5e8f1217e562u, 0x208e3732d017e4b5u, true},
      {2, 2, 328, 0x3619b36034d4ff70u, 0xded6e554b0887ac5u, true},
  };
  struct fm_synthetic options = fm_synthetic_cdo("bottle");
  static unsigned char rgb[3 * N], mask[N], background[N];
  for (int i = 0; i < N; i++) background[i] = i % S < 60;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    memset(rgb, 255, sizeof rgb);
    memset(mask, 7, sizeof mask);
    fm_synthetic_apply(&options, 111, cases[i].epoch, cases[i].picture, rgb, mask, fm_square(S),
                       cases[i].background ? background : NULL);
    int area = 0;
    for (int k = 0; k < N; k++) area += mask[k];
    assert_int_equal(area, cases[i].area);
    assert_true(fnv(mask, sizeof mask) == cases[i].mask);
    assert_true(fnv(rgb, sizeof rgb) == cases[i].rgb);
  }
}

static void background_rule(void **state) {
  (void)state;
  static unsigned char rgb[3 * N], mask[N], background[N];
  memset(background, 1, sizeof background);
  struct fm_synthetic bottle = fm_synthetic_cdo("bottle"), carpet = fm_synthetic_cdo("carpet");
  assert_true(bottle.skip_background);
  assert_false(carpet.skip_background);
  int drawn = 0;
  for (uint32_t p = 0; p < 50; p++) {
    fm_synthetic_apply(&bottle, 1, 0, p, rgb, mask, fm_square(S), background);
    assert_null(memchr(mask, 1, N)); /* background everywhere: every patch is dropped */
    fm_synthetic_apply(&carpet, 1, 0, p, rgb, mask, fm_square(S), background);
    drawn += memchr(mask, 1, N) != NULL;
  }
  assert_in_range(drawn, 25, 49); /* 4 of 5 pictures have patches */
}

static void without_anomalies_nothing_changes(void **state) {
  (void)state;
  static unsigned char rgb[3 * N], mask[N];
  memset(mask, 1, sizeof mask);
  fm_synthetic_apply(&(struct fm_synthetic){0}, 1, 0, 0, rgb, mask, fm_square(S), NULL);
  assert_null(memchr(mask, 1, N));
  assert_int_equal(rgb[0], 0);
  /* Sides so small that patches have no area, or one that covers it all. */
  struct fm_synthetic options = fm_synthetic_cdo("carpet");
  for (int side = 1; side < 40; side++)
    for (uint32_t p = 0; p < 20; p++) fm_synthetic_apply(&options, 1, 0, p, rgb, mask, fm_square(side), NULL);
}

/* Thresholds 220 and 30 on the mean of the channels, a speck that the median removes, a block that grows
 * by 9. */
static void background_mask(void **state) {
  struct fm_context *ctx = *state;
  static unsigned char rgb[3 * N], background[N];
  memset(rgb, 100, sizeof rgb);
  for (int y = 40; y < 50; y++)
    for (int x = 40; x < 50; x++) memcpy(rgb + 3 * (y * S + x), (unsigned char[]){200, 230, 231}, 3);
  for (int y = 5; y < 15; y++)
    for (int x = 60; x < 70; x++)
      memcpy(rgb + 3 * (y * S + x), (unsigned char[]){200, 230, 230}, 3); /* 220: no */
  memset(rgb + 3 * (70 * S + 10), 0, 9);
  ASSERT_OK(ctx, fm_synthetic_background(ctx, rgb, fm_square(S), background));
  int area = 0, left = S, right = -1, top = S, bottom = -1;
  for (int i = 0; i < N; i++) {
    if (!background[i]) continue;
    int y = i / S, x = i % S;
    area++;
    left = x < left ? x : left, right = x > right ? x : right;
    top = y < top ? y : top, bottom = y > bottom ? y : bottom;
  }
  /* The median rounds the block's corners but keeps its extent. */
  assert_int_equal(left, 31);
  assert_int_equal(right, 58);
  assert_int_equal(top, 31);
  assert_int_equal(bottom, 58);
  assert_true(area > 26 * 26 && area < 28 * 28);
  memset(rgb, 29, sizeof rgb);
  ASSERT_OK(ctx, fm_synthetic_background(ctx, rgb, fm_square(S), background));
  assert_null(memchr(background, 0, N));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(same_numbers_as_the_definition), TEST(background_rule),
                                     TEST(without_anomalies_nothing_changes), TEST(background_mask)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
