#include "report/html.h"

#include "base/embedded.h"
#include "base/print.h"
#include "file/sha256.h"

#include <stdlib.h>
#include <string.h>

void fm_html_escape(struct fm_text *text, const char *string) {
  static const struct {
    char c;
    const char *as;
  } table[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
  size_t left = strlen(string);
  for (const char *s = string; *s;) {
    bool visible;
    size_t n = fm_utf8(s, left, &visible), i = 0;
    while (i < sizeof table / sizeof *table && table[i].c != *s) i++;
    if (i < sizeof table / sizeof *table)
      fm_text_append(text, table[i].as);
    else if (!visible)
      fm_text_append(text, "\xef\xbf\xbd");
    else
      fm_text_append_bytes(text, s, n);
    n += n == 0;
    s += n;
    left -= n;
  }
}

void fm_html_wrap(struct fm_text *text, const char *before, const char *string, const char *after) {
  fm_text_append(text, before);
  fm_html_escape(text, string);
  fm_text_append(text, after);
}

void fm_base64(struct fm_text *text, const unsigned char *bytes, size_t size) {
  static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    unsigned v = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                 (left > 2 ? bytes[i + 2] : 0);
    char four[4] = {digit[v >> 18], digit[v >> 12 & 63], '=', '='};
    if (left > 1) four[2] = digit[v >> 6 & 63];
    if (left > 2) four[3] = digit[v & 63];
    fm_text_append_bytes(text, four, 4);
  }
}

void fm_html_path(struct fm_text *text, const char *path) {
  static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  for (; *path; path++) {
    if (strchr(plain, *path))
      fm_text_append_bytes(text, path, 1);
    else
      fm_text_printf(text, "%%%02X", (unsigned char)*path);
  }
}

void fm_html_part(struct fm_text *text, const char *name) {
  const struct fm_embedded *part = fm_embedded_find(fm_embedded_page, name);
  if (part) fm_text_append_bytes(text, part->bytes, part->size);
}

void fm_html_hash(struct fm_text *text, const void *script, size_t size) {
  char hex[65];
  unsigned char digest[32];
  if (text->status == FM_OK) text->status = fm_sha256_bytes(text->ctx, script, size, hex);
  if (text->status != FM_OK) return;
  for (int i = 0; i < 32; i++) {
    const char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
    digest[i] = (unsigned char)strtoul(two, NULL, 16);
  }
  fm_base64(text, digest, sizeof digest);
}

/* What a page from the disk may load. Names in it are foreign: should one of them ever become markup, it
 * still could neither run nor fetch anything. */
static void put_policy(struct fm_text *text) {
  const struct fm_embedded *script = fm_embedded_find(fm_embedded_page, "script.js");
  fm_text_append(text, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
                       "'self' file: data:; style-src 'unsafe-inline'; script-src 'sha256-");
  fm_html_hash(text, script->bytes, script->size);
  fm_text_append(text, "'; base-uri 'none'; form-action 'none'\">\n");
}

void fm_html_begin(struct fm_text *text, const char *title) {
  fm_text_append(text, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
  put_policy(text);
  fm_html_wrap(text, "<title>", title, "</title>\n<style>\n");
  fm_html_part(text, "style.css");
  fm_text_append(text, "</style>\n</head>\n<body>\n<main>\n");
}

void fm_html_end(struct fm_text *text) {
  fm_text_append(text, "</main>\n<script>");
  fm_html_part(text, "script.js");
  fm_text_append(text, "</script>\n</body>\n</html>\n");
}
