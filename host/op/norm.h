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

/* Statistics of x over n, h, w into stat; running (mean, then var) moves by momentum, its variance unbiased.
 */
void fm_norm_measure(struct fm_device *d, const struct fm_norm *norm, const struct fm_acts *x,
                     const struct fm_buffer *gamma, const struct fm_buffer *parts,
                     const struct fm_buffer *stat, const struct fm_buffer *running);

/* y = limits((x - mean) * scale + shift + res); mean and scale from stat, res may be NULL, y may be x or res.
 */
void fm_norm_apply(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                   const struct fm_buffer *shift, const struct fm_acts *res, struct fm_limits limits,
                   const struct fm_acts *y);

/* From dy (gradient of y): dgamma, dbeta, and dx, which may be dy itself. Where there was a residual, dz (dy
 * behind the activation) is what its branch receives: keep_dz writes it over dy, and dx must be another
 * tensor. */
void fm_norm_backward(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                      const struct fm_acts *y, struct fm_limits limits, bool keep_dz,
                      const struct fm_acts *dy, const struct fm_buffer *parts, const struct fm_buffer *dgamma,
                      const struct fm_buffer *dbeta, const struct fm_acts *dx);

/* Frozen statistics: dx = scale * dz. */
void fm_norm_backward_frozen(struct fm_device *d, const struct fm_acts *x, const struct fm_buffer *stat,
                             const struct fm_acts *y, struct fm_limits limits, const struct fm_acts *dy,
                             const struct fm_acts *dx);

#endif
