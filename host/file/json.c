#include "file/json.h"

#include "base/print.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void fm_json_begin(struct fm_json *json, struct fm_text *text, bool pretty) {
  *json = (struct fm_json){.text = text, .pretty = pretty};
}

/* \uXXXX, two of them beyond the first 65,536 characters. */
static void append_escaped(struct fm_text *text, const unsigned char *s, size_t n) {
  unsigned long c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) c = c << 6 | (s[i] & 0x3Fu);
  if (c > 0xFFFF)
    fm_text_printf(text, "\\u%04lx\\u%04lx", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
  else
    fm_text_printf(text, "\\u%04lx", c);
}

void fm_json_quote(struct fm_text *text, const char *value) {
  size_t left = strlen(value), n;
  bool visible;
  fm_text_append(text, "\"");
  for (; left; value += n, left -= n) {
    n = fm_utf8(value, left, &visible);
    if (n == 0)
      fm_text_append(text, "\\ufffd");
    else if (*value == '"' || *value == '\\')
      fm_text_printf(text, "\\%c", *value);
    else if (*value == '\n')
      fm_text_append(text, "\\n");
    else if (!visible)
      append_escaped(text, (const unsigned char *)value, n);
    else
      fm_text_append_bytes(text, value, n);
    n += n == 0;
  }
  fm_text_append(text, "\"");
}

static void new_line(struct fm_json *json) {
  if (json->pretty) fm_text_printf(json->text, "\n%*s", 2 * json->depth, "");
}

/* Everything in front of a value: comma, line, key. */
static void place(struct fm_json *json, const char *key) {
  if (json->depth > 0) {
    if (json->level[json->depth].used) fm_text_append(json->text, ",");
    new_line(json);
  }
  json->level[json->depth].used = true;
  if (!key) return;
  fm_json_quote(json->text, key);
  fm_text_append(json->text, json->pretty ? ": " : ":");
}

static void open_level(struct fm_json *json, const char *key, const char *bracket, char close) {
  place(json, key);
  fm_text_append(json->text, bracket);
  if (json->depth == FM_JSON_MAX_DEPTH) {
    json->text->status =
        fm_error(json->text->ctx, FM_INTERNAL, "JSON nested deeper than %d levels", FM_JSON_MAX_DEPTH);
    return;
  }
  json->depth++;
  json->level[json->depth].close = close;
  json->level[json->depth].used = false;
}

void fm_json_object(struct fm_json *json, const char *key) {
  open_level(json, key, "{", '}');
}

void fm_json_array(struct fm_json *json, const char *key) {
  open_level(json, key, "[", ']');
}

void fm_json_end(struct fm_json *json) {
  if (json->depth == 0) return;
  bool used = json->level[json->depth].used;
  char close = json->level[json->depth].close;
  json->depth--;
  if (used) new_line(json);
  fm_text_append_bytes(json->text, &close, 1);
  if (json->depth == 0 && json->pretty) fm_text_append(json->text, "\n");
}

void fm_json_string(struct fm_json *json, const char *key, const char *value) {
  if (!value) {
    fm_json_null(json, key);
    return;
  }
  place(json, key);
  fm_json_quote(json->text, value);
}

void fm_json_number(struct fm_json *json, const char *key, double value) {
  if (!isfinite(value)) {
    fm_json_null(json, key);
    return;
  }
  place(json, key);
  fm_text_number(json->text, value);
}

void fm_json_integer(struct fm_json *json, const char *key, int64_t value) {
  place(json, key);
  fm_text_printf(json->text, "%" PRId64, value);
}

void fm_json_bool(struct fm_json *json, const char *key, bool value) {
  place(json, key);
  fm_text_append(json->text, value ? "true" : "false");
}

void fm_json_null(struct fm_json *json, const char *key) {
  place(json, key);
  fm_text_append(json->text, "null");
}
