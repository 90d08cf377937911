#include "op/repair.h"

#define KERNEL(name) fm_kernel_get(d, "repair.cl", name, "")

void fm_reference_blend(struct fm_device *d, const struct fm_blend *b, const struct fm_acts *x, int n,
                        const struct fm_acts *good_features, const struct fm_buffer *good,
                        const struct fm_buffer *distance, const struct fm_buffer *scratch,
                        const struct fm_buffer *reference) {
  size_t gx = fm_acts_gx(d, x->w), h = (size_t)x->h, count = (size_t)b->count;
  FM_LAUNCH(d, KERNEL("appearance"), gx, h, count, fm_arg_buffer(&x->buffer),
            fm_arg_buffer(&good_features->buffer), fm_arg_buffer(scratch), fm_acts_arg(x),
            fm_acts_arg(good_features), fm_arg_int4(x->h, x->w, n, 0));
  FM_LAUNCH(d, KERNEL("box"), gx, h, count, fm_arg_buffer(scratch), fm_arg_buffer(distance),
            fm_arg_int4(x->h, x->w, b->reach, 0));
  FM_LAUNCH(d, KERNEL("weigh"), gx, h, 1, fm_arg_buffer(distance), fm_arg_int4(x->h, x->w, b->count, 0),
            fm_arg_float(b->sharpness));
  FM_LAUNCH(d, KERNEL("blend"), fm_acts_gx(d, x->w + 1), 8 * h, 1, fm_arg_buffer(distance),
            fm_arg_buffer(good), fm_arg_buffer(reference), fm_arg_int4(x->h, x->w, b->count, n));
}

void fm_reference_quilt(struct fm_device *d, const struct fm_quilt *q, int n, const struct fm_buffer *rgb,
                        const struct fm_buffer *found, const struct fm_buffer *origin,
                        const struct fm_buffer *good, const struct fm_buffer *shift,
                        const struct fm_buffer *reference) {
  FM_LAUNCH(d, KERNEL("align"), fm_acts_gx(d, q->w), (size_t)q->h, 1, fm_arg_buffer(rgb),
            fm_arg_buffer(found), fm_arg_buffer(origin), fm_arg_buffer(good), fm_arg_buffer(shift),
            fm_arg_int4(q->h, q->w, n, q->step), fm_arg_int(q->reach));
  FM_LAUNCH(d, KERNEL("quilt"), fm_acts_gx(d, q->w * q->step), (size_t)(q->h * q->step), 1,
            fm_arg_buffer(found), fm_arg_buffer(origin), fm_arg_buffer(shift), fm_arg_buffer(good),
            fm_arg_buffer(reference), fm_arg_int4(q->h, q->w, n, q->step));
}

void fm_residual(struct fm_device *d, struct fm_size size, int n, const struct fm_buffer *rgb,
                 const struct fm_buffer *reference, const struct fm_buffer *r) {
  FM_LAUNCH(d, KERNEL("residual"), fm_acts_gx(d, size.width), (size_t)size.height, (size_t)n,
            fm_arg_buffer(rgb), fm_arg_buffer(reference), fm_arg_buffer(r),
            fm_arg_int2(size.height, size.width));
}

void fm_mix(struct fm_device *d, struct fm_size size, const struct fm_buffer *rgb,
            const struct fm_buffer *reference, const struct fm_buffer *a, const struct fm_acts *x) {
  FM_LAUNCH(d, KERNEL("mixture"), fm_acts_gx(d, size.width), (size_t)size.height, (size_t)x->n,
            fm_arg_buffer(rgb), fm_arg_buffer(reference), fm_arg_buffer(a), fm_arg_buffer(&x->buffer),
            fm_acts_arg(x), fm_arg_int4(size.height, size.width, x->block, 0));
}

void fm_pull(struct fm_device *d, struct fm_size size, const struct fm_buffer *rgb,
             const struct fm_buffer *reference, const struct fm_acts *dx, bool accumulate,
             const struct fm_buffer *g) {
  FM_LAUNCH(d, KERNEL("pull"), fm_acts_gx(d, size.width), (size_t)size.height, (size_t)dx->n,
            fm_arg_buffer(rgb), fm_arg_buffer(reference), fm_arg_buffer(&dx->buffer), fm_arg_buffer(g),
            fm_acts_arg(dx), fm_arg_int4(size.height, size.width, dx->block, accumulate));
}

void fm_hinge(struct fm_device *d, int n, int h, int w, const struct fm_buffer *e,
              const struct fm_buffer *limit, float factor, const struct fm_buffer *slope) {
  FM_LAUNCH(d, KERNEL("hinge"), fm_acts_gx(d, w), (size_t)h, (size_t)n, fm_arg_buffer(e),
            fm_arg_buffer(limit), fm_arg_buffer(slope), fm_arg_int2(h, w), fm_arg_float(factor));
}
