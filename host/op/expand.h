/* An expansion (a 1x1 convolution of stride 1 to more channels) and the depthwise convolution behind it, in
 * one kernel that keeps the wide tensor between them in the nearest cache: a few lines at a time, never in
 * memory. The same bits as the two convolutions one after the other. For inference on a CPU. Kernel:
 * cl/expand.cl. */
#ifndef FM_OP_EXPAND_H
#define FM_OP_EXPAND_H

#include "op/conv.h"

/* h, w: of the wide tensor, which has the input's size. out_h, out_w: of the result. */
struct fm_expand {
  struct fm_conv wide, depthwise;
  int h, w, out_h, out_w;
  struct fm_kernel *kernel; /* looked up at its first launch; begins as NULL */
};

/* True where the one kernel can do it on this device, and is worth it. */
bool fm_expand_pays(const struct fm_facts *f, const struct fm_expand *e);

/* Weights as fm_conv_pack lays them out; a bias may be NULL. reflect: the wide tensor is padded by
 * reflection, not with zeros. */
struct fm_expand_args {
  const struct fm_acts *in, *out;
  const struct fm_buffer *wide_weights, *wide_bias, *weights, *bias;
  struct fm_limits wide_limits, limits;
  bool reflect;
};

/* Enqueues the work; failures stick to the device. */
void fm_expand_run(struct fm_device *d, struct fm_expand *e, const struct fm_expand_args *a);

#endif
