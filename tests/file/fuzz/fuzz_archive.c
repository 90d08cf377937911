#include "file/fuzz/fuzz.h"

#include "file/archive.h"

static bool every(const char *member) {
  return member[0] != 0;
}

/* A zip archive, or a wheel: no more comes out of it than the limit. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  enum { LIMIT = 1 << 16 };
  struct fm_context ctx;
  struct fm_archive_members members;
  fuzz_begin(&ctx);
  enum fm_status status = fm_zip_read(&ctx, "fuzz", bytes, size, LIMIT, every, &members);
  if (status == FM_OK) {
    static volatile unsigned sum;
    size_t total = 0;
    for (size_t i = 0; i < members.count; i++) {
      total += members.member[i].size;
      for (size_t k = 0; k < members.member[i].size; k++) sum = sum + members.member[i].bytes[k];
    }
    if (total > LIMIT) abort();
    fm_archive_free(&ctx, &members);
  }
  return fuzz_end(&ctx, status);
}
