#include "serve/page.h"

#include "base/embedded.h"
#include "base/memory.h"
#include "report/html.h"

#include <stdio.h>
#include <string.h>

const char *fm_page_file(const char *name) {
  const struct fm_embedded *file = fm_embedded_find(fm_embedded_serve, name);
  return file ? (const char *)file->bytes : "";
}

enum fm_status fm_page_hash(struct fm_context *ctx, char hash[64]) {
  static const char open[] = "<script>", close[] = "</script>";
  const char *begin = strstr(fm_page_file("page.html"), open);
  const char *end = begin ? strstr(begin, close) : NULL;
  if (!end) return fm_error(ctx, FM_INTERNAL, "the page has no script");
  begin += sizeof open - 1;
  struct fm_text text;
  char *base64;
  fm_text_begin(&text, ctx);
  fm_html_hash(&text, begin, (size_t)(end - begin));
  FM_TRY(fm_text_take(&text, &base64, NULL));
  snprintf(hash, 64, "%s", base64);
  fm_free(ctx, base64);
  return FM_OK;
}

void fm_page_policy(const char *hash, char *out, size_t room) {
  snprintf(
      out, room,
      "default-src 'none'; script-src 'sha256-%s'; style-src 'unsafe-inline'; img-src 'self' blob: data:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      hash);
}
