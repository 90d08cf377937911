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

static bool local_memory_fits(const struct fm_facts *f, const struct fm_shape *s) {
  enum { TILES = 24 << 10, ITEMS = 128 };
  return for_gpus(f, s) && f->local_memory >= TILES && f->max_group >= ITEMS;
}

/* ---- conv_tiled: tiles measured on an H100 (bench/results/devices), chains as long as a CPU's with blocks
 * of 16
 */
static bool tiled_fits(const struct fm_facts *f, const struct fm_shape *s) {
  return local_memory_fits(f, s) && !s->phase && !s->conv.picture;
}

/* Of few inputs or outputs a tile would be half empty. */
static bool tiled_pays(const struct fm_facts *f, const struct fm_shape *s) {
  return local_memory_pays(f, s) && fm_acts_blocks(&s->in) > 8 && fm_acts_blocks(&s->out) >= 8;
}

static void tiled_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int k = s->conv.k, tx = 16, ty = 8, rm = 8, rn = 4, kb = 4;
  size_t pixels = pixels_of(s, s->out.n), blocks = (size_t)fm_acts_blocks(&s->out);
  /* Too few groups for the device: a quarter of the tile, and longer steps. */
  if (fm_up(pixels_of(s, s->made_for), (size_t)(tx * rm)) * fm_up(blocks, (size_t)(ty * rn / 4)) <
      (size_t)f->compute_units) {
    tx = 8;
    rm = 4;
    kb = 8;
  }
  size_t items = (size_t)(tx * ty);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options,
           "-D KS=%d -D ST=%d -D TX=%d -D TY=%d -D RM=%d -D RN=%d -D KB=%d -D CHAIN=%d", k, s->stride, tx, ty,
           rm, rn, kb, k > 1 ? k * k * (kb < 8 ? 8 / kb : 1) : 64 / kb);
  fm_launch_set(
      l, "conv_tiled",
      (size_t[3]){fm_up(pixels, (size_t)(tx * rm)) * items, fm_up(blocks, (size_t)(ty * rn / 4)), 1}, items);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, (int)pixels, 0}, sizeof work->size);
}

/* ---- conv_direct */
static void direct_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  enum { LANES = 64 };
  int k = s->conv.k, ob = 4, px = 4, waves = 4;
  size_t pixels = pixels_of(s, s->out.n), most = pixels_of(s, s->made_for),
         blocks = (size_t)fm_acts_blocks(&s->out), enough = 2 * (size_t)f->compute_units;
  if (k == 1 || blocks < 16) waves = 1;
  while (ob > 1 && (blocks % (size_t)ob ||
                    fm_up(most, (size_t)(LANES * px)) * fm_up(blocks, (size_t)(ob * waves)) < enough))
    ob /= 2;
  if (fm_up(most, (size_t)(LANES * px)) * fm_up(blocks, (size_t)(ob * waves)) < enough) waves = 1;
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
static void wgrad_tiled_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  enum { TX = 8, TY = 8, KP = 16, MOST_BYTES = 64 << 20 };
  int k = s->conv.k;
  size_t rows = (size_t)fm_acts_blocks(&s->in) * (size_t)(k * k), blocks = (size_t)fm_acts_blocks(&s->out),
         pixels = pixels_of(s, s->out.n), bytes = fm_conv_weights(&s->conv, 4) * sizeof(float);
  int rm = rows > TX ? 8 : 4, rn = blocks > TY ? 8 : 4;
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
           fm_shape_lanes(s), TX, TY, rm, rn, KP);
  fm_launch_set(l, "wgrad_tiled", (size_t[3]){tiles * TX * TY, 1, (size_t)work->parts}, TX * TY);
  work->launches = 1;
  work->scratch = (size_t)work->parts * bytes;
  memcpy(work->size, (int[4]){s->out.n, s->out.h, s->out.w, (int)per}, sizeof work->size);
}

const struct fm_variant fm_gpu_rows[] = {
    {"conv_tiled", "conv_tiled.cl", "many channels, through local memory", FM_OP_CONV, 5e-6, tiled_fits,
     tiled_pays, tiled_describe, fm_turn_weights, fm_run_conv},
    {"conv_direct", "conv_direct.cl", "a lane is a pixel", FM_OP_CONV, 5e-6, direct_fits, fm_row_always,
     direct_describe, fm_turn_weights, fm_run_conv},
    {"wgrad_tiled", "wgrad_tiled.cl", "split over pixels, through local memory", FM_OP_WGRAD, 5e-6,
     local_memory_fits, local_memory_pays, wgrad_tiled_describe, NULL, fm_run_wgrad}};
const int fm_gpu_row_count = (int)(sizeof fm_gpu_rows / sizeof *fm_gpu_rows);
