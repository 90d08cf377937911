/* A fuzzer's input as a safetensors file: the header, a zero byte, the data; the eight bytes of the length
 * are put in front. Where the input's first byte is 0xff, the rest is the whole file. */
#ifndef FM_TESTS_FUZZ_CONTAINER_H
#define FM_TESTS_FUZZ_CONTAINER_H

#include "base/memory.h"

#include <stdint.h>
#include <string.h>

/* A new block (fm_free) of *n bytes. */
static inline unsigned char *fuzz_container(struct fm_context *ctx, const uint8_t *bytes, size_t size,
                                            size_t *n) {
  const uint8_t *data = memchr(bytes, 0, size);
  bool raw = size && *bytes == 0xff;
  size_t header = data ? (size_t)(data - bytes) : size;
  *n = raw ? size - 1 : size + 8 - (data != NULL);
  unsigned char *all = fm_alloc(ctx, *n, 1);
  if (raw) {
    memcpy(all, bytes + 1, *n);
  } else {
    uint64_t length = header;
    memcpy(all, &length, 8);
    if (header) memcpy(all + 8, bytes, header);
    if (data) memcpy(all + 8 + header, data + 1, size - header - 1);
  }
  return all;
}

#endif
