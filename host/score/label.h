/* Labels of 8-connected parts of a mask that is seen row by row: pixels that touch at a corner belong
 * together. */
#ifndef FM_SCORE_LABEL_H
#define FM_SCORE_LABEL_H

#include "base/status.h"

#include <stdint.h>

/* Labels so far, from 1, and which of them mean the same part: parent[l] <= l, equal for a root, which is the
 * label of the part's first pixel. */
struct fm_labels {
  uint32_t *parent;
  size_t count, capacity;
};

enum fm_status fm_labels_begin(struct fm_context *ctx, struct fm_labels *labels);
void fm_labels_free(struct fm_context *ctx, struct fm_labels *labels);

/* row [width], zero before: the labels of the next row's non-zero pixels. above: the row before; NULL: none.
 */
enum fm_status fm_labels_row(struct fm_context *ctx, struct fm_labels *labels, const unsigned char *mask,
                             const uint32_t *above, uint32_t *row, int width);

/* After the last row: parent[l] becomes the number of l's part: 1, 2, ... in the order of their first pixels.
 * How many there are. */
size_t fm_labels_finish(struct fm_labels *labels);

/* Once more over the same rows, *seen 0 before the first: row becomes the numbers of the parts. */
void fm_labels_again(const struct fm_labels *labels, uint32_t *seen, const unsigned char *mask,
                     const uint32_t *above, uint32_t *row, int width);

#endif
