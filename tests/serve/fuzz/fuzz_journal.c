/* A line of results.jsonl, which anybody may have written. */
#include "file/fuzz/fuzz.h"

#include "serve/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  uint64_t hash;
  fuzz_begin(&ctx);
  return fuzz_end(&ctx, fm_journal_parse(&ctx, (const char *)bytes, size, &hash));
}
