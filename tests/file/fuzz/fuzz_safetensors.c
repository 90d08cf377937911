#include "file/fuzz/fuzz.h"

#include "base/memory.h"
#include "file/safetensors.h"

#include <string.h>

/* The input is the header and the data; the eight bytes of the length are put in front, or taken from the
 * input where its first byte is 0xff. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_safetensors *file;
  fuzz_begin(&ctx);
  const uint8_t *data = memchr(bytes, 0, size); /* a zero byte divides the two */
  bool raw = size && *bytes == 0xff;
  size_t header = data ? (size_t)(data - bytes) : size, n = raw ? size - 1 : size + 8 - (data != NULL);
  unsigned char *all = fm_alloc(&ctx, n, 1);
  if (raw) {
    memcpy(all, bytes + 1, n);
  } else {
    uint64_t length = header;
    memcpy(all, &length, 8);
    if (header) memcpy(all + 8, bytes, header);
    if (data) memcpy(all + 8 + header, data + 1, size - header - 1);
  }
  enum fm_status status = fm_safetensors_parse(&ctx, "fuzz", all, n, &file);
  if (status == FM_OK) {
    volatile unsigned sum = 0;
    for (size_t i = 0; i < fm_safetensors_count(file); i++) {
      const struct fm_tensor *t = fm_safetensors_at(file, i);
      if (fm_safetensors_find(file, t->name) != t) abort();
      for (size_t k = 0; k < t->count * fm_dtype_size(t->type); k++) sum += t->bytes[k];
    }
    fm_safetensors_free(&ctx, file);
  }
  return fuzz_end(&ctx, status);
}
