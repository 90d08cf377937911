/* Status codes, the context and the one place where an error message is put together.
 *
 * Every function that can fail returns enum fm_status. The function that knows most about the failure calls
 * fm_error(ctx, status, "what was wrong, where, what to do"); callers pass the status on and add nothing.
 * The first error of a context stays until fm_error_clear; later ones are counted, not stored. */
#ifndef FM_BASE_STATUS_H
#define FM_BASE_STATUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* name, text */
#define FM_STATUS_LIST(X)                                                                                    \
  X(FM_OK, "no error")                                                                                       \
  X(FM_USAGE, "wrong usage")                                                                                 \
  X(FM_IO, "a file could not be read or written")                                                            \
  X(FM_FORMAT, "a file's content is not what it should be")                                                  \
  X(FM_LIMIT, "a size is over its limit")                                                                    \
  X(FM_MEMORY, "out of memory")                                                                              \
  X(FM_DEVICE, "the OpenCL device failed")                                                                   \
  X(FM_NUMERIC, "a computation left the range of numbers")                                                   \
  X(FM_STOPPED, "stopped on request")                                                                        \
  X(FM_INTERNAL, "a fault in flawmap itself")

enum fm_status {
#define FM_STATUS_ENUM(name, text) name,
  FM_STATUS_LIST(FM_STATUS_ENUM)
#undef FM_STATUS_ENUM
};

/* "FM_IO" and "a file could not be read or written"; never NULL. */
const char *fm_status_name(enum fm_status status);
const char *fm_status_text(enum fm_status status);

/* "0.1.0" */
const char *fm_version(void);

/* The commit it was built from, 40 digits, with "-dirty" where sources had been changed; "": not known. */
const char *fm_commit(void);

/* Makes the n-th operation of a kind fail, for tests: see fault.h. */
struct fm_fault {
  long fail_at;      /* 0: never; n: the n-th operation fails */
  bool once;         /* false: every later one fails too */
  atomic_long count; /* operations seen so far */
};

enum fm_fault_kind { FM_FAULT_ALLOC, FM_FAULT_FILE, FM_FAULT_DEVICE, FM_FAULT_KINDS };

/* Who hears notes and progress in place of stderr: a program that uses the library. Called by one thread at a
 * time, which may be any. progress: true: the work shall stop. */
struct fm_listener {
  void (*line)(void *user, const char *text);
  bool (*progress)(void *user, const char *text, long done, long total);
};

/* What a caller of the library holds. One context may be used by one thread at a time; the library's own
 * worker threads may report errors into it. Zero-initialised is not ready: use fm_context_init. */
struct fm_context {
  enum fm_status status;
  char message[1024];
  long errors; /* how many were reported since the last clear */
  pthread_mutex_t lock;
  atomic_long live_allocations;
  struct fm_fault fault[FM_FAULT_KINDS];
  atomic_bool stop;   /* set from a signal handler: long work ends at the next safe point */
  atomic_long firsts; /* what was done for the first time and is slow then: see fm_progress_step */
  bool quiet;         /* no notes and no progress on stderr */
  unsigned swept[32], swept_next;     /* folders where part.h looked for leftovers */
  int threads;                        /* host worker threads; 0: one a core */
  const struct fm_listener *listener; /* NULL: stderr, unless quiet; a branch has its root's */
  void *listener_user;
  struct fm_context *root; /* of a branch: where its memory and its faults count; else NULL */
};

/* Never fails. Reads FLAWMAP_FAULT (tests only, see fault.h). */
void fm_context_init(struct fm_context *ctx);
void fm_context_free(struct fm_context *ctx);

/* From now on listener hears; NULL: nobody, or stderr. */
void fm_context_listen(struct fm_context *ctx, const struct fm_listener *listener, void *user);

/* A context for work that may fail without ending what it is part of (one picture of a list): errors stay in
 * the branch, memory and faults count in the root. A block of one may be freed with the other. */
void fm_context_branch(struct fm_context *branch, struct fm_context *root);

/* Stores the message if it is the first, and returns status. */
enum fm_status fm_error(struct fm_context *ctx, enum fm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The analyser sees one file at a time and would follow paths on which an error is FM_OK. */
#ifdef __clang_analyzer__
#define fm_error(ctx, status, ...) (fm_error(ctx, status, __VA_ARGS__), (status))
#endif
void fm_error_clear(struct fm_context *ctx);

/* True for a failure that lies in the files or numbers at hand, so that other work can go on: not for the
 * machine's (memory, device), not for a wish to stop. */
bool fm_status_is_local(enum fm_status status);

/* Where a stop was asked for: FM_STOPPED, "stopped while " and what was going on ("reading 'x.pth'"); else
 * FM_OK. For work that has nothing to put in order first. */
enum fm_status fm_stop_check(struct fm_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* if (f(...) != FM_OK) return its status */
#define FM_TRY(call)                                                                                         \
  do {                                                                                                       \
    enum fm_status fm_try_status_ = (call);                                                                  \
    if (fm_try_status_ != FM_OK) return fm_try_status_;                                                      \
  } while (0)

#endif
