/* A tile: how much a work-item of a row (op/variant.h) computes at once, and in which order. A row gives the
 * fields their meaning and uses those it needs; the others are 0, as are all of a row without a choice. */
#ifndef FM_OP_TILE_H
#define FM_OP_TILE_H

#include "device/device.h"

#include <stdbool.h>

struct fm_tile {
  int blocks; /* of outputs */
  int pixels; /* neighbouring ones; Winograd: tiles of the plane */
  int rows;   /* of pixels; 0: as many as leave work for every unit */
  int inputs; /* blocks of inputs */
  int lanes;  /* of a block of inputs at a time */
  int order;  /* 1: neighbouring work-items take other outputs of the same pixels; 0: other pixels */
  int waves;  /* of a work-group, each with outputs of its own */
  int across, down, depth; /* a tile through local memory: work-items across and down, blocks of inputs */
};

enum { FM_TILES = 32, FM_TILE_TEXT = 120 };

bool fm_tile_same(const struct fm_tile *a, const struct fm_tile *b);

/* The tile of a matrix product through local memory (cl/common.clh): rows by columns of a work-group of
 * `items`, and what its kernel is built with. */
struct fm_product_tile {
  int rows, columns;
  size_t items;
  char options[64];
};

/* False where the device has no room for it, or its kernels no blocks of 4. */
bool fm_product_tile(const struct fm_facts *f, struct fm_product_tile *tile);

/* Into a list of at most FM_TILES, unless it is there or the list is full. */
void fm_tile_add(struct fm_tile list[FM_TILES], int *count, struct fm_tile tile);

/* "blocks 2 pixels 8", without the fields that are 0; "-" where all are. And back: false for anything else
 * (a name that is no field or comes twice, a number that is not 1 to 1024). */
void fm_tile_print(const struct fm_tile *tile, char text[FM_TILE_TEXT]);
bool fm_tile_read(const char *text, struct fm_tile *tile);

#endif
