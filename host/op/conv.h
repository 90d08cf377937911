/* Convolution: forward, gradient to the input, gradient to the weights; full and depthwise. Kernels:
 * cl/conv.cl, cl/wgrad.cl, cl/depthwise.cl. Everything is enqueued; failures stick to the device.
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

/* out = limits(conv(in) + bias + res). bias: fm_acts_blocks(out) * block numbers; bias and res may be NULL.
 */
void fm_conv_forward(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                     const struct fm_buffer *weights, const struct fm_buffer *bias, const struct fm_acts *res,
                     struct fm_limits limits, const struct fm_acts *out);

/* Bytes of the scratch the two gradients need. */
size_t fm_conv_flip_bytes(const struct fm_conv *c, int block);
size_t fm_conv_parts_bytes(const struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                           const struct fm_acts *dy);

/* dx = conv'(dy), added to dx where accumulate. flipped: scratch. dx has the device's block, also for a
 * picture. */
void fm_conv_input_gradient(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *dy,
                            const struct fm_buffer *weights, const struct fm_buffer *flipped, bool accumulate,
                            const struct fm_acts *dx);

/* dw = sum over everything. parts: scratch. */
void fm_conv_weight_gradient(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                             const struct fm_acts *dy, const struct fm_buffer *parts,
                             const struct fm_buffer *dw);

/* Multiply-adds of the forward pass. */
/* FLAWMAP_VERBOSE=choose: which kernel computes this (variant.h), forward or the weights' gradient. */
void fm_conv_say(struct fm_device *d, const struct fm_conv *c, bool weights, const struct fm_acts *in,
                 const struct fm_acts *out);

double fm_conv_macs(const struct fm_conv *c, const struct fm_acts *out);

#endif
