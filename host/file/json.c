#include "file/json.h"

#include <inttypes.h>
#include <math.h>

void fm_json_begin(struct fm_json *json, struct fm_text *text, bool pretty) {
  *json = (struct fm_json){.text = text, .pretty = pretty};
}

/* The length of the UTF-8 sequence at s, 0 where there is none (RFC 3629: no overlong forms, no surrogates).
 */
static size_t sequence(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  size_t n = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
             : (s[0] & 0xF0) == 0xE0        ? 3
             : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                            : 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) return 0;
  if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
  return n;
}

static bool plain(const unsigned char *s) {
  return *s >= 0x20 && *s != '"' && *s != '\\' && *s != 0x7F && *s < 0x80;
}

void fm_json_quote(struct fm_text *text, const char *value) {
  const unsigned char *s = (const unsigned char *)value;
  fm_text_append(text, "\"");
  while (*s) {
    size_t n = 0;
    while (s[n] && plain(s + n)) n++;
    fm_text_append_bytes(text, s, n);
    s += n;
    if (!*s) break;
    n = sequence(s);
    if (n > 1)
      fm_text_append_bytes(text, s, n);
    else if (n == 0)
      fm_text_append(text, "\\ufffd");
    else if (*s == '"' || *s == '\\')
      fm_text_printf(text, "\\%c", *s);
    else if (*s == '\n')
      fm_text_append(text, "\\n");
    else
      fm_text_printf(text, "\\u%04x", *s);
    s += n ? n : 1;
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
