/* CLBlast, loaded at run time where it is installed. */
#ifndef FM_DEVICE_BLAS_H
#define FM_DEVICE_BLAS_H

#include "device/memory.h"

/* True where libclblast can be loaded. */
bool fm_blas_available(void);

/* C = A B, row-major, enqueued. FM_DEVICE where the library is missing or fails; sticky as every device
 * error. */
enum fm_status fm_blas_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                            const struct fm_buffer *b, const struct fm_buffer *c);

#endif
