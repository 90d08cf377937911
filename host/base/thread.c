#define _GNU_SOURCE
#include "base/thread.h"

#include <sched.h>
#include <stdlib.h>

int fm_threads(const struct fm_context *ctx) {
  if (ctx->threads > 0) return ctx->threads;
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return n > 0 ? n : 1;
}

struct job {
  size_t count;
  atomic_size_t next;
  atomic_int status;
  enum fm_status (*body)(void *, size_t);
  void *user;
};

static void *work(void *argument) {
  struct job *job = argument;
  for (;;) {
    if (atomic_load(&job->status) != FM_OK) return NULL;
    size_t i = atomic_fetch_add(&job->next, 1);
    if (i >= job->count) return NULL;
    enum fm_status status = job->body(job->user, i);
    int none = FM_OK;
    if (status != FM_OK) atomic_compare_exchange_strong(&job->status, &none, (int)status);
  }
}

enum fm_status fm_parallel(struct fm_context *ctx, size_t count,
                           enum fm_status (*body)(void *user, size_t index), void *user) {
  enum { MOST = 64 };
  struct job job = {.count = count, .body = body, .user = user};
  pthread_t thread[MOST];
  int want = fm_threads(ctx) - 1, started = 0;
  if (want > MOST) want = MOST;
  if ((size_t)want + 1 > count) want = count ? (int)(count - 1) : 0;
  /* A thread that cannot be started is not an error: the others do its share. */
  while (started < want && pthread_create(&thread[started], NULL, work, &job) == 0) started++;
  work(&job);
  for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
  return (enum fm_status)atomic_load(&job.status);
}
