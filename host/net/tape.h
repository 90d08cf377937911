/* The steps of a network in order, forward then backward, and the tensors they use: made from a graph once.
 */
#ifndef FM_NET_TAPE_H
#define FM_NET_TAPE_H

#include "net/graph.h"
#include "net/net.h"

enum fm_step_kind {
  FM_STEP_CONV,        /* t[1] = conv(t[0]) + t[2] */
  FM_STEP_EXPAND,      /* t[1] = conv(expansion(t[0])), both in one */
  FM_STEP_NORM,        /* t[1] = norm(t[0]) + t[2] */
  FM_STEP_ADD,         /* t[1] = t[0] + t[2] */
  FM_STEP_POOL,        /* t[1] = pool(t[0]), index t[2] */
  FM_STEP_RESIZE,      /* t[1] = resize(t[0]) + t[2] */
  FM_STEP_MASK,        /* t[1] masked by t[0] */
  FM_STEP_NORM_BACK,   /* from x t[0], y t[1] or -1 (a residual or none), dy t[2]: dx t[3] */
  FM_STEP_WGRAD,       /* from in t[0], dy t[1] */
  FM_STEP_DGRAD,       /* dx t[1] (+)= conv'(dy t[0]) */
  FM_STEP_POOL_BACK,   /* dx t[1] (+)= from dy t[0], y t[2], index t[3] */
  FM_STEP_RESIZE_BACK, /* dx t[1] (+)= resize'(dy t[0]) */
  FM_STEP_KINDS
};

struct fm_step {
  enum fm_step_kind kind;
  int node; /* -1: none */
  int t[4]; /* tensors, -1: none */
  bool accumulate;
};

struct fm_tape {
  struct fm_step *step;
  size_t count, capacity;
  size_t backward;        /* index of the first step of the backward pass */
  struct fm_acts *tensor; /* shapes; buffers are given later */
  bool *bytes_only;       /* an index tensor: one byte a number */
  size_t tensors, tensor_capacity, flag_capacity;
  int input, tap[FM_TAPS], tap_gradient[FM_TAPS], input_gradient;
};

/* block: the device's. Nodes of a fused graph. */
enum fm_status fm_tape_make(struct fm_context *ctx, const struct fm_graph *g, enum fm_net_mode mode,
                            int batch, int block, struct fm_tape *tape);
void fm_tape_free(struct fm_context *ctx, struct fm_tape *tape);

#endif
