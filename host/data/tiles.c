#include "data/tiles.h"

#include "base/memory.h"

#include <string.h>

/* Of a tile's side, that two neighbours have in common. */
enum { OVERLAP = 4 };

static int tiles_along(int tile, int side) {
  int step = tile - tile / OVERLAP;
  return side <= tile ? 1 : (side - tile + step - 1) / step + 1;
}

struct fm_tiling fm_tiling_of(int tile, int width, int height) {
  return (struct fm_tiling){.tile = tile,
                            .own = {width, height},
                            .across = tiles_along(tile, width),
                            .down = tiles_along(tile, height)};
}

int fm_tile_begin(int tile, int side, int k, int n) {
  return n > 1 ? (int)((long long)(side - tile) * k / (n - 1)) : 0;
}

/* c b a | a b c d | d c b */
static int mirror(int i, int side) {
  i %= 2 * side;
  return i < side ? i : 2 * side - 1 - i;
}

void fm_tile_cut(const struct fm_image *picture, int tile, int x, int y, unsigned char *out) {
  const struct fm_image *in = picture;
  size_t channels = (size_t)in->channels, width = (size_t)in->width;
  int within = in->width - x < tile ? in->width - x : tile;
  for (int row = 0; row < tile; row++) {
    const unsigned char *from = in->pixels + (size_t)mirror(y + row, in->height) * width * channels;
    memcpy(out, from + (size_t)x * channels, (size_t)within * channels);
    for (int i = within; i < tile; i++)
      memcpy(out + (size_t)i * channels, from + (size_t)mirror(x + i, in->width) * channels, channels);
    out += (size_t)tile * channels;
  }
}

static enum fm_status add_tiles(struct fm_context *ctx, const struct fm_sample *picture, int tile,
                                struct fm_sample **tiles, size_t *capacity, size_t *count) {
  int width, height;
  size_t bytes;
  FM_TRY(fm_image_size(ctx, picture->path, &width, &height, &bytes));
  const struct fm_tiling t = fm_tiling_of(tile, width, height);
  for (int i = 0; i < t.across * t.down; i++) {
    FM_TRY(fm_grow(ctx, (void **)tiles, capacity, *count, sizeof **tiles));
    struct fm_sample *s = &(*tiles)[(*count)++];
    *s = *picture;
    s->x = fm_tile_begin(tile, width, i % t.across, t.across);
    s->y = fm_tile_begin(tile, height, i / t.across, t.down);
  }
  return FM_OK;
}

enum fm_status fm_tiles_list(struct fm_context *ctx, const struct fm_sample *pictures, size_t count, int tile,
                             struct fm_sample **tiles, size_t *tile_count) {
  size_t capacity = 0;
  *tiles = NULL;
  *tile_count = 0;
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < count && status == FM_OK; i++)
    status = add_tiles(ctx, &pictures[i], tile, tiles, &capacity, tile_count);
  if (status == FM_OK) return FM_OK;
  fm_free(ctx, *tiles);
  *tiles = NULL;
  return status;
}

struct fm_tile_place fm_tile_place_of(struct fm_size picture, int tile, int x, int y) {
  float across = 1 / (float)picture.width, down = 1 / (float)picture.height, side = (float)tile;
  return (struct fm_tile_place){(float)x * across, (float)y * down, side * across, side * down};
}

enum fm_status fm_sample_load(struct fm_context *ctx, const struct fm_sample *s,
                              const struct fm_preprocess *p, unsigned char *rgb) {
  struct fm_image picture, tile = {.width = p->tile, .height = p->tile};
  if (!p->tile) return fm_picture_load(ctx, s->path, p, rgb, NULL);
  FM_TRY(fm_preprocess_check(ctx, p));
  FM_TRY(fm_image_read(ctx, s->path, &picture));
  struct fm_image painted;
  enum fm_status status = fm_preprocess_paint(ctx, p, &picture, &painted);
  tile.channels = picture.channels;
  tile.pixels = fm_alloc(ctx, (size_t)p->tile * (size_t)p->tile, (size_t)picture.channels);
  if (!tile.pixels) status = FM_MEMORY;
  if (status == FM_OK) {
    fm_tile_cut(&painted, p->tile, s->x, s->y, tile.pixels);
    status = fm_picture_fit(ctx, p, &tile, rgb, NULL);
  }
  fm_image_free(ctx, &tile);
  if (painted.pixels != picture.pixels) fm_image_free(ctx, &painted);
  fm_image_free(ctx, &picture);
  return status;
}
