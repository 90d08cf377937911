/* Plain planes [n][h][w]: bilinear enlargement (half-pixel corners) and Gaussian smoothing. Kernels:
 * cl/map.cl. */
#ifndef FM_OP_MAP_H
#define FM_OP_MAP_H

#include "device/queue.h"

void fm_enlarge(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w,
                const struct fm_buffer *y, int ho, int wo);

/* y = sqrt(max(x, 0)), number by number; y may be x. */
void fm_root(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w, const struct fm_buffer *y);

/* A Gaussian of radius int(4 sigma + 0.5), edges mirrored with the edge pixel repeated (scipy's
 * gaussian_filter). */
struct fm_gaussian {
  int radius;
  struct fm_buffer weights; /* radius + 1: the centre and one side */
};
enum fm_status fm_gaussian_make(struct fm_device *d, double sigma, struct fm_gaussian *g);
void fm_gaussian_free(struct fm_device *d, struct fm_gaussian *g);

/* x is smoothed in place; scratch has its size. */
void fm_gaussian_run(struct fm_device *d, const struct fm_gaussian *g, const struct fm_buffer *x,
                     const struct fm_buffer *scratch, int n, int h, int w);

#endif
