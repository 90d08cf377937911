#include "op/norm.h"

/* A strip is so many rows of one picture; its shape depends on the tensor alone, never on the number of
 * threads. */
static int strip_rows(const struct fm_acts *x) {
  int rows = 512 / x->w;
  return rows < 1 ? 1 : rows > x->h ? x->h : rows;
}

static int strips(const struct fm_acts *x) {
  return x->n * ((x->h + strip_rows(x) - 1) / strip_rows(x));
}

size_t fm_norm_stats(const struct fm_acts *x) {
  return (size_t)5 * (size_t)fm_acts_blocks(x) * (size_t)x->block;
}

size_t fm_norm_parts_bytes(const struct fm_acts *x) {
  return (size_t)strips(x) * 3 * (size_t)fm_acts_blocks(x) * (size_t)x->block * sizeof(float);
}

/* Some blocks of channels: those from `first` on. */
struct part {
  int first, count;
};

/* Blocks at a time: on a CPU so many that the second pass finds x, and dy, in the cache. */
static int blocks_at_once(const struct fm_device *d, const struct fm_acts *x) {
  enum { CACHED = 8 << 20 };
  size_t block = 2 * (size_t)x->n * (size_t)x->h * (size_t)x->w * (size_t)x->block * sizeof(float);
  int blocks = fm_acts_blocks(x);
  if (fm_device_facts(d)->group > 1) return blocks;
  return block >= CACHED ? 1 : (int)(CACHED / block) < blocks ? (int)(CACHED / block) : blocks;
}

static void measure(struct fm_device *d, const struct fm_norm *norm, const struct fm_acts *x,
                    const struct fm_buffer *gamma, const struct fm_buffer *parts,
                    const struct fm_buffer *stat, const struct fm_buffer *running, struct part p) {
  int group = fm_device_facts(d)->group, blocks = fm_acts_blocks(x), all = strips(x);
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_stats", ""), (size_t)group, (size_t)all, (size_t)p.count,
            fm_arg_buffer(&x->buffer), fm_arg_buffer(parts), fm_acts_arg(x),
            fm_arg_int4(x->h, x->w, strip_rows(x), all), fm_arg_int(p.first));
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_finish", ""), (size_t)(p.count * group), 1, 1,
            fm_arg_buffer(parts), fm_arg_buffer(gamma), fm_arg_buffer(stat), fm_arg_buffer(running),
            fm_arg_int4(blocks, all, p.first, 0), fm_arg_float2(norm->eps, norm->momentum));
}

static void apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                  const struct fm_buffer *shift, const struct fm_acts *res, struct fm_limits limits,
                  const struct fm_acts *y, struct part p) {
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_apply", ""), fm_acts_gx(d, x->w), (size_t)x->h,
            (size_t)x->n * (size_t)p.count, fm_arg_buffer(&x->buffer), fm_arg_buffer(stat),
            fm_arg_buffer(shift), fm_arg_buffer(res ? &res->buffer : &x->buffer), fm_arg_buffer(&y->buffer),
            fm_acts_arg(x), fm_acts_arg(y), fm_acts_arg(res ? res : x),
            fm_arg_int4(x->w, res != NULL, p.first, p.count), fm_arg_float2(limits.low, limits.high));
}

void fm_norm_forward(struct fm_device *d, const struct fm_norm *norm, const struct fm_acts *x,
                     const struct fm_buffer *gamma, const struct fm_buffer *shift, const struct fm_acts *res,
                     struct fm_limits limits, const struct fm_buffer *parts, const struct fm_buffer *stat,
                     const struct fm_buffer *running, const struct fm_acts *y) {
  int blocks = fm_acts_blocks(x), step = blocks_at_once(d, x);
  for (struct part p = {0, step}; p.first < blocks; p.first += step) {
    if (p.count > blocks - p.first) p.count = blocks - p.first;
    measure(d, norm, x, gamma, parts, stat, running, p);
    apply(d, x, stat, shift, res, limits, y, p);
  }
}

void fm_norm_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                   const struct fm_buffer *shift, const struct fm_acts *res, struct fm_limits limits,
                   const struct fm_acts *y) {
  apply(d, x, stat, shift, res, limits, y, (struct part){0, fm_acts_blocks(x)});
}

static void back_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                       const struct fm_buffer *shift, struct fm_limits limits, bool masked, bool frozen,
                       const struct fm_acts *dy, const struct fm_acts *dx, struct part p) {
  FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_apply", ""), fm_acts_gx(d, x->w), (size_t)x->h,
            (size_t)x->n * (size_t)p.count, fm_arg_buffer(&x->buffer), fm_arg_buffer(stat),
            fm_arg_buffer(shift), fm_arg_buffer(&dy->buffer), fm_arg_buffer(&dx->buffer), fm_acts_arg(x),
            fm_acts_arg(dy), fm_acts_arg(dx), fm_arg_int4(x->w, masked, frozen, 0),
            fm_arg_int2(p.first, p.count), fm_arg_float2(limits.low, limits.high));
}

void fm_norm_backward(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                      const struct fm_buffer *shift, const struct fm_acts *y, struct fm_limits limits,
                      const struct fm_acts *dy, const struct fm_buffer *parts, const struct fm_buffer *dgamma,
                      const struct fm_buffer *dbeta, const struct fm_acts *dx) {
  int group = fm_device_facts(d)->group, blocks = fm_acts_blocks(x), all = strips(x),
      step = blocks_at_once(d, x);
  for (struct part p = {0, step}; p.first < blocks; p.first += step) {
    if (p.count > blocks - p.first) p.count = blocks - p.first;
    FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_stats", ""), (size_t)group, (size_t)all,
              (size_t)p.count, fm_arg_buffer(&x->buffer), fm_arg_buffer(stat), fm_arg_buffer(shift),
              fm_arg_buffer(y ? &y->buffer : &x->buffer), fm_arg_buffer(&dy->buffer), fm_arg_buffer(parts),
              fm_acts_arg(x), fm_acts_arg(y ? y : x), fm_acts_arg(dy),
              fm_arg_int4(x->h, x->w, strip_rows(x), all), fm_arg_int2(y != NULL, p.first),
              fm_arg_float2(limits.low, limits.high));
    FM_LAUNCH(d, fm_kernel_get(d, "norm.cl", "norm_back_finish", ""), (size_t)(p.count * group), 1, 1,
              fm_arg_buffer(parts), fm_arg_buffer(stat), fm_arg_buffer(dgamma), fm_arg_buffer(dbeta),
              fm_arg_int4(blocks, all, p.first, 0), fm_arg_float((float)((double)x->n * x->h * x->w)));
    back_apply(d, x, stat, shift, limits, y != NULL, false, dy, dx, p);
  }
}

void fm_norm_backward_frozen(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                             const struct fm_buffer *shift, struct fm_limits limits, const struct fm_acts *dy,
                             const struct fm_acts *dx) {
  back_apply(d, x, stat, shift, limits, false, true, dy, dx, (struct part){0, fm_acts_blocks(x)});
}
