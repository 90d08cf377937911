/* Other processes: a program run to its end, and a question put to a copy of this process. */
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

/* How a copy of this process ended: neither a signal nor late: it gave its answer. */
struct fm_child_end {
  int signal;     /* the one that ended it; 0: none */
  bool late;      /* it took longer than the limit, and was ended */
  char said[512]; /* the end of what it printed, lines joined by "; " */
};

struct fm_question {
  enum fm_status (*ask)(struct fm_context *ctx, const void *given, void *answer);
  const void *given;
  size_t size;    /* bytes of the answer: plain data without pointers, all zero at first */
  double seconds; /* the limit */
};

/* Calls question->ask in a copy of this process, so that whatever it does to itself ends the copy only, and
 * copies its answer back. The status and the message are those of the call in the copy; FM_DEVICE without a
 * message where it ended in another way, which *end says. Nothing that it prints is seen. A fork does not
 * bring other threads along: to be called before anything starts some. */
enum fm_status fm_child_ask(struct fm_context *ctx, const struct fm_question *question, void *answer,
                            struct fm_child_end *end);

#endif
