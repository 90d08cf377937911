/* The mask of F2PAD for one picture: where the picture may be changed, and the steps that change it. Plain
 * host code: a mask has a quarter of the picture's pixels, its steps cost nothing beside a pass through a
 * network.
 *
 * size: of the picture; half: half of it, both ways. The candidate region Om: cells over the 99 % quantile of
 * good ones, enlarged, and 8 pixels (of 256) more on each side; of that the connected parts with a pixel over
 * the 99.95 % quantile. */
#ifndef FM_REFINE_MASK_H
#define FM_REFINE_MASK_H

#include "base/size.h"
#include "base/status.h"

struct fm_mask {
  struct fm_context *ctx;
  struct fm_size size, half;
  float *a;             /* [half] in 0..1: what F2PAD optimises */
  float *room;          /* [half] share of Om: the mask is 0 where it is 0 */
  float *m, *v, *g, *t; /* [half] moments, gradient, scratch */
  size_t inside;        /* numbers in Om; 0: there is nothing to do */
};

struct fm_mask_limits {
  double q99, q9995; /* of e */
};

enum fm_status fm_mask_make(struct fm_context *ctx, struct fm_size size, struct fm_mask *mask);
void fm_mask_free(struct fm_mask *mask);

/* A new picture with scores e [h][w]: room and the first mask (1 where e is over the 99.95 % quantile). */
enum fm_status fm_mask_begin(struct fm_mask *mask, const float *e, int h, int w,
                             const struct fm_mask_limits *limits);

/* Step t of T (from 1): g [size] is d loss / d a before the adjoint of the enlargement. */
enum fm_status fm_mask_step(struct fm_mask *mask, const float *g, int t, int T);

/* The part of a mask from pixel x, y on (both even), as a mask of its own size; and what became of it, back.
 */
void fm_mask_cut(const struct fm_mask *whole, int x, int y, struct fm_mask *part);
void fm_mask_paste(const struct fm_mask *part, int x, int y, struct fm_mask *whole);

/* Whether Om reaches into the cell (y * w + x) of a grid [h][w]. */
bool fm_mask_touches(const struct fm_mask *mask, int cell, int h, int w);

/* up(a) at full size into out [size]; half-pixel corners. */
void fm_mask_enlarge(const struct fm_mask *mask, float *out);

#endif
