/* A watched folder (inotify): pictures that are complete are scored, their results written as predict writes
 * them, a line a picture goes to results.jsonl (journal.h), and the picture is moved away or left.
 *
 * A picture is complete when whoever wrote it closed it or moved it there, or when it has not changed for two
 * seconds. Whatever moment the process is killed at, none is lost, and none has two lines. What begins with a
 * dot, is a link, or has no picture's name is left alone. With several models each has the folder of its name
 * below the watched one. */
#ifndef FM_SERVE_WATCH_H
#define FM_SERVE_WATCH_H

#include "serve/queue.h"

struct fm_watch_options {
  const char *folder;
  const char *results; /* folder of results */
  const char *moved;   /* pictures go there; NULL: they stay */
  bool wanted[FM_RESULTS];
  size_t share;             /* pictures at hand at most: the rest of the queue is for others */
  size_t most_file;         /* bytes of a picture */
  const char *const *names; /* [count] of models; the array is read at the start only */
  int count;
  struct fm_queue *queue;
  struct fm_models *models;
};

struct fm_watch;

enum fm_status fm_watch_start(struct fm_context *ctx, const struct fm_watch_options *options,
                              struct fm_watch **watch);

/* Not FM_OK: it cannot go on. The message is in the context. */
enum fm_status fm_watch_status(const struct fm_watch *watch);

/* No new pictures; waits until those at hand are done and noted. The crew must still work. */
void fm_watch_end(struct fm_watch *watch); /* NULL: nothing */

#endif
