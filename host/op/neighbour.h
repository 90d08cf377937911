/* A bank of rows, and the rows of it that are nearest to others: exact, by squared Euclidean distance.
 * Kernels: cl/neighbour.cl. Rows on the device are row-major with fm_bank.width numbers each, the last ones
 * zero. */
#ifndef FM_OP_NEIGHBOUR_H
#define FM_OP_NEIGHBOUR_H

#include "device/queue.h"
#include "op/shadow.h"

enum { FM_NEIGHBOURS = 64 }; /* of a row at most */

struct fm_bank {
  int rows, dimensions;
  int width;            /* dimensions, in whole blocks */
  int groups, tile, px; /* of the packed form: groups of rows, groups and queries of a tile */
  struct fm_buffer row, packed, squares; /* [rows][width]; side by side; |m|^2, infinite past the last one */
  float *square;                         /* the same on the host, also of rows that are hidden */
  /* CPUs: shadows, and boxes around those of tiles and of families of tiles, with which a search leaves out
   * what holds nothing near. That pays where rows that follow one another lie close together (op/order.h). */
  int families;
  float largest; /* |m|^2 */
  struct fm_shadow shadow;
  struct fm_buffer tile_box, family_box;
};

/* Numbers a row takes on the device: dimensions in whole blocks. */
int fm_bank_width(const struct fm_device *d, int dimensions);

/* rows [rows][dimensions] on the host, copied. At least one. It takes twice the memory of its rows. */
enum fm_status fm_bank_make(struct fm_device *d, int rows, int dimensions, const float *values,
                            struct fm_bank *bank);
void fm_bank_free(struct fm_device *d, struct fm_bank *bank);

/* From now on searches pass over the rows with hidden [rows] true; NULL: over none. At least as many as a
 * search looks for must be left. */
enum fm_status fm_bank_hide(struct fm_device *d, const struct fm_bank *bank, const bool *hidden);

/* Room for the search: for up to n rows at a time, k neighbours each (1..FM_NEIGHBOURS, at most as many as
 * the bank has). A new one searches for every row. */
struct fm_search {
  int n, k, each; /* rows of a slice, neighbours, tiles a chunk */
  int only;       /* rows that are searched for; -1: all */
  int tiled; /* GPUs: queries from which on tiles go through local memory, for the same bits; 0: they do not
                fit */
  struct fm_buffer value, where;
  struct fm_buffer all, some; /* int [n]: 0, 1, 2 ..; the rows that are searched for */
  struct fm_buffer
      index; /* int [n][k]: rows of the bank, the nearest first, the lowest where several are as near */
  struct fm_buffer distance; /* [n][k]: sum (x - m)^2 */
};
enum fm_status fm_search_make(struct fm_device *d, const struct fm_bank *bank, int n, int k,
                              struct fm_search *s);
void fm_search_free(struct fm_device *d, struct fm_search *s);

/* From now on fm_search_run searches for `count` rows only, list [count] of them, each below n and once; the
 * others keep the neighbours that s->index names. 0: none is searched for; -1: every row again. */
enum fm_status fm_search_only(struct fm_device *d, struct fm_search *s, int count, const int *list);

/* For n rows x [n][width]: s->index, s->distance, and mean [n] = factor * mean over the k of the distance.
 * Every row's result depends on that row and the bank only. */
void fm_search_run(struct fm_device *d, const struct fm_bank *bank, struct fm_search *s, int n,
                   const struct fm_buffer *x, float factor, const struct fm_buffer *mean);

/* dx [n][width] = d loss / d x, with slope [n] = d loss / d mean and the neighbours fixed. */
void fm_search_back(struct fm_device *d, const struct fm_bank *bank, const struct fm_search *s, int n,
                    const struct fm_buffer *x, float factor, const struct fm_buffer *slope,
                    const struct fm_buffer *dx);

#endif
