#include "file/fuzz/fuzz.h"

#include "file/ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_ini ini;
  fuzz_begin(&ctx);
  enum fm_status status = fm_ini_parse(&ctx, "fuzz", bytes, size, &ini);
  if (status == FM_OK) {
    for (size_t i = 0; i < ini.count; i++)
      if (fm_ini_find(&ini, ini.entries[i].section, ini.entries[i].key) != ini.entries[i].value) abort();
    fm_ini_free(&ctx, &ini);
  }
  return fuzz_end(&ctx, status);
}
