/* Rows for wide vectors; they fit everything but depthwise convolutions. */
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

/* ---- conv: tiles of registers for wide vectors. Accumulators (ob * px) of 12 to 24 vectors reach the FMA
 * peak on AVX-512, 12 on AVX2 (16 registers). */
struct tile {
  int ob, px;
};

static int waste(int width, int tile) {
  return (width + tile - 1) / tile * tile - width;
}

static struct tile conv_tile(const struct fm_facts *f, int out_blocks, int width) {
  struct tile t = {2, 8};
  if (f->block == 16) {
    if (out_blocks == 1)
      t = (struct tile){1, width % 16 == 0 ? 16 : 8};
    else if (out_blocks % 3 == 0 && out_blocks % 2 == 1)
      t = (struct tile){3, 8};
    if (t.px == 8 && t.ob < 3 && waste(width, 6) < waste(width, 8)) t.px = 6;
  } else if (f->block == 8) {
    t = (struct tile){out_blocks == 1 ? 1 : 2, out_blocks == 1                     ? 8
                                               : waste(width, 4) < waste(width, 6) ? 4
                                                                                   : 6};
  } else {
    t = (struct tile){out_blocks == 1 ? 1 : 2, 4};
  }
  return t;
}

static void conv_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int blocks = fm_acts_blocks(&s->out), wide = s->phase ? (s->out.w + 1) / 2 : s->out.w,
      high = s->phase ? (s->out.h + 1) / 2 : s->out.h;
  struct tile t = conv_tile(f, blocks, wide);
  int groups = (blocks + t.ob - 1) / t.ob, columns = (wide + t.px - 1) / t.px;
  int rows = fm_rows_an_item(f, high, groups * columns * s->out.n);
  struct fm_launch *l = &work->launch[0];
  /* Where a gradient comes back, sums of 64 products: resnet50's median gradient is then 3e-3 off instead of
   * 9e-3. */
  int chain = s->conv.k > 1 ? 2 : s->kept ? 64 / s->in.block : 16;
  int lanes = fm_shape_lanes(s), rest = s->in.c % lanes, tail = rest ? (rest + 3) / 4 * 4 : lanes;
  if (tail > lanes) tail = lanes; /* a picture has three */
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D OB=%d -D PX=%d -D IB=%d -D IL=%d -D TAIL=%d -D PHASE=%d -D CHAIN=%d",
           s->conv.k, s->stride, t.ob, t.px, s->in.block, lanes, tail, s->phase, chain);
  /* Output groups in the fast dimension let 1x1 tiles stay in the nearest cache while all outputs are made.
   */
  bool order = s->conv.k == 1 && f->group == 1;
  size_t tiles = (size_t)columns * fm_up((size_t)high, (size_t)rows),
         pictures = (size_t)s->out.n * (s->phase ? 4 : 1);
  fm_launch_items(f, l, "conv", order ? (size_t)groups : tiles, order ? tiles : (size_t)groups, pictures);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, rows, order}, sizeof work->size);
}

/* ---- wgrad: strips in the nearest cache */
static void wgrad_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int blocks = fm_acts_blocks(&s->out), lanes = fm_shape_lanes(s),
      it = lanes == 3  ? 3
           : lanes < 8 ? lanes
                       : 8;
  int iq = s->conv.k == 1 && s->conv.cin >= 64 ? 4 : 1, /* blocks of inputs, of outputs an item owns */
      ob = blocks == 1 || f->block == 4 ? 1 : 2;
  int inputs = (fm_acts_blocks(&s->in) + iq - 1) / iq, groups = (blocks + ob - 1) / ob;
  bool order = fm_acts_blocks(&s->in) > blocks && f->group == 1;
  work->parts = fm_parts_of(f, s, inputs * groups);
  work->scratch = (size_t)work->parts * fm_conv_weights(&s->conv, f->block) * sizeof(float);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options, "-D KS=%d -D ST=%d -D OB=%d -D IB=%d -D IL=%d -D IT=%d -D IQ=%d",
           s->conv.k, s->stride, ob, s->in.block, lanes, it, iq);
  fm_launch_items(f, l, "wgrad", (size_t)(order ? groups : inputs), (size_t)(order ? inputs : groups),
                  (size_t)work->parts);
  work->launches = 1;
  memcpy(work->use, (int[2]){(s->out.n + work->parts - 1) / work->parts, order}, sizeof work->use);
  int rows = 192 / s->out.w; /* inputs and gradients of a strip stay in the first-level cache */
  memcpy(work->size, (int[4]){s->out.n, s->out.h, s->out.w, rows > 1 ? rows : 1}, sizeof work->size);
}

static bool is_full(const struct fm_facts *f, const struct fm_shape *s) {
  return !s->conv.depthwise;
}

const struct fm_variant fm_cpu_rows[] = {
    {"conv", "conv.cl", "wide vectors; fits everything", FM_OP_CONV, 5e-6, is_full, fm_row_always,
     conv_describe, fm_turn_weights, fm_run_conv},
    {"wgrad", "wgrad.cl", "strips in the nearest cache; fits everything", FM_OP_WGRAD, 5e-6, is_full,
     fm_row_always, wgrad_describe, NULL, fm_run_wgrad}};
const int fm_cpu_row_count = (int)(sizeof fm_cpu_rows / sizeof *fm_cpu_rows);
