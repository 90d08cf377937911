#include "op/variant.h"

#include "base/log.h"
#include "op/conv_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t up(size_t n, size_t to) {
  return (n + to - 1) / to;
}
static int lanes_of(const struct fm_shape *s) {
  return s->conv->picture ? 3 : s->in->block;
}
/* Pixels of the result: of one parity where the gradient goes to the input of stride 2. */
static size_t pixels_of(const struct fm_shape *s) {
  size_t h = (size_t)s->out->h, w = (size_t)s->out->w;
  return (size_t)s->out->n * (s->phase ? (h + 1) / 2 * ((w + 1) / 2) : h * w);
}

/* What the kernels for GPUs need: blocks of 4, groups, offsets of 32 bits. */
static bool for_gpus(const struct fm_facts *f, const struct fm_shape *s) {
  const size_t most = (size_t)1 << 32;
  return f->group >= 64 && f->block == 4 && s->in->block == 4 && s->in->buffer.bytes < most &&
         s->out->buffer.bytes < most && fm_conv_weights(s->conv, 4) * sizeof(float) < most;
}

static bool always(const struct fm_facts *f, const struct fm_shape *s) {
  return true;
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
  return local_memory_fits(f, s) && !s->phase && !s->conv->picture;
}

/* Of few inputs or outputs a tile would be half empty. */
static bool tiled_pays(const struct fm_facts *f, const struct fm_shape *s) {
  return local_memory_pays(f, s) && fm_acts_blocks(s->in) > 8 && fm_acts_blocks(s->out) >= 8;
}

static void tiled_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int k = s->conv->k, tx = 16, ty = 8, rm = 8, rn = 4, kb = 4;
  size_t pixels = pixels_of(s), blocks = (size_t)fm_acts_blocks(s->out);
  /* Too few groups for the device: a quarter of the tile, and longer steps. */
  if (up(pixels, (size_t)(tx * rm)) * up(blocks, (size_t)(ty * rn / 4)) < (size_t)f->compute_units) {
    tx = 8;
    rm = 4;
    kb = 8;
  }
  size_t items = (size_t)(tx * ty);
  snprintf(work->options, sizeof work->options,
           "-D KS=%d -D ST=%d -D TX=%d -D TY=%d -D RM=%d -D RN=%d -D KB=%d -D CHAIN=%d", k, s->stride, tx, ty,
           rm, rn, kb, k > 1 ? k * k * (kb < 8 ? 8 / kb : 1) : 64 / kb);
  work->global[0] = up(pixels, (size_t)(tx * rm)) * items;
  work->global[1] = up(blocks, (size_t)(ty * rn / 4));
  work->global[2] = work->local[1] = work->local[2] = 1;
  work->local[0] = items;
  memcpy(work->size, (int[4]){s->out->h, s->out->w, (int)pixels, 0}, sizeof work->size);
}

/* ---- conv_direct */
static void direct_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  enum { LANES = 64 };
  int k = s->conv->k, ob = 4, px = 4, waves = 4;
  size_t pixels = pixels_of(s), blocks = (size_t)fm_acts_blocks(s->out),
         enough = 2 * (size_t)f->compute_units;
  if (k == 1 || blocks < 16) waves = 1;
  while (ob > 1 && (blocks % (size_t)ob ||
                    up(pixels, (size_t)(LANES * px)) * up(blocks, (size_t)(ob * waves)) < enough))
    ob /= 2;
  if (up(pixels, (size_t)(LANES * px)) * up(blocks, (size_t)(ob * waves)) < enough) waves = 1;
  snprintf(work->options, sizeof work->options,
           "-D KS=%d -D ST=%d -D OB=%d -D PX=%d -D IL=%d -D PHASE=%d -D LN=%d -D CW=%d -D CHAIN=%d", k,
           s->stride, ob, px, lanes_of(s), s->phase, LANES, waves, k > 1 ? 2 : 16);
  work->local[0] = (size_t)(LANES * waves);
  work->global[0] = up(pixels, (size_t)(LANES * px)) * work->local[0];
  work->global[1] = up(blocks, (size_t)(ob * waves));
  work->global[2] = s->phase ? 4 : 1;
  work->local[1] = work->local[2] = 1;
  memcpy(work->size, (int[4]){s->out->h, s->out->w, s->out->n * s->out->h * s->out->w, 0}, sizeof work->size);
}

static bool direct_fits(const struct fm_facts *f, const struct fm_shape *s) {
  return for_gpus(f, s) && f->max_group >= 256;
}

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

/* Sizes in work-items along the first dimension become whole groups. */
static void set_sizes(const struct fm_facts *f, size_t x, size_t y, size_t z, struct fm_work *work) {
  work->local[0] = (size_t)f->group;
  work->local[1] = work->local[2] = 1;
  work->global[0] = up(x, work->local[0]) * work->local[0];
  work->global[1] = y;
  work->global[2] = z;
}

static void conv_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int blocks = fm_acts_blocks(s->out), wide = s->phase ? (s->out->w + 1) / 2 : s->out->w,
      high = s->phase ? (s->out->h + 1) / 2 : s->out->h;
  struct tile t = conv_tile(f, blocks, wide);
  int groups = (blocks + t.ob - 1) / t.ob, columns = (wide + t.px - 1) / t.px;
  int rows = fm_conv_rows(f, high, groups * columns * s->out->n);
  snprintf(work->options, sizeof work->options,
           "-D KS=%d -D ST=%d -D OB=%d -D PX=%d -D IB=%d -D IL=%d -D PHASE=%d", s->conv->k, s->stride, t.ob,
           t.px, s->in->block, lanes_of(s), s->phase);
  /* Output groups in the fast dimension let 1x1 tiles stay in the nearest cache while all outputs are made.
   */
  bool order = s->conv->k == 1 && f->group == 1;
  size_t tiles = (size_t)columns * up((size_t)high, (size_t)rows),
         pictures = (size_t)s->out->n * (s->phase ? 4 : 1);
  set_sizes(f, order ? (size_t)groups : tiles, order ? tiles : (size_t)groups, pictures, work);
  memcpy(work->size, (int[4]){s->out->h, s->out->w, rows, order}, sizeof work->size);
}

/* ---- wgrad_tiled */
static void wgrad_tiled_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  enum { TX = 8, TY = 8, KP = 16, MOST_BYTES = 64 << 20 };
  int k = s->conv->k;
  size_t rows = (size_t)fm_acts_blocks(s->in) * (size_t)(k * k), blocks = (size_t)fm_acts_blocks(s->out),
         pixels = pixels_of(s), bytes = fm_conv_weights(s->conv, 4) * sizeof(float);
  int rm = rows > TX ? 8 : 4, rn = blocks > TY ? 8 : 4;
  size_t tiles = up(rows, (size_t)(TX * rm / 4)) * up(blocks, (size_t)(TY * rn / 4));
  /* Groups for every unit a few times over, as long as each has a good run of pixels and the sums stay small.
   */
  size_t parts = up(6 * (size_t)f->compute_units, tiles), most = up(pixels, 16 * KP);
  if (parts > most) parts = most;
  if (parts > MOST_BYTES / bytes) parts = MOST_BYTES / bytes;
  if (parts < 1) parts = 1;
  size_t per = up(up(pixels, parts), KP) * KP;
  work->parts = (int)up(pixels, per);
  snprintf(work->options, sizeof work->options,
           "-D KS=%d -D ST=%d -D IL=%d -D TX=%d -D TY=%d -D RM=%d -D RN=%d -D KP=%d", k, s->stride,
           lanes_of(s), TX, TY, rm, rn, KP);
  work->local[0] = TX * TY;
  work->global[0] = tiles * work->local[0];
  work->global[1] = work->local[1] = work->local[2] = 1;
  work->global[2] = (size_t)work->parts;
  memcpy(work->size, (int[4]){s->out->n, s->out->h, s->out->w, (int)per}, sizeof work->size);
}

/* ---- wgrad: strips in the nearest cache */
static void wgrad_describe(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work) {
  int blocks = fm_acts_blocks(s->out), lanes = lanes_of(s), it = lanes == 3 ? 3 : lanes < 8 ? lanes : 8;
  int iq = s->conv->k == 1 && s->conv->cin >= 64 ? 4 : 1, /* blocks of inputs, of outputs an item owns */
      ob = blocks == 1 || f->block == 4 ? 1 : 2;
  int inputs = (fm_acts_blocks(s->in) + iq - 1) / iq, groups = (blocks + ob - 1) / ob;
  bool order = fm_acts_blocks(s->in) > blocks && f->group == 1;
  work->parts = fm_conv_parts(f, s->conv, inputs * groups, s->in, s->out);
  snprintf(work->options, sizeof work->options,
           "-D KS=%d -D ST=%d -D OB=%d -D IB=%d -D IL=%d -D IT=%d -D IQ=%d", s->conv->k, s->stride, ob,
           s->in->block, lanes, it, iq);
  set_sizes(f, (size_t)(order ? groups : inputs), (size_t)(order ? inputs : groups), (size_t)work->parts,
            work);
  memcpy(work->use, (int[2]){(s->out->n + work->parts - 1) / work->parts, order}, sizeof work->use);
  int rows = 192 / s->out->w; /* inputs and gradients of a strip stay in the first-level cache */
  memcpy(work->size, (int[4]){s->out->n, s->out->h, s->out->w, rows > 1 ? rows : 1}, sizeof work->size);
}

static const struct fm_variant rows[] = {
    {"conv_tiled", "conv_tiled.cl", "conv_tiled", "many channels, through local memory", FM_OP_CONV,
     tiled_fits, tiled_pays, tiled_describe},
    {"conv_direct", "conv_direct.cl", "conv_direct", "a lane is a pixel", FM_OP_CONV, direct_fits, always,
     direct_describe},
    {"conv", "conv.cl", "conv", "wide vectors; fits everything", FM_OP_CONV, always, always, conv_describe},
    {"wgrad_tiled", "wgrad_tiled.cl", "wgrad_tiled", "split over pixels, through local memory", FM_OP_WGRAD,
     local_memory_fits, local_memory_pays, wgrad_tiled_describe},
    {"wgrad", "wgrad.cl", "wgrad", "strips in the nearest cache; fits everything", FM_OP_WGRAD, always,
     always, wgrad_describe}};

/* True where a name is in a list with commas. */
static bool wished(const char *list, const char *name) {
  size_t n = strlen(name);
  for (const char *at = list; at && (at = strstr(at, name)); at += n)
    if ((at == list || at[-1] == ',') && (at[n] == ',' || at[n] == 0)) return true;
  return false;
}

const struct fm_variant *fm_variant_choose(const struct fm_facts *f, const struct fm_shape *s,
                                           struct fm_work *work) {
  const char *wish = getenv("FLAWMAP_VARIANT");
  const struct fm_variant *chosen = NULL;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct fm_variant *v = &rows[i];
    if (v->op != s->op || !v->fits(f, s)) continue;
    if (wished(wish, v->name)) {
      chosen = v;
      break;
    }
    if (!chosen && v->pays(f, s)) chosen = v;
  }
  *work = (struct fm_work){0};
  chosen->describe(f, s, work);
  return chosen;
}

void fm_variant_say(struct fm_device *d, const struct fm_shape *s) {
  struct fm_work w;
  const struct fm_variant *v = fm_variant_choose(fm_device_facts(d), s, &w);
  const struct fm_conv *c = s->conv;
  fm_note(fm_device_context(d),
          "choose: %s %d x %dx%d/%d %d>%d %dx%d: %s (%s); %s; %zu x %zu x %zu groups of %zu",
          s->op == FM_OP_WGRAD ? "conv dw" : "conv", s->out->n, c->k, c->k, s->stride, c->cin, c->cout,
          s->out->h, s->out->w, v->name, v->why, w.options, w.global[0] / w.local[0], w.global[1],
          w.global[2], w.local[0]);
}
