#include "op/variant.h"

#include <math.h>
#include <string.h>

const struct fm_limits fm_limits_none = {-INFINITY, INFINITY}, fm_limits_relu = {0, INFINITY},
                       fm_limits_relu6 = {0, 6};

static int blocks_of(int channels, int block) {
  return (channels + block - 1) / block;
}
static int lanes_of(const struct fm_conv *c, int block) {
  return c->picture ? 3 : block;
}
static int max_int(int a, int b) {
  return a > b ? a : b;
}

int fm_conv_halo(const struct fm_conv *c, int in_h, int in_w, int out_h, int out_w) {
  int below = (out_h - 1) * c->stride + c->k - c->pad_y - in_h,
      right = (out_w - 1) * c->stride + c->k - c->pad_x - in_w;
  return max_int(max_int(c->pad_y, c->pad_x), max_int(max_int(below, right), 0));
}

int fm_conv_back_halo(const struct fm_conv *c, int in_h, int in_w, int out_h, int out_w) {
  int need = 0;
  const int in[2] = {in_h, in_w}, out[2] = {out_h, out_w}, pad[2] = {c->pad_y, c->pad_x};
  for (int i = 0; i < 2; i++) { /* dy index (y + pad - k) / stride for y in [0, in), k in [0, K) */
    int low = -((pad[i] - c->k + 1) / c->stride - 1), high = (in[i] - 1 + pad[i]) / c->stride - (out[i] - 1);
    if (pad[i] - c->k + 1 >= 0) low = 0;
    if (c->stride == 1) low = c->k - 1 - pad[i];
    need = max_int(need, max_int(low, high));
  }
  return need;
}

size_t fm_conv_weights(const struct fm_conv *c, int block) {
  size_t taps = (size_t)c->k * (size_t)c->k, b = (size_t)block;
  if (c->depthwise) return (size_t)blocks_of(c->cout, block) * taps * b;
  size_t inputs = c->picture ? 1 : (size_t)blocks_of(c->cin, block);
  return (size_t)blocks_of(c->cout, block) * inputs * taps * (size_t)lanes_of(c, block) * b;
}

/* The packed place of weight (o, i, tap). */
static size_t place(const struct fm_conv *c, int block, int o, int i, int tap) {
  size_t taps = (size_t)c->k * (size_t)c->k, b = (size_t)block, t = (size_t)tap;
  size_t lane = (size_t)(o % block), ob = (size_t)(o / block);
  if (c->depthwise) return (ob * taps + t) * b + lane;
  size_t lanes = (size_t)lanes_of(c, block), inputs = c->picture ? 1 : (size_t)blocks_of(c->cin, block);
  size_t ib = c->picture ? 0 : (size_t)(i / block), il = c->picture ? (size_t)i : (size_t)(i % block);
  return (((ob * inputs + ib) * taps + t) * lanes + il) * b + lane;
}

void fm_conv_pack(const struct fm_conv *c, int block, const float *oihw, float *packed) {
  memset(packed, 0, fm_conv_weights(c, block) * sizeof *packed);
  int inputs = c->depthwise ? 1 : c->cin, taps = c->k * c->k;
  for (int o = 0; o < c->cout; o++)
    for (int i = 0; i < inputs; i++)
      for (int t = 0; t < taps; t++) packed[place(c, block, o, i, t)] = *oihw++;
}

void fm_conv_unpack(const struct fm_conv *c, int block, const float *packed, float *oihw) {
  int inputs = c->depthwise ? 1 : c->cin, taps = c->k * c->k;
  for (int o = 0; o < c->cout; o++)
    for (int i = 0; i < inputs; i++)
      for (int t = 0; t < taps; t++) *oihw++ = packed[place(c, block, o, i, t)];
}

/* Where the walk of a convolution of `way` begins, and what it walks through. */
static struct fm_shape shape_of(const struct fm_facts *f, const struct fm_conv *c, enum fm_conv_way way,
                                const struct fm_acts *in, const struct fm_acts *out) {
  struct fm_shape s = {.op = way == FM_CONV_WEIGHTS ? FM_OP_WGRAD : FM_OP_CONV,
                       .conv = *c,
                       .in = *in,
                       .out = *out,
                       .stride = c->stride,
                       .pad_y = c->pad_y,
                       .pad_x = c->pad_x,
                       .kept = way == FM_CONV_KEPT,
                       .packed_lanes = lanes_of(c, f->block),
                       .made_for = in->n};
  if (way != FM_CONV_BACK) return s;
  s.back = true;
  s.phase = c->stride == 2;
  s.stride = 1;
  s.conv.picture = false; /* dy and dx have the device's block */
  if (!s.phase) {
    s.pad_y = c->k - 1 - c->pad_y;
    s.pad_x = c->k - 1 - c->pad_x;
  }
  return s;
}

void fm_conv_choose(struct fm_device *d, const struct fm_conv *c, enum fm_conv_way way,
                    const struct fm_acts *in, const struct fm_acts *out, const struct fm_variant *row,
                    struct fm_call *call) {
  const struct fm_shape s = shape_of(fm_device_facts(d), c, way, in, out);
  fm_variant_choose(d, &s, row, call);
}

bool fm_conv_fits(const struct fm_device *d, const struct fm_conv *c, enum fm_conv_way way,
                  const struct fm_acts *in, const struct fm_acts *out, const struct fm_variant *row) {
  const struct fm_facts *f = fm_device_facts(d);
  const struct fm_shape s = shape_of(f, c, way, in, out);
  return fm_variant_fits(f, &s, row);
}

void fm_conv_prepare(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                     const struct fm_buffer *prepared) {
  if (call->work.prepared) call->variant->prepare(d, call, packed, prepared);
}

void fm_conv_run(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a) {
  struct fm_shape *s = &call->shape;
  if (a->in->n != s->in.n) { /* the last batch of an epoch: other sizes, the same kernels */
    s->in.n = s->out.n = a->in->n;
    fm_variant_take(fm_device_facts(d), call, &call->tile);
  }
  call->variant->run(d, call, a);
}

double fm_conv_macs(const struct fm_conv *c, const struct fm_acts *out) {
  return (double)out->n * out->h * out->w * c->k * c->k * c->cout * (c->depthwise ? 1 : c->cin);
}
