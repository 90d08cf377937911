/* Rows of numbers side by side, as kernels that compare many rows read them: [group][k][lanes], with
 * lanes = block * group rows of the device in a group. Kernel: cl/lanes.cl. */
#ifndef FM_OP_LANES_H
#define FM_OP_LANES_H

#include "device/queue.h"

/* Rows in a group. */
int fm_lanes(const struct fm_device *d);

/* A buffer for `rows` rows of `width` numbers, zero; there are whole tiles of `tile` groups. *groups may be
 * NULL. FM_LIMIT where that is more than a buffer can be. */
enum fm_status fm_lanes_make(struct fm_device *d, size_t rows, int width, int tile, struct fm_buffer *lanes,
                             int *groups);

/* rows [count][width], row-major, become rows first, first + 1, ...; enqueued. */
void fm_lanes_pack(struct fm_device *d, const struct fm_buffer *rows, int count, int width, int first,
                   const struct fm_buffer *lanes);

#endif
