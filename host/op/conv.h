/* Convolution: forward, gradient to the input, gradient to the weights; full and depthwise. Kernels:
 * the rows of op/variant.h. Everything is enqueued; failures stick to the device.
 *
 * Weights are packed [output block][input block][ky][kx][input lane][output lane] (depthwise
 * [block][ky][kx][lane]); gradients have the same layout, so the optimiser works on packed numbers. Padding
 * lanes are zero and stay zero. */
#ifndef FM_OP_CONV_H
#define FM_OP_CONV_H

#include "op/acts.h"

struct fm_conv {
  int cin, cout, k, stride;
  int pad_y, pad_x; /* rows above, columns left; what lies below and right follows from the output's size */
  bool depthwise;   /* cin == cout */
  bool picture;     /* the input has three channels, in a block of 4 or the device's: three lanes are used */
};

/* Activation limits: none, ReLU, ReLU6. */
struct fm_limits {
  float low, high;
};
extern const struct fm_limits fm_limits_none, fm_limits_relu, fm_limits_relu6;

/* Halo that the input of the forward pass and dy of the input's gradient need. */
int fm_conv_halo(const struct fm_conv *c, int in_h, int in_w, int out_h, int out_w);
int fm_conv_back_halo(const struct fm_conv *c, int in_h, int in_w, int out_h, int out_w);

/* Numbers in the packed weights, a multiple of the block. */
size_t fm_conv_weights(const struct fm_conv *c, int block);
void fm_conv_pack(const struct fm_conv *c, int block, const float *oihw,
                  float *packed); /* packed is zeroed first */
void fm_conv_unpack(const struct fm_conv *c, int block, const float *packed, float *oihw);

/* What a convolution is asked for; for fm_conv_choose its tensors are `in` and `out`.
 *
 * FORWARD: out = limits(conv(in) + bias + res).
 *
 * KEPT: the same in training, where a gradient comes back. Where an activation rounds to the other side of
 * zero whole gradients move, so the rule takes no row of more than common rounding error.
 *
 * BACK: out = limits(conv'(in) + res), in = dy, out = dx; both have the device's block, also for a picture;
 * res = dx adds to what is there.
 *
 * WEIGHTS: dw, in = the input, out = dy. */
enum fm_conv_way { FM_CONV_FORWARD, FM_CONV_KEPT, FM_CONV_BACK, FM_CONV_WEIGHTS };

struct fm_call; /* op/variant.h */
struct fm_variant;
struct fm_conv_args;

/* Chooses how this device computes it, for in->n pictures or fewer; buffers are not looked at. row: this way
 * (which must fit); NULL: what was tuned (op/tuned.h), else the rule's. */
void fm_conv_choose(struct fm_device *d, const struct fm_conv *c, enum fm_conv_way way,
                    const struct fm_acts *in, const struct fm_acts *out, const struct fm_variant *row,
                    struct fm_call *call);
bool fm_conv_fits(const struct fm_device *d, const struct fm_conv *c, enum fm_conv_way way,
                  const struct fm_acts *in, const struct fm_acts *out, const struct fm_variant *row);

/* Brings packed weights into the layout that the choice reads, call->work.prepared bytes; nothing where that
 * is 0. Whenever the weights have changed. */
void fm_conv_prepare(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                     const struct fm_buffer *prepared);

/* Enqueues the work. Scratch: call->work.scratch bytes, nobody else's until this is done. */
void fm_conv_run(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a);

/* Multiply-adds of the forward pass. */
double fm_conv_macs(const struct fm_conv *c, const struct fm_acts *out);

#endif
