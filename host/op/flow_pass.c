/* Running a flow: what is enqueued. The equations: docs/math/cflow.md. */
#include "op/flow_internal.h"

#define KERNEL(f, name) fm_kernel_get((f)->d, "flow.cl", name, "")

/* Work-items along a row of n numbers in vectors; one work-group, for kernels that sum over a row. */
static size_t across(const struct fm_flow *f, int n) {
  return fm_acts_gx(f->d, n / fm_device_facts(f->d)->block);
}
static size_t group(const struct fm_flow *f) {
  return (size_t)fm_device_facts(f->d)->group;
}
static struct fm_arg halves(const struct fm_flow *f) {
  return fm_arg_int4(f->n.s, f->n.t, f->n.s1, f->n.s2);
}

/* Where block k's numbers begin: kept for every block, or in one place (the input in two by turns). */
static int x_at(const struct fm_flow *f, int k) {
  return (f->use == FM_FLOW_SCORE ? k % 2 : k) * f->rows * f->n.width;
}
static int kept_at(const struct fm_flow *f, int k, int row) {
  return f->use == FM_FLOW_SCORE ? 0 : k * f->rows * row;
}
static int u_at(const struct fm_flow *f, int k) {
  return f->use == FM_FLOW_TRAIN ? k * f->rows * f->n.width : 0;
}

/* ---- what follows from the weights ---- */

static void make_tables(struct fm_flow *f) {
  const struct flow_sizes *n = &f->n;
  for (int y = 0; y < 2; y++)
    fm_product_run(f->d, &(struct fm_product){
                             .m = n->side,
                             .n = n->across,
                             .k = n->half + 1 - y, /* the bias goes with x */
                             .batch = f->shape.blocks,
                             .a = {&f->condition, 0, n->half + 1, 0},
                             .b = {&f->weights, y * (n->half + 1) * n->across, n->across, n->block},
                             .c = {&f->table, y * n->side * n->across, n->across, 2 * n->side * n->across}});
}

static void transpose(struct fm_flow *f, int rows, int columns, int start, const struct fm_buffer *to,
                      int row) {
  size_t cb = (size_t)fm_device_facts(f->d)->block;
  FM_LAUNCH(f->d, KERNEL(f, "transpose"), (size_t)columns / cb, (size_t)row / cb, (size_t)f->shape.blocks,
            fm_arg_buffer(&f->weights), fm_arg_buffer(to), fm_arg_int4(rows, columns, start, f->n.block),
            fm_arg_int2(row, columns * row));
}

void fm_flow_prepare(struct fm_flow *f) {
  const struct flow_sizes *n = &f->n;
  FM_LAUNCH(f->d, KERNEL(f, "scale"), group(f), (size_t)f->shape.blocks, 1, fm_arg_buffer(&f->weights),
            fm_arg_buffer(&f->gamma), fm_arg_buffer(&f->sums), fm_arg_int2(n->scale, n->block), halves(f));
  make_tables(f);
  if (f->use == FM_FLOW_SCORE) return;
  transpose(f, n->s, n->across, n->w1x, &f->w1t, n->s1);
  transpose(f, n->hidden, 2 * n->s2, n->w2, &f->w2t, n->across);
}

/* ---- fibres ---- */

void fm_flow_take(const struct fm_flow *f, const struct fm_acts *tap, int from, int count,
                  const struct fm_buffer *fibres, int first) {
  FM_LAUNCH(f->d, KERNEL(f, "unfold"), fm_acts_gx(f->d, tap->w), (size_t)tap->h, (size_t)count,
            fm_arg_buffer(&tap->buffer), fm_arg_buffer(fibres), fm_acts_arg(tap), halves(f),
            fm_arg_int4(tap->h, tap->w, from, first));
}

void fm_flow_give(const struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_acts *tap) {
  FM_LAUNCH(f->d, KERNEL(f, "fold"), fm_acts_gx(f->d, tap->w), (size_t)tap->h, (size_t)tap->n,
            fm_arg_buffer(fibres), fm_arg_buffer(&tap->buffer), fm_acts_arg(tap), halves(f),
            fm_arg_int2(tap->h, tap->w));
}

static void copy_rows(struct fm_flow *f, const struct fm_buffer *from, const struct fm_buffer *place,
                      int first, int rows, const struct fm_buffer *to) {
  FM_LAUNCH(f->d, KERNEL(f, "pick"), across(f, f->n.width), (size_t)rows, 1, fm_arg_buffer(from),
            fm_arg_buffer(to), fm_arg_buffer(place),
            fm_arg_int2(f->n.width / fm_device_facts(f->d)->block, first));
}

/* ---- forward ---- */

/* y = x R', or x R on the way back. */
static void mix(struct fm_flow *f, const struct fm_buffer *mixing, int k, const struct fm_buffer *x, int from,
                const struct fm_buffer *y, int to, int rows) {
  int width = f->n.width;
  if (f->shape.mixing)
    fm_product_run(f->d, &(struct fm_product){.m = rows,
                                              .n = width,
                                              .k = width,
                                              .a = {x, from, width, 0},
                                              .b = {mixing, k * width * width, width, 0},
                                              .c = {y, to, width, 0}});
  else
    FM_LAUNCH(f->d, KERNEL(f, "permute"), across(f, width), (size_t)rows, 1, fm_arg_buffer(x),
              fm_arg_buffer(y), fm_arg_buffer(mixing), fm_arg_int4(from, to, k * width, width));
}

static void block_forward(struct fm_flow *f, const struct fm_buffer *place, int first, int rows, int k) {
  const struct flow_sizes *n = &f->n;
  const struct fm_flow_shape *s = &f->shape;
  int base = k * n->block, r = kept_at(f, k, n->across), a = kept_at(f, k, 2 * n->s2);
  fm_product_run(f->d, &(struct fm_product){.m = rows,
                                            .n = n->across,
                                            .k = n->s,
                                            .finish = FM_FINISH_HIDDEN,
                                            .a = {&f->x, x_at(f, k), n->width, 0},
                                            .b = {&f->weights, base + n->w1x, n->across, 0},
                                            .c = {&f->r, r, n->across, 0},
                                            .extra = {&f->table, k * 2 * n->side * n->across, n->across, 0},
                                            .place = place,
                                            .first = first,
                                            .side = n->side,
                                            .width = s->width,
                                            .height = s->height,
                                            .lane = n->hidden});
  fm_product_run(f->d, &(struct fm_product){.m = rows,
                                            .n = 2 * n->s2,
                                            .k = n->hidden + 1,
                                            .a = {&f->r, r, n->across, 0},
                                            .b = {&f->weights, base + n->w2, 2 * n->s2, 0},
                                            .c = {&f->a, a, 2 * n->s2, 0}});
  FM_LAUNCH(f->d, KERNEL(f, "couple"), group(f), (size_t)rows, 1, fm_arg_buffer(&f->x), fm_arg_buffer(&f->a),
            fm_arg_buffer(&f->u), fm_arg_buffer(&f->gamma), fm_arg_buffer(&f->weights),
            fm_arg_buffer(&f->logdet), halves(f), fm_arg_int4(x_at(f, k), a, k * n->width, base + n->offset),
            fm_arg_int2(u_at(f, k), k == 0), fm_arg_float(s->clamp));
  mix(f, &f->mix, k, &f->u, u_at(f, k), &f->x, x_at(f, k + 1), rows);
}

static void forward(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place,
                    int first, int rows) {
  copy_rows(f, fibres, place, first, rows, &f->x);
  for (int k = 0; k < f->shape.blocks; k++) block_forward(f, place, first, rows, k);
}

static void judge(struct fm_flow *f, int rows, const struct fm_buffer *l, int first, bool training) {
  FM_LAUNCH(f->d, KERNEL(f, "judge"), group(f), (size_t)rows, 1, fm_arg_buffer(&f->x),
            fm_arg_buffer(&f->logdet), fm_arg_buffer(&f->sums), fm_arg_buffer(l), fm_arg_buffer(&f->loss),
            fm_arg_buffer(&f->lb),
            fm_arg_int4(x_at(f, f->shape.blocks), f->n.width, f->shape.channels, f->shape.blocks),
            fm_arg_int2(first, training), fm_arg_float(1.0f / (float)rows));
}

void fm_flow_score(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place,
                   int first, int rows, const struct fm_buffer *l) {
  forward(f, fibres, place, first, rows);
  judge(f, rows, l, first, false);
}

/* ---- backward ---- */

static void weight_gradients(struct fm_flow *f, const struct fm_buffer *list, int list_first, int rows,
                             int k) {
  const struct flow_sizes *n = &f->n;
  int base = k * n->block;
  fm_product_run(f->d, &(struct fm_product){.m = n->hidden + 1,
                                            .n = 2 * n->s2,
                                            .k = rows,
                                            .turned = true,
                                            .a = {&f->r, kept_at(f, k, n->across), n->across, 0},
                                            .b = {&f->ab, 0, 2 * n->s2, 0},
                                            .c = {&f->gradient, base + n->w2, 2 * n->s2, 0}});
  fm_product_run(f->d, &(struct fm_product){.m = n->s,
                                            .n = n->across,
                                            .k = rows,
                                            .turned = true,
                                            .a = {&f->x, x_at(f, k), n->width, 0},
                                            .b = {&f->hb, 0, n->across, 0},
                                            .c = {&f->gradient, base + n->w1x, n->across, 0}});
  FM_LAUNCH(f->d, KERNEL(f, "by_place"), across(f, n->across), (size_t)n->side, 2, fm_arg_buffer(&f->hb),
            fm_arg_buffer(list), fm_arg_buffer(&f->by_place),
            fm_arg_int4(n->across / fm_device_facts(f->d)->block, rows, n->side, list_first),
            fm_arg_int(k * 2 * n->side * n->across));
}

/* xb from the block's output to its input. list NULL: no gradients of weights. */
static void block_back(struct fm_flow *f, int rows, int k, const struct fm_buffer *list, int list_first) {
  const struct flow_sizes *n = &f->n;
  int a = kept_at(f, k, 2 * n->s2);
  mix(f, &f->unmix, k, &f->xb, 0, &f->ub, u_at(f, k), rows);
  FM_LAUNCH(f->d, KERNEL(f, "couple_back"), across(f, n->width), (size_t)rows, 1, fm_arg_buffer(&f->ub),
            fm_arg_buffer(&f->x), fm_arg_buffer(&f->a), fm_arg_buffer(&f->gamma), fm_arg_buffer(&f->lb),
            fm_arg_buffer(&f->xb), fm_arg_buffer(&f->ab), fm_arg_buffer(&f->u), halves(f),
            fm_arg_int4(u_at(f, k), x_at(f, k), a, k * n->width), fm_arg_int(list != NULL),
            fm_arg_float(f->shape.clamp));
  fm_product_run(f->d, &(struct fm_product){.m = rows,
                                            .n = n->across,
                                            .k = 2 * n->s2,
                                            .finish = FM_FINISH_GATED,
                                            .a = {&f->ab, 0, 2 * n->s2, 0},
                                            .b = {&f->w2t, k * 2 * n->s2 * n->across, n->across, 0},
                                            .c = {&f->hb, 0, n->across, 0},
                                            .extra = {&f->r, kept_at(f, k, n->across), n->across, 0},
                                            .lane = n->hidden});
  fm_product_run(f->d, &(struct fm_product){.m = rows,
                                            .n = n->s1,
                                            .k = n->hidden,
                                            .finish = FM_FINISH_ADD,
                                            .a = {&f->hb, 0, n->across, 0},
                                            .b = {&f->w1t, k * n->across * n->s1, n->s1, 0},
                                            .c = {&f->xb, 0, n->width, 0}});
  if (list) weight_gradients(f, list, list_first, rows, k);
}

static void backward(struct fm_flow *f, int rows, const struct fm_buffer *list, int list_first) {
  FM_LAUNCH(f->d, KERNEL(f, "begin_back"), across(f, f->n.width), (size_t)rows, 1, fm_arg_buffer(&f->x),
            fm_arg_buffer(&f->lb), fm_arg_buffer(&f->xb), fm_arg_int2(x_at(f, f->shape.blocks), f->n.width));
  for (int k = f->shape.blocks; k-- > 0;) block_back(f, rows, k, list, list_first);
}

void fm_flow_back(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place, int first,
                  int rows, const struct fm_buffer *slope, const struct fm_buffer *gradient) {
  forward(f, fibres, place, first, rows);
  FM_LAUNCH(f->d, KERNEL(f, "slopes"), fm_acts_gx(f->d, rows), 1, 1, fm_arg_buffer(slope),
            fm_arg_buffer(&f->lb), fm_arg_int2(rows, first), fm_arg_float(1.0f / (float)f->shape.channels));
  backward(f, rows, NULL, 0);
  size_t row = (size_t)f->n.width * sizeof(float);
  fm_buffer_copy(f->d, &f->xb, 0, gradient, (size_t)first * row, (size_t)rows * row);
}

/* The condition's weights and b1 from hb by place, and g and delta from the sums over rows. */
static void finish_gradient(struct fm_flow *f, int rows) {
  const struct flow_sizes *n = &f->n;
  int chunks = (rows + FLOW_CHUNK - 1) / FLOW_CHUNK;
  for (int y = 0; y < 2; y++)
    fm_product_run(f->d, &(struct fm_product){
                             .m = n->half + 1 - y,
                             .n = n->across,
                             .k = n->side,
                             .batch = f->shape.blocks,
                             .turned = true,
                             .a = {&f->condition, 0, n->half + 1, 0},
                             .b = {&f->by_place, y * n->side * n->across, n->across, 2 * n->side * n->across},
                             .c = {&f->gradient, y * (n->half + 1) * n->across, n->across, n->block}});
  FM_LAUNCH(f->d, KERNEL(f, "affine_parts"), across(f, n->width), (size_t)chunks, (size_t)f->shape.blocks,
            fm_arg_buffer(&f->ub), fm_arg_buffer(&f->u), fm_arg_buffer(&f->parts),
            fm_arg_int4(rows, n->width, FLOW_CHUNK, f->rows * n->width));
  FM_LAUNCH(f->d, KERNEL(f, "affine_finish"), group(f), (size_t)f->shape.blocks, 1, fm_arg_buffer(&f->parts),
            fm_arg_buffer(&f->lb), fm_arg_buffer(&f->gamma), fm_arg_buffer(&f->weights),
            fm_arg_buffer(&f->gradient), halves(f), fm_arg_int4(rows, chunks, n->scale, n->block));
}

void fm_flow_step(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place, int first,
                  int rows, const struct fm_buffer *list, int list_first, const struct fm_buffer *losses,
                  int at) {
  forward(f, fibres, place, first, rows);
  judge(f, rows, &f->loss, 0, true);
  FM_LAUNCH(f->d, KERNEL(f, "total"), group(f), 1, 1, fm_arg_buffer(&f->loss), fm_arg_buffer(losses),
            fm_arg_int2(rows, at));
  backward(f, rows, list, list_first);
  finish_gradient(f, rows);
}

/* ---- scores of cells ---- */

static void cells(struct fm_device *d, const struct fm_buffer *l, const struct fm_buffer *de,
                  const struct fm_buffer *y, int count, int what, float most) {
  FM_LAUNCH(d, fm_kernel_get(d, "flow.cl", "cells", ""), fm_acts_gx(d, count), 1, 1, fm_arg_buffer(l),
            fm_arg_buffer(de), fm_arg_buffer(y), fm_arg_int2(count, what), fm_arg_float(most));
}

void fm_flow_excess(struct fm_device *d, const struct fm_buffer *l, int count, float most,
                    const struct fm_buffer *e) {
  cells(d, l, l, e, count, 0, most);
}

void fm_flow_unlikely(struct fm_device *d, const struct fm_buffer *l, int count, float most,
                      const struct fm_buffer *p) {
  cells(d, l, l, p, count, 1, most);
}

void fm_flow_excess_back(struct fm_device *d, const struct fm_buffer *l, const struct fm_buffer *de,
                         int count, float most, const struct fm_buffer *slope) {
  cells(d, l, de, slope, count, 2, most);
}
