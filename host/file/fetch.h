/* Downloads. */
#ifndef FM_FILE_FETCH_H
#define FM_FILE_FETCH_H

#include "base/status.h"

struct fm_fetch {
  const char *url;
  const char *path;   /* of the file to make; its folder must exist */
  const char *sha256; /* 64 hexadecimal digits that the content must have, or NULL */
  size_t limit;       /* bytes; more is FM_LIMIT */
  const char *text;   /* for the progress bar; NULL: "downloading" */
  bool any_protocol;  /* http:// and file:// too, for mirrors and tests; else only https:// is accepted */
};

/* The content goes to a temporary file and takes its name only when it is complete and has the checksum.
 * Follows redirections; gives up after a minute without data; stops with FM_STOPPED when ctx->stop is set. */
enum fm_status fm_fetch(struct fm_context *ctx, const struct fm_fetch *fetch);

#endif
