/* SHA-256 as 64 lower-case hexadecimal digits and a zero byte. */
#ifndef FM_FILE_SHA256_H
#define FM_FILE_SHA256_H

#include "base/status.h"

#define FM_SHA256_MAX_FILE ((size_t)1 << 35)

enum fm_status fm_sha256_bytes(struct fm_context *ctx, const void *bytes, size_t size, char hex[65]);
enum fm_status fm_sha256_file(struct fm_context *ctx, const char *path,
                              char hex[65]); /* reads it as a whole */

/* In pieces: begin, update as often as needed, end; free on every path (also after end). */
struct fm_sha256 {
  struct fm_context *ctx;
  void *state;
};
enum fm_status fm_sha256_begin(struct fm_sha256 *sha, struct fm_context *ctx);
enum fm_status fm_sha256_update(struct fm_sha256 *sha, const void *bytes, size_t size);
enum fm_status fm_sha256_end(struct fm_sha256 *sha, char hex[65]);
void fm_sha256_free(struct fm_sha256 *sha);

#endif
