#include "serve/journal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "file/json_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_VALUES = 200000, DIGITS = 16 };
#define MOST_BYTES ((size_t)1 << 32)

/* ---- what is known ---- */

/* FNV-1a, 64 bits: 10,000 pictures a day for a year collide with a probability of 4e-7. Never 0. */
static uint64_t hash_of(const char *name, const struct fm_file_stamp *s) {
  uint64_t h = 0xcbf29ce484222325u;
  const uint64_t numbers[] = {s->size, (uint64_t)s->modified, s->inode};
  for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 0x100000001b3u;
  for (size_t i = 0; i < sizeof numbers; i++)
    h = (h ^ ((numbers[i / 8] >> (i % 8 * 8)) & 255)) * 0x100000001b3u;
  return h ? h : 1;
}

static size_t place_of(const uint64_t *known, size_t capacity, uint64_t hash) {
  size_t at = hash & (capacity - 1);
  while (known[at] && known[at] != hash) at = (at + 1) & (capacity - 1);
  return at;
}

static enum fm_status grow(struct fm_journal *j) {
  size_t capacity = j->capacity ? 2 * j->capacity : 1024;
  uint64_t *more = fm_alloc(j->ctx, capacity, sizeof *more);
  if (!more) return FM_MEMORY;
  for (size_t i = 0; i < j->capacity; i++)
    if (j->known[i]) more[place_of(more, capacity, j->known[i])] = j->known[i];
  fm_free(j->ctx, j->known);
  j->known = more;
  j->capacity = capacity;
  return FM_OK;
}

static enum fm_status know(struct fm_journal *j, uint64_t hash) {
  if (2 * j->count >= j->capacity) FM_TRY(grow(j));
  size_t at = place_of(j->known, j->capacity, hash);
  j->count += !j->known[at];
  j->known[at] = hash;
  return FM_OK;
}

bool fm_journal_knows(const struct fm_journal *j, const char *name, const struct fm_file_stamp *stamp) {
  return j->capacity && j->known[place_of(j->known, j->capacity, hash_of(name, stamp))];
}

/* ---- lines ---- */

enum fm_status fm_journal_parse(struct fm_context *ctx, const char *line, size_t size, uint64_t *hash) {
  const struct fm_json_source source = {
      .path = "results.jsonl", .part = "a line", .advice = "", .most_values = MOST_VALUES};
  cJSON *object = NULL;
  enum fm_status status = fm_json_parse(ctx, &source, line, size, &object);
  const cJSON *file = status == FM_OK ? fm_json_member(object, "file") : NULL;
  const char *digits = file && cJSON_IsString(file) ? file->valuestring : "";
  if (strlen(digits) == DIGITS && strspn(digits, "0123456789abcdef") == DIGITS)
    *hash = strtoull(digits, NULL, 16);
  else if (status == FM_OK)
    status = fm_error(ctx, FM_FORMAT, "a line of results.jsonl names no picture");
  cJSON_Delete(object);
  return status;
}

/* Lines that somebody else wrote are passed over: their pictures are not known. */
static enum fm_status read_line(struct fm_journal *j, const char *line, size_t size, size_t *strange) {
  uint64_t hash = 0;
  struct fm_context branch;
  fm_context_branch(&branch, j->ctx);
  enum fm_status status = fm_journal_parse(&branch, line, size, &hash);
  fm_context_free(&branch);
  if (status == FM_MEMORY) return fm_error(j->ctx, FM_MEMORY, "there is no memory for the journal");
  if (status == FM_OK && hash) return know(j, hash);
  ++*strange;
  return FM_OK;
}

static enum fm_status read_all(struct fm_journal *j, const char *path) {
  unsigned char *bytes;
  size_t size, strange = 0;
  FM_TRY(fm_file_read(j->ctx, path, MOST_BYTES, &bytes, &size));
  enum fm_status status = FM_OK;
  const char *at = (const char *)bytes, *end = at + size;
  while (at < end && status == FM_OK) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t n = (size_t)((stop ? stop : end) - at);
    if (n) status = read_line(j, at, n, &strange);
    at += n + 1;
  }
  fm_free(j->ctx, bytes);
  if (strange) fm_note(j->ctx, "note: %zu lines of '%s' name no picture and are passed over", strange, path);
  return status;
}

enum fm_status fm_journal_open(struct fm_journal *j, struct fm_context *ctx, const char *path) {
  *j = (struct fm_journal){.ctx = ctx};
  FM_TRY(fm_append_open(&j->file, ctx, path));
  return read_all(j, path);
}

void fm_journal_close(struct fm_journal *j) {
  if (!j->ctx) return;
  fm_append_close(&j->file);
  fm_free(j->ctx, j->known);
  *j = (struct fm_journal){0};
}

enum fm_status fm_journal_add(struct fm_journal *j, struct fm_context *ctx, const char *name,
                              const struct fm_file_stamp *stamp, const char *members) {
  struct fm_text text;
  char *line;
  size_t size;
  fm_text_begin(&text, ctx);
  fm_text_append_bytes(&text, members, strlen(members) - 1);
  fm_text_printf(&text, ",\"file\":\"%016" PRIx64 "\"}\n", hash_of(name, stamp));
  FM_TRY(fm_text_take(&text, &line, &size));
  enum fm_status status = fm_append_line(&j->file, ctx, line, size);
  fm_free(ctx, line);
  return status == FM_OK ? know(j, hash_of(name, stamp)) : status;
}
