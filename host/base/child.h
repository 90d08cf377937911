/* Another program, run to its end. */
#ifndef FM_BASE_CHILD_H
#define FM_BASE_CHILD_H

#include "base/status.h"

struct fm_child {
  const char *const *argv; /* the program, looked for in PATH, and its arguments; NULL at the end */
  const char *folder;      /* where it runs; NULL: here */
  bool quiet;              /* what it says is dropped; else all of it goes to stderr */
};

/* *status: what it ended with; 127 where there is no such program, 128 and the signal's number where a signal
 * ended it. It reads nothing (/dev/null). When ctx->stop is set it is ended, and that is FM_STOPPED. */
enum fm_status fm_child_run(struct fm_context *ctx, const struct fm_child *child, int *status);

#endif
