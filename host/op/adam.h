/* AdamW over one parameter vector: weights, gradient, first and second moment are four equal arrays. Kernel:
 * cl/adam.cl. */
#ifndef FM_OP_ADAM_H
#define FM_OP_ADAM_H

#include "device/queue.h"

struct fm_adam {
  double lr, beta1, beta2, eps, decay;
};

/* Step number `step` (from 1). count: numbers, a multiple of the block. factor: the gradient is multiplied by
 * it first. */
void fm_adam_step(struct fm_device *d, const struct fm_adam *a, long step, float factor, size_t count,
                  const struct fm_buffer *weights, const struct fm_buffer *gradient,
                  const struct fm_buffer *m, const struct fm_buffer *v);

/* The L2 norm of a vector; waits. parts: fm_norm2_bytes scratch bytes. Not finite: something broke. */
size_t fm_norm2_bytes(const struct fm_device *d, size_t count);
enum fm_status fm_norm2(struct fm_device *d, size_t count, const struct fm_buffer *vector,
                        const struct fm_buffer *parts, double *norm);

#endif
