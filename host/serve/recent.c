#define _POSIX_C_SOURCE 200809L
#include "serve/recent.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 500 };

struct fm_recent {
  struct fm_context *ctx;
  pthread_mutex_t lock;
  size_t most_bytes, bytes;
  struct fm_recent_picture *ring[MOST]; /* [number % MOST] */
  unsigned long first, last;            /* numbers there are: first to last; first > last: none */
  char run[24];                         /* that ids of this run begin with */
  unsigned long named;
  void (*added)(void *user);
  void *user;
};

enum fm_status fm_recent_make(struct fm_context *ctx, size_t most_bytes, struct fm_recent **recent) {
  struct fm_recent *r = *recent = fm_alloc(ctx, 1, sizeof *r);
  if (!r) return FM_MEMORY;
  r->ctx = ctx;
  r->most_bytes = most_bytes;
  r->first = 1;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(r->run, sizeof r->run, "%llx%05lx", (unsigned long long)now.tv_sec,
           (unsigned long)now.tv_nsec >> 10);
  pthread_mutex_init(&r->lock, NULL);
  return FM_OK;
}

void fm_recent_release(struct fm_recent_picture *p) {
  if (!p || atomic_fetch_sub(&p->holders, 1) != 1) return;
  fm_free(p->ctx, p->name);
  fm_free(p->ctx, p->json);
  fm_free(p->ctx, p->bytes);
  fm_free(p->ctx, p->map);
  fm_free(p->ctx, p->repaired);
  fm_free(p->ctx, p->rgb);
  fm_free(p->ctx, p);
}

void fm_recent_free(struct fm_recent *r) {
  if (!r) return;
  for (; r->first <= r->last; r->first++) fm_recent_release(r->ring[r->first % MOST]);
  pthread_mutex_destroy(&r->lock);
  fm_free(r->ctx, r);
}

void fm_recent_listen(struct fm_recent *r, void (*added)(void *user), void *user) {
  pthread_mutex_lock(&r->lock);
  r->added = added;
  r->user = user;
  pthread_mutex_unlock(&r->lock);
}

void fm_recent_name(struct fm_recent *r, char id[40]) {
  pthread_mutex_lock(&r->lock);
  snprintf(id, 40, "%s-%lu", r->run, ++r->named);
  pthread_mutex_unlock(&r->lock);
}

static void *copy(struct fm_context *ctx, const void *bytes, size_t size) {
  void *to = bytes ? fm_alloc(ctx, size, 1) : NULL;
  if (to) memcpy(to, bytes, size);
  return to;
}

static struct fm_recent_picture *make(struct fm_recent *r, struct fm_job *job,
                                      const struct fm_score_item *item) {
  struct fm_recent_picture *p = fm_alloc(r->ctx, 1, sizeof *p);
  if (!p) return NULL;
  const struct fm_score_one *one = &item->one;
  size_t pixels = fm_size_pixels(one->size);
  p->ctx = r->ctx;
  atomic_store(&p->holders, 1);
  memcpy(p->id, job->id, sizeof p->id);
  p->name = fm_strdup(r->ctx, job->name);
  p->json = fm_strdup(r->ctx, job->json);
  p->bytes = job->bytes;
  p->size = job->size;
  job->bytes = NULL;
  memcpy(p->model, job->model->name, strlen(job->model->name) + 1);
  p->results = job->model->results;
  p->results.ctx = r->ctx;
  p->preprocess = job->model->preprocess;
  p->preprocess.standard = NULL;
  p->map_size = one->size;
  p->map = copy(r->ctx, one->small, pixels * sizeof *p->map);
  p->repaired = copy(r->ctx, one->repaired, 3 * pixels);
  p->rgb = one->repaired ? copy(r->ctx, one->rgb, 3 * pixels) : NULL;
  p->score = one->score;
  p->peak = one->peak;
  p->width = one->width;
  p->height = one->height;
  p->all_bytes = sizeof *p + p->size + pixels * (p->repaired ? 10 : 4) + strlen(job->json);
  if (p->name && p->json && p->map) return p;
  fm_recent_release(p);
  return NULL;
}

static void drop_first(struct fm_recent *r) {
  struct fm_recent_picture *p = r->ring[r->first++ % MOST];
  r->bytes -= p->all_bytes;
  fm_recent_release(p);
}

void fm_recent_add(struct fm_recent *r, struct fm_job *job, const struct fm_score_item *item) {
  struct fm_recent_picture *p = make(r, job, item);
  if (!p) return;
  pthread_mutex_lock(&r->lock);
  while (r->first <= r->last && (r->last - r->first + 1 >= MOST || r->bytes + p->all_bytes > r->most_bytes))
    drop_first(r);
  p->number = ++r->last;
  r->ring[p->number % MOST] = p;
  r->bytes += p->all_bytes;
  void (*added)(void *) = r->added;
  void *user = r->user;
  pthread_mutex_unlock(&r->lock);
  if (added) added(user);
}

struct fm_recent_picture *fm_recent_hold(struct fm_recent *r, const char *id) {
  struct fm_recent_picture *found = NULL;
  pthread_mutex_lock(&r->lock);
  for (unsigned long n = r->first; n <= r->last && !found; n++)
    if (strcmp(r->ring[n % MOST]->id, id) == 0) found = r->ring[n % MOST];
  if (found) atomic_fetch_add(&found->holders, 1);
  pthread_mutex_unlock(&r->lock);
  return found;
}

unsigned long fm_recent_write(struct fm_recent *r, unsigned long after, size_t most, enum fm_recent_form form,
                              struct fm_text *text) {
  pthread_mutex_lock(&r->lock);
  unsigned long n = after + 1 > r->first ? after + 1 : r->first;
  bool begun = false;
  for (; n <= r->last && most; n++, most--) {
    const struct fm_recent_picture *p = r->ring[n % MOST];
    if (form == FM_RECENT_EVENTS)
      fm_text_printf(text, "id: %lu\nevent: picture\ndata: ", p->number);
    else if (begun)
      fm_text_append(text, ",");
    fm_text_append(text, p->json);
    if (form == FM_RECENT_EVENTS) fm_text_append(text, "\n\n");
    begun = true;
  }
  unsigned long last = n - 1 > after ? n - 1 : after;
  pthread_mutex_unlock(&r->lock);
  return last;
}

unsigned long fm_recent_last(struct fm_recent *r) {
  pthread_mutex_lock(&r->lock);
  unsigned long last = r->last;
  pthread_mutex_unlock(&r->lock);
  return last;
}
