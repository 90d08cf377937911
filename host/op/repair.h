/* What a part should have looked like, and its mixture with what it looks like: the operators of references
 * and of F2PAD. Kernels: cl/repair.cl; docs/math/f2pad.md. Everything is enqueued; failures stick to the
 * device.
 *
 * Of pictures [height][width]; good: uchar4 [count], pictures of good parts; reference: float4 in 0..1 [n];
 * rgb: 8-bit pictures [n][3] with 16 bytes of room behind them. */
#ifndef FM_OP_REPAIR_H
#define FM_OP_REPAIR_H

#include "base/size.h"
#include "op/acts.h"

/* The picture's own good neighbours, for parts that lie where the others lie: at every cell of x's grid the
 * good pictures are weighed by how alike their features are there (mean over reach cells around, softmax of
 * -sharpness d_k / mean d), then mixed. A cell is 8 pixels both ways. n: which picture of x, and of
 * the references. good_features: the same tap of `good`. d, scratch: [good][h][w] floats each. */
struct fm_blend {
  int count, reach;
  float sharpness;
};
void fm_reference_blend(struct fm_device *d, const struct fm_blend *b, const struct fm_acts *x, int n,
                        const struct fm_acts *good_features, const struct fm_buffer *good,
                        const struct fm_buffer *distance, const struct fm_buffer *scratch,
                        const struct fm_buffer *reference);

/* A quilt of patches around good cells, for parts that lie anywhere and for textures: found [pictures][h][w]
 * (ints) are rows of origin, (good picture, cell) each. Each patch, 3 x 3 cells, is moved by at most `reach`
 * pixels to where it lies best over picture n of rgb; shift [pictures][h][w][2] (ints) are the moves, down
 * and right. */
struct fm_quilt {
  int h, w, step, reach; /* step: pixels of a cell, both ways */
};
void fm_reference_quilt(struct fm_device *d, const struct fm_quilt *q, int n, const struct fm_buffer *rgb,
                        const struct fm_buffer *found, const struct fm_buffer *origin,
                        const struct fm_buffer *good, const struct fm_buffer *shift,
                        const struct fm_buffer *reference);

/* r [n][height][width] = distance of colours. */
void fm_residual(struct fm_device *d, struct fm_size size, int n, const struct fm_buffer *rgb,
                 const struct fm_buffer *reference, const struct fm_buffer *r);

/* x = Y + up(a) (R - Y), normalised as a network's input; a: [n][height / 2][width / 2]. */
void fm_mix(struct fm_device *d, struct fm_size size, const struct fm_buffer *rgb,
            const struct fm_buffer *reference, const struct fm_buffer *a, const struct fm_acts *x);

/* g [n][height][width] (+)= sum over colours of dL/dN (R - Y), from dL/dx. */
void fm_pull(struct fm_device *d, struct fm_size size, const struct fm_buffer *rgb,
             const struct fm_buffer *reference, const struct fm_acts *dx, bool accumulate,
             const struct fm_buffer *g);

/* slope [n][h][w] = factor where e > limit [h][w], else 0. */
void fm_hinge(struct fm_device *d, int n, int h, int w, const struct fm_buffer *e,
              const struct fm_buffer *limit, float factor, const struct fm_buffer *slope);

#endif
