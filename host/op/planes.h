/* Plain planes [n][h][w], resized bilinearly with aligned corners (source i (in - 1) / (out - 1)), weighted
 * and added up, and the way back. Kernels: cl/resize.cl. */
#ifndef FM_OP_PLANES_H
#define FM_OP_PLANES_H

#include "device/queue.h"

/* y (+)= factor * resize(x); accumulate: added to what is there. */
void fm_planes_add(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w, float factor,
                   bool accumulate, const struct fm_buffer *y, int ho, int wo);

/* dx = d loss / d x from dy = d loss / d y. */
void fm_planes_add_back(struct fm_device *d, const struct fm_buffer *dy, int n, int ho, int wo, float factor,
                        const struct fm_buffer *dx, int h, int w);

#endif
