#define _POSIX_C_SOURCE 200809L
#include "model/real.h"

#include "base/memory.h"
#include "base/rng.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- lines ---- */

/* The length of the first line, without its end. */
static size_t line_length(const char *text) {
  return strcspn(text, "\n");
}

static const char *next_line(const char *text) {
  text += line_length(text);
  return *text ? text + 1 : text;
}

static bool names(const char *line, size_t length, const struct fm_sample *s) {
  size_t kind = strlen(s->kind), name = strlen(s->name);
  return length == kind + 1 + name && memcmp(line, s->kind, kind) == 0 && line[kind] == '/' &&
         memcmp(line + kind + 1, s->name, name) == 0;
}

/* Its place in the test list, or the number of test pictures. */
static size_t find(const struct fm_category *c, const char *line, size_t length) {
  size_t i = 0;
  while (i < c->test_count && !names(line, length, &c->test[i])) i++;
  return i;
}

size_t fm_real_count(const char *text) {
  size_t count = 0;
  for (; text && *text; text = next_line(text)) count++;
  return count;
}

bool fm_real_valid(const char *text) {
  for (; *text; text = next_line(text)) {
    size_t n = line_length(text);
    if (!memchr(text, '/', n) || text[n] != '\n') return false;
    for (size_t i = 0; i < n; i++)
      if ((unsigned char)text[i] < ' ' || text[i] == 127) return false;
  }
  return true;
}

/* The text of the chosen test pictures. */
static enum fm_status write_lines(struct fm_context *ctx, const struct fm_category *c, const bool *chosen,
                                  char **text) {
  struct fm_text lines;
  fm_text_begin(&lines, ctx);
  fm_text_append(&lines, "");
  for (size_t i = 0; i < c->test_count; i++)
    if (chosen[i]) fm_text_printf(&lines, "%s/%s\n", c->test[i].kind, c->test[i].name);
  FM_TRY(fm_text_take(&lines, text, NULL));
  if (fm_real_valid(*text)) return FM_OK;
  fm_free(ctx, *text);
  *text = NULL;
  return fm_error(ctx, FM_USAGE,
                  "category '%s': names of pictures to learn from must not hold control characters", c->name);
}

/* ---- drawing ---- */

static bool usable(const struct fm_sample *s) {
  return s->flawed && s->mask;
}

/* The usable pictures of one kind in random order: out[0..count). Returns the index after the kind's last. */
static size_t shuffle_kind(const struct fm_category *c, size_t first, uint64_t seed, uint32_t *out,
                           uint32_t *room, size_t *count) {
  char stream[300];
  size_t end = first, n = 0;
  for (; end < c->test_count && strcmp(c->test[end].kind, c->test[first].kind) == 0; end++)
    n += usable(&c->test[end]);
  snprintf(stream, sizeof stream, "real.%.280s", c->test[first].kind);
  struct fm_rng rng = fm_rng_stream(seed, stream);
  fm_rng_permutation(&rng, room, (uint32_t)n);
  for (size_t i = first, k = 0; i < end; i++)
    if (usable(&c->test[i])) out[room[k++]] = (uint32_t)i;
  *count = n;
  return end;
}

/* The kinds that have any take turns, in an order of the seed's own. */
static void choose(const struct fm_category *c, uint64_t seed, size_t n, uint32_t *room, bool *chosen) {
  uint32_t *shuffled = room, *scratch = room + c->test_count, *begin = scratch + c->test_count,
           *count = begin + c->test_count, *turn = count + c->test_count;
  size_t kinds = 0, at = 0;
  for (size_t first = 0; first < c->test_count;) {
    size_t usable_ones;
    first = shuffle_kind(c, first, seed, shuffled + at, scratch, &usable_ones);
    if (!usable_ones) continue;
    begin[kinds] = (uint32_t)at;
    count[kinds++] = (uint32_t)usable_ones;
    at += usable_ones;
  }
  struct fm_rng rng = fm_rng_stream(seed, "real");
  fm_rng_permutation(&rng, turn, (uint32_t)kinds);
  for (uint32_t round = 0; n > 0; round++)
    for (size_t k = 0; k < kinds && n > 0; k++)
      if (round < count[turn[k]]) {
        chosen[shuffled[begin[turn[k]] + round]] = true;
        n--;
      }
}

enum fm_status fm_real_draw(struct fm_context *ctx, const struct fm_category *c, uint64_t seed, size_t n,
                            char **text) {
  size_t there = 0, bytes;
  *text = NULL;
  for (size_t i = 0; i < c->test_count; i++) there += usable(&c->test[i]);
  if (!there)
    return fm_error(
        ctx, FM_USAGE,
        "category '%s' has no flawed test pictures with masks to learn from (--real-anomalies); the "
        "layouts mvtec, mvtec3d and visa have them",
        c->name);
  if (n > there)
    return fm_error(ctx, FM_USAGE,
                    "--real-anomalies %zu is too many: '%s' has %zu flawed test pictures with masks", n,
                    c->name, there);
  if (!fm_mul(c->test_count, 5, &bytes) || c->test_count > UINT32_MAX)
    return fm_error(ctx, FM_LIMIT, "%zu test pictures are too many", c->test_count);
  uint32_t *room = fm_alloc(ctx, bytes, sizeof *room);
  bool *chosen = fm_alloc(ctx, c->test_count, sizeof *chosen);
  enum fm_status status = room && chosen ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    choose(c, seed, n, room, chosen);
    status = write_lines(ctx, c, chosen, text);
  }
  fm_free(ctx, room);
  fm_free(ctx, chosen);
  return status;
}

/* ---- a file of names ---- */

static enum fm_status read_lines(struct fm_context *ctx, const struct fm_category *c, const char *path,
                                 const char *bytes, bool *chosen) {
  int number = 1;
  for (const char *line = bytes; *line; line = next_line(line), number++) {
    size_t n = line_length(line);
    while (n && (line[n - 1] == '\r' || line[n - 1] == ' ')) n--;
    if (!n) continue;
    size_t i = find(c, line, n);
    if (i == c->test_count)
      return fm_error(
          ctx, FM_USAGE,
          "'%s', line %d: '%s' has no test picture '%.*s'; a line should be KIND/NAME, for example "
          "%s/%s",
          path, number, c->name, n < 80 ? (int)n : 80, line,
          c->test_count ? c->test[c->test_count - 1].kind : "scratch",
          c->test_count ? c->test[c->test_count - 1].name : "000");
    chosen[i] = true;
  }
  return FM_OK;
}

enum fm_status fm_real_read(struct fm_context *ctx, const struct fm_category *c, const char *path,
                            char **text) {
  enum { MOST = 1 << 24 };
  unsigned char *bytes;
  size_t size;
  *text = NULL;
  FM_TRY(fm_file_read(ctx, path, MOST, &bytes, &size));
  bool *chosen = fm_alloc(ctx, c->test_count + 1, sizeof *chosen);
  enum fm_status status = chosen ? read_lines(ctx, c, path, (const char *)bytes, chosen) : FM_MEMORY;
  if (status == FM_OK) status = write_lines(ctx, c, chosen, text);
  fm_free(ctx, chosen);
  fm_free(ctx, bytes);
  return status;
}

/* ---- use ---- */

enum fm_status fm_real_samples(struct fm_context *ctx, const struct fm_category *c, const char *text,
                               struct fm_sample **samples, size_t *count) {
  *count = 0;
  *samples = NULL;
  size_t most = fm_real_count(text);
  if (!most) return FM_OK;
  if (!(*samples = fm_alloc(ctx, most, sizeof **samples))) return FM_MEMORY;
  for (; *text; text = next_line(text)) {
    size_t n = line_length(text), i = find(c, text, n);
    const struct fm_sample *s = i < c->test_count ? &c->test[i] : NULL;
    if (!s || !usable(s)) {
      fm_free(ctx, *samples);
      *samples = NULL;
      return fm_error(ctx, FM_USAGE, "'%s' cannot learn from the test picture '%.*s': it %s", c->name,
                      n < 200 ? (int)n : 200, text,
                      !s           ? "is not there"
                      : !s->flawed ? "is a good one"
                                   : "has no mask");
    }
    (*samples)[(*count)++] = *s;
  }
  return FM_OK;
}

size_t fm_real_leave_out(struct fm_context *ctx, struct fm_category *c, const char *text) {
  size_t left = 0;
  for (; text && *text; text = next_line(text)) {
    size_t i = find(c, text, line_length(text));
    if (i == c->test_count) continue;
    struct fm_sample *s = &c->test[i];
    char *const strings[] = {s->path, s->name, s->kind, s->mask};
    for (int k = 0; k < 4; k++) fm_free(ctx, strings[k]);
    memmove(s, s + 1, (c->test_count - i - 1) * sizeof *s);
    c->test_count--;
    left++;
  }
  return left;
}
