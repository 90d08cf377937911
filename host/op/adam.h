/* AdamW over one parameter vector: weights, gradient, first and second moment are four equal arrays. Kernel:
 * cl/adam.cl. */
#ifndef FM_OP_ADAM_H
#define FM_OP_ADAM_H

#include "device/queue.h"

struct fm_adam {
  double lr, beta1, beta2, eps, decay;
};

/* Step number `step` (from 1). count: numbers, a multiple of the block. limit: what fm_norm2 gave, and the
 * gradient is multiplied by its factor first; NULL: it is taken as it is. */
void fm_adam_step(struct fm_device *d, const struct fm_adam *a, long step, const struct fm_buffer *limit,
                  size_t count, const struct fm_buffer *weights, const struct fm_buffer *gradient,
                  const struct fm_buffer *m, const struct fm_buffer *v);

/* limit = {the L2 norm of a vector, the factor that brings the norm down to `most`}; the factor is 1 where
 * the norm is not larger, and where most is 0. parts: fm_norm2_bytes scratch bytes. A norm that is not
 * finite: something broke. */
size_t fm_norm2_bytes(const struct fm_device *d, size_t count);
void fm_norm2(struct fm_device *d, size_t count, const struct fm_buffer *vector, float most,
              const struct fm_buffer *parts, const struct fm_buffer *limit);

#endif
