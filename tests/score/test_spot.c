#include "test.h"

#include "score/region.h"
#include "score/spot.h"

#include <stdlib.h>
#include <string.h>

struct picture {
  int width, height;
  float map[64 * 64];
};

static void row_of(void *user, int y, float *row) {
  const struct picture *p = user;
  memcpy(row, p->map + y * p->width, (size_t)p->width * sizeof *row);
}

static struct fm_spot_map map_of(struct picture *p) {
  return (struct fm_spot_map){p->width, p->height, row_of, p};
}

/* Digits are values; '.' is 0. */
static void draw(struct picture *p, const char *text) {
  size_t n = 0;
  *p = (struct picture){.width = (int)strcspn(text, "\n")};
  for (; *text; text++) {
    if (*text == '\n')
      p->height++;
    else
      p->map[n++] = *text == '.' ? 0 : (float)(*text - '0');
  }
}

static void box_area_place_and_values(void **state) {
  struct fm_context *ctx = *state;
  struct picture p;
  struct fm_spots s;
  draw(&p, "..3..\n"
           "...5.\n"
           ".....\n"
           "92...\n");
  struct fm_spot_map map = map_of(&p);
  ASSERT_OK(ctx, fm_spots_find(ctx, &map, 1, 1, &s));
  assert_int_equal(s.count, 2);
  const struct fm_spot want[] = {{0, 3, 2, 4, 2, 9, 5.5, 0.5, 3}, {2, 0, 4, 2, 2, 5, 4, 2.5, 0.5}};
  for (int i = 0; i < 2; i++) {
    const struct fm_spot *g = &s.spot[i], *w = &want[i];
    assert_int_equal(g->x0, w->x0);
    assert_int_equal(g->y0, w->y0);
    assert_int_equal(g->x1, w->x1);
    assert_int_equal(g->y1, w->y1);
    assert_int_equal(g->area, w->area);
    assert_true(g->peak == w->peak && g->mean == w->mean && g->x == w->x && g->y == w->y);
  }
  fm_spots_free(ctx, &s);
}

/* A value equal to the threshold is not over it. */
static void nothing_is_over(void **state) {
  struct fm_context *ctx = *state;
  struct picture p;
  struct fm_spots s;
  draw(&p, "12\n21\n");
  struct fm_spot_map map = map_of(&p);
  ASSERT_OK(ctx, fm_spots_find(ctx, &map, 2, 1, &s));
  assert_int_equal(s.count, 0);
  fm_spots_free(ctx, &s);
}

/* The mask beside one made of fm_regions_find's labels. */
static void check_mask(struct fm_context *ctx, struct picture *p, double threshold, size_t min_area) {
  struct fm_spot_map map = map_of(p);
  struct fm_spots s;
  struct fm_spot_mask mask;
  struct fm_regions r;
  unsigned char over[64 * 64], got[64];
  size_t large = 0, n = (size_t)(p->width * p->height);
  for (size_t i = 0; i < n; i++) over[i] = (double)p->map[i] > threshold;
  ASSERT_OK(ctx, fm_regions_find(ctx, p->width, p->height, over, &r));
  for (size_t i = 0; i < r.count; i++) large += r.region[i].area >= min_area;
  ASSERT_OK(ctx, fm_spots_find(ctx, &map, threshold, min_area, &s));
  assert_int_equal(s.count, large);
  for (size_t i = 1; i < s.count; i++) assert_true(s.spot[i - 1].peak >= s.spot[i].peak);
  ASSERT_OK(ctx, fm_spot_mask_open(ctx, &mask, &s));
  for (int y = 0; y < p->height; y++) {
    fm_spot_mask_row(&mask, p->map + y * p->width, got);
    for (int x = 0; x < p->width; x++) {
      uint32_t label = r.label[y * p->width + x];
      assert_int_equal(got[x], label && r.region[label - 1].area >= min_area ? 255 : 0);
    }
  }
  fm_spot_mask_close(ctx, &mask);
  fm_spots_free(ctx, &s);
  fm_regions_free(ctx, &r);
}

static void small_parts_are_left_out_of_spots_and_mask(void **state) {
  struct fm_context *ctx = *state;
  struct picture p;
  draw(&p, "5.5..7\n"
           ".5...7\n"
           "....77\n"
           "6....7\n");
  for (size_t least = 1; least < 7; least++) check_mask(ctx, &p, 1, least);
  for (unsigned i = 0; i < 300; i++) {
    p.width = 1 + (int)(i * 7 % 63);
    p.height = 1 + (int)(i * 13 % 61);
    for (int k = 0; k < p.width * p.height; k++) p.map[k] = (float)rand() / (float)RAND_MAX;
    check_mask(ctx, &p, 0.4 + 0.3 * (i % 3) / 2, i % 5);
  }
}

static void allocation_failures(void **state) {
  struct fm_context *ctx = *state;
  struct picture p;
  draw(&p, "55.5\n");
  struct fm_spot_map map = map_of(&p);
  long n = 1;
  for (enum fm_status status = FM_MEMORY; status != FM_OK; n++) {
    struct fm_spots s;
    ctx->fault[FM_FAULT_ALLOC] = (struct fm_fault){.fail_at = n};
    status = fm_spots_find(ctx, &map, 1, 2, &s);
    fm_spots_free(ctx, &s);
    fm_error_clear(ctx);
  }
  assert_true(n > 7);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(box_area_place_and_values), TEST(nothing_is_over),
                                     TEST(small_parts_are_left_out_of_spots_and_mask),
                                     TEST(allocation_failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
