/* Rows for wide vectors; they fit everything but depthwise convolutions. */
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

/* ---- conv: tiles of registers for wide vectors. Accumulators (ob * px) of 12 to 24 vectors reach the FMA
 * peak on AVX-512, 12 on AVX2 (16 registers). */
static int waste(int width, int tile) {
  return (width + tile - 1) / tile * tile - width;
}

static int conv_width(const struct fm_shape *s) {
  return s->phase ? (s->out.w + 1) / 2 : s->out.w;
}

static struct fm_tile conv_rule(const struct fm_facts *f, const struct fm_shape *s) {
  int blocks = fm_acts_blocks(&s->out), width = conv_width(s);
  /* Output groups in the fast dimension let 1x1 tiles stay in the nearest cache while all outputs are made.
   */
  struct fm_tile t = {.blocks = blocks == 1 ? 1 : 2, .pixels = 4, .order = s->conv.k == 1 && f->group == 1};
  if (f->block == 16) {
    t.pixels = blocks == 1 && width % 16 == 0 ? 16 : 8;
    if (blocks > 1 && blocks % 3 == 0 && blocks % 2 == 1) t.blocks = 3;
    if (t.pixels == 8 && t.blocks < 3 && waste(width, 6) < waste(width, 8)) t.pixels = 6;
  } else if (f->block == 8) {
    t.pixels = blocks == 1 ? 8 : waste(width, 4) < waste(width, 6) ? 4 : 6;
  }
  return t;
}

static int conv_tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  static const int wide[][2] = {{1, 8}, {1, 16}, {2, 6}, {2, 8}, {2, 12},
                                {3, 4}, {3, 6},  {3, 8}, {4, 4}, {4, 6}},
                   others[][2] = {{1, 4}, {1, 6}, {1, 8}, {2, 4}, {2, 6}, {3, 4}};
  const int(*size)[2] = f->block == 16 ? wide : others;
  size_t sizes = f->block == 16 ? sizeof wide / sizeof *wide : sizeof others / sizeof *others;
  struct fm_tile t = conv_rule(f, s);
  int count = 0, blocks = fm_acts_blocks(&s->out);
  fm_tile_add(list, &count, t);
  for (size_t i = 0; i < 2 * sizes; i++) {
    t.blocks = size[i / 2][0];
    t.pixels = size[i / 2][1];
    t.order = (int)(i % 2);
    if (t.blocks <= blocks && t.pixels < 2 * conv_width(s) && (f->group == 1 || !t.order))
      fm_tile_add(list, &count, t);
  }
  return count;
}

static void conv_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                          struct fm_work *work) {
  int blocks = fm_acts_blocks(&s->out), wide = conv_width(s), high = s->phase ? (s->out.h + 1) / 2 : s->out.h;
  int groups = (blocks + t->blocks - 1) / t->blocks, columns = (wide + t->pixels - 1) / t->pixels;
  int rows = fm_rows_an_item(f, high, groups * columns * s->out.n);
  struct fm_launch *l = &work->launch[0];
  /* Where a gradient comes back, sums of 64 products: resnet50's median gradient is then 3e-3 off instead of
   * 9e-3. */
  int chain = s->conv.k > 1 ? 2 : s->kept ? 64 / s->in.block : FM_CHAIN_1X1;
  int lanes = fm_shape_lanes(s), tail = fm_tail_lanes(s->in.c, lanes);
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D OB=%d -D PX=%d -D IB=%d -D IL=%d -D TAIL=%d -D PHASE=%d -D CHAIN=%d",
           s->conv.k, s->stride, t->blocks, t->pixels, s->in.block, lanes, tail, s->phase, chain);
  bool order = t->order;
  size_t tiles = (size_t)columns * fm_up((size_t)high, (size_t)rows),
         pictures = (size_t)s->out.n * (s->phase ? 4 : 1);
  fm_launch_items(f, l, "conv", order ? (size_t)groups : tiles, order ? tiles : (size_t)groups, pictures);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, rows, order}, sizeof work->size);
}

/* ---- wgrad: strips in the nearest cache */
static struct fm_tile wgrad_rule(const struct fm_facts *f, const struct fm_shape *s) {
  int blocks = fm_acts_blocks(&s->out), lanes = fm_shape_lanes(s);
  return (struct fm_tile){.inputs = s->conv.k == 1 && s->conv.cin >= 64 ? 4 : 1,
                          .blocks = blocks == 1 || f->block == 4 ? 1 : 2,
                          .lanes = lanes < 8 ? lanes : 8,
                          .order = fm_acts_blocks(&s->in) > blocks && f->group == 1};
}

/* lanes * blocks accumulators: 8 to 24 where vectors are wide. A group of more than two blocks must be full
 * (cl/wgrad.cl). */
static int wgrad_tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  static const int size[][2] = {{8, 1}, {16, 1}, {4, 2}, {8, 2}, {8, 3}, {4, 4}}; /* lanes, blocks */
  struct fm_tile t = wgrad_rule(f, s);
  int count = 0, ins = fm_acts_blocks(&s->in), outs = fm_acts_blocks(&s->out), lanes = fm_shape_lanes(s);
  fm_tile_add(list, &count, t);
  for (size_t i = 0; i < sizeof size / sizeof *size; i++)
    for (int inputs = 1; inputs <= 4; inputs *= 2) {
      t.lanes = lanes < size[i][0] ? lanes : size[i][0];
      t.blocks = size[i][1];
      t.inputs = inputs;
      if (lanes % t.lanes == 0 && inputs <= ins && t.blocks <= outs &&
          (t.blocks <= 2 || outs % t.blocks == 0))
        fm_tile_add(list, &count, t);
    }
  return count;
}

static void wgrad_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                           struct fm_work *work) {
  int blocks = fm_acts_blocks(&s->out), lanes = fm_shape_lanes(s), it = t->lanes, iq = t->inputs,
      ob = t->blocks;
  int inputs = (fm_acts_blocks(&s->in) + iq - 1) / iq, groups = (blocks + ob - 1) / ob;
  bool order = t->order;
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
    {"conv", "conv.cl", "wide vectors; fits everything", FM_OP_CONV, 5e-6, is_full, fm_row_always, conv_tiles,
     conv_describe, fm_turn_weights, fm_run_conv},
    {"wgrad", "wgrad.cl", "strips in the nearest cache; fits everything", FM_OP_WGRAD, 5e-6, is_full,
     fm_row_always, wgrad_tiles, wgrad_describe, NULL, fm_run_wgrad}};
const int fm_cpu_row_count = (int)(sizeof fm_cpu_rows / sizeof *fm_cpu_rows);
