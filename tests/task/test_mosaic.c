/* A map from the maps of tiles: no step at seams, nothing lost on them, and what every tile says alike stays
 * as it is. */
#include "test.h"

#include "base/memory.h"
#include "task/mosaic.h"

#include <math.h>

enum { TILE = 64, SEEN = 32 };

static struct fm_preprocess seen_as(int width, int height) {
  return (struct fm_preprocess){.size = {width, height}, .tile = TILE};
}

/* A place of a tile so near an edge that is not the picture's own that a network sees nothing of what lies
 * there. */
static bool at_edge(double at, int begin, int side) {
  enum { NEAR = TILE / 16 };
  return (begin > 0 && at - begin < NEAR) || (begin + TILE < side && begin + TILE - at < NEAR);
}

/* The map of each tile is that of a function of places of the picture, plus what the tile adds; blind: but 0
 * at its edges. */
static float *put_together(struct fm_context *ctx, struct fm_mosaic *m, double (*at)(double x, double y),
                           double each, bool blind) {
  float *result = fm_alloc(ctx, fm_size_pixels(m->size), sizeof *result), *map;
  const struct fm_tiling *t = &m->tiling;
  map = fm_alloc(ctx, fm_size_pixels(m->seen), sizeof *map);
  for (int k = 0; k < t->across * t->down; k++) {
    int x0 = fm_tile_begin(TILE, t->own.width, k % t->across, t->across),
        y0 = fm_tile_begin(TILE, t->own.height, k / t->across, t->down);
    for (int i = 0; i < m->seen.width * m->seen.height; i++) {
      double x = x0 + (i % m->seen.width + 0.5) * TILE / m->seen.width,
             y = y0 + (i / m->seen.width + 0.5) * TILE / m->seen.height;
      bool nothing = blind && (at_edge(x, x0, t->own.width) || at_edge(y, y0, t->own.height));
      map[i] = (float)(nothing ? 0 : at(x, y) + each * (k % 2 ? 1 : -1));
    }
    fm_mosaic_add(m, k, map, result);
  }
  fm_free(ctx, map);
  return result;
}

static double one(double x, double y) {
  (void)x, (void)y;
  return 1;
}

static double slope(double x, double y) {
  return 0.5 * x - 0.25 * y;
}

/* What all tiles say alike comes out: a constant to the last digits, a slope at its places. */
static void agreed(void **state) {
  static const struct fm_size sizes[] = {{64, 64}, {65, 64}, {200, 90}, {333, 417}, {40, 150}};
  struct fm_context *ctx = *state;
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
    for (int k = 0; k < 2; k++) {
      const struct fm_preprocess p = seen_as(SEEN, k ? SEEN : 96);
      struct fm_mosaic m;
      ASSERT_OK(ctx, fm_mosaic_open(ctx, &p, sizes[s].width, sizes[s].height, &m));
      float *ones = put_together(ctx, &m, one, 0, false), *slopes = put_together(ctx, &m, slope, 0, false);
      for (int i = 0; i < m.size.width * m.size.height; i++) {
        double x = (i % m.size.width + 0.5) * sizes[s].width / m.size.width,
               y = (i / m.size.width + 0.5) * sizes[s].height / m.size.height;
        bool rim = x < 2 || y < 2 || x > sizes[s].width - 2 || y > sizes[s].height - 2;
        assert_true(fabsf(ones[i] - 1) < 1e-5f);
        if (!rim && fabs((double)slopes[i] - slope(x, y)) > 1e-3)
          fail_msg("%d x %d, %g, %g: %g", sizes[s].width, sizes[s].height, x, y, (double)slopes[i]);
      }
      fm_free(ctx, ones);
      fm_free(ctx, slopes);
      fm_mosaic_close(ctx, &m);
    }
}

/* Tiles that disagree by 2 everywhere: the map goes from one to the other, never by a step. */
static void no_step(void **state) {
  struct fm_context *ctx = *state;
  const struct fm_preprocess p = seen_as(SEEN, SEEN);
  struct fm_mosaic m;
  ASSERT_OK(ctx, fm_mosaic_open(ctx, &p, 400, 256, &m));
  float *map = put_together(ctx, &m, one, 1, false), low = 9, high = -9;
  for (int i = 0; i < m.size.width * m.size.height; i++) {
    low = fminf(low, map[i]);
    high = fmaxf(high, map[i]);
    if (i % m.size.width) assert_true(fabsf(map[i] - map[i - 1]) < 0.8f); /* a seam is 8 pixels wide there */
    if (i >= m.size.width) assert_true(fabsf(map[i] - map[i - m.size.width]) < 0.8f);
  }
  assert_true(low < 0.1f && high > 1.9f); /* they do disagree */
  fm_free(ctx, map);
  fm_mosaic_close(ctx, &m);
}

static double spot_x, spot_y;
static double spot(double x, double y) {
  return exp(-((x - spot_x) * (x - spot_x) + (y - spot_y) * (y - spot_y)) / 32);
}

/* A spot wherever it lies, so on every seam and crossing of seams too, keeps its height; a tile that sees
 * nothing of it at its edge, as networks do there, takes nothing away. */
static void on_every_seam(void **state) {
  struct fm_context *ctx = *state;
  const struct fm_preprocess p = seen_as(SEEN, SEEN);
  struct fm_mosaic m;
  ASSERT_OK(ctx, fm_mosaic_open(ctx, &p, 160, 112, &m));
  const struct fm_tiling *t = &m.tiling;
  for (int a = 0; a < 2 * t->across; a++)
    for (int b = 0; b < 2 * t->down; b++) { /* both ends of every tile */
      spot_x = fmin(fmax(fm_tile_begin(TILE, 160, a / 2, t->across) + a % 2 * TILE, 4), 156);
      spot_y = fmin(fmax(fm_tile_begin(TILE, 112, b / 2, t->down) + b % 2 * TILE, 4), 108);
      float *map = put_together(ctx, &m, spot, 0, true), most = 0;
      for (int i = 0; i < m.size.width * m.size.height; i++) most = fmaxf(most, map[i]);
      if (most < 0.85f) fail_msg("%g, %g: %g", spot_x, spot_y, (double)most);
      fm_free(ctx, map);
    }
  fm_mosaic_close(ctx, &m);
}

/* Pictures: one colour stays within two levels. */
static void pictures(void **state) {
  struct fm_context *ctx = *state;
  const struct fm_preprocess p = seen_as(SEEN, SEEN);
  struct fm_mosaic m;
  ASSERT_OK(ctx, fm_mosaic_open(ctx, &p, 161, 113, &m));
  unsigned char *result = fm_alloc(ctx, fm_size_pixels(m.size), 3), tile[SEEN * SEEN * 3];
  for (int i = 0; i < SEEN * SEEN * 3; i++)
    tile[i] = (unsigned char)(i % 3 == 0 ? 255 : i % 3 == 1 ? 0 : 100);
  for (int k = 0; k < m.tiling.across * m.tiling.down; k++) fm_mosaic_add_picture(&m, k, tile, result);
  for (size_t i = 0; i < 3 * fm_size_pixels(m.size); i++)
    assert_in_range(result[i], tile[i % 3] > 2 ? tile[i % 3] - 2 : 0, tile[i % 3] + 2);
  fm_free(ctx, result);
  fm_mosaic_close(ctx, &m);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(agreed), TEST(no_step), TEST(on_every_seam), TEST(pictures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
