#define _POSIX_C_SOURCE 200809L
#include "data/decoded.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct place {
  struct fm_image picture;
  const char *path; /* NULL: nothing is here */
  bool ready;       /* else somebody decodes it */
  int users;
  long used; /* when it was last asked for */
};

struct fm_decoded {
  struct fm_context *ctx;
  struct fm_preprocess preprocess;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct place *place;
  int places;
  long clock;
};

enum fm_status fm_decoded_open(struct fm_context *ctx, const struct fm_preprocess *p, int threads,
                               struct fm_decoded **decoded) {
  struct fm_decoded *d = *decoded = fm_alloc(ctx, 1, sizeof *d);
  if (!d) return FM_MEMORY;
  d->ctx = ctx;
  d->preprocess = *p;
  d->places = threads + 1;
  pthread_mutex_init(&d->lock, NULL);
  pthread_cond_init(&d->changed, NULL);
  d->place = fm_alloc(ctx, (size_t)d->places, sizeof *d->place);
  return d->place ? FM_OK : FM_MEMORY;
}

void fm_decoded_close(struct fm_decoded *d) {
  if (!d) return;
  for (int i = 0; d->place && i < d->places; i++) fm_image_free(d->ctx, &d->place[i].picture);
  fm_free(d->ctx, d->place);
  pthread_cond_destroy(&d->changed);
  pthread_mutex_destroy(&d->lock);
  fm_free(d->ctx, d);
}

/* The place of a picture, or the one that was not asked for longest and nobody uses. The lock is held. */
static struct place *find(struct fm_decoded *d, const char *path) {
  struct place *oldest = NULL;
  for (struct place *p = d->place; p < d->place + d->places; p++) {
    if (p->path && strcmp(p->path, path) == 0) return p;
    if (!p->users && (!oldest || p->used < oldest->used)) oldest = p;
  }
  return oldest;
}

/* Decodes into a place that nobody uses. The lock is held, but not meanwhile. */
static enum fm_status decode(struct fm_decoded *d, struct fm_context *ctx, const char *path,
                             struct place *p) {
  fm_image_free(d->ctx, &p->picture);
  p->path = path;
  p->ready = false;
  p->users++;
  pthread_mutex_unlock(&d->lock);
  struct fm_image picture, painted;
  enum fm_status status = fm_image_read(ctx, path, &picture);
  if (status == FM_OK) {
    status = fm_preprocess_paint(ctx, &d->preprocess, &picture, &painted);
    if (status != FM_OK || painted.pixels != picture.pixels) fm_image_free(ctx, &picture);
    picture = painted;
  }
  pthread_mutex_lock(&d->lock);
  if (status == FM_OK) {
    p->picture = picture;
    p->ready = true;
  } else {
    p->path = NULL;
    p->users--;
  }
  pthread_cond_broadcast(&d->changed);
  return status;
}

enum fm_status fm_decoded_get(struct fm_decoded *d, struct fm_context *ctx, const char *path,
                              const struct fm_image **picture) {
  enum fm_status status = FM_OK;
  struct place *p;
  pthread_mutex_lock(&d->lock);
  while (!(p = find(d, path)) || (p->path && strcmp(p->path, path) == 0 && !p->ready))
    pthread_cond_wait(&d->changed, &d->lock);
  p->used = ++d->clock;
  if (p->path && strcmp(p->path, path) == 0)
    p->users++;
  else
    status = decode(d, ctx, path, p);
  pthread_mutex_unlock(&d->lock);
  *picture = &p->picture;
  return status;
}

void fm_decoded_put(struct fm_decoded *d, const struct fm_image *picture) {
  pthread_mutex_lock(&d->lock);
  for (struct place *p = d->place; p < d->place + d->places; p++)
    if (&p->picture == picture) p->users--;
  pthread_cond_broadcast(&d->changed);
  pthread_mutex_unlock(&d->lock);
}
