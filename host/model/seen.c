#include "model/seen.h"

#include "base/memory.h"
#include "base/thread.h"
#include "file/sha256.h"

#include <stdlib.h>
#include <string.h>

struct hashing {
  struct fm_context *ctx;
  const struct fm_sample *samples;
  char *digits; /* [count][FM_SEEN_DIGITS] */
};

static enum fm_status hash_one(void *user, size_t i) {
  struct hashing *h = user;
  char hex[65];
  FM_TRY(fm_stop_check(h->ctx, "looking at which pictures there are"));
  FM_TRY(fm_sha256_file(h->ctx, h->samples[i].path, hex));
  memcpy(h->digits + i * FM_SEEN_DIGITS, hex, FM_SEEN_DIGITS);
  return FM_OK;
}

/* The hashes in the order of the samples, with a zero byte behind the last; a new string. */
static enum fm_status hash_all(struct fm_context *ctx, const struct fm_sample *samples, size_t count,
                               char **digits) {
  struct hashing h = {.ctx = ctx, .samples = samples};
  h.digits = fm_alloc(ctx, count + 1, FM_SEEN_DIGITS); /* zero */
  *digits = h.digits;
  return h.digits ? fm_parallel(ctx, count, hash_one, &h) : FM_MEMORY;
}

static int by_digits(const void *a, const void *b) {
  return memcmp(a, b, FM_SEEN_DIGITS);
}

/* Sorted, each once, the smallest; digits [count + 1][FM_SEEN_DIGITS]. */
static void settle(char *all, size_t count) {
  size_t kept = 0;
  qsort(all, count, FM_SEEN_DIGITS, by_digits);
  for (size_t i = 0; i < count && kept < FM_SEEN_MOST; i++) {
    char *last = all + kept * FM_SEEN_DIGITS, *next = all + i * FM_SEEN_DIGITS;
    if (kept && by_digits(last - FM_SEEN_DIGITS, next) == 0) continue;
    memmove(last, next, FM_SEEN_DIGITS);
    kept++;
  }
  all[kept * FM_SEEN_DIGITS] = 0;
}

enum fm_status fm_seen_make(struct fm_context *ctx, const struct fm_sample *samples, size_t count,
                            char **text) {
  char *all;
  enum fm_status status = hash_all(ctx, samples, count, &all);
  if (status != FM_OK) {
    fm_free(ctx, all);
    return status;
  }
  settle(all, count);
  *text = all;
  return FM_OK;
}

enum fm_status fm_seen_join(struct fm_context *ctx, const char *a, const char *b, char **text) {
  size_t first = a ? strlen(a) : 0, second = strlen(b);
  *text = fm_alloc(ctx, first + second + FM_SEEN_DIGITS, 1);
  if (!*text) return FM_MEMORY;
  if (first) memcpy(*text, a, first);
  memcpy(*text + first, b, second);
  settle(*text, (first + second) / FM_SEEN_DIGITS);
  return FM_OK;
}

enum fm_status fm_seen_find(struct fm_context *ctx, const char *text, const struct fm_sample *samples,
                            size_t count, bool *seen, size_t *found) {
  size_t known = text ? strlen(text) / FM_SEEN_DIGITS : 0;
  char *all;
  memset(seen, 0, count * sizeof *seen);
  *found = 0;
  if (!known || !count) return FM_OK;
  enum fm_status status = hash_all(ctx, samples, count, &all);
  for (size_t i = 0; status == FM_OK && i < count; i++) {
    seen[i] = bsearch(all + i * FM_SEEN_DIGITS, text, known, FM_SEEN_DIGITS, by_digits) != NULL;
    *found += seen[i];
  }
  fm_free(ctx, all);
  return status;
}

bool fm_seen_valid(const char *text) {
  size_t size = strlen(text);
  if (size % FM_SEEN_DIGITS || size > (size_t)FM_SEEN_MOST * FM_SEEN_DIGITS) return false;
  if (strspn(text, "0123456789abcdef") != size) return false;
  for (size_t at = FM_SEEN_DIGITS; at < size; at += FM_SEEN_DIGITS)
    if (by_digits(text + at - FM_SEEN_DIGITS, text + at) >= 0) return false;
  return true;
}
