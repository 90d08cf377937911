/* Rows for 3x3 convolutions of stride 1 by Winograd's minimal filtering (cl/winograd.cl): wide vectors only.
 *
 * A call goes through its tiles in strips, three launches each: inputs transformed, products, outputs. A
 * strip is small enough that what lies between stays in the caches. In the work, `size` holds the tiles
 * across, down, of a strip (a multiple of the tile's pixels) and in all; `use[0]` is where m begins in the
 * scratch, behind v, counted in vectors. */
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

enum { STRIP_BYTES = 4 << 20 };

/* Of v and m: one of the a * a planes. */
static size_t plane_vectors(int blocks, size_t tiles) {
  return (size_t)blocks * tiles + 1;
}

static bool fits(const struct fm_facts *f, const struct fm_shape *s) {
  return !s->conv.depthwise && !s->conv.picture && s->conv.k == 3 && s->stride == 1 && !s->phase &&
         f->group == 1 && f->block > 4;
}

static int tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  static const int size[][2] = {{2, 8}, {1, 8}, {1, 12}, {2, 6}, {2, 12}, {3, 8}, {4, 4}, {4, 6}};
  int count = 0, outs = fm_acts_blocks(&s->out);
  fm_tile_add(list, &count, (struct fm_tile){.blocks = outs > 1 ? 2 : 1, .pixels = 8});
  for (size_t i = 0; i < sizeof size / sizeof *size; i++)
    if (size[i][0] <= outs)
      fm_tile_add(list, &count, (struct fm_tile){.blocks = size[i][0], .pixels = size[i][1]});
  return count;
}

static void describe(const struct fm_facts *f, const struct fm_shape *s, int m, const struct fm_tile *t,
                     struct fm_work *work) {
  const int a = m + 2, ins = fm_acts_blocks(&s->in), outs = fm_acts_blocks(&s->out);
  const int across = (s->out.w + m - 1) / m, down = (s->out.h + m - 1) / m;
  const int ob = t->blocks, count = across * down * s->out.n, most = across * down * s->made_for;
  const size_t px = (size_t)t->pixels;
  size_t each = (size_t)(a * a) * (size_t)(ins + outs) * (size_t)f->block * sizeof(float);
  size_t strip = fm_up(STRIP_BYTES / each + 1, px) * px;
  if (strip > fm_up((size_t)most, px) * px) strip = fm_up((size_t)most, px) * px;
  const char *const kernel[] = {"wino_in", "wino_mul", "wino_out"};
  const size_t global[3][3] = {{strip / px, (size_t)ins, 1},
                               {fm_up((size_t)outs, (size_t)ob), strip / px, (size_t)(a * a)},
                               {strip / px, (size_t)outs, 1}};
  for (int i = 0; i < 3; i++) {
    snprintf(work->launch[i].options, sizeof work->launch[i].options,
             "-D M=%d -D OB=%d -D PX=%d -D TURNED=%d", m, ob, t->pixels, s->back);
    fm_launch_items(f, &work->launch[i], kernel[i], global[i][0], global[i][1], global[i][2]);
  }
  work->launches = 3;
  work->prepared = (size_t)(a * a * outs * ins) * (size_t)(f->block * f->block) * sizeof(float);
  const size_t v = (size_t)(a * a) * plane_vectors(ins, strip);
  work->scratch = (v + (size_t)(a * a) * plane_vectors(outs, strip)) * (size_t)f->block * sizeof(float);
  work->use[0] = (int)v;
  memcpy(work->size, (int[4]){across, down, (int)strip, count}, sizeof work->size);
}

static void describe4(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                      struct fm_work *work) {
  describe(f, s, 4, t, work);
}
static void describe2(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                      struct fm_work *work) {
  describe(f, s, 2, t, work);
}

static void prepare(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                    const struct fm_buffer *prepared) {
  int ins = fm_acts_blocks(&call->shape.in), outs = fm_acts_blocks(&call->shape.out);
  FM_LAUNCH(d, fm_kernel_get(d, call->variant->file, "wino_weights", call->work.launch[0].options),
            (size_t)outs, (size_t)ins, 1, fm_arg_buffer(packed), fm_arg_buffer(prepared),
            fm_arg_int2(outs, ins));
}

static void run(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a) {
  const int *size = call->work.size, tiles = size[3], strip = size[2], at = call->work.use[0];
  const int ins = fm_acts_blocks(a->in), outs = fm_acts_blocks(a->out);
  const struct fm_launch *l = call->work.launch;
  struct fm_kernel *in = fm_call_kernel(d, call, 0), *mul = fm_call_kernel(d, call, 1),
                   *out = fm_call_kernel(d, call, 2);
  const struct fm_arg grid = fm_arg_int4(size[0], size[1], tiles, 0);
  for (int first = 0; first < tiles; first += strip) {
    const int count = tiles - first < strip ? tiles - first : strip;
    const size_t groups = fm_up((size_t)count, (size_t)call->tile.pixels);
    const struct fm_arg part = fm_arg_int4(a->out->h, a->out->w, strip, count);
    FM_LAUNCH_GROUPS(d, in, ((size_t[3]){groups, l[0].global[1], 1}), l[0].local,
                     fm_arg_buffer(&a->in->buffer), fm_arg_buffer(a->scratch), fm_acts_arg(a->in), grid, part,
                     fm_arg_int(first), fm_arg_int2(call->shape.pad_y, call->shape.pad_x));
    FM_LAUNCH_GROUPS(d, mul, ((size_t[3]){l[1].global[0], groups, l[1].global[2]}), l[1].local,
                     fm_arg_buffer(a->scratch), fm_arg_buffer(a->weights), fm_arg_buffer(a->scratch),
                     fm_arg_int4(ins, outs, strip, at));
    FM_LAUNCH_GROUPS(d, out, ((size_t[3]){groups, l[2].global[1], 1}), l[2].local, fm_arg_buffer(a->scratch),
                     fm_arg_buffer(a->bias ? a->bias : a->weights),
                     fm_arg_buffer(a->res ? &a->res->buffer : &a->in->buffer), fm_arg_buffer(&a->out->buffer),
                     fm_acts_arg(a->out), fm_acts_arg(a->res ? a->res : a->out), grid, part,
                     fm_arg_int2(first, at), fm_arg_int2(a->bias != NULL, a->res != NULL),
                     fm_arg_float2(a->limits.low, a->limits.high));
  }
}

static bool pays2(const struct fm_facts *f, const struct fm_shape *s) {
  return s->conv.cin >= 32 && s->conv.cout >= 32;
}
/* On small planes reading the weights takes longest, and F(4x4)'s are more than twice F(2x2)'s. */
static bool pays4(const struct fm_facts *f, const struct fm_shape *s) {
  enum { SMALL = 8 * 8 };
  return !s->kept && pays2(f, s) && s->out.h * s->out.w > SMALL;
}

const struct fm_variant fm_winograd_rows[] = {{"winograd4", "winograd.cl", "a quarter of the products",
                                               FM_OP_CONV, 2e-5, fits, pays4, tiles, describe4, prepare, run},
                                              {"winograd2", "winograd.cl", "four ninths of the products",
                                               FM_OP_CONV, 5e-6, fits, pays2, tiles, describe2, prepare,
                                               run}};
const int fm_winograd_row_count = (int)(sizeof fm_winograd_rows / sizeof *fm_winograd_rows);
