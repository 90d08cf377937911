#include "base/memory.h"
#include "base/thread.h"
#include "task/score_set.h"

#include <pthread.h>

enum { MOST_WORKERS = 2 };
#define MOST_HELD ((size_t)256 << 20)

struct look {
  struct fm_context *ctx;
  const struct fm_score_list *list;
  pthread_mutex_t lock;
  struct fm_score_plan *plan;
};

/* A header that cannot be read is no matter here: the picture will be named when its turn comes. */
static enum fm_status look_at(void *user, size_t i) {
  struct look *l = user;
  struct fm_score_plan *p = l->plan;
  struct fm_context branch;
  int width, height;
  size_t bytes;
  fm_context_branch(&branch, l->ctx);
  enum fm_status status = fm_image_size(&branch, l->list->samples[i].path, &width, &height, &bytes);
  fm_context_free(&branch);
  if (status != FM_OK) return FM_OK;
  pthread_mutex_lock(&l->lock);
  if ((size_t)width * (size_t)height > (size_t)p->width * (size_t)p->height) {
    p->width = width;
    p->height = height;
  }
  if (bytes > p->decode_bytes) p->decode_bytes = bytes;
  pthread_mutex_unlock(&l->lock);
  return FM_OK;
}

/* Work may have to read its picture again before it takes what it needs. */
static size_t bytes_of(const struct fm_score_plan *p, size_t pixels, size_t work_bytes) {
  size_t work = pixels * work_bytes;
  if (work && work < p->decode_bytes) work = p->decode_bytes;
  return p->decode_bytes * (size_t)p->workers + work * (size_t)p->at_once + p->image_limit;
}

void fm_score_plan_make(struct fm_context *ctx, const struct fm_score_list *list, int batch, size_t free,
                        struct fm_score_plan *plan) {
  int threads = fm_threads(ctx);
  *plan = (struct fm_score_plan){.workers = threads < MOST_WORKERS ? threads : MOST_WORKERS,
                                 .at_once = threads < batch ? threads : batch,
                                 .free = free};
  struct look look = {.ctx = ctx, .list = list, .plan = plan};
  pthread_mutex_init(&look.lock, NULL);
  (void)fm_parallel(ctx, list->count, look_at, &look); /* it has no failure */
  pthread_mutex_destroy(&look.lock);
  size_t pixels = (size_t)plan->width * (size_t)plan->height, limit = free / 4 * 3;
  if (list->work_bytes) plan->image_limit = 3 * pixels * (size_t)batch * 4; /* of a batch, and three ahead */
  if (plan->image_limit > MOST_HELD) plan->image_limit = MOST_HELD;
  /* Pictures are read twice rather than held, then written one by one, then decoded one by one. */
  plan->bytes = bytes_of(plan, pixels, list->work_bytes);
  if (free && plan->bytes > limit) plan->image_limit = 0;
  while (free && bytes_of(plan, pixels, list->work_bytes) > limit && plan->at_once > 1) plan->at_once--;
  if (free && bytes_of(plan, pixels, list->work_bytes) > limit) plan->workers = 1;
  plan->bytes = bytes_of(plan, pixels, list->work_bytes);
}
