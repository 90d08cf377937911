/* Which pictures a model learned from, so that nobody takes them for a test of it: the first 8 bytes of the
 * SHA-256 of each file's bytes as 16 hexadecimal digits, sorted, each once, one behind another. A copy under
 * another name is found; a picture that was saved anew is not. NULL, as in models of older versions, is the
 * same as none. */
#ifndef FM_MODEL_SEEN_H
#define FM_MODEL_SEEN_H

#include "data/dataset.h"

/* 1 MiB of text. Of more pictures those with the smallest hashes are remembered, which are any. */
enum { FM_SEEN_DIGITS = 16, FM_SEEN_MOST = 1 << 16 };

/* A new string. */
enum fm_status fm_seen_make(struct fm_context *ctx, const struct fm_sample *samples, size_t count,
                            char **text);

/* Both lists in one, a new string; a may be NULL. */
enum fm_status fm_seen_join(struct fm_context *ctx, const char *a, const char *b, char **text);

/* seen[i]: sample i is among those in text. Returns with *found how many are. */
enum fm_status fm_seen_find(struct fm_context *ctx, const char *text, const struct fm_sample *samples,
                            size_t count, bool *seen, size_t *found);

/* True for text as fm_seen_make makes it, whoever wrote it. */
bool fm_seen_valid(const char *text);

#endif
