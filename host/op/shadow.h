/* Shadows: rows on a few axes along which they differ most. Two shadows are never farther apart than their
 * rows are, so what is far in the shadow need not be looked at; and features vary along few directions: 16
 * axes hold nine tenths of what 128 numbers have. Boxes hold the shadows of rows that follow one another.
 * Kernels: cl/shadow.cl; how searches use it: docs/math/patchcore.md. */
#ifndef FM_OP_SHADOW_H
#define FM_OP_SHADOW_H

#include "device/queue.h"

#include <stddef.h>

enum { FM_SHADOW = 16 }; /* axes */

/* axes [width][FM_SHADOW] of rows [count][width]: orthonormal columns, the first those of the largest
 * variance, roughly; columns of zeros where rows have fewer directions. The same rows give the same axes. */
enum fm_status fm_shadow_axes(struct fm_context *ctx, const float *rows, size_t count, size_t width,
                              float *axes);

struct fm_shadow {
  int groups;
  float loss;                  /* rounding moves the shadow of a row x by at most loss * |x| */
  struct fm_buffer axes, rows; /* [width][FM_SHADOW]; side by side: [group][FM_SHADOW][lanes] (op/lanes.h) */
};

/* Of `count` rows that lie side by side in `groups` groups; waits for them. */
enum fm_status fm_shadow_make(struct fm_device *d, const struct fm_buffer *lanes, int groups, int count,
                              int width, struct fm_shadow *s);
void fm_shadow_free(struct fm_device *d, struct fm_shadow *s);

/* Bytes of device memory. */
size_t fm_shadow_bytes(const struct fm_device *d, int groups, int width);

/* Boxes of every `each` groups, `beside` of them side by side: [whole / beside][2][FM_SHADOW][beside], the
 * lower edges and the upper ones. *boxes is made. */
enum fm_status fm_shadow_boxes(struct fm_device *d, const struct fm_shadow *s, int each, int beside,
                               struct fm_buffer *boxes);

#endif
