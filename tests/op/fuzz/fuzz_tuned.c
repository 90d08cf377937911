#include "file/fuzz/fuzz.h"

#include "op/tuned.h"

#include <string.h>

static bool same(const struct fm_tuned_line *a, const struct fm_tuned_line *b) {
  return a->scope == b->scope && strcmp(a->class, b->class) == 0 && strcmp(a->name, b->name) == 0 &&
         strcmp(a->shape, b->shape) == 0 && strcmp(a->row, b->row) == 0 && fm_tile_same(&a->tile, &b->tile) &&
         a->from == b->from && a->us == b->us && a->rule_us == b->rule_us;
}

/* Whatever lines are found in a file of tuned choices, written and read again they are the same ones. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_tuned t = {0}, again = {0};
  fuzz_begin(&ctx);
  enum fm_status status = fm_tuned_parse(&ctx, "fuzz", (const char *)bytes, size, false, &t);
  if (status == FM_OK) {
    const char *path = fuzz_file(&ctx, "tuned.txt", "", 0);
    if (fm_tuned_write(&ctx, path, &t) != FM_OK || fm_tuned_read(&ctx, path, &again) != FM_OK) abort();
    if (again.count != t.count) abort();
    for (size_t i = 0; i < t.count; i++)
      if (!same(&t.line[i], &again.line[i])) abort();
  }
  fm_tuned_free(&ctx, &again);
  fm_tuned_free(&ctx, &t);
  return fuzz_end(&ctx, status);
}
