/* Pictures in overlapping tiles, for flaws that are smaller than the network would see in the whole picture:
 * each tile is a square of the picture's own pixels, and goes to the network as a picture of its own.
 *
 * Tiles lie in rows and columns, spread evenly, the first and the last at the picture's edges; two neighbours
 * have at least a quarter of their side in common. Where a picture is smaller than a tile, the rest is its
 * mirror image. */
#ifndef FM_DATA_TILES_H
#define FM_DATA_TILES_H

#include "data/dataset.h"
#include "data/picture.h"

struct fm_tiling {
  int tile;           /* the side */
  struct fm_size own; /* of the picture */
  int across, down;   /* tiles in a row, rows of them */
};
struct fm_tiling fm_tiling_of(int tile, int width, int height);

static inline size_t fm_tiling_count(const struct fm_tiling *t) {
  return (size_t)t->across * (size_t)t->down;
}

/* The first pixel of the k-th of n tiles along a side. */
int fm_tile_begin(int tile, int side, int k, int n);

/* Tile [tile][tile] of the picture's channels from its pixel x, y; the same of a mask. */
void fm_tile_cut(const struct fm_image *picture, int tile, int x, int y, unsigned char *out);
struct fm_tile_place fm_tile_place_of(struct fm_size picture, int tile, int x, int y);

/* The tiles of pictures as samples to learn from, in the pictures' order; their texts stay the pictures'.
 * Only headers are read. *tiles: the caller's. */
enum fm_status fm_tiles_list(struct fm_context *ctx, const struct fm_sample *pictures, size_t count, int tile,
                             struct fm_sample **tiles, size_t *tile_count);

/* A sample made fit: a tile where p has them, else a picture. */
enum fm_status fm_sample_load(struct fm_context *ctx, const struct fm_sample *sample,
                              const struct fm_preprocess *p, unsigned char *rgb);

#endif
