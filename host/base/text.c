#define _POSIX_C_SOURCE 200809L
#include "base/text.h"

#include "base/memory.h"
#include "base/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fm_text_begin(struct fm_text *text, struct fm_context *ctx) {
  *text = (struct fm_text){.ctx = ctx};
}

/* Room for `more` characters and the zero byte behind them. */
static bool make_room(struct fm_text *text, size_t more) {
  size_t needed;
  if (text->status != FM_OK) return false;
  if (!fm_add(text->size, more, &needed) || !fm_add(needed, 1, &needed)) {
    text->status = fm_error(text->ctx, FM_LIMIT, "a text grew too long for this machine's memory");
    return false;
  }
  if (needed <= text->capacity) return true;
  size_t capacity = text->capacity < 128 ? 256 : text->capacity;
  if (text->capacity >= 128 && !fm_mul(capacity, 2, &capacity)) capacity = needed;
  if (capacity < needed) capacity = needed;
  char *chars = fm_realloc(text->ctx, text->chars, capacity, 1);
  if (!chars) {
    text->status = FM_MEMORY;
    return false;
  }
  text->chars = chars;
  text->capacity = capacity;
  return true;
}

void fm_text_append_bytes(struct fm_text *text, const void *bytes, size_t size) {
  if (!make_room(text, size)) return;
  if (size) memcpy(text->chars + text->size, bytes, size);
  text->size += size;
  text->chars[text->size] = 0;
}

void fm_text_append(struct fm_text *text, const char *string) {
  fm_text_append_bytes(text, string, strlen(string));
}

void fm_text_printf(struct fm_text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  if (n >= 0 && make_room(text, (size_t)n)) {
    vsnprintf(text->chars + text->size, (size_t)n + 1, format, again);
    text->size += (size_t)n;
  }
  va_end(again);
}

void fm_text_show(struct fm_text *text, const char *format, ...) {
  char *chars = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&chars, &size);
  va_list args;
  va_start(args, format);
  if (stream) fm_vprint_to(stream, format, args);
  va_end(args);
  if (stream && fclose(stream) == 0)
    fm_text_append_bytes(text, chars, size);
  else if (text->status == FM_OK)
    text->status = fm_error(text->ctx, FM_MEMORY, "out of memory");
  free(chars);
}

void fm_text_number(struct fm_text *text, double value) {
  char digits[40];
  snprintf(digits, sizeof digits, "%.15g", value); /* 0.1 rather than 0.10000000000000001 */
  if (strtod(digits, NULL) != value) snprintf(digits, sizeof digits, "%.17g", value);
  for (char *c = digits; *c; c++)
    if (*c == ',') *c = '.';
  fm_text_append(text, digits);
}

enum fm_status fm_text_take(struct fm_text *text, char **chars, size_t *size) {
  *chars = NULL;
  if (size) *size = 0;
  fm_text_append_bytes(text, "", 0); /* an empty text is a string too */
  enum fm_status status = text->status;
  if (status == FM_OK) {
    *chars = text->chars;
    if (size) *size = text->size;
    text->chars = NULL;
  }
  fm_text_free(text);
  return status;
}

void fm_text_free(struct fm_text *text) {
  if (text->chars) fm_free(text->ctx, text->chars);
  *text = (struct fm_text){.ctx = text->ctx};
}
