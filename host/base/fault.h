/* Fault injection: the n-th allocation, file operation or OpenCL call fails, once or for good.
 *
 * FLAWMAP_FAULT=KIND:N[:once] with KIND alloc, file or device sets it from outside; FLAWMAP_FAULT=KIND:0 only
 * counts, and the program prints the counts at its end, so that a sweep knows how far to go. */
#ifndef FM_BASE_FAULT_H
#define FM_BASE_FAULT_H

#include "base/status.h"

/* True where this operation must fail now. Called once before each operation of the kind. */
bool fm_fault_hit(struct fm_context *ctx, enum fm_fault_kind kind);

void fm_fault_from_environment(struct fm_context *ctx);

#endif
