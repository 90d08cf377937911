/* Element-wise operators, the halo, pictures, pooling and resizing. Kernels: cl/simple.cl, cl/pool.cl,
 * cl/resize.cl. */
#ifndef FM_OP_SIMPLE_H
#define FM_OP_SIMPLE_H

#include "op/conv.h"

/* y = limits(a + b); b may be NULL, y may be a or b. */
void fm_acts_add(struct fm_device *d, const struct fm_acts *a, const struct fm_acts *b,
                 struct fm_limits limits, const struct fm_acts *y);

/* dy becomes zero where the activation that made y did not pass its input on. */
void fm_mask(struct fm_device *d, const struct fm_acts *y, struct fm_limits limits, const struct fm_acts *dy);

/* Zeroes the halo; nothing to do without one. Needed before a convolution reads a tensor whose memory had
 * another use. */
void fm_halo(struct fm_device *d, const struct fm_acts *x);

/* Mirrors the tensor into its halo, the edge pixel not repeated: padding by reflection for a convolution that
 * reads it next. */
void fm_reflect(struct fm_device *d, const struct fm_acts *x);

/* 8-bit RGB [n][h][w][3] to a picture tensor: (v / 255 - mean) / std of ImageNet. */
void fm_picture(struct fm_device *d, const struct fm_buffer *rgb, const struct fm_acts *x);

/* Max pooling 3x3, stride 2, padding 1. where: as many bytes as y has numbers, NULL where no backward pass
 * follows. */
void fm_pool(struct fm_device *d, const struct fm_acts *x, const struct fm_acts *y,
             const struct fm_buffer *where);
void fm_pool_backward(struct fm_device *d, const struct fm_acts *dy, const struct fm_acts *y,
                      const struct fm_buffer *where, bool accumulate, const struct fm_acts *dx);

/* y = limits(bilinear(x) + res). aligned: corners of both grids coincide (i (in - 1) / (out - 1)); else
 * half-pixel. */
void fm_resize(struct fm_device *d, const struct fm_acts *x, bool aligned, const struct fm_acts *res,
               struct fm_limits limits, const struct fm_acts *y);
void fm_resize_backward(struct fm_device *d, const struct fm_acts *dy, bool aligned, bool accumulate,
                        const struct fm_acts *dx);

/* Source pixels a step of one output pixel makes, as the kernels compute it. */
float fm_resize_step(int in, int out, bool aligned);

#endif
