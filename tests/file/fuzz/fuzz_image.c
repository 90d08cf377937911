#include "file/fuzz/fuzz.h"

#include "file/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_image image;
  fuzz_begin(&ctx);
  enum fm_status status = fm_image_decode(&ctx, "fuzz", bytes, size, &image);
  if (status == FM_OK) {
    size_t n = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
    volatile unsigned char last = image.pixels[n - 1];
    (void)last;
    fm_image_free(&ctx, &image);
  }
  return fuzz_end(&ctx, status);
}
