/* What every fuzzer of a reader does: a context, the reader, nothing left allocated, a message for every
 * failure. */
#ifndef FM_TESTS_FUZZ_H
#define FM_TESTS_FUZZ_H

#include "base/file.h"

#include <stdint.h>
#include <stdio.h>
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

/* Puts the input where a reader of files looks for it: FOLDER/name in a folder of its own, $FUZZ_FOLDER,
 * which tests/tools/fuzz.sh makes in memory and removes. */
static inline const char *fuzz_file(struct fm_context *ctx, const char *name, const void *bytes,
                                    size_t size) {
  static char path[4096];
  const char *folder = getenv("FUZZ_FOLDER");
  snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", name);
  FILE *f = fopen(path, "wb");
  if (!f || (size && fwrite(bytes, 1, size, f) != size) || fclose(f) != 0) {
    fprintf(stderr, "cannot write '%s': set FUZZ_FOLDER, or use tests/tools/fuzz.sh\n", path);
    exit(1);
  }
  return path;
}

#endif
