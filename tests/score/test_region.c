#include "test.h"

#include "base/memory.h"
#include "score/region.h"

#include <string.h>

/* Pictures as text: '#' flawed, rows of equal length parted by '\n'. */
static void find(struct fm_context *ctx, const char *text, struct fm_regions *out) {
  int width = (int)strcspn(text, "\n"), height = 0;
  unsigned char mask[1024];
  size_t n = 0;
  for (const char *c = text; *c; c++) {
    if (*c == '\n')
      height++;
    else
      mask[n++] = *c == '#' ? 255 : 0;
  }
  assert_int_equal(n, width * height);
  ASSERT_OK(ctx, fm_regions_find(ctx, width, height, mask, out));
}

static void corners_connect(void **state) {
  struct fm_regions r;
  find(*state, "#..#\n.##.\n#...\n", &r);
  assert_int_equal(r.count, 1);
  assert_int_equal(r.region[0].area, 5);
  fm_regions_free(*state, &r);
  find(*state, "#.#.#\n", &r);
  assert_int_equal(r.count, 3);
  fm_regions_free(*state, &r);
}

static void order_area_and_box(void **state) {
  struct fm_regions r;
  find(*state,
       "..#..##\n"
       "..#....\n"
       "#.....#\n"
       "##...##\n",
       &r);
  assert_int_equal(r.count, 4);
  const struct fm_region want[] = {{2, 2, 0, 3, 2}, {2, 5, 0, 7, 1}, {3, 0, 2, 2, 4}, {3, 5, 2, 7, 4}};
  for (size_t i = 0; i < 4; i++) assert_memory_equal(&r.region[i], &want[i], sizeof want[i]);
  assert_int_equal(r.label[0], 0);
  assert_int_equal(r.label[2], 1);
  assert_int_equal(r.label[6], 2);
  assert_int_equal(r.label[14], 3);
  fm_regions_free(*state, &r);
}

/* Branches that meet late: provisional labels are joined again and again. */
static void comb_is_one_region(void **state) {
  struct fm_regions r;
  find(*state,
       "#.#.#.#.#\n"
       "#.#.#.#.#\n"
       "#.#.###.#\n"
       "###..#..#\n"
       "...######\n",
       &r);
  assert_int_equal(r.count, 1);
  assert_int_equal(r.region[0].area, 27);
  fm_regions_free(*state, &r);
}

static void empty_and_single(void **state) {
  struct fm_regions r;
  find(*state, "...\n...\n", &r);
  assert_int_equal(r.count, 0);
  fm_regions_free(*state, &r);
  find(*state, "#\n", &r);
  assert_int_equal(r.count, 1);
  fm_regions_free(*state, &r);
}

static size_t filled_pixels(struct fm_context *ctx, const char *text, size_t index) {
  struct fm_regions r;
  find(ctx, text, &r);
  unsigned char *filled;
  ASSERT_OK(ctx, fm_region_fill(ctx, &r, index, &filled));
  const struct fm_region *g = &r.region[index];
  size_t n = 0;
  for (size_t i = 0; i < (size_t)((g->x1 - g->x0) * (g->y1 - g->y0)); i++) n += filled[i];
  fm_free(ctx, filled);
  fm_regions_free(ctx, &r);
  return n;
}

static void holes_are_filled(void **state) {
  const char *ring = ".......\n"
                     ".#####.\n"
                     ".#...#.\n"
                     ".#.#.#.\n"
                     ".#...#.\n"
                     ".#####.\n";
  assert_int_equal(filled_pixels(*state, ring, 0), 25); /* with the other region inside */
  assert_int_equal(filled_pixels(*state, ring, 1), 1);
  /* A hole that leaks through corners is none: background is 8-connected too (checked with scikit-image
   * 0.26). */
  assert_int_equal(filled_pixels(*state, ".#.\n#.#\n.#.\n", 0), 4);
  assert_int_equal(filled_pixels(*state, "###\n#.#\n##.\n", 0), 7);
  assert_int_equal(filled_pixels(*state, "###\n#.#\n###\n", 0), 9);
}

static void allocation_failures(void **state) {
  struct fm_context *ctx = *state;
  unsigned char mask[64];
  memset(mask, 1, sizeof mask);
  for (long n = 1; n <= 3; n++) {
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    struct fm_regions r;
    assert_int_equal(fm_regions_find(ctx, 8, 8, mask, &r), FM_MEMORY);
    fm_regions_free(ctx, &r);
    fm_error_clear(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(corners_connect),    TEST(order_area_and_box),
                                     TEST(comb_is_one_region), TEST(empty_and_single),
                                     TEST(holes_are_filled),   TEST(allocation_failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
