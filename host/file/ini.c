#include "file/ini.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

struct reader {
  struct fm_context *ctx;
  const char *name;
  struct fm_ini *ini;
  size_t capacity;
  const char *section;
  int line;
};

static enum fm_status wrong(const struct reader *r, const char *what) {
  return fm_error(r->ctx, FM_FORMAT, "'%s', line %d: %s; lines are 'key = value', '[section]' or '# comment'",
                  r->name, r->line, what);
}

static bool blank(char c) {
  return c == ' ' || c == '\t';
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text) {
  while (blank(*text)) text++;
  size_t n = strlen(text);
  while (n > 0 && blank(text[n - 1])) n--;
  text[n] = 0;
  return text;
}

static bool proper_name(const char *name) {
  static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return *name && name[strspn(name, good)] == 0;
}

static void cut_comment(char *text) {
  for (char *c = text; *c; c++)
    if ((*c == ';' || *c == '#') && (c == text || blank(c[-1]))) {
      *c = 0;
      return;
    }
}

static enum fm_status read_line(struct reader *r, char *line) {
  for (const unsigned char *c = (const unsigned char *)line; *c; c++)
    if ((*c < 0x20 && *c != '\t') || *c == 0x7F) return wrong(r, "a control character");
  cut_comment(line);
  line = trim(line);
  if (!*line) return FM_OK;
  if (*line == '[') {
    char *end = strchr(line, ']');
    if (!end || end[1]) return wrong(r, "a section without its ']' at the end");
    *end = 0;
    r->section = trim(line + 1);
    return proper_name(r->section) ? FM_OK : wrong(r, "a section with an improper name");
  }
  char *equals = strchr(line, '=');
  if (!equals) return wrong(r, "neither a key nor a section");
  *equals = 0;
  struct fm_ini_entry e = {
      .section = r->section, .key = trim(line), .value = trim(equals + 1), .line = r->line};
  if (!proper_name(e.key)) return wrong(r, "a key with an improper name");
  if (r->ini->count == FM_INI_MAX_ENTRIES)
    return fm_error(r->ctx, FM_LIMIT, "'%s' has more than %d entries, the limit", r->name,
                    FM_INI_MAX_ENTRIES);
  FM_TRY(fm_grow(r->ctx, (void **)&r->ini->entries, &r->capacity, r->ini->count, sizeof *r->ini->entries));
  r->ini->entries[r->ini->count++] = e;
  return FM_OK;
}

static int by_key(const void *a, const void *b) {
  const struct fm_ini_entry *s = *(struct fm_ini_entry *const *)a, *t = *(struct fm_ini_entry *const *)b;
  int order = strcmp(s->section, t->section);
  if (order == 0) order = strcmp(s->key, t->key);
  return order ? order : (s->line > t->line) - (s->line < t->line);
}

static enum fm_status refuse_duplicates(struct reader *r) {
  const struct fm_ini *ini = r->ini;
  struct fm_ini_entry **sorted = fm_alloc(r->ctx, ini->count, sizeof *sorted);
  if (!sorted) return FM_MEMORY;
  for (size_t i = 0; i < ini->count; i++) sorted[i] = ini->entries + i;
  qsort(sorted, ini->count, sizeof *sorted, by_key);
  enum fm_status status = FM_OK;
  for (size_t i = 1; i < ini->count && status == FM_OK; i++) {
    const struct fm_ini_entry *a = sorted[i - 1], *b = sorted[i];
    if (strcmp(a->section, b->section) == 0 && strcmp(a->key, b->key) == 0)
      status = fm_error(r->ctx, FM_FORMAT,
                        "'%s', line %d: '%.100s' was already set in line %d; remove one of the two", r->name,
                        b->line, b->key, a->line);
  }
  fm_free(r->ctx, sorted);
  return status;
}

static enum fm_status read_lines(struct reader *r, char *text) {
  static const char mark[] = "\xEF\xBB\xBF"; /* that some editors put in front of UTF-8 */
  if (strncmp(text, mark, 3) == 0) text += 3;
  while (*text) {
    size_t n = strcspn(text, "\n");
    char *next = text + n + (text[n] != 0);
    text[n] = 0;
    if (n > 0 && text[n - 1] == '\r') text[n - 1] = 0;
    r->line++;
    FM_TRY(read_line(r, text));
    text = next;
  }
  return refuse_duplicates(r);
}

enum fm_status fm_ini_parse(struct fm_context *ctx, const char *name, const void *bytes, size_t size,
                            struct fm_ini *ini) {
  *ini = (struct fm_ini){0};
  if (size > FM_INI_MAX_FILE)
    return fm_error(ctx, FM_LIMIT, "'%s' has %zu bytes; the limit is %zu", name, size, FM_INI_MAX_FILE);
  if (size && memchr(bytes, 0, size))
    return fm_error(ctx, FM_FORMAT, "'%s' contains a zero byte, so it is not a text file", name);
  struct reader r = {.ctx = ctx, .name = name, .ini = ini, .section = ""};
  ini->text = fm_alloc(ctx, size + 1, 1);
  if (!ini->text) return FM_MEMORY;
  if (size) memcpy(ini->text, bytes, size);
  enum fm_status status = read_lines(&r, ini->text);
  if (status != FM_OK) fm_ini_free(ctx, ini);
  return status;
}

enum fm_status fm_ini_read(struct fm_context *ctx, const char *path, struct fm_ini *ini) {
  unsigned char *bytes;
  size_t size;
  *ini = (struct fm_ini){0};
  FM_TRY(fm_file_read(ctx, path, FM_INI_MAX_FILE, &bytes, &size));
  enum fm_status status = fm_ini_parse(ctx, path, bytes, size, ini);
  fm_free(ctx, bytes);
  return status;
}

const char *fm_ini_find(const struct fm_ini *ini, const char *section, const char *key) {
  for (size_t i = 0; i < ini->count; i++)
    if (strcmp(ini->entries[i].section, section) == 0 && strcmp(ini->entries[i].key, key) == 0)
      return ini->entries[i].value;
  return NULL;
}

void fm_ini_free(struct fm_context *ctx, struct fm_ini *ini) {
  fm_free(ctx, ini->entries);
  fm_free(ctx, ini->text);
  *ini = (struct fm_ini){0};
}
