/* The self-test's rows of networks: convolutions, batch norm, element by element, pooling, resizing, AdamW.
 */
#include "op/adam.h"
#include "op/expand.h"
#include "op/norm.h"
#include "op/planes.h"
#include "op/selfcheck.h"
#include "op/simple.h"
#include "op/variant.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Odd in every direction; two blocks of channels at least; of many channels sums are made of shorter ones. */
enum { N = 2, C = 20, MANY = 84, PADDED = 96, H = 7, W = 9 };
static const struct fm_trial_shape shape = {N, C, H, W, 2};

static enum fm_status packed_weights(struct fm_trial *t, const struct fm_conv *c, struct fm_buffer *b) {
  size_t packed = fm_conv_weights(c, fm_device_facts(t->d)->block),
         count = (size_t)(c->depthwise ? c->cin : c->cin * c->cout) * (size_t)(c->k * c->k);
  float *w = fm_trial_draw(t, "weights", count), *p = fm_alloc(t->ctx, packed, sizeof *p);
  enum fm_status status = w && p ? fm_trial_room(t, packed, b) : FM_MEMORY;
  if (status == FM_OK) {
    fm_conv_pack(c, fm_device_facts(t->d)->block, w, p);
    status = fm_buffer_write(t->d, b, 0, p, packed * sizeof *p);
  }
  fm_free(t->ctx, w);
  fm_free(t->ctx, p);
  return status;
}

static enum fm_status weights_are(struct fm_trial *t, const char *what, const struct fm_conv *c,
                                  const struct fm_buffer *b, double along, double size) {
  int block = fm_device_facts(t->d)->block;
  size_t packed = fm_conv_weights(c, block),
         count = (size_t)(c->depthwise ? c->cin : c->cin * c->cout) * (size_t)(c->k * c->k);
  float *p = fm_alloc(t->ctx, packed, sizeof *p), *w = fm_alloc(t->ctx, count, sizeof *w);
  enum fm_status status = w && p ? fm_buffer_read(t->d, b, 0, p, packed * sizeof *p) : FM_MEMORY;
  if (status == FM_OK) {
    fm_conv_unpack(c, block, p, w);
    status = fm_trial_compare(t, what, w, count, along, size);
  }
  fm_free(t->ctx, w);
  fm_free(t->ctx, p);
  return status;
}

/* Every row that can compute this convolution must; Winograd's are a family of their own. A residual is
 * added, and on the way forward a bias. */
static enum fm_status convolve(struct fm_trial *t, const char *what, const struct fm_conv *c,
                               enum fm_conv_way way, const struct fm_buffer *w, const struct fm_acts *in,
                               struct fm_trial_shape of, double along, double size) {
  const struct fm_variant *row;
  struct fm_acts res;
  struct fm_buffer bias;
  FM_TRY(fm_trial_tensor(t, "residual", of, &res));
  FM_TRY(fm_trial_numbers(t, "bias", PADDED, &bias));
  for (int i = 0; (row = fm_variant_at(i)); i++) {
    struct fm_acts out = {of.n, of.c, of.h, of.w, of.halo, in->block, {0}};
    struct fm_buffer prepared, scratch;
    struct fm_call call;
    bool winograd = strcmp(row->file, "winograd.cl") == 0;
    if (winograd != (strcmp(t->family, "winograd") == 0) || !fm_conv_fits(t->d, c, way, in, &out, row))
      continue;
    FM_TRY(fm_trial_blank(t, of, &out));
    fm_conv_choose(t->d, c, way, in, &out, row, &call);
    FM_TRY(fm_trial_room(t, call.work.prepared / sizeof(float) + 1, &prepared));
    FM_TRY(fm_trial_room(t, call.work.scratch / sizeof(float) + 1, &scratch));
    fm_conv_prepare(t->d, &call, w, &prepared);
    fm_conv_run(t->d, &call,
                &(struct fm_conv_args){.in = in,
                                       .out = &out,
                                       .weights = call.work.prepared ? &prepared : w,
                                       .bias = way == FM_CONV_BACK ? NULL : &bias,
                                       .res = &res,
                                       .limits = fm_limits_none,
                                       .scratch = &scratch});
    FM_TRY(fm_trial_tensor_is(t, what, &out, along, size));
  }
  return FM_OK;
}

static enum fm_status forward(struct fm_trial *t, const char *what, int channels, bool depthwise,
                              double along, double size) {
  const struct fm_conv c = {channels, channels, 3, 1, 1, 1, depthwise, false};
  const struct fm_trial_shape of = {N, channels, H, W, 2};
  struct fm_acts x;
  struct fm_buffer w;
  FM_TRY(packed_weights(t, &c, &w));
  FM_TRY(fm_trial_tensor(t, "x", of, &x));
  return convolve(t, what, &c, FM_CONV_FORWARD, &w, &x, of, along, size);
}

/* The gradient to the input: with a stride each parity of pixels is a convolution of its own. */
static enum fm_status to_input(struct fm_trial *t, const char *what, int stride, bool depthwise, double along,
                               double size) {
  const struct fm_conv c = {C, C, 3, stride, 1, 1, depthwise, false};
  const struct fm_trial_shape from = {N, C, (H + stride - 1) / stride, (W + stride - 1) / stride, 2};
  struct fm_acts dy;
  struct fm_buffer w;
  FM_TRY(packed_weights(t, &c, &w));
  FM_TRY(fm_trial_tensor(t, "dy", from, &dy));
  return convolve(t, what, &c, FM_CONV_BACK, &w, &dy, shape, along, size);
}

/* The gradient to the weights: the sums over parts of the batch. */
static enum fm_status to_weights(struct fm_trial *t, const char *what, const struct fm_conv *c,
                                 struct fm_trial_shape of, double along, double size) {
  struct fm_acts x, dy;
  FM_TRY(fm_trial_tensor(t, "x", of, &x));
  FM_TRY(fm_trial_tensor(t, "dy", of, &dy));
  const struct fm_variant *row;
  for (int i = 0; (row = fm_variant_at(i)); i++) {
    struct fm_buffer dw, scratch;
    struct fm_call call;
    if (!fm_conv_fits(t->d, c, FM_CONV_WEIGHTS, &x, &dy, row)) continue;
    fm_conv_choose(t->d, c, FM_CONV_WEIGHTS, &x, &dy, row, &call);
    FM_TRY(fm_trial_room(t, call.work.scratch / sizeof(float) + 1, &scratch));
    FM_TRY(fm_trial_room(t, fm_conv_weights(c, x.block), &dw));
    fm_conv_run(t->d, &call, &(struct fm_conv_args){.in = &x, .out = &dy, .scratch = &scratch, .dw = &dw});
    FM_TRY(weights_are(t, what, c, &dw, along, size));
  }
  return FM_OK;
}

/* Few and many channels: a GPU takes another variant for each (op/variant.h). */
static enum fm_status conv(struct fm_trial *t) {
  FM_TRY(forward(t, "convolution", C, false, -123.92401, 210.212675));
  return forward(t, "convolution of many channels", MANY, false, -190.380786, 868.213991);
}
static enum fm_status winograd(struct fm_trial *t) {
  FM_TRY(forward(t, "convolution", C, false, 70.623748, 206.862093));
  FM_TRY(forward(t, "convolution of many channels", MANY, false, -516.646407, 865.558023));
  return to_input(t, "a convolution's gradient to the input", 1, false, 48.6893175, 207.832937);
}
static enum fm_status wgrad(struct fm_trial *t) {
  FM_TRY(to_input(t, "a convolution's gradient to the input", 1, false, -182.607538, 206.031799));
  FM_TRY(to_input(t, "a gradient to the input of stride 2", 2, false, 5.2206112, 111.024215));
  FM_TRY(to_weights(t, "a convolution's gradient to the weights",
                    &(struct fm_conv){C, C, 3, 1, 1, 1, false, false}, shape, -57.9680958, 206.026156));
  /* So many pictures that a GPU's sum over parts is itself shared out. */
  return to_weights(t, "a gradient to the weights of many parts",
                    &(struct fm_conv){8, 8, 1, 1, 0, 0, false, false},
                    (struct fm_trial_shape){40, 8, 8, 8, 0}, 10.3629, 130.038728);
}
static enum fm_status depthwise(struct fm_trial *t) {
  FM_TRY(forward(t, "depthwise convolution", C, true, 44.3936615, 61.4530856));
  FM_TRY(to_input(t, "a depthwise convolution's gradient to the input", 1, true, 28.0112012, 56.6176243));
  FM_TRY(to_input(t, "a depthwise gradient to the input of stride 2", 2, true, 16.1511418, 37.2681413));
  return to_weights(t, "a depthwise convolution's gradient to the weights",
                    &(struct fm_conv){C, C, 3, 1, 1, 1, true, false}, shape, 0.0732906042, 46.0297612);
}

/* Where a device does both in one kernel; stride 2, so that lines come by twos. */
static enum fm_status expand(struct fm_trial *t) {
  enum { WIDE = 84 };
  struct fm_expand e = {.wide = {C, WIDE, 1, 1, 0, 0, false, false},
                        .depthwise = {WIDE, WIDE, 5, 2, 2, 2, true, false},
                        .h = H,
                        .w = W,
                        .out_h = (H + 1) / 2,
                        .out_w = (W + 1) / 2};
  static const struct {
    const char *what;
    double along, size;
  } answers[2] = {{"an expansion and its convolution", -67.9405296, 220.621682},
                  {"an expansion and its convolution, mirrored at the border", -56.0777768, 266.317994}};
  struct fm_acts in, out;
  struct fm_buffer wide, weights, bias;
  if (!fm_expand_pays(fm_device_facts(t->d), &e)) return FM_OK;
  FM_TRY(packed_weights(t, &e.wide, &wide));
  FM_TRY(packed_weights(t, &e.depthwise, &weights));
  FM_TRY(fm_trial_numbers(t, "bias", PADDED, &bias));
  FM_TRY(fm_trial_tensor(t, "x", shape, &in));
  for (int reflect = 0; reflect < 2; reflect++) {
    FM_TRY(fm_trial_blank(t, (struct fm_trial_shape){N, WIDE, e.out_h, e.out_w, 1}, &out));
    fm_expand_run(t->d, &e,
                  &(struct fm_expand_args){.in = &in,
                                           .out = &out,
                                           .wide_weights = &wide,
                                           .wide_bias = &bias,
                                           .weights = &weights,
                                           .bias = &bias,
                                           .wide_limits = fm_limits_none,
                                           .limits = fm_limits_none,
                                           .reflect = reflect});
    FM_TRY(fm_trial_tensor_is(t, answers[reflect].what, &out, answers[reflect].along, answers[reflect].size));
  }
  return FM_OK;
}
const struct fm_selfcheck fm_check_conv = {"conv", conv}, fm_check_winograd = {"winograd", winograd},
                          fm_check_wgrad = {"wgrad", wgrad}, fm_check_depthwise = {"depthwise", depthwise},
                          fm_check_expand = {"expand", expand};

static enum fm_status norm(struct fm_trial *t) {
  const struct fm_norm n = {0.1f, 0.1f}; /* an epsilon that counts */
  struct fm_acts x, y, dy, dx, res;
  struct fm_buffer parts, gamma, shift, stat, running, dgamma, dbeta;
  FM_TRY(fm_trial_tensor(t, "x", shape, &x));
  FM_TRY(fm_trial_tensor(t, "dy", shape, &dy));
  FM_TRY(fm_trial_tensor(t, "residual", shape, &res));
  FM_TRY(fm_trial_blank(t, shape, &y));
  FM_TRY(fm_trial_blank(t, shape, &dx));
  size_t channels = (size_t)fm_acts_blocks(&x) * (size_t)x.block;
  FM_TRY(fm_trial_room(t, fm_norm_parts_bytes(&x) / sizeof(float), &parts));
  FM_TRY(fm_trial_numbers(t, "gamma", channels, &gamma));
  FM_TRY(fm_trial_numbers(t, "shift", channels, &shift));
  FM_TRY(fm_trial_room(t, fm_norm_stats(&x), &stat));
  FM_TRY(fm_trial_room(t, 2 * channels, &running));
  FM_TRY(fm_buffer_fill(t->d, &running, 0.5f));
  FM_TRY(fm_trial_room(t, channels, &dgamma));
  FM_TRY(fm_trial_room(t, channels, &dbeta));
  fm_norm_forward(t->d, &n, &x, &gamma, &shift, &res, fm_limits_relu, &parts, &stat, &running, &y);
  FM_TRY(fm_trial_rows_are(t, "batch norm's running values", &running, 2, channels, C, -0.955584635,
                           2.95279479));
  FM_TRY(fm_trial_tensor_is(t, "batch norm", &y, -4.50315758, 33.8448826));
  fm_norm_backward(t->d, &x, &stat, &shift, NULL, fm_limits_relu, &dy, &parts, &dgamma, &dbeta, &dx);
  FM_TRY(fm_trial_tensor_is(t, "batch norm's gradient without a residual", &dx, 12.8995341, 17.9136757));
  fm_norm_backward(t->d, &x, &stat, &shift, &y, fm_limits_relu, &dy, &parts, &dgamma, &dbeta, &dx);
  FM_TRY(fm_trial_tensor_is(t, "batch norm's gradient", &dx, 12.6553703, 18.1359156));
  FM_TRY(
      fm_trial_rows_are(t, "batch norm's gradient to the scale", &dgamma, 1, C, C, 1.53381478, 14.4525945));
  return fm_trial_rows_are(t, "batch norm's gradient to the shift", &dbeta, 1, C, C, -16.6142071, 17.0111927);
}
const struct fm_selfcheck fm_check_norm = {"norm", norm};

/* Halos, of one channel: planes with their halo are read as rows of a block's lanes. */
static enum fm_status halos(struct fm_trial *t) {
  struct fm_acts x;
  const size_t pixels = (size_t)(H + 4) * (size_t)(W + 4);
  FM_TRY(fm_trial_tensor(t, "halo", (struct fm_trial_shape){1, 1, H, W, 2}, &x));
  fm_reflect(t->d, &x);
  FM_TRY(
      fm_trial_rows_are(t, "a mirrored halo", &x.buffer, pixels, (size_t)x.block, 1, 6.012112, 7.94194106));
  fm_halo(t->d, &x);
  return fm_trial_rows_are(t, "an empty halo", &x.buffer, pixels, (size_t)x.block, 1, 1.67499136, 5.14614916);
}

static enum fm_status simple(struct fm_trial *t) {
  struct fm_acts x, y, z;
  struct fm_buffer rgb;
  FM_TRY(fm_trial_tensor(t, "x", shape, &x));
  FM_TRY(fm_trial_tensor(t, "y", shape, &y));
  FM_TRY(fm_trial_blank(t, shape, &z));
  fm_acts_add(t->d, &x, &y, fm_limits_relu, &z);
  FM_TRY(fm_trial_tensor_is(t, "the sum of two tensors", &z, -8.28081248, 28.6464666));
  fm_mask(t->d, &z, fm_limits_relu, &x);
  FM_TRY(fm_trial_tensor_is(t, "an activation's gradient", &x, 0.623703481, 20.2087993));
  FM_TRY(halos(t));
  FM_TRY(fm_trial_bytes(t, "rgb", (size_t)N * H * W * 3 + 16, &rgb)); /* kernels may look beyond the end */
  FM_TRY(fm_trial_blank(t, (struct fm_trial_shape){N, 3, H, W, 1}, &z));
  fm_picture(t->d, &rgb, &z);
  return fm_trial_tensor_is(t, "a picture on its way in", &z, 15.6283576, 25.9748444);
}
const struct fm_selfcheck fm_check_simple = {"simple", simple};

static enum fm_status pool(struct fm_trial *t) {
  const struct fm_trial_shape small = {N, C, (H + 1) / 2, (W + 1) / 2, 0};
  struct fm_acts x, y, plain, dy, dx;
  struct fm_buffer where;
  FM_TRY(fm_trial_tensor(t, "x", shape, &x));
  FM_TRY(fm_trial_blank(t, small, &y));
  FM_TRY(fm_trial_tensor(t, "dy", small, &dy));
  FM_TRY(fm_trial_blank(t, shape, &dx));
  FM_TRY(fm_trial_room(t, y.buffer.bytes / sizeof(float), &where));
  fm_pool(t->d, &x, &y, &where);
  FM_TRY(fm_trial_tensor_is(t, "max pooling", &y, -6.59122622, 21.390549));
  FM_TRY(fm_trial_blank(t, small, &plain));
  fm_pool(t->d, &x, &plain, NULL);
  FM_TRY(fm_trial_tensor_is(t, "max pooling without a way back", &plain, -6.59122622, 21.390549));
  fm_pool_backward(t->d, &dy, &y, &where, false, &dx);
  return fm_trial_tensor_is(t, "max pooling's gradient", &dx, 2.82260376, 16.3457832);
}
const struct fm_selfcheck fm_check_pool = {"pool", pool};

static enum fm_status resize(struct fm_trial *t) {
  const struct fm_trial_shape large = {N, C, 2 * H - 1, 2 * W, 0};
  struct fm_acts x, y, dx, res;
  struct fm_buffer p, q;
  FM_TRY(fm_trial_tensor(t, "x", shape, &x));
  FM_TRY(fm_trial_blank(t, large, &y));
  FM_TRY(fm_trial_blank(t, shape, &dx));
  FM_TRY(fm_trial_tensor(t, "residual", large, &res));
  fm_resize(t->d, &x, false, &res, fm_limits_none, &y);
  FM_TRY(fm_trial_tensor_is(t, "resizing", &y, 20.6719828, 67.8954716));
  fm_resize_backward(t->d, &y, true, false, &dx);
  FM_TRY(fm_trial_tensor_is(t, "resizing's gradient", &dx, 25.1384086, 71.0390632));
  fm_resize_backward(t->d, &res, false, true, &dx);
  FM_TRY(fm_trial_tensor_is(t, "resizing's gradient, added", &dx, 25.1977508, 96.8980205));
  const size_t few = (size_t)N * H * W, many = (size_t)N * (size_t)large.h * (size_t)large.w;
  FM_TRY(fm_trial_numbers(t, "plane", few, &p));
  FM_TRY(fm_trial_room(t, many, &q));
  fm_planes_add(t->d, &p, N, H, W, 0.5f, false, &q, large.h, large.w);
  FM_TRY(fm_trial_rows_are(t, "resizing a plane", &q, 1, many, many, -0.39318199, 4.75398022));
  fm_planes_add(t->d, &p, N, H, W, 0.25f, true, &q, large.h, large.w);
  FM_TRY(fm_trial_rows_are(t, "planes added up", &q, 1, many, many, -0.589772934, 7.13097033));
  fm_planes_add_back(t->d, &q, N, large.h, large.w, 0.5f, &p, H, W);
  return fm_trial_rows_are(t, "resizing a plane's gradient", &p, 1, few, few, -2.8060638, 5.39765783);
}
const struct fm_selfcheck fm_check_resize = {"resize", resize};

/* The norm of a vector is compared as a vector of one number; the gradient is brought down to half of its. */
static enum fm_status adam(struct fm_trial *t) {
  enum { COUNT = 320 }; /* whole blocks of every class */
  const double whole = 10.716445;
  struct fm_buffer w, g, m, v, parts, limit;
  FM_TRY(fm_trial_numbers(t, "weights", COUNT, &w));
  FM_TRY(fm_trial_numbers(t, "gradient", COUNT, &g));
  FM_TRY(fm_trial_numbers(t, "m", COUNT, &m));
  FM_TRY(fm_trial_room(t, COUNT, &v));
  FM_TRY(fm_buffer_fill(t->d, &v, 1e-4f)); /* so small that the new squares and epsilon count */
  FM_TRY(fm_trial_room(t, fm_norm2_bytes(t->d, COUNT) / sizeof(float), &parts));
  FM_TRY(fm_trial_room(t, 2, &limit));
  fm_norm2(t->d, COUNT, &g, (float)(0.5 * whole), &parts, &limit);
  fm_adam_step(t->d, &(struct fm_adam){0.1, 0.9, 0.999, 0.01, 0.01}, 3, &limit, COUNT, &w, &g, &m, &v);
  FM_TRY(fm_trial_rows_are(t, "AdamW", &w, 1, COUNT, COUNT, -7.72601532, 17.0949396));
  return fm_trial_rows_are(t, "the norm of a vector", &limit, 1, 1, 1, -2.06819423, whole);
}
const struct fm_selfcheck fm_check_adam = {"adam", adam};
