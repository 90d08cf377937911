#define _POSIX_C_SOURCE 200809L
#include "base/print.h"

#include <stdint.h>
#include <string.h>

/* ---- characters ---- */

/* Control characters, and what nobody sees or what turns the writing around: joiners, marks and overrides of
 * direction, line and paragraph separators, tags, byte order marks. */
static bool is_visible(uint32_t c) {
  static const struct {
    uint32_t first, last;
  } hidden[] = {{0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x180E, 0x180E}, {0x200B, 0x200F},
                {0x2028, 0x202E}, {0x2060, 0x206F}, {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB}, {0xE0000, 0xE007F}};
  for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
    if (c >= hidden[i].first && c <= hidden[i].last) return false;
  return true;
}

/* As fm_utf8; *c is the character. */
static size_t decode(const char *text, size_t left, uint32_t *c) {
  const unsigned char *s = (const unsigned char *)text;
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (!left) return 0;
  size_t n = s[0] < 0x80             ? 1
             : (s[0] & 0xE0) == 0xC0 ? 2
             : (s[0] & 0xF0) == 0xE0 ? 3
             : (s[0] & 0xF8) == 0xF0 ? 4
                                     : 0;
  if (n < 2) {
    *c = s[0];
    return n;
  }
  if (n > left) return 0;
  *c = s[0] & (0x7Fu >> n);
  for (size_t i = 1; i < n; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
    *c = *c << 6 | (s[i] & 0x3F);
  }
  return *c < least[n] || *c > 0x10FFFF || (*c >= 0xD800 && *c <= 0xDFFF) ? 0 : n;
}

size_t fm_utf8(const char *s, size_t n, bool *visible) {
  uint32_t c = 0;
  size_t length = decode(s, n, &c);
  if (visible) *visible = length && is_visible(c);
  return length;
}

/* How the first character of s is shown, at most 10 bytes; *taken bytes of s are. Returns their number. */
static size_t show_one(const char *s, size_t left, char out[16], size_t *taken) {
  uint32_t c = 0;
  size_t n = decode(s, left, &c);
  *taken = n ? n : 1;
  if (n && is_visible(c)) {
    memcpy(out, s, n);
    return n;
  }
  if (!n || (c < 0x80 && c != '\n' && c != '\r' && c != '\t'))
    return (size_t)snprintf(out, 16, "\\x%02x", (unsigned char)*s);
  if (c < 0x80) return (size_t)snprintf(out, 16, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
  return (size_t)snprintf(out, 16, c > 0xFFFF ? "\\U%08x" : "\\u%04x", (unsigned)c);
}

/* ---- where it goes: a message of limited room, or a stream by way of a buffer ---- */

struct sink {
  char *out;
  size_t room, used;
  FILE *stream; /* NULL: what does not fit is cut off */
  bool full;
};

static void put(struct sink *sink, const char *bytes, size_t n) {
  if (sink->stream && n > sink->room - sink->used) {
    fwrite(sink->out, 1, sink->used, sink->stream);
    sink->used = 0;
  }
  if (n > sink->room - sink->used) {
    if (sink->stream) {
      fwrite(bytes, 1, n, sink->stream);
      return;
    }
    sink->full = true;
  }
  if (sink->full) return; /* nothing behind a gap */
  memcpy(sink->out + sink->used, bytes, n);
  sink->used += n;
}

static void pad(struct sink *sink, size_t n) {
  while (n-- > 0) put(sink, " ", 1);
}

/* ---- the format ---- */

struct conversion {
  char flags[8], length[4], kind;
  int width, precision; /* -1: none */
};

/* Columns, as far as this matters: escapes and letters are one wide, parts of a letter none. */
static size_t columns(const char *s, size_t n) {
  size_t count = 0;
  for (size_t i = 0; i < n; i++) count += ((unsigned char)s[i] & 0xC0) != 0x80;
  return count;
}

/* A precision in the middle of a letter leaves the letter out. */
static size_t whole_letters(const char *s, size_t n) {
  size_t back = 0;
  while (back < 3 && back < n && ((unsigned char)s[n - 1 - back] & 0xC0) == 0x80) back++;
  if (back >= n) return n;
  unsigned char first = (unsigned char)s[n - 1 - back];
  size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  return length > back + 1 ? n - back - 1 : n;
}

static void put_string(struct sink *sink, const struct conversion *c, const char *s) {
  if (!s) s = "(none)";
  size_t n = c->precision < 0 ? strlen(s) : strnlen(s, (size_t)c->precision), width = 0, taken;
  if (c->precision >= 0 && s[n ? n - 1 : 0]) n = whole_letters(s, n);
  char one[16];
  for (size_t i = 0; i < n; i += taken) width += columns(one, show_one(s + i, n - i, one, &taken));
  size_t fill = c->width > 0 && (size_t)c->width > width ? (size_t)c->width - width : 0;
  bool left = strchr(c->flags, '-') != NULL;
  if (!left) pad(sink, fill);
  for (size_t i = 0; i < n; i += taken) {
    size_t shown = show_one(s + i, n - i, one, &taken);
    put(sink, one, shown);
  }
  if (left) pad(sink, fill);
}

/* A number by the library's own printf, one conversion at a time. */
static void put_number(struct sink *sink, const struct conversion *c, va_list *args) {
  char spec[32], text[512];
  const char *l = c->length;
  int n = -1;
  snprintf(spec, sizeof spec, "%%%s*.*%s%c", c->flags, l, c->kind);
  int width = c->width < 0 ? 0 : c->width, precision = c->precision; /* a negative precision is none */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
/* NOLINTBEGIN(bugprone-branch-clone): the types differ */
#define FORMAT(type) n = snprintf(text, sizeof text, spec, width, precision, va_arg(*args, type))
  if (strchr("aAeEfFgG", c->kind)) {
    if (*l == 'L')
      FORMAT(long double);
    else
      FORMAT(double);
  } else if (c->kind == 'p') {
    FORMAT(void *);
  } else if (strcmp(l, "ll") == 0) {
    FORMAT(long long);
  } else if (*l == 'l') {
    FORMAT(long);
  } else if (*l == 'j') {
    FORMAT(intmax_t);
  } else if (*l == 'z') {
    FORMAT(size_t);
  } else if (*l == 't') {
    FORMAT(ptrdiff_t);
  } else {
    FORMAT(int);
  }
#undef FORMAT
/* NOLINTEND(bugprone-branch-clone) */
#pragma GCC diagnostic pop
  if (n > 0) put(sink, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* "12", "*" or nothing. */
static const char *read_size(const char *at, va_list *args, int *size) {
  if (*at == '*') {
    *size = va_arg(*args, int);
    return at + 1;
  }
  for (*size = 0; *at >= '0' && *at <= '9'; at++)
    if (*size < 10000) *size = 10 * *size + (*at - '0');
  return at;
}

/* What follows a percent sign; returns what comes behind it. */
static const char *read_conversion(const char *at, va_list *args, struct conversion *c) {
  *c = (struct conversion){.precision = -1};
  for (size_t n = 0; *at && strchr("-+ #0", *at); at++)
    if (n + 1 < sizeof c->flags) c->flags[n++] = *at;
  at = read_size(at, args, &c->width);
  if (c->width < 0) { /* of an asterisk: to the left */
    c->width = -c->width;
    c->flags[strlen(c->flags) < sizeof c->flags - 1 ? strlen(c->flags) : 0] = '-';
  }
  if (*at == '.') at = read_size(at + 1, args, &c->precision);
  for (size_t n = 0; *at && strchr("hlLqjzt", *at); at++)
    if (n + 1 < sizeof c->length) c->length[n++] = *at;
  c->kind = *at;
  return *at ? at + 1 : at;
}

static void format_all(struct sink *sink, const char *format, va_list *args) {
  struct conversion c;
  for (const char *at = format; *at;) {
    size_t plain = strcspn(at, "%");
    put(sink, at, plain);
    at += plain;
    if (!*at) break;
    at = read_conversion(at + 1, args, &c);
    if (c.kind == '%')
      put(sink, "%", 1);
    else if (c.kind == 's')
      put_string(sink, &c, va_arg(*args, const char *));
    else if (c.kind == 'c')
      put_string(sink, &c, (const char[4]){(char)va_arg(*args, int)});
    else
      put_number(sink, &c, args);
  }
}

void fm_vshow(char *out, size_t room, const char *format, va_list args) {
  struct sink sink = {.out = out, .room = room - 1};
  va_list copy;
  va_copy(copy, args);
  format_all(&sink, format, &copy);
  va_end(copy);
  out[sink.used] = 0;
}

void fm_vprint_to(FILE *stream, const char *format, va_list args) {
  char buffer[2048];
  struct sink sink = {.out = buffer, .room = sizeof buffer, .stream = stream};
  va_list copy;
  va_copy(copy, args);
  format_all(&sink, format, &copy);
  va_end(copy);
  fwrite(buffer, 1, sink.used, stream);
}

void fm_print_to(FILE *stream, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fm_vprint_to(stream, format, args);
  va_end(args);
}

void fm_vprint(const char *format, va_list args) {
  fm_vprint_to(stdout, format, args);
}

void fm_print(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fm_vprint_to(stdout, format, args);
  va_end(args);
}

void fm_print_data(const char *text) {
  fputs(text, stdout);
}
