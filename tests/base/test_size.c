/* Sizes as text, the side of the square with as many pixels, and how many are worked on at a time. */
#include "test.h"

#include "base/size.h"

static void text(void **state) {
  static const struct row {
    const char *text;
    struct fm_size size;
  } good[] = {{"256", {256, 256}}, {"0", {0, 0}}, {"512x384", {512, 384}}, {"32x4096", {32, 4096}}};
  static const char *const bad[] = {"",
                                    "x",
                                    "256x",
                                    "x256",
                                    "-1",
                                    "+1",
                                    " 256",
                                    "256 ",
                                    "256X32",
                                    "25.6",
                                    "1e3",
                                    "256xx4",
                                    "256x-4",
                                    "256x4x1",
                                    "0x10x3",
                                    "256x 4",
                                    "a256x4",
                                    "2147483648",
                                    "4x99999999999999999999"};
  struct fm_size got;
  char out[FM_SIZE_TEXT];
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(fm_size_parse(good[i].text, &got) && fm_size_same(got, good[i].size));
    assert_string_equal(fm_size_text(got, out), good[i].text);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (fm_size_parse(bad[i], &got)) fail_msg("'%s' is taken for %d x %d", bad[i], got.width, got.height);
  assert_true(fm_size_parse("64x64", &got)); /* a square has one text */
  assert_string_equal(fm_size_text(got, out), "64");
}

static void sides(void **state) {
  (void)state;
  for (int i = 1; i <= 4096; i++) assert_int_equal(fm_size_side(fm_square(i)), i);
  assert_int_equal(fm_size_side((struct fm_size){512, 128}), 256);
  assert_int_equal(fm_size_pixels((struct fm_size){65536, 65536}), (size_t)1 << 32);
}

static void at_once(void **state) {
  (void)state;
  assert_int_equal(fm_size_at_once(fm_square(256), 16), 16);
  assert_int_equal(fm_size_at_once(fm_square(64), 16), 16);
  assert_int_equal(fm_size_at_once(fm_square(256), 8), 8);
  assert_int_equal(fm_size_at_once(fm_square(512), 16), 4);
  assert_int_equal(fm_size_at_once((struct fm_size){512, 384}, 16), 5);
  assert_int_equal(fm_size_at_once(fm_square(768), 16), 1);
  assert_int_equal(fm_size_at_once(fm_square(4096), 16), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(text), TEST(sides), TEST(at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
