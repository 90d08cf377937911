/* Batch normalisation: statistics of a batch with running values, application fused with a residual sum and
 * an activation, backward. Kernels: cl/norm.cl.
 *
 * stat: 5 * channels numbers (channels padded to whole blocks): mean, gamma * rstd, rstd, and two that
 * backward leaves. */
#ifndef FM_OP_NORM_H
#define FM_OP_NORM_H

#include "op/conv.h"

struct fm_norm {
  float eps, momentum;
};

/* Numbers of `stat`; bytes of the scratch `parts` for forward and backward. */
size_t fm_norm_stats(const struct fm_acts *x);
size_t fm_norm_parts_bytes(const struct fm_acts *x);

/* With the statistics of x over n, h, w, which go to stat: y = limits((x - mean) * scale + shift + res),
 * scale = gamma * rstd; running (mean, then var) moves by momentum, its variance unbiased. res may be NULL, y
 * may be x or res. */
void fm_norm_forward(struct fm_device *d, const struct fm_norm *norm, const struct fm_acts *x,
                     const struct fm_buffer *gamma, const struct fm_buffer *shift, const struct fm_acts *res,
                     struct fm_limits limits, const struct fm_buffer *parts, const struct fm_buffer *stat,
                     const struct fm_buffer *running, const struct fm_acts *y);

/* The same with the statistics that stat holds. */
void fm_norm_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                   const struct fm_buffer *shift, const struct fm_acts *res, struct fm_limits limits,
                   const struct fm_acts *y);

/* From dy (gradient of y): dgamma, dbeta, and dx, which may be dy itself. With a residual y says where the
 * activation passed, what its branch receives (dz, dy behind the activation) is written over dy, and dx is
 * another tensor. Without one y is NULL. */
void fm_norm_backward(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                      const struct fm_buffer *shift, const struct fm_acts *y, struct fm_limits limits,
                      const struct fm_acts *dy, const struct fm_buffer *parts, const struct fm_buffer *dgamma,
                      const struct fm_buffer *dbeta, const struct fm_acts *dx);

/* Frozen statistics, without a residual: dx = scale * dz. */
void fm_norm_backward_frozen(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                             const struct fm_buffer *shift, struct fm_limits limits, const struct fm_acts *dy,
                             const struct fm_acts *dx);

#endif
