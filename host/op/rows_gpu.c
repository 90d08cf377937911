/* Rows for GPUs: a lane is a pixel, and tiles through local memory. */
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

/* Pixels of the result: of one parity where the gradient goes to the input of stride 2. */
static size_t pixels_of(const struct fm_shape *s, int n) {
  size_t h = (size_t)s->out.h, w = (size_t)s->out.w;
  return (size_t)n * (s->phase ? (h + 1) / 2 * ((w + 1) / 2) : h * w);
}

/* What the kernels for GPUs need: blocks of 4, groups, offsets of 32 bits. */
static bool for_gpus(const struct fm_facts *f, const struct fm_shape *s) {
  const size_t most = (size_t)1 << 32;
  size_t in, out;
  return !s->conv.depthwise && f->group >= 64 && f->block == 4 && s->in.block == 4 &&
         fm_acts_bytes(&s->in, &in) && in < most && fm_acts_bytes(&s->out, &out) && out < most &&
         fm_conv_weights(&s->conv, 4) * sizeof(float) < most;
}

/* Local memory of its own; a CPU's is but more of the same memory, and its compilers take minutes over such
 * tiles. */
static bool local_memory_pays(const struct fm_facts *f, const struct fm_shape *s) {
  return f->local_memory_real;
}

enum { TILE_BYTES = 24 << 10, TILE_ITEMS = 128 }; /* of every tile here: at most */

static bool local_memory_fits(const struct fm_facts *f, const struct fm_shape *s) {
  return for_gpus(f, s) && f->local_memory >= TILE_BYTES && f->max_group >= TILE_ITEMS;
}

/* ---- conv_tiled: tiles measured on an H100 (bench/results/devices), chains as long as a CPU's with blocks
 * of 16
 */
static bool tiled_fits(const struct fm_facts *f, const struct fm_shape *s) {
  return local_memory_fits(f, s) && !s->phase && !s->conv.picture;
}

/* Sums and totals of 8 x 4 outputs take 64 registers, and half as many outputs read local memory twice as
 * often as it answers. Of few inputs or outputs a tile would be half empty. */
static bool tiled_pays(const struct fm_facts *f, const struct fm_shape *s) {
  return local_memory_pays(f, s) && f->registers > 128 && fm_acts_blocks(&s->in) > 8 &&
         fm_acts_blocks(&s->out) >= 8;
}

/* Bytes of local memory: two buffers of both tiles, with room against conflicts of banks. */
static size_t tiled_bytes(const struct fm_tile *t) {
  int tm = t->across * t->pixels + 4, tn = t->down * t->blocks * 4 + 4;
  return (size_t)(2 * 4 * t->depth * (tm + tn)) * sizeof(float);
}

static int tiled_tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  static const struct fm_tile others[] = {{.across = 16, .down = 8, .pixels = 8, .blocks = 1},
                                          {.across = 16, .down = 8, .pixels = 4, .blocks = 1},
                                          {.across = 8, .down = 8, .pixels = 8, .blocks = 1},
                                          {.across = 8, .down = 8, .pixels = 8, .blocks = 2},
                                          {.across = 8, .down = 8, .pixels = 4, .blocks = 2},
                                          {.across = 8, .down = 8, .pixels = 4, .blocks = 1}};
  struct fm_tile t = {.across = 16, .down = 8, .pixels = 8, .blocks = 1, .depth = 4};
  int count = 0;
  /* Too few groups for the device: a quarter of the tile, and longer steps. The order of the sums is the
   * same, or a picture's scores would follow from how many are beside it. */
  if (fm_up(pixels_of(s, s->made_for), (size_t)(t.across * t.pixels)) *
          fm_up((size_t)fm_acts_blocks(&s->out), (size_t)(t.down * t.blocks)) <
      (size_t)f->compute_units)
    t = (struct fm_tile){.across = 8, .down = 8, .pixels = 4, .blocks = 1, .depth = 8};
  fm_tile_add(list, &count, t);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    for (int depth = 4; depth <= 8; depth += 4) {
      struct fm_tile other = others[i];
      other.depth = depth;
      if (tiled_bytes(&other) <= TILE_BYTES) fm_tile_add(list, &count, other);
    }
  return count;
}

static void tiled_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                           struct fm_work *work) {
  int k = s->conv.k, tx = t->across, ty = t->down, rm = t->pixels, rn = 4 * t->blocks, kb = t->depth;
  size_t pixels = pixels_of(s, s->out.n), blocks = (size_t)fm_acts_blocks(&s->out);
  size_t items = (size_t)(tx * ty);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D TX=%d -D TY=%d -D RM=%d -D RN=%d -D KB=%d -D CHAIN=%d", k, s->stride, tx, ty,
           rm, rn, kb, (k > 1 ? 8 * k * k : 64) / kb);
  fm_launch_set(
      l, "conv_tiled",
      (size_t[3]){fm_up(pixels, (size_t)(tx * rm)) * items, fm_up(blocks, (size_t)(ty * rn / 4)), 1}, items);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, (int)pixels, 0}, sizeof work->size);
}

/* ---- conv_direct */
enum { LANES = 64 };

/* Sums and totals take half of the registers at most. Where these are few, weights are read by one lane for
 * all of a wave, which takes an address that is the same for the whole group. */
static struct fm_tile direct_rule(const struct fm_facts *f, const struct fm_shape *s) {
  const bool few = f->registers <= 128;
  int ob = few ? 2 : 4, px = 4, waves = few ? 1 : 4;
  size_t most = pixels_of(s, s->made_for), blocks = (size_t)fm_acts_blocks(&s->out),
         enough = 2 * (size_t)f->compute_units;
  if (s->conv.k == 1 || blocks < 16) waves = 1;
  while (ob > 1 && (blocks % (size_t)ob ||
                    fm_up(most, (size_t)(LANES * px)) * fm_up(blocks, (size_t)(ob * waves)) < enough))
    ob /= 2;
  if (fm_up(most, (size_t)(LANES * px)) * fm_up(blocks, (size_t)(ob * waves)) < enough) waves = 1;
  return (struct fm_tile){.blocks = ob, .pixels = px, .waves = waves};
}

static int direct_tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  int count = 0, blocks = fm_acts_blocks(&s->out);
  fm_tile_add(list, &count, direct_rule(f, s));
  for (int ob = 4; ob >= 1; ob /= 2)
    for (int px = 4; px >= 1; px /= 2)
      for (int waves = 4; waves >= 1; waves /= 4)
        if (blocks % ob == 0 && (waves == 1 || blocks >= ob * waves))
          fm_tile_add(list, &count, (struct fm_tile){.blocks = ob, .pixels = px, .waves = waves});
  return count;
}

static void direct_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                            struct fm_work *work) {
  int k = s->conv.k, ob = t->blocks, px = t->pixels, waves = t->waves;
  size_t pixels = pixels_of(s, s->out.n), blocks = (size_t)fm_acts_blocks(&s->out);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D OB=%d -D PX=%d -D IL=%d -D PHASE=%d -D LN=%d -D CW=%d -D CHAIN=%d", k,
           s->stride, ob, px, fm_shape_lanes(s), s->phase, LANES, waves, k > 1 ? 2 : 16);
  const size_t local = (size_t)(LANES * waves);
  fm_launch_set(l, "conv_direct",
                (size_t[3]){fm_up(pixels, (size_t)(LANES * px)) * local, fm_up(blocks, (size_t)(ob * waves)),
                            s->phase ? 4 : 1},
                local);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, s->out.n * s->out.h * s->out.w, 0}, sizeof work->size);
}

static bool direct_fits(const struct fm_facts *f, const struct fm_shape *s) {
  return for_gpus(f, s) && f->max_group >= 256;
}

/* ---- wgrad_tiled */
enum { TX = 8, TY = 8 };

static int wgrad_tiled_tiles(const struct fm_facts *f, const struct fm_shape *s,
                             struct fm_tile list[FM_TILES]) {
  int count = 0, rows = fm_acts_blocks(&s->in) * s->conv.k * s->conv.k;
  fm_tile_add(list, &count,
              (struct fm_tile){.inputs = rows > TX ? 2 : 1, .blocks = fm_acts_blocks(&s->out) > TY ? 2 : 1});
  for (int in = 2; in >= 1; in--)
    for (int out = 2; out >= 1; out--)
      fm_tile_add(list, &count, (struct fm_tile){.inputs = in, .blocks = out});
  return count;
}

static void wgrad_tiled_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                                 struct fm_work *work) {
  enum { KP = 16, MOST_BYTES = 64 << 20 };
  /* Pixels a step, which change no sum: what is on its way takes registers, too. */
  const int kp = f->registers > 128 ? KP : KP / 2;
  int k = s->conv.k, rm = 4 * t->inputs, rn = 4 * t->blocks;
  size_t rows = (size_t)fm_acts_blocks(&s->in) * (size_t)(k * k), blocks = (size_t)fm_acts_blocks(&s->out),
         pixels = pixels_of(s, s->out.n), bytes = fm_conv_weights(&s->conv, 4) * sizeof(float);
  size_t tiles = fm_up(rows, (size_t)(TX * rm / 4)) * fm_up(blocks, (size_t)(TY * rn / 4));
  /* Groups for every unit a few times over, as long as each has a good run of pixels and the sums stay small.
   */
  size_t parts = fm_up(6 * (size_t)f->compute_units, tiles), most = fm_up(pixels, 16 * KP);
  if (parts > most) parts = most;
  if (parts > MOST_BYTES / bytes) parts = MOST_BYTES / bytes;
  if (parts < 1) parts = 1;
  size_t per = fm_up(fm_up(pixels, parts), KP) * KP;
  work->parts = (int)fm_up(pixels, per);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D IL=%d -D TX=%d -D TY=%d -D RM=%d -D RN=%d -D KP=%d", k, s->stride,
           fm_shape_lanes(s), TX, TY, rm, rn, kp);
  fm_launch_set(l, "wgrad_tiled", (size_t[3]){tiles * TX * TY, 1, (size_t)work->parts}, TX * TY);
  work->launches = 1;
  work->scratch = (size_t)work->parts * bytes;
  memcpy(work->size, (int[4]){s->out.n, s->out.h, s->out.w, (int)per}, sizeof work->size);
}

const struct fm_variant fm_gpu_rows[] = {
    {"conv_tiled", "conv_tiled.cl", "many channels, through local memory", FM_OP_CONV, 5e-6, tiled_fits,
     tiled_pays, tiled_tiles, tiled_describe, fm_turn_weights, fm_run_conv},
    {"conv_direct", "conv_direct.cl", "a lane is a pixel", FM_OP_CONV, 5e-6, direct_fits, fm_row_always,
     direct_tiles, direct_describe, fm_turn_weights, fm_run_conv},
    {"wgrad_tiled", "wgrad_tiled.cl", "split over pixels, through local memory", FM_OP_WGRAD, 5e-6,
     local_memory_fits, local_memory_pays, wgrad_tiled_tiles, wgrad_tiled_describe, NULL, fm_run_wgrad}};
const int fm_gpu_row_count = (int)(sizeof fm_gpu_rows / sizeof *fm_gpu_rows);
