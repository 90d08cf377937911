/* What a map says is flawed: the connected parts of its pixels over a threshold, each with its box, area,
 * place and values. The map comes row by row, so memory does not grow with the picture's size. */
#ifndef FM_SCORE_SPOT_H
#define FM_SCORE_SPOT_H

#include "score/label.h"

struct fm_spot {
  int x0, y0, x1, y1; /* the box; x1 and y1 are one past the end */
  size_t area;        /* pixels */
  double peak, mean;  /* of the map's values in it */
  double x, y;        /* the mean of its pixels' places; the picture's first pixel lies at 0, 0 */
};

/* A map that makes its rows when it is asked, from the first to the last. */
struct fm_spot_map {
  int width, height;
  void (*row)(void *user, int y, float *row);
  void *user;
};

struct fm_spots {
  struct fm_spot *spot; /* the highest peak first */
  size_t count;
  double threshold;
  int width, height; /* of the map */
  /* Where parts were too small, else NULL: what fm_spot_mask needs to leave them out. */
  struct fm_labels labels;
  unsigned char *kept; /* by a part's number */
};

/* Pixels are 8-connected and greater than the threshold; parts of fewer than min_area pixels are left out.
 * Freed with fm_spots_free, also after a failure. */
enum fm_status fm_spots_find(struct fm_context *ctx, const struct fm_spot_map *map, double threshold,
                             size_t min_area, struct fm_spots *out);
void fm_spots_free(struct fm_context *ctx, struct fm_spots *spots);

/* The spots as a mask, row by row from the first: out[width] becomes 255 in them, else 0. row: the map's. */
struct fm_spot_mask {
  const struct fm_spots *spots;
  uint32_t *labels[2], seen;
  bool begun;
};
enum fm_status fm_spot_mask_open(struct fm_context *ctx, struct fm_spot_mask *mask,
                                 const struct fm_spots *spots);
void fm_spot_mask_row(struct fm_spot_mask *mask, const float *row, unsigned char *out);
void fm_spot_mask_close(struct fm_context *ctx, struct fm_spot_mask *mask);

#endif
