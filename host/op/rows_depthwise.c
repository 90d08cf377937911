/* Rows for depthwise convolutions. */
#include "op/rows.h"

#include <stdio.h>
#include <string.h>

static bool fits(const struct fm_facts *f, const struct fm_shape *s) {
  return s->conv.depthwise;
}

static int tiles(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]) {
  /* On a GPU neighbours take neighbouring pixels. */
  int count = 0, px = f->group > 1 ? 1 : f->block == 16 && s->stride == 1 ? 8 : 4;
  fm_tile_add(list, &count, (struct fm_tile){.pixels = px});
  for (px = f->group > 1 ? 1 : 2; px <= 16; px *= 2)
    for (int rows = 0; rows <= 16; rows += 8)
      if (rows <= s->out.h && px < 2 * s->out.w)
        fm_tile_add(list, &count, (struct fm_tile){.pixels = px, .rows = rows});
  return count;
}

static void describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                     struct fm_work *work) {
  int px = t->pixels, blocks = fm_acts_blocks(&s->out);
  int wide = s->phase ? (s->out.w + 1) / 2 : s->out.w, high = s->phase ? (s->out.h + 1) / 2 : s->out.h;
  int columns = (wide + px - 1) / px,
      rows = t->rows ? t->rows : fm_rows_an_item(f, high, blocks * columns * s->out.n);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options, "-D KS=%d -D ST=%d -D PX=%d -D PHASE=%d", s->conv.k, s->stride, px,
           s->phase);
  fm_launch_items(f, l, "depthwise", (size_t)columns * fm_up((size_t)high, (size_t)rows) * (s->phase ? 4 : 1),
                  (size_t)blocks, (size_t)s->out.n);
  work->launches = 1;
  work->prepared = fm_turned_bytes(f, s);
  memcpy(work->size, (int[4]){s->out.h, s->out.w, rows, 0}, sizeof work->size);
}

static void wgrad_describe(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *t,
                           struct fm_work *work) {
  int blocks = fm_acts_blocks(&s->out);
  work->parts = fm_parts_of(f, s, blocks);
  work->scratch = (size_t)work->parts * fm_conv_weights(&s->conv, f->block) * sizeof(float);
  struct fm_launch *l = &work->launch[0];
  snprintf(l->options, sizeof l->options, "-D KS=%d -D ST=%d -D PX=1", s->conv.k, s->conv.stride);
  fm_launch_items(f, l, "depthwise_wgrad", (size_t)blocks * (size_t)f->group, (size_t)work->parts, 1);
  work->launches = 1;
  memcpy(work->size, (int[4]){s->out.n, s->out.h, s->out.w, (s->out.n + work->parts - 1) / work->parts},
         sizeof work->size);
}

static void turn_weights(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                         const struct fm_buffer *turned) {
  int blocks = fm_acts_blocks(&call->shape.out), taps = call->shape.conv.k * call->shape.conv.k;
  FM_LAUNCH(d, fm_kernel_get(d, "depthwise.cl", "depthwise_flip", "-D KS=1 -D ST=1 -D PX=1"),
            fm_acts_gx(d, taps), (size_t)blocks, 1, fm_arg_buffer(packed), fm_arg_buffer(turned),
            fm_arg_int(taps));
}

static void run_wgrad(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a) {
  const struct fm_work *w = &call->work;
  FM_LAUNCH_GROUPS(d, fm_call_kernel(d, call, 0), w->launch[0].global, w->launch[0].local,
                   fm_arg_buffer(&a->in->buffer), fm_arg_buffer(&a->out->buffer),
                   fm_arg_buffer(w->parts > 1 ? a->scratch : a->dw), fm_acts_arg(a->in), fm_acts_arg(a->out),
                   fm_arg_int4(w->size[0], w->size[1], w->size[2], w->size[3]),
                   fm_arg_int2(call->shape.pad_y, call->shape.pad_x));
  fm_sum_parts(d, call, a);
}

const struct fm_variant fm_depthwise_rows[] = {
    {"depthwise", "depthwise.cl", "a filter a channel", FM_OP_CONV, 5e-6, fits, fm_row_always, tiles,
     describe, turn_weights, fm_run_conv},
    {"depthwise_wgrad", "depthwise.cl", "a filter a channel", FM_OP_WGRAD, 5e-6, fits, fm_row_always, NULL,
     wgrad_describe, NULL, run_wgrad}};
const int fm_depthwise_row_count = (int)(sizeof fm_depthwise_rows / sizeof *fm_depthwise_rows);
