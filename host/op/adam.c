#include "op/adam.h"

#include <math.h>

/* Vectors a work-item takes on a CPU; groups that sum squares on a GPU. */
enum { RUN = 256, GROUPS = 256 };

static int run_of(const struct fm_device *d) {
  return fm_device_facts(d)->group == 1 ? RUN : 1;
}

static size_t items_of(const struct fm_device *d, size_t count) {
  size_t vectors = count / (size_t)fm_device_facts(d)->block, run = (size_t)run_of(d);
  return (vectors + run - 1) / run;
}

void fm_adam_step(struct fm_device *d, const struct fm_adam *a, long step, const struct fm_buffer *limit,
                  size_t count, const struct fm_buffer *weights, const struct fm_buffer *gradient,
                  const struct fm_buffer *m, const struct fm_buffer *v) {
  double c1 = 1 - pow(a->beta1, (double)step), c2 = 1 - pow(a->beta2, (double)step);
  /* 1 - beta in double: in float 1 - 0.999f is wrong in the fifth digit. */
  struct fm_arg rate = {
      4 * sizeof(float),
      {.f = {(float)(1 - a->beta2), (float)(a->lr * a->decay), (float)(1 - a->beta1), (float)a->beta2}}};
  struct fm_arg scale = {4 * sizeof(float),
                         {.f = {(float)(a->lr / c1), (float)(1 / sqrt(c2)), (float)a->eps, 0}}};
  FM_LAUNCH(d, fm_kernel_get(d, "adam.cl", "adam", ""), items_of(d, count), 1, 1, fm_arg_buffer(weights),
            fm_arg_buffer(gradient), fm_arg_buffer(m), fm_arg_buffer(v),
            fm_arg_buffer(limit ? limit : gradient),
            fm_arg_int4((int)(count / (size_t)fm_device_facts(d)->block), run_of(d), limit != NULL, 0), rate,
            scale);
}

/* Partial sums of squares. */
static size_t sums_of(const struct fm_device *d, size_t count) {
  return fm_device_facts(d)->group == 1 ? items_of(d, count) : GROUPS;
}

size_t fm_norm2_bytes(const struct fm_device *d, size_t count) {
  return sums_of(d, count) * sizeof(float);
}

void fm_norm2(struct fm_device *d, size_t count, const struct fm_buffer *vector, float most,
              const struct fm_buffer *parts, const struct fm_buffer *limit) {
  size_t sums = sums_of(d, count), group = (size_t)fm_device_facts(d)->group;
  FM_LAUNCH(d, fm_kernel_get(d, "adam.cl", "squares", ""), sums * group, 1, 1, fm_arg_buffer(vector),
            fm_arg_buffer(parts), fm_arg_int2((int)(count / (size_t)fm_device_facts(d)->block), run_of(d)));
  FM_LAUNCH(d, fm_kernel_get(d, "adam.cl", "norm_limit", ""), group, 1, 1, fm_arg_buffer(parts),
            fm_arg_buffer(limit), fm_arg_int((int)sums), fm_arg_float(most));
}
