#define _POSIX_C_SOURCE 200809L
#include "serve/queue.h"

#include "base/log.h"
#include "base/memory.h"

#include <time.h>

struct list { /* of jobs, first in, first out */
  struct fm_job *first, **end;
};

struct fm_queue {
  struct fm_context *ctx;
  struct fm_queue_limits limits;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* whatever it is that did */
  struct list arrived, ready;
  size_t accepted, count_ready, decoding, decoded_bytes;
  bool closed;
  struct { /* what the workers are to do in between */
    void (*run)(void *user, int worker);
    void *user;
    int left;
    bool todo[FM_SERVE_WORKERS];
  } errand;
};

static void list_begin(struct list *l) {
  l->first = NULL;
  l->end = &l->first;
}

static void list_add(struct list *l, struct fm_job *job) {
  job->next = NULL;
  *l->end = job;
  l->end = &job->next;
}

static struct fm_job *list_take(struct list *l, struct fm_job **at) {
  struct fm_job *job = *at;
  *at = job->next;
  if (!job->next) l->end = at;
  return job;
}

enum fm_status fm_queue_make(struct fm_context *ctx, const struct fm_queue_limits *limits,
                             struct fm_queue **queue) {
  struct fm_queue *q = *queue = fm_alloc(ctx, 1, sizeof *q);
  if (!q) return FM_MEMORY;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&q->lock, NULL);
  pthread_cond_init(&q->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  q->ctx = ctx;
  q->limits = *limits;
  list_begin(&q->arrived);
  list_begin(&q->ready);
  return FM_OK;
}

void fm_queue_free(struct fm_queue *q) {
  if (!q) return;
  pthread_cond_destroy(&q->changed);
  pthread_mutex_destroy(&q->lock);
  fm_free(q->ctx, q);
}

static void unlock_changed(struct fm_queue *q) {
  pthread_cond_broadcast(&q->changed);
  pthread_mutex_unlock(&q->lock);
}

bool fm_queue_put(struct fm_queue *q, struct fm_job *job) {
  pthread_mutex_lock(&q->lock);
  bool accepted = !q->closed && q->accepted < q->limits.most;
  if (accepted) {
    q->accepted++;
    list_add(&q->arrived, job);
  }
  unlock_changed(q);
  return accepted;
}

struct fm_job *fm_queue_next(struct fm_queue *q) {
  struct fm_job *job = NULL;
  pthread_mutex_lock(&q->lock);
  for (;;) {
    bool room = q->decoded_bytes < q->limits.decoded_bytes || (!q->decoded_bytes && !q->decoding);
    if (q->arrived.first && room) {
      job = list_take(&q->arrived, &q->arrived.first);
      q->decoding++;
      break;
    }
    if (q->closed && !q->arrived.first) break;
    pthread_cond_wait(&q->changed, &q->lock);
  }
  pthread_mutex_unlock(&q->lock);
  return job;
}

void fm_queue_ready(struct fm_queue *q, struct fm_job *job) {
  job->ready = fm_seconds();
  pthread_mutex_lock(&q->lock);
  q->decoding--;
  q->decoded_bytes += job->held;
  q->count_ready++;
  list_add(&q->ready, job);
  unlock_changed(q);
}

/* ---- batches ---- */

/* How many of the first job's model wait. */
static int count_alike(const struct fm_queue *q, int most) {
  int n = 0;
  for (const struct fm_job *j = q->ready.first; j && n < most; j = j->next)
    n += j->model == q->ready.first->model;
  return n;
}

static void wait_until(struct fm_queue *q, double seconds) {
  double whole = (double)(time_t)seconds;
  struct timespec until = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - whole) * 1e9)};
  pthread_cond_timedwait(&q->changed, &q->lock, &until);
}

static int take_alike(struct fm_queue *q, int most, struct fm_job **jobs) {
  const struct fm_served *model = q->ready.first->model;
  int n = 0;
  for (struct fm_job **at = &q->ready.first; *at && n < most;)
    if ((*at)->model == model)
      jobs[n++] = list_take(&q->ready, at);
    else
      at = &(*at)->next;
  q->count_ready -= (size_t)n;
  return n;
}

static void run_errand(struct fm_queue *q, int worker) {
  void (*run)(void *, int) = q->errand.run;
  void *user = q->errand.user;
  q->errand.todo[worker] = false;
  pthread_mutex_unlock(&q->lock);
  run(user, worker);
  pthread_mutex_lock(&q->lock);
  q->errand.left--;
  pthread_cond_broadcast(&q->changed);
}

int fm_queue_take(struct fm_queue *q, int worker, struct fm_job **jobs) {
  int n = 0;
  pthread_mutex_lock(&q->lock);
  while (!n) {
    if (q->errand.todo[worker]) {
      run_errand(q, worker);
    } else if (!q->ready.first) {
      if (q->closed && !q->accepted) break;
      pthread_cond_wait(&q->changed, &q->lock);
    } else {
      const struct fm_job *first = q->ready.first;
      int most = first->model->at_once;
      double until = first->ready + q->limits.wait;
      if (count_alike(q, most) == most || q->closed || fm_seconds() >= until)
        n = take_alike(q, most, jobs);
      else
        wait_until(q, until);
    }
  }
  pthread_mutex_unlock(&q->lock);
  return n;
}

void fm_queue_finish(struct fm_queue *q, struct fm_job *job) {
  pthread_mutex_lock(&q->lock);
  q->accepted--;
  if (job->ready > 0)
    q->decoded_bytes -= job->held;
  else
    q->decoding--;
  unlock_changed(q);
  job->done(job);
}

void fm_queue_close(struct fm_queue *q) {
  pthread_mutex_lock(&q->lock);
  q->closed = true;
  unlock_changed(q);
}

void fm_queue_errand(struct fm_queue *q, void (*run)(void *user, int worker), void *user) {
  pthread_mutex_lock(&q->lock);
  q->errand.run = run;
  q->errand.user = user;
  q->errand.left = q->limits.workers;
  for (int w = 0; w < q->limits.workers; w++) q->errand.todo[w] = true;
  pthread_cond_broadcast(&q->changed);
  while (q->errand.left) pthread_cond_wait(&q->changed, &q->lock);
  pthread_mutex_unlock(&q->lock);
}

struct fm_queue_state fm_queue_state(struct fm_queue *q) {
  pthread_mutex_lock(&q->lock);
  struct fm_queue_state s = {.accepted = q->accepted, .ready = q->count_ready, .closed = q->closed};
  pthread_mutex_unlock(&q->lock);
  return s;
}
