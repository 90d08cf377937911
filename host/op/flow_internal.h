/* What flow.c (making, weights) and flow_pass.c (running) share. */
#ifndef FM_OP_FLOW_INTERNAL_H
#define FM_OP_FLOW_INTERNAL_H

#include "op/flow.h"
#include "op/gemm.h"

/* Sizes in numbers. A block's weights, rows of `across` numbers unless said otherwise:
 *   W1'  the x part of the condition (half rows), b1, its y part (half rows), then x1 (s rows)
 *   W2'  hidden + 1 rows of 2 * s2: the last one is b2, for the hidden layer's lane that is always 1
 *   g, delta: a row of fibres each
 */
struct flow_sizes {
  int s, t, s1, s2, width; /* halves of the channels, padded halves, a row of fibres */
  int hidden, across;      /* 2 (s + condition), and padded with room for one more */
  int half, side;          /* of the condition vector; the longer side of the grid */
  int w1x, w2, scale, offset, block;
};

struct fm_flow {
  struct fm_device *d;
  struct fm_flow_shape shape;
  struct flow_sizes n;
  enum fm_flow_use use;
  int rows;
  struct fm_buffer weights, gradient;
  struct fm_buffer condition;        /* [side][half + 1], the last column 1 */
  struct fm_buffer mix, unmix;       /* [block][width][width], or ints [block][width] */
  struct fm_buffer gamma, sums;      /* [block][width], [block] */
  struct fm_buffer table, w1t, w2t;  /* [block][2][side][across]; transposed for the way back */
  struct fm_buffer x, r, a, u;       /* a block's input, hidden layer, (tanh, shift), u' */
  struct fm_buffer xb, ab, hb, ub;   /* gradients of x, a, the hidden layer, u' */
  struct fm_buffer logdet, loss, lb; /* [rows] */
  struct fm_buffer by_place, parts;
};

enum { FLOW_CHUNK = 128 }; /* rows whose gradients of g and delta one work-item adds up */

#endif
