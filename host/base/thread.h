/* Host worker threads for work that is not worth a device: decoding, resizing, sorting, labelling. */
#ifndef FM_BASE_THREAD_H
#define FM_BASE_THREAD_H

#include "base/status.h"

/* ctx->threads, or the number of cores this process may use. At least 1. */
int fm_threads(const struct fm_context *ctx);

/* Calls body(user, i) for every i in [0, count) on fm_threads threads and waits for all. Indices are handed
 * out in order; results must not depend on which thread runs which index. The first status that is not FM_OK
 * ends the hand-out and is returned. */
enum fm_status fm_parallel(struct fm_context *ctx, size_t count,
                           enum fm_status (*body)(void *user, size_t index), void *user);

#endif
