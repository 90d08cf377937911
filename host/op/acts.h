/* Activations on the device: [n][channel block][y][x][block], a zero halo around every plane, channels past
 * the last one zero. Pictures have a block of 4 (three colours and a zero), everything else the device's
 * block.
 *
 * Kernels may read, but do not use, some numbers past the last plane: the buffer has room for them. */
#ifndef FM_OP_ACTS_H
#define FM_OP_ACTS_H

#include "device/queue.h"

struct fm_acts {
  int n, c, h, w, halo, block;
  struct fm_buffer buffer;
};

/* What a buffer for this shape needs, in bytes; false when it overflows or a plane has more than 2^31
 * numbers. */
bool fm_acts_bytes(const struct fm_acts *a, size_t *bytes);

/* A tensor with a buffer of its own, zeroed. */
enum fm_status fm_acts_make(struct fm_device *d, int n, int c, int h, int w, int halo, struct fm_acts *a);
void fm_acts_free(struct fm_device *d, struct fm_acts *a);

static inline int fm_acts_blocks(const struct fm_acts *a) {
  return (a->c + a->block - 1) / a->block;
}

/* Numbers of its pixels, padding channels counted, halo not. */
static inline double fm_acts_numbers(const struct fm_acts *a) {
  return (double)a->n * fm_acts_blocks(a) * a->block * a->h * a->w;
}

/* (blocks, row, plane, base) of common.clh. */
struct fm_arg fm_acts_arg(const struct fm_acts *a);

/* Host values [n][c][h][w] in and out; both wait. The halo and the padding channels are written as zeros. */
enum fm_status fm_acts_write(struct fm_device *d, const struct fm_acts *a, const float *nchw);
enum fm_status fm_acts_read(struct fm_device *d, const struct fm_acts *a, float *nchw);

/* Work-items along x: 1 on a CPU, else enough for a row. */
size_t fm_acts_gx(const struct fm_device *d, int w);

#endif
