/* A picture's map from the maps of its tiles (data/tiles.h). Each tile is weighed along both sides: fully in
 * its middle, falling smoothly to nothing across the strip that it shares with its neighbour, and a little
 * before its edge, where the network sees no surroundings; the weights at a place add up to 1. So a map has
 * no step where a tile ends, and a flaw on a seam is shown by whoever sees it whole.
 *
 * The result is as fine as what the network saw of the tiles. */
#ifndef FM_TASK_MOSAIC_H
#define FM_TASK_MOSAIC_H

#include "data/tiles.h"

struct fm_mosaic {
  struct fm_tiling tiling;
  struct fm_size size, seen;    /* of the result; of a tile's map */
  struct fm_mosaic_tap *tap[2]; /* [tiles of a row or column][width or height of the result] */
};

enum fm_status fm_mosaic_open(struct fm_context *ctx, const struct fm_preprocess *p, int width, int height,
                              struct fm_mosaic *m);
void fm_mosaic_close(struct fm_context *ctx, struct fm_mosaic *m);

/* Adds the map [seen] of tile k, row by row of tiles, to a result [size] that was zero before the first; the
 * same of a picture [seen][3]. */
void fm_mosaic_add(const struct fm_mosaic *m, int k, const float *map, float *result);
void fm_mosaic_add_picture(const struct fm_mosaic *m, int k, const unsigned char *rgb, unsigned char *result);

#endif
