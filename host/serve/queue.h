/* The bounded queue between the sources and the devices.
 *
 * A job is accepted or refused at once; what was accepted counts until it is finished, so that at most `most`
 * are in memory, whoever sends how many. Preparing threads decode them, no more ahead than decoded_bytes
 * allow; a worker takes those of one model, at most as many as it wants, after waiting at most `wait` seconds
 * for more of them to come. Everything here may be called by any thread. */
#ifndef FM_SERVE_QUEUE_H
#define FM_SERVE_QUEUE_H

#include "serve/job.h"

struct fm_queue_limits {
  size_t most;          /* jobs that are accepted and not finished */
  size_t decoded_bytes; /* of pictures that are decoded and not finished; one is always let through */
  double wait;          /* seconds that a batch waits to be filled */
  int workers;
};

struct fm_queue;

enum fm_status fm_queue_make(struct fm_context *ctx, const struct fm_queue_limits *limits,
                             struct fm_queue **queue);
void fm_queue_free(struct fm_queue *queue); /* NULL: nothing. No job may be in it */

/* False: full, or closed; the job is still the caller's. */
bool fm_queue_put(struct fm_queue *queue, struct fm_job *job);

/* For preparing threads: waits for a job. NULL: the queue is closed, and no more will come. */
struct fm_job *fm_queue_next(struct fm_queue *queue);
/* It is decoded (job->held bytes of it), and waits for a worker. */
void fm_queue_ready(struct fm_queue *queue, struct fm_job *job);

/* For a worker: waits for jobs of one model; jobs has room for FM_SERVE_BATCH. 0: the end, all are finished.
 */
enum { FM_SERVE_BATCH = 16 };
int fm_queue_take(struct fm_queue *queue, int worker, struct fm_job **jobs);

/* The job leaves the queue, and its source gets it. */
void fm_queue_finish(struct fm_queue *queue, struct fm_job *job);

/* Nothing more is accepted. What was accepted is finished. */
void fm_queue_close(struct fm_queue *queue);

/* Calls run(user, worker) on the thread of every worker, between two batches, and waits for all of them. Only
 * while workers run. */
void fm_queue_errand(struct fm_queue *queue, void (*run)(void *user, int worker), void *user);

struct fm_queue_state {
  size_t accepted, ready; /* jobs that are not finished; of these decoded and waiting */
  bool closed;
};
struct fm_queue_state fm_queue_state(struct fm_queue *queue);

#endif
