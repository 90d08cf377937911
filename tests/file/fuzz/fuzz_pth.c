#include "file/fuzz/fuzz.h"

#include "file/pth.h"
#include "file/pth_old.h"
#include "file/zip.h"

/* A zip archive or an old file as it is, or a pickle that is put into one with two storages (so that
 * checksums are right).
 */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_safetensors *file;
  enum fm_status status;
  static const unsigned char zeros[64];
  fuzz_begin(&ctx);
  if ((size >= 2 && memcmp(bytes, "PK", 2) == 0) || fm_pth_is_old(bytes, size)) {
    status = fm_pth_parse(&ctx, "fuzz", bytes, size, &file);
  } else {
    struct zip *z = calloc(1, sizeof *z);
    zip_add(z, "archive/data.pkl", bytes, size < 60000 ? size : 60000);
    zip_add(z, "archive/data/0", zeros, 24);
    zip_add(z, "archive/data/1", zeros, 64);
    zip_finish(z);
    status = fm_pth_parse(&ctx, "fuzz", z->bytes, z->size, &file);
    free(z);
  }
  if (status == FM_OK) fm_safetensors_free(&ctx, file);
  return fuzz_end(&ctx, status);
}
