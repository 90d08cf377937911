/* Matrix product C = A B, row-major: A [m][k], B [k][n], C [m][n]; any sizes from 1.
 *
 * Two implementations behind this one function: our own kernel (cl/gemm.cl), and CLBlast where it is
 * installed, which knows many GPUs and is chosen on those. On PoCL CLBlast reaches a tenth of our kernel and
 * needs seconds for its first call, so never on a CPU. FLAWMAP_GEMM=own or clblast overrides the choice
 * (clblast without the library is an error). */
#ifndef FM_OP_GEMM_H
#define FM_OP_GEMM_H

#include "device/queue.h"

enum fm_status fm_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                       const struct fm_buffer *b, const struct fm_buffer *c);

/* "own" or "clblast": what fm_gemm would use on this device. */
const char *fm_gemm_choice(const struct fm_device *d);

#endif
