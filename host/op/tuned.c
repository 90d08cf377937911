/* The file: its lines, and writing it. The look-up is tuned_find.c. */
#include "op/tuned.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char head[] = "flawmap tuned 1";
enum { FIELDS = 8, LONGEST = 512, MOST_LINES = 20000, SAID = 3 };
#define MOST_BYTES ((size_t)4 << 20)

static const char *const scopes[] = {"device ", "family ", "class"};

char *fm_tuned_path(struct fm_context *ctx) {
  const char *wish = getenv("FLAWMAP_TUNE"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  if (wish && *wish && strcmp(wish, "off") != 0) return fm_strdup(ctx, wish);
  if (data && *data) return fm_format(ctx, "%s/flawmap/tuned.txt", data);
  return fm_format(ctx, "%s/.local/share/flawmap/tuned.txt", home ? home : ".");
}

/* Only these letters. */
static bool made_of(const char *text, const char *letters) {
  return *text && text[strspn(text, letters)] == 0;
}

static bool whole_number(const char *text, int most, int *number) {
  if (!made_of(text, "0123456789") || strlen(text) > 9) return false;
  *number = (int)strtol(text, NULL, 10);
  return *number >= 1 && *number <= most;
}

static bool microseconds(char *text, int *us) {
  size_t n = strlen(text);
  if (n < 4 || strcmp(text + n - 3, " us") != 0) return false;
  text[n - 3] = 0;
  return whole_number(text, 999999999, us);
}

static bool copy(char *to, size_t room, const char *from) {
  return (size_t)snprintf(to, room, "%s", from) < room;
}

static bool parse_scope(const char *text, struct fm_tuned_line *l) {
  if (strcmp(text, "class") == 0) {
    l->scope = FM_TUNED_CLASS;
    return true;
  }
  for (int i = FM_TUNED_DEVICE; i <= FM_TUNED_FAMILY; i++) {
    size_t n = strlen(scopes[i]);
    l->scope = (enum fm_tuned_scope)i;
    if (strncmp(text, scopes[i], n) == 0) return text[n] && copy(l->name, sizeof l->name, text + n);
  }
  return false;
}

/* What is wrong with a line, or NULL. */
static const char *parse_line(char *text, struct fm_tuned_line *l) {
  char *field[FIELDS] = {text};
  int count = 1;
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127) return "it has a control character";
  for (char *at = text; (at = strstr(at, " | ")) && count < FIELDS; field[count++] = at) {
    *at = 0;
    at += 3;
  }
  if (count < FIELDS || strstr(field[FIELDS - 1], " | ")) return "it has not 8 fields divided by \" | \"";
  if (!made_of(field[0], "cgpux0123456789") || !copy(l->class, sizeof l->class, field[0]))
    return "its class is no class of devices";
  if (!parse_scope(field[1], l)) return "its second field names no device, family or class";
  if (!made_of(field[2], "abcdefghijklmnopqrstuvwxyz 0123456789/>") ||
      !copy(l->shape, sizeof l->shape, field[2]))
    return "its shape is none";
  if (!whole_number(field[3], 4096, &l->from)) return "its number of pictures is not 1 to 4096";
  if (!made_of(field[4], "abcdefghijklmnopqrstuvwxyz_0123456789") || !copy(l->row, sizeof l->row, field[4]))
    return "its row has no name of a row";
  if (!fm_tile_read(field[5], &l->tile)) return "its tile is none";
  if (!microseconds(field[6], &l->us) || !microseconds(field[7], &l->rule_us)) return "its times are none";
  return NULL;
}

static bool same_key(const struct fm_tuned_line *a, const struct fm_tuned_line *b) {
  return a->scope == b->scope && strcmp(a->class, b->class) == 0 && strcmp(a->name, b->name) == 0 &&
         strcmp(a->shape, b->shape) == 0;
}

static enum fm_status add(struct fm_context *ctx, struct fm_tuned *t, const struct fm_tuned_line *line) {
  if (t->count >= MOST_LINES)
    return fm_error(ctx, FM_LIMIT, "more than %d tuned choices; remove the file and tune again", MOST_LINES);
  FM_TRY(fm_grow(ctx, (void **)&t->line, &t->capacity, t->count, sizeof *t->line));
  t->line[t->count++] = *line;
  return FM_OK;
}

/* The next line of the text into `line`, without its end; false at the end of all. A zero byte within a line,
 * as a length, makes it too long to be good. */
static bool next_line(const char **at, const char *end, char line[LONGEST], bool *good) {
  if (*at >= end) return false;
  const char *stop = memchr(*at, '\n', (size_t)(end - *at));
  size_t n = (size_t)((stop ? stop : end) - *at);
  *good = n < LONGEST && !memchr(*at, 0, n);
  if (*good) {
    memcpy(line, *at, n);
    if (n && line[n - 1] == '\r') n--;
    line[n] = 0;
  }
  *at = stop ? stop + 1 : end;
  return true;
}

enum fm_status fm_tuned_parse(struct fm_context *ctx, const char *name, const char *text, size_t size,
                              bool shipped, struct fm_tuned *t) {
  char line[LONGEST];
  const char *at = text, *end = text + size;
  bool good;
  long number = 1, bad = 0;
  if (!next_line(&at, end, line, &good) || !good || strcmp(line, head) != 0)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is no file of tuned choices: its first line is not \"%s\"; remove it and run "
                    "'flawmap tune'",
                    name, head);
  for (; number++, next_line(&at, end, line, &good);) {
    struct fm_tuned_line l = {.shipped = shipped};
    if (good && (!*line || *line == '#')) continue;
    const char *wrong = good ? parse_line(line, &l) : "it is too long";
    if (!wrong) FM_TRY(add(ctx, t, &l));
    if (wrong && bad++ < SAID) fm_note(ctx, "'%s': line %ld is left out: %s", name, number, wrong);
  }
  if (bad > SAID) fm_note(ctx, "'%s': %ld more lines are left out", name, bad - SAID);
  return FM_OK;
}

enum fm_status fm_tuned_read(struct fm_context *ctx, const char *path, struct fm_tuned *t) {
  unsigned char *bytes;
  size_t size;
  if (strcmp(fm_path_type(path), "nothing") == 0) return FM_OK;
  FM_TRY(fm_file_read(ctx, path, MOST_BYTES, &bytes, &size));
  enum fm_status status = fm_tuned_parse(ctx, path, (const char *)bytes, size, false, t);
  fm_free(ctx, bytes);
  return status;
}

enum fm_status fm_tuned_put(struct fm_context *ctx, struct fm_tuned *t, const struct fm_tuned_line *line) {
  for (size_t i = 0; i < t->count; i++)
    if (same_key(&t->line[i], line) && t->line[i].from == line->from) {
      t->line[i] = *line;
      return FM_OK;
    }
  return add(ctx, t, line);
}

void fm_tuned_drop(struct fm_tuned *t, const struct fm_tuned_line *of) {
  size_t kept = 0;
  for (size_t i = 0; i < t->count; i++)
    if (!same_key(&t->line[i], of)) t->line[kept++] = t->line[i];
  t->count = kept;
}

static void append(struct fm_text *text, const struct fm_tuned_line *l) {
  char tile[FM_TILE_TEXT];
  fm_tile_print(&l->tile, tile);
  fm_text_printf(text, "%s | %s%s | %s | %d | %s | %s | %d us | %d us\n", l->class, scopes[l->scope], l->name,
                 l->shape, l->from, l->row, tile, l->us, l->rule_us);
}

enum fm_status fm_tuned_write(struct fm_context *ctx, const char *path, const struct fm_tuned *t) {
  struct fm_text text;
  char *chars;
  size_t size;
  fm_text_begin(&text, ctx);
  fm_text_printf(
      &text,
      "%s\n# What was measured to be faster than the rule: class | device | what | pictures from | "
      "row | tile | time | the rule's.\n# Written by 'flawmap tune'; docs/tuning.md explains it.\n",
      head);
  for (size_t i = 0; i < t->count; i++) append(&text, &t->line[i]);
  enum fm_status status = fm_text_take(&text, &chars, &size);
  if (status == FM_OK) status = fm_file_write(ctx, path, chars, size);
  fm_free(ctx, chars);
  return status;
}

void fm_tuned_free(struct fm_context *ctx, struct fm_tuned *t) {
  fm_free(ctx, t->line);
  *t = (struct fm_tuned){0};
}
