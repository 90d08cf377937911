/* What every fuzzer of a reader does: a context, the reader, nothing left allocated, a message for every
 * failure. */
#ifndef FM_TESTS_FUZZ_H
#define FM_TESTS_FUZZ_H

#include "base/status.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline void fuzz_begin(struct fm_context *ctx) {
  fm_context_init(ctx);
  ctx->quiet = true;
}

static inline int fuzz_end(struct fm_context *ctx, enum fm_status status) {
  if (ctx->live_allocations != 0 || (status == FM_OK) != (ctx->errors == 0)) abort();
  fm_context_free(ctx);
  return 0;
}

#endif
