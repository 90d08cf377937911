#include "op/conv_internal.h"
#include "op/variant.h"

#include <math.h>
#include <stdio.h>
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

int fm_conv_rows(const struct fm_facts *f, int height, int others) {
  if (f->kind == FM_CLASS_GPU || f->group > 1) return 1;
  int rows = 4;
  while (rows > 1 && (height + rows - 1) / rows * others < 8 * f->compute_units) rows /= 2;
  return rows > height ? height : rows;
}

static void full(struct fm_device *d, const struct fm_conv *c, bool phase, int stride, int pad_y, int pad_x,
                 const struct fm_acts *in, const struct fm_buffer *weights, const struct fm_buffer *bias,
                 const struct fm_acts *res, struct fm_limits limits, const struct fm_acts *out) {
  struct fm_work w;
  const struct fm_shape shape = {FM_OP_CONV, c, in, out, stride, phase};
  const struct fm_variant *v = fm_variant_choose(fm_device_facts(d), &shape, &w);
  FM_LAUNCH_GROUPS(d, fm_kernel_get(d, v->file, v->kernel, w.options), w.global, w.local,
                   fm_arg_buffer(&in->buffer), fm_arg_buffer(weights), fm_arg_buffer(bias ? bias : weights),
                   fm_arg_buffer(res ? &res->buffer : &in->buffer), fm_arg_buffer(&out->buffer),
                   fm_acts_arg(in), fm_acts_arg(out), fm_acts_arg(res ? res : out),
                   fm_arg_int4(w.size[0], w.size[1], w.size[2], w.size[3]), fm_arg_int2(pad_y, pad_x),
                   fm_arg_int2(bias != NULL, res != NULL), fm_arg_float2(limits.low, limits.high));
}

static void depthwise(struct fm_device *d, const struct fm_conv *c, bool phase, int stride, int pad_y,
                      int pad_x, const struct fm_acts *in, const struct fm_buffer *weights,
                      const struct fm_buffer *bias, const struct fm_acts *res, struct fm_limits limits,
                      const struct fm_acts *out) {
  const struct fm_facts *f = fm_device_facts(d);
  /* On a GPU neighbours take neighbouring pixels. */
  int px = f->group > 1 ? 1 : f->block == 16 && stride == 1 ? 8 : 4, blocks = fm_acts_blocks(out);
  int wide = phase ? (out->w + 1) / 2 : out->w, high = phase ? (out->h + 1) / 2 : out->h;
  int columns = (wide + px - 1) / px, rows = fm_conv_rows(f, high, blocks * columns * out->n);
  char options[96];
  snprintf(options, sizeof options, "-D KS=%d -D ST=%d -D PX=%d -D PHASE=%d", c->k, stride, px, phase);
  struct fm_kernel *k = fm_kernel_get(d, "depthwise.cl", "depthwise", options);
  FM_LAUNCH(d, k, (size_t)columns * (size_t)((high + rows - 1) / rows), (size_t)blocks,
            (size_t)out->n * (phase ? 4 : 1), fm_arg_buffer(&in->buffer), fm_arg_buffer(weights),
            fm_arg_buffer(bias ? bias : weights), fm_arg_buffer(res ? &res->buffer : &in->buffer),
            fm_arg_buffer(&out->buffer), fm_acts_arg(in), fm_acts_arg(out), fm_acts_arg(res ? res : out),
            fm_arg_int4(out->h, out->w, rows, 0), fm_arg_int2(pad_y, pad_x),
            fm_arg_int2(bias != NULL, res != NULL), fm_arg_float2(limits.low, limits.high));
}

void fm_conv_forward(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                     const struct fm_buffer *weights, const struct fm_buffer *bias, const struct fm_acts *res,
                     struct fm_limits limits, const struct fm_acts *out) {
  (c->depthwise ? depthwise : full)(d, c, false, c->stride, c->pad_y, c->pad_x, in, weights, bias, res,
                                    limits, out);
}

size_t fm_conv_flip_bytes(const struct fm_conv *c, int block) {
  size_t taps = (size_t)c->k * (size_t)c->k, b = (size_t)block;
  if (c->depthwise) return fm_conv_weights(c, block) * sizeof(float);
  return (size_t)blocks_of(c->cout, block) * (size_t)blocks_of(c->cin, block) * taps * b * b * sizeof(float);
}

void fm_conv_input_gradient(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *dy,
                            const struct fm_buffer *weights, const struct fm_buffer *flipped, bool accumulate,
                            const struct fm_acts *dx) {
  int block = fm_device_facts(d)->block, taps = c->k * c->k, outputs = blocks_of(c->cout, block);
  if (c->depthwise) {
    struct fm_kernel *k = fm_kernel_get(d, "depthwise.cl", "depthwise_flip", "-D KS=1 -D ST=1 -D PX=1");
    FM_LAUNCH(d, k, (size_t)outputs, 1, 1, fm_arg_buffer(weights), fm_arg_buffer(flipped),
              fm_arg_int(outputs), fm_arg_int(taps));
  } else {
    int inputs = blocks_of(c->cin, block);
    struct fm_kernel *k =
        fm_kernel_get(d, "wgrad.cl", "flip", "-D KS=1 -D ST=1 -D OB=1 -D IB=1 -D IL=1 -D IT=1 -D IQ=1");
    FM_LAUNCH(d, k, (size_t)outputs, (size_t)inputs, 1, fm_arg_buffer(weights), fm_arg_buffer(flipped),
              fm_arg_int(outputs), fm_arg_int(inputs), fm_arg_int(taps), fm_arg_int(lanes_of(c, block)));
  }
  struct fm_conv back = *c;
  back.picture = false;
  bool phase = c->stride == 2;
  int pad_y = phase ? c->pad_y : c->k - 1 - c->pad_y, pad_x = phase ? c->pad_x : c->k - 1 - c->pad_x;
  (c->depthwise ? depthwise : full)(d, &back, phase, 1, pad_y, pad_x, dy, flipped, NULL,
                                    accumulate ? dx : NULL, fm_limits_none, dx);
}

/* Numbers of a tensor, halo left out. */
static double numbers(const struct fm_acts *a) {
  return (double)a->n * fm_acts_blocks(a) * a->block * a->h * a->w;
}

/* Enough parts for every unit; and as long as the partial sums stay small beside what is read,
 * one picture a part, because its planes then serve all outputs from the second-level cache. */
int fm_conv_parts(const struct fm_facts *f, const struct fm_conv *c, int items, const struct fm_acts *in,
                  const struct fm_acts *dy) {
  int n = dy->n, parts = 1, wanted = (f->kind == FM_CLASS_GPU ? 64 : 8) * f->compute_units;
  double read = numbers(in) + numbers(dy), each = (double)fm_conv_weights(c, f->block);
  while (parts < n && (items * parts < wanted || (c->k == 1 && (parts + 1) * each * 12 < read))) parts++;
  int per = (n + parts - 1) / parts;
  return (n + per - 1) / per;
}

/* The variant, NULL for depthwise, and how it is launched. */
static const struct fm_variant *weight_gradient_of(const struct fm_device *d, const struct fm_conv *c,
                                                   const struct fm_acts *in, const struct fm_acts *dy,
                                                   struct fm_work *w) {
  const struct fm_facts *f = fm_device_facts(d);
  const struct fm_shape shape = {FM_OP_WGRAD, c, in, dy, c->stride, false};
  if (!c->depthwise) return fm_variant_choose(f, &shape, w);
  *w = (struct fm_work){.parts = fm_conv_parts(f, c, fm_acts_blocks(dy), in, dy)};
  return NULL;
}

size_t fm_conv_parts_bytes(const struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                           const struct fm_acts *dy) {
  struct fm_work w;
  weight_gradient_of(d, c, in, dy, &w);
  return (size_t)w.parts * fm_conv_weights(c, fm_device_facts(d)->block) * sizeof(float);
}

void fm_conv_weight_gradient(struct fm_device *d, const struct fm_conv *c, const struct fm_acts *in,
                             const struct fm_acts *dy, const struct fm_buffer *parts,
                             const struct fm_buffer *dw) {
  const struct fm_facts *f = fm_device_facts(d);
  struct fm_work w;
  const struct fm_variant *v = weight_gradient_of(d, c, in, dy, &w);
  const struct fm_buffer *to = w.parts > 1 ? parts : dw;
  if (c->depthwise) {
    int per = (dy->n + w.parts - 1) / w.parts;
    char options[64];
    snprintf(options, sizeof options, "-D KS=%d -D ST=%d -D PX=1", c->k, c->stride);
    FM_LAUNCH(d, fm_kernel_get(d, "depthwise.cl", "depthwise_wgrad", options),
              (size_t)fm_acts_blocks(dy) * (size_t)f->group, (size_t)w.parts, 1, fm_arg_buffer(&in->buffer),
              fm_arg_buffer(&dy->buffer), fm_arg_buffer(to), fm_acts_arg(in), fm_acts_arg(dy),
              fm_arg_int4(dy->n, dy->h, dy->w, per), fm_arg_int2(c->pad_y, c->pad_x));
  } else {
    FM_LAUNCH_GROUPS(d, fm_kernel_get(d, v->file, v->kernel, w.options), w.global, w.local,
                     fm_arg_buffer(&in->buffer), fm_arg_buffer(&dy->buffer), fm_arg_buffer(to),
                     fm_acts_arg(in), fm_acts_arg(dy),
                     fm_arg_int4(w.size[0], w.size[1], w.size[2], w.size[3]), fm_arg_int2(c->pad_y, c->pad_x),
                     fm_arg_int2(w.use[0], w.use[1]));
  }
  if (w.parts == 1) return;
  int vectors = (int)(fm_conv_weights(c, f->block) / (size_t)f->block);
  struct fm_kernel *k =
      fm_kernel_get(d, "wgrad.cl", "sum_parts", "-D KS=1 -D ST=1 -D OB=1 -D IB=1 -D IL=1 -D IT=1 -D IQ=1");
  size_t items = f->group == 1 ? (size_t)(2 * f->compute_units) : (size_t)vectors;
  FM_LAUNCH(d, k, items, 1, 1, fm_arg_buffer(parts), fm_arg_buffer(dw), fm_arg_int(vectors),
            fm_arg_int(w.parts));
}

void fm_conv_say(struct fm_device *d, const struct fm_conv *c, bool weights, const struct fm_acts *in,
                 const struct fm_acts *out) {
  const struct fm_shape shape = {weights ? FM_OP_WGRAD : FM_OP_CONV, c, in, out, c->stride, false};
  if (!c->depthwise) fm_variant_say(d, &shape);
}

double fm_conv_macs(const struct fm_conv *c, const struct fm_acts *out) {
  return (double)out->n * out->h * out->w * c->k * c->k * c->cout * (c->depthwise ? 1 : c->cin);
}
