/* A file of lines that only grows, and survives a crash at any moment: what was synced is there, and a line
 * that was torn is taken off when the file is opened again. One process at a time. */
#ifndef FM_BASE_APPEND_H
#define FM_BASE_APPEND_H

#include "base/status.h"

struct fm_append {
  struct fm_context *ctx;
  char *path;
  int file; /* -1: not open */
  size_t size;
};

/* FM_USAGE where another process has it open. To be closed on every path. */
enum fm_status fm_append_open(struct fm_append *a, struct fm_context *ctx, const char *path);

/* A whole line with its end; after a failure (a full disk) the file is as it was. A failure is reported into
 * ctx. */
enum fm_status fm_append_line(struct fm_append *a, struct fm_context *ctx, const char *line, size_t size);

/* What was appended is on the disk. */
enum fm_status fm_append_sync(struct fm_append *a, struct fm_context *ctx);
void fm_append_close(struct fm_append *a);

#endif
