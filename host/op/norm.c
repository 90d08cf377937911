#include "op/norm.h"

#include <math.h>

/* A strip is so many rows of one picture; its shape depends on the tensor alone, never on the number of
 * threads. */
static int strip_rows(const struct fm_acts *x) {
  int rows = 512 / x->w;
  return rows < 1 ? 1 : rows > x->h ? x->h : rows;
}

static int strips(const struct fm_acts *x) {
  return x->n * ((x->h + strip_rows(x) - 1) / strip_rows(x));
}

static bool bounded(struct fm_limits l) {
  return l.low > -INFINITY || l.high < INFINITY;
}

size_t fm_norm_stats(const struct fm_acts *x) {
  return (size_t)5 * (size_t)fm_acts_blocks(x) * (size_t)x->block;
}

size_t fm_norm_parts_bytes(const struct fm_acts *x) {
  return (size_t)strips(x) * 3 * (size_t)fm_acts_blocks(x) * (size_t)x->block * sizeof(float);
}

void fm_norm_measure(struct fm_device *d, const struct fm_norm *norm, const struct fm_acts *x,
                     const struct fm_buffer *gamma, const struct fm_buffer *parts,
                     const struct fm_buffer *stat, const struct fm_buffer *running) {
  int group = fm_device_facts(d)->group, blocks = fm_acts_blocks(x), all = strips(x);
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_stats", ""), (size_t)group, (size_t)all, (size_t)blocks,
            fm_arg_buffer(&x->buffer), fm_arg_buffer(parts), fm_acts_arg(x),
            fm_arg_int4(x->h, x->w, strip_rows(x), all));
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_finish", ""), (size_t)(blocks * group), 1, 1,
            fm_arg_buffer(parts), fm_arg_buffer(gamma), fm_arg_buffer(stat), fm_arg_buffer(running),
            fm_arg_int4(blocks, all, 0, 0), fm_arg_float2(norm->eps, norm->momentum));
}

void fm_norm_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                   const struct fm_buffer *shift, const struct fm_acts *res, struct fm_limits limits,
                   const struct fm_acts *y) {
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_apply", ""), fm_acts_gx(d, x->w), (size_t)x->h,
            (size_t)x->n * (size_t)fm_acts_blocks(x), fm_arg_buffer(&x->buffer), fm_arg_buffer(stat),
            fm_arg_buffer(shift), fm_arg_buffer(res ? &res->buffer : &x->buffer), fm_arg_buffer(&y->buffer),
            fm_acts_arg(x), fm_acts_arg(y), fm_acts_arg(res ? res : x), fm_arg_int2(x->w, res != NULL),
            fm_arg_float2(limits.low, limits.high));
}

static void back_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                       const struct fm_acts *y, struct fm_limits limits, bool mask, bool frozen,
                       const struct fm_acts *dy, const struct fm_acts *dx) {
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_apply", ""), fm_acts_gx(d, x->w), (size_t)x->h,
            (size_t)x->n * (size_t)fm_acts_blocks(x), fm_arg_buffer(&x->buffer), fm_arg_buffer(stat),
            fm_arg_buffer(&y->buffer), fm_arg_buffer(&dy->buffer), fm_arg_buffer(&dx->buffer), fm_acts_arg(x),
            fm_acts_arg(y), fm_acts_arg(dy), fm_acts_arg(dx), fm_arg_int4(x->w, mask, frozen, 0),
            fm_arg_float2(limits.low, limits.high));
}

void fm_norm_backward(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                      const struct fm_acts *y, struct fm_limits limits, bool keep_dz,
                      const struct fm_acts *dy, const struct fm_buffer *parts, const struct fm_buffer *dgamma,
                      const struct fm_buffer *dbeta, const struct fm_acts *dx) {
  int group = fm_device_facts(d)->group, blocks = fm_acts_blocks(x), all = strips(x);
  bool keep = keep_dz && bounded(limits);
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_stats", ""), (size_t)group, (size_t)all, (size_t)blocks,
            fm_arg_buffer(&x->buffer), fm_arg_buffer(stat), fm_arg_buffer(&y->buffer),
            fm_arg_buffer(&dy->buffer), fm_arg_buffer(parts), fm_acts_arg(x), fm_acts_arg(y), fm_acts_arg(dy),
            fm_arg_int4(x->h, x->w, strip_rows(x), all), fm_arg_int(keep),
            fm_arg_float2(limits.low, limits.high));
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_finish", ""), (size_t)(blocks * group), 1, 1,
            fm_arg_buffer(parts), fm_arg_buffer(stat), fm_arg_buffer(dgamma), fm_arg_buffer(dbeta),
            fm_arg_int4(blocks, all, 0, 0), fm_arg_float((float)((double)x->n * x->h * x->w)));
  back_apply(d, x, stat, y, limits, !keep && bounded(limits), false, dy, dx);
}

void fm_norm_backward_frozen(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                             const struct fm_acts *y, struct fm_limits limits, const struct fm_acts *dy,
                             const struct fm_acts *dx) {
  back_apply(d, x, stat, y, limits, bounded(limits), true, dy, dx);
}
