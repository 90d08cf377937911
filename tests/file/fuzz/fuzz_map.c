#include "file/fuzz/fuzz.h"

#include "base/memory.h"
#include "file/tiff.h"

#include <math.h>

/* An anomaly map that another program wrote. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  int width, height;
  float *values;
  fuzz_begin(&ctx);
  enum fm_status status =
      fm_tiff_read(&ctx, fuzz_file(&ctx, "map.tiff", bytes, size), &width, &height, &values);
  if (status == FM_OK) {
    for (size_t i = 0; i < (size_t)width * (size_t)height; i++)
      if (!isfinite(values[i])) abort();
    fm_free(&ctx, values);
  }
  return fuzz_end(&ctx, status);
}
