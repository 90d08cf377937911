#include "file/fuzz/container.h"
#include "file/fuzz/fuzz.h"

#include "file/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_safetensors *file;
  size_t n;
  fuzz_begin(&ctx);
  unsigned char *all = fuzz_container(&ctx, bytes, size, &n);
  enum fm_status status = fm_safetensors_parse(&ctx, "fuzz", all, n, &file);
  if (status == FM_OK) {
    static volatile unsigned sum;
    for (size_t i = 0; i < fm_safetensors_count(file); i++) {
      const struct fm_tensor *t = fm_safetensors_at(file, i);
      if (fm_safetensors_find(file, t->name) != t) abort();
      for (size_t k = 0; k < t->count * fm_dtype_size(t->type); k++) sum = sum + t->bytes[k];
    }
    fm_safetensors_free(&ctx, file);
  }
  return fuzz_end(&ctx, status);
}
