/* Rows in the order of a tree: every tile of rows that follow one another lies close together, so that one
 * look at the box around it can show that none of its rows is near (op/shadow.h). */
#ifndef FM_OP_ORDER_H
#define FM_OP_ORDER_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* order [count]: a permutation of the rows [count][width], tile after tile; the last tile may have fewer.
 * Halves are split along the line between two rows that are far apart. The same rows give the same order.
 * Rows that are not finite have a place, too. */
enum fm_status fm_order_rows(struct fm_context *ctx, const float *rows, size_t count, size_t width,
                             size_t tile, uint32_t *order);

#endif
