#include "file/fuzz/fuzz.h"

#include "base/memory.h"
#include "base/print.h"
#include "file/csv.h"
#include "file/json.h"

#include <string.h>

/* A message is printable, whole UTF-8, and the same when it is shown again. */
static void check_message(struct fm_context *ctx, const char *name) {
  char once[sizeof ctx->message];
  fm_error(ctx, FM_IO, "'%s' %.5s", name, name);
  memcpy(once, ctx->message, sizeof once);
  bool visible;
  for (size_t i = 0, n, size = strlen(once); i < size; i += n)
    if (!(n = fm_utf8(once + i, size - i, &visible)) || !visible) abort();
  fm_error_clear(ctx);
  fm_error(ctx, FM_IO, "%s", once);
  if (strcmp(ctx->message, once) != 0) abort();
  fm_error_clear(ctx);
}

/* What is written of a foreign name: messages, JSON and CSV that end where they should, without control
 * characters. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  struct fm_context ctx;
  struct fm_text json, csv;
  struct fm_csv row;
  fuzz_begin(&ctx);
  char *name = fm_alloc(&ctx, size + 1, 1);
  if (size) memcpy(name, bytes, size);
  check_message(&ctx, name);
  fm_text_begin(&json, &ctx);
  fm_json_quote(&json, name);
  if (json.status != FM_OK || json.chars[0] != '"' || json.chars[json.size - 1] != '"') abort();
  for (size_t i = 1; i + 1 < json.size; i++) {
    unsigned char c = (unsigned char)json.chars[i];
    if (c < 0x20 || c == 0x7F || c == '"') abort();
    if (c == '\\' && ++i + 1 >= json.size) abort(); /* what is escaped lies inside the quotes */
  }
  fm_text_begin(&csv, &ctx);
  fm_csv_begin(&row, &csv);
  fm_csv_string(&row, name);
  fm_csv_row(&row);
  size_t quotes = 0;
  for (size_t i = 0; i + 1 < csv.size; i++) {
    quotes += csv.chars[i] == '"';
    if (csv.chars[i] == '\n' && quotes % 2 == 0) abort(); /* the row ends before its end */
  }
  if (quotes % 2) abort();
  fm_text_free(&csv);
  fm_text_free(&json);
  fm_free(&ctx, name);
  return fuzz_end(&ctx, FM_OK);
}
