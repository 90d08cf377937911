/* What a device can do at most, measured by kernels of its own (cl/bench.cl): fused multiply-adds of single
 * precision in registers, copies in memory. Times of operators are compared with these. */
#ifndef FM_OP_PEAK_H
#define FM_OP_PEAK_H

#include "device/device.h"

struct fm_peak {
  double flops;       /* a second: the best of several numbers of independent chains, on all compute units */
  int chains;         /* that number */
  double copy, triad; /* bytes a second, read and written, as STREAM counts them */
  size_t bytes;       /* of each of the buffers copied */
  double wait;        /* seconds that enqueueing a kernel which does nothing, and waiting for it, takes */
};

/* seconds: for each of the measurements, about. bytes: of a buffer; less where the device has no room for
 * three. */
enum fm_status fm_peak_measure(struct fm_device *d, double seconds, size_t bytes, struct fm_peak *peak);

#endif
