#include "op/planes.h"

#include "op/simple.h"

static struct fm_arg step_of(int h, int w, int ho, int wo) {
  return fm_arg_float2(fm_resize_step(h, ho, true), fm_resize_step(w, wo, true));
}

void fm_planes_add(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w, float factor,
                   bool accumulate, const struct fm_buffer *y, int ho, int wo) {
  FM_LAUNCH(d, fm_kernel_get(d, "resize.cl", "plane", ""), fm_acts_gx(d, wo), (size_t)ho, (size_t)n,
            fm_arg_buffer(x), fm_arg_buffer(y), fm_arg_int4(h, w, ho, wo), fm_arg_int(accumulate),
            fm_arg_float(factor), step_of(h, w, ho, wo));
}

void fm_planes_add_back(struct fm_device *d, const struct fm_buffer *dy, int n, int ho, int wo, float factor,
                        const struct fm_buffer *dx, int h, int w) {
  FM_LAUNCH(d, fm_kernel_get(d, "resize.cl", "plane_back", ""), fm_acts_gx(d, w), (size_t)h, (size_t)n,
            fm_arg_buffer(dy), fm_arg_buffer(dx), fm_arg_int4(h, w, ho, wo), fm_arg_float(factor),
            step_of(h, w, ho, wo));
}
