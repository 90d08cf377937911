#include "op/expand.h"

#include "op/rows.h"

#include <stdio.h>

/* Neighbouring pixels that are expanded (pe) and convolved (px) at a time: as many sums as registers allow.
 */
struct tile {
  int pe, px, row; /* row: pixels of a line */
};

static struct tile tile_of(const struct fm_facts *f, const struct fm_expand *e) {
  const struct fm_conv *c = &e->depthwise;
  struct tile t = {.pe = f->block == 16 && e->w % 16 == 0 ? 16
                         : f->block == 4                  ? 4
                                                          : 8,
                   .px = f->block == 16 && c->stride == 1 ? 8 : 4};
  int read = ((int)fm_up((size_t)e->out_w, (size_t)t.px) * t.px - 1) * c->stride + c->k,
      own = c->pad_x + e->w;
  t.row = read > own ? read : own;
  return t;
}

static size_t local_bytes(const struct fm_facts *f, const struct fm_expand *e) {
  return (size_t)e->depthwise.k * (size_t)tile_of(f, e).row * (size_t)f->block * sizeof(float);
}

bool fm_expand_pays(const struct fm_facts *f, const struct fm_expand *e) {
  const struct fm_conv *w = &e->wide, *c = &e->depthwise;
  bool fits =
      w->k == 1 && w->stride == 1 && !w->depthwise && !w->picture && c->depthwise && c->cin == w->cout;
  /* One sum for all inputs, as conv.cl has it for so many: the same bits. */
  fits = fits && w->cin <= FM_CHAIN_1X1 * f->block;
  return fits && f->kind == FM_CLASS_CPU && f->group == 1 && local_bytes(f, e) <= f->local_memory / 2;
}

void fm_expand_run(struct fm_device *d, struct fm_expand *e, const struct fm_expand_args *a) {
  const struct fm_facts *f = fm_device_facts(d);
  const struct fm_conv *c = &e->depthwise;
  struct tile t = tile_of(f, e);
  if (!e->kernel) {
    char options[128];
    snprintf(options, sizeof options, "-D KS=%d -D ST=%d -D PE=%d -D PX=%d -D ROW=%d -D TAIL=%d", c->k,
             c->stride, t.pe, t.px, t.row, fm_tail_lanes(e->wide.cin, f->block));
    e->kernel = fm_kernel_get(d, "expand.cl", "expand_depthwise", options);
  }
  int blocks = fm_acts_blocks(a->out), rows = e->out_h;
  while (rows > 4 && (size_t)blocks * (size_t)a->out->n * fm_up((size_t)e->out_h, (size_t)rows) <
                         4 * (size_t)f->compute_units)
    rows = (rows + 1) / 2;
  FM_LAUNCH(d, e->kernel, fm_up((size_t)e->out_h, (size_t)rows), (size_t)blocks, (size_t)a->out->n,
            fm_arg_buffer(&a->in->buffer), fm_arg_buffer(a->wide_weights),
            fm_arg_buffer(a->wide_bias ? a->wide_bias : a->wide_weights), fm_arg_buffer(a->weights),
            fm_arg_buffer(a->bias ? a->bias : a->weights), fm_arg_buffer(&a->out->buffer), fm_acts_arg(a->in),
            fm_acts_arg(a->out), fm_arg_int4(e->out_h, e->out_w, rows, a->reflect),
            fm_arg_int4(e->h, e->w, c->pad_y, c->pad_x), fm_arg_int2(a->wide_bias != NULL, a->bias != NULL),
            fm_arg_float2(a->wide_limits.low, a->wide_limits.high),
            fm_arg_float2(a->limits.low, a->limits.high));
}
