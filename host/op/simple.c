#include "op/simple.h"

#include <math.h>

static size_t planes(const struct fm_acts *a) {
  return (size_t)a->n * (size_t)fm_acts_blocks(a);
}

void fm_acts_add(struct fm_device *d, const struct fm_acts *a, const struct fm_acts *b,
                 struct fm_limits limits, const struct fm_acts *y) {
  FM_LAUNCH(d, fm_kernel_get(d, "simple.cl", "add", ""), fm_acts_gx(d, y->w), (size_t)y->h, planes(y),
            fm_arg_buffer(&a->buffer), fm_arg_buffer(b ? &b->buffer : &a->buffer), fm_arg_buffer(&y->buffer),
            fm_acts_arg(a), fm_acts_arg(b ? b : a), fm_acts_arg(y), fm_arg_int2(y->w, b != NULL),
            fm_arg_float2(limits.low, limits.high));
}

void fm_mask(struct fm_device *d, const struct fm_acts *y, struct fm_limits limits,
             const struct fm_acts *dy) {
  FM_LAUNCH(d, fm_kernel_get(d, "simple.cl", "mask", ""), fm_acts_gx(d, y->w), (size_t)y->h, planes(y),
            fm_arg_buffer(&y->buffer), fm_arg_buffer(&dy->buffer), fm_acts_arg(y), fm_acts_arg(dy),
            fm_arg_int(y->w), fm_arg_float2(limits.low, limits.high));
}

/* A kernel that goes through the pixels of all halos. */
static void along_halo(struct fm_device *d, const struct fm_acts *x, const char *kernel) {
  FM_LAUNCH(d, fm_kernel_get(d, "simple.cl", kernel, ""), fm_acts_gx(d, x->w + 2 * x->halo),
            (size_t)(x->h + 2 * x->halo), planes(x), fm_arg_buffer(&x->buffer),
            fm_arg_int4(x->h, x->w, x->halo, 0), fm_arg_int(x->block));
}

void fm_halo(struct fm_device *d, const struct fm_acts *x) {
  if (x->halo == 0) return;
  along_halo(d, x, "halo");
}

void fm_reflect(struct fm_device *d, const struct fm_acts *x) {
  if (x->halo == 0) return;
  along_halo(d, x, "reflect");
}

void fm_picture(struct fm_device *d, const struct fm_buffer *rgb, const struct fm_acts *x) {
  FM_LAUNCH(d, fm_kernel_get(d, "simple.cl", "picture", ""), fm_acts_gx(d, x->w), (size_t)x->h, (size_t)x->n,
            fm_arg_buffer(rgb), fm_arg_buffer(&x->buffer), fm_acts_arg(x),
            fm_arg_int4(x->h, x->w, x->block, 0));
}

void fm_pool(struct fm_device *d, const struct fm_acts *x, const struct fm_acts *y,
             const struct fm_buffer *where) {
  FM_LAUNCH(d, fm_kernel_get(d, "pool.cl", "pool", ""), fm_acts_gx(d, y->w), (size_t)y->h, planes(y),
            fm_arg_buffer(&x->buffer), fm_arg_buffer(&y->buffer), fm_arg_buffer(where ? where : &y->buffer),
            fm_acts_arg(x), fm_acts_arg(y), fm_arg_int4(x->h, x->w, y->w, where != NULL));
}

void fm_pool_backward(struct fm_device *d, const struct fm_acts *dy, const struct fm_acts *y,
                      const struct fm_buffer *where, bool accumulate, const struct fm_acts *dx) {
  FM_LAUNCH(d, fm_kernel_get(d, "pool.cl", "pool_back", ""), fm_acts_gx(d, dx->w), (size_t)dx->h, planes(dx),
            fm_arg_buffer(&dy->buffer), fm_arg_buffer(where), fm_arg_buffer(&dx->buffer), fm_acts_arg(dy),
            fm_acts_arg(y), fm_acts_arg(dx), fm_arg_int4(dx->w, dy->h, dy->w, accumulate));
}

float fm_resize_step(int in, int out, bool aligned) {
  if (!aligned) return (float)in / (float)out;
  return out > 1 ? (float)(in - 1) / (float)(out - 1) : 0.0f;
}

void fm_resize(struct fm_device *d, const struct fm_acts *x, bool aligned, const struct fm_acts *res,
               struct fm_limits limits, const struct fm_acts *y) {
  FM_LAUNCH(d, fm_kernel_get(d, "resize.cl", "resize", ""), fm_acts_gx(d, y->w), (size_t)y->h, planes(y),
            fm_arg_buffer(&x->buffer), fm_arg_buffer(res ? &res->buffer : &x->buffer),
            fm_arg_buffer(&y->buffer), fm_acts_arg(x), fm_acts_arg(y), fm_acts_arg(res ? res : x),
            fm_arg_int4(x->h, x->w, y->w, res != NULL), fm_arg_int(aligned),
            fm_arg_float2(fm_resize_step(x->h, y->h, aligned), fm_resize_step(x->w, y->w, aligned)),
            fm_arg_float2(limits.low, limits.high));
}

void fm_resize_backward(struct fm_device *d, const struct fm_acts *dy, bool aligned, bool accumulate,
                        const struct fm_acts *dx) {
  FM_LAUNCH(d, fm_kernel_get(d, "resize.cl", "resize_back", ""), fm_acts_gx(d, dx->w), (size_t)dx->h,
            planes(dx), fm_arg_buffer(&dy->buffer), fm_arg_buffer(&dx->buffer), fm_acts_arg(dy),
            fm_acts_arg(dx), fm_arg_int4(dx->h, dx->w, dy->h, dy->w), fm_arg_int2(aligned, accumulate),
            fm_arg_float2(fm_resize_step(dx->h, dy->h, aligned), fm_resize_step(dx->w, dy->w, aligned)));
}
