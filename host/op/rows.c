#include "op/rows.h"

#include <string.h>

void fm_launch_set(struct fm_launch *l, const char *kernel, const size_t global[3], size_t local) {
  l->kernel = kernel;
  memcpy(l->global, global, sizeof l->global);
  memcpy(l->local, (size_t[3]){local, 1, 1}, sizeof l->local);
}

void fm_launch_items(const struct fm_facts *f, struct fm_launch *l, const char *kernel, size_t x, size_t y,
                     size_t z) {
  size_t group = (size_t)f->group;
  fm_launch_set(l, kernel, (size_t[3]){fm_up(x, group) * group, y, z}, group);
}

struct fm_kernel *fm_call_kernel(struct fm_device *d, struct fm_call *call, int i) {
  const struct fm_launch *l = &call->work.launch[i];
  if (!call->kernel[i]) call->kernel[i] = fm_kernel_get(d, call->variant->file, l->kernel, l->options);
  return call->kernel[i];
}

int fm_rows_an_item(const struct fm_facts *f, int height, int others) {
  if (f->kind == FM_CLASS_GPU || f->group > 1) return 1;
  int rows = 4;
  while (rows > 1 && (height + rows - 1) / rows * others < 8 * f->compute_units) rows /= 2;
  return rows > height ? height : rows;
}

/* The result of a gradient to the input has the input's channels, in the device's block. */
size_t fm_turned_bytes(const struct fm_facts *f, const struct fm_shape *s) {
  if (!s->back) return 0;
  size_t taps = (size_t)s->conv.k * (size_t)s->conv.k, b = (size_t)f->block;
  size_t inputs = (size_t)fm_acts_blocks(&s->out), outputs = (size_t)fm_acts_blocks(&s->in);
  return (s->conv.depthwise ? outputs * taps * b : outputs * inputs * taps * b * b) * sizeof(float);
}

/* Kernels of cl/wgrad.cl that are the same whatever these are. */
#define BARE "-D KS=1 -D ST=1 -D OB=1 -D IB=1 -D IL=1 -D IT=1 -D IQ=1"

void fm_turn_weights(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                     const struct fm_buffer *turned) {
  const struct fm_shape *s = &call->shape;
  const struct fm_facts *f = fm_device_facts(d);
  int inputs = fm_acts_blocks(&s->out), outputs = fm_acts_blocks(&s->in), taps = s->conv.k * s->conv.k;
  int vectors = taps * f->block, run = f->group == 1 ? vectors : 1; /* of a pair of blocks, of an item */
  FM_LAUNCH(d, fm_kernel_get(d, "wgrad.cl", "flip", BARE), (size_t)(outputs * (vectors / run)),
            (size_t)inputs, 1, fm_arg_buffer(packed), fm_arg_buffer(turned),
            fm_arg_int4(outputs, inputs, taps, s->packed_lanes), fm_arg_int(run));
}

/* Enough parts for every unit; and as long as the partial sums stay small beside what is read,
 * one picture a part, because its planes then serve all outputs from the second-level cache. */
int fm_parts_of(const struct fm_facts *f, const struct fm_shape *s, int items) {
  int n = s->out.n, parts = 1, wanted = (f->kind == FM_CLASS_GPU ? 64 : 8) * f->compute_units;
  double read = fm_acts_numbers(&s->in) + fm_acts_numbers(&s->out),
         each = (double)fm_conv_weights(&s->conv, f->block);
  while (parts < n && (items * parts < wanted || (s->conv.k == 1 && (parts + 1) * each * 12 < read))) parts++;
  int per = (n + parts - 1) / parts;
  return (n + per - 1) / per;
}

void fm_sum_parts(struct fm_device *d, const struct fm_call *call, const struct fm_conv_args *a) {
  if (call->work.parts == 1) return;
  enum { SLICES = 16, MANY = 32 }; /* parts that one work-item of a GPU should not add alone */
  const struct fm_facts *f = fm_device_facts(d);
  int vectors = (int)(fm_conv_weights(&call->shape.conv, f->block) / (size_t)f->block);
  bool sliced = f->group >= SLICES && f->group % SLICES == 0 && call->work.parts >= MANY;
  size_t items = f->group == 1 ? (size_t)(2 * f->compute_units) : (size_t)vectors;
  FM_LAUNCH(d, fm_kernel_get(d, "wgrad.cl", "sum_parts", sliced ? BARE " -D SLICES=16" : BARE),
            sliced ? items * SLICES : items, 1, 1, fm_arg_buffer(a->scratch), fm_arg_buffer(a->dw),
            fm_arg_int(vectors), fm_arg_int(call->work.parts));
}

void fm_run_conv(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a) {
  const struct fm_launch *l = &call->work.launch[0];
  const int *size = call->work.size;
  FM_LAUNCH_GROUPS(
      d, fm_call_kernel(d, call, 0), l->global, l->local, fm_arg_buffer(&a->in->buffer),
      fm_arg_buffer(a->weights), fm_arg_buffer(a->bias ? a->bias : a->weights),
      fm_arg_buffer(a->res ? &a->res->buffer : &a->in->buffer), fm_arg_buffer(&a->out->buffer),
      fm_acts_arg(a->in), fm_acts_arg(a->out), fm_acts_arg(a->res ? a->res : a->out),
      fm_arg_int4(size[0], size[1], size[2], size[3]), fm_arg_int2(call->shape.pad_y, call->shape.pad_x),
      fm_arg_int2(a->bias != NULL, a->res != NULL), fm_arg_float2(a->limits.low, a->limits.high));
}

void fm_run_wgrad(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a) {
  const struct fm_work *w = &call->work;
  FM_LAUNCH_GROUPS(d, fm_call_kernel(d, call, 0), w->launch[0].global, w->launch[0].local,
                   fm_arg_buffer(&a->in->buffer), fm_arg_buffer(&a->out->buffer),
                   fm_arg_buffer(w->parts > 1 ? a->scratch : a->dw), fm_acts_arg(a->in), fm_acts_arg(a->out),
                   fm_arg_int4(w->size[0], w->size[1], w->size[2], w->size[3]),
                   fm_arg_int2(call->shape.pad_y, call->shape.pad_x), fm_arg_int2(w->use[0], w->use[1]));
  fm_sum_parts(d, call, a);
}
