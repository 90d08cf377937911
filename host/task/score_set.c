#define _POSIX_C_SOURCE 200809L
#include "task/score_set.h"

#include "base/available.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#include <stdio.h>

enum { MOST_BATCH = 16 };

struct run {
  struct fm_context *ctx;
  const struct fm_score_list *list;
  struct fm_score_batch *scorer;
  struct fm_loader *loader;
  struct fm_batch batch;      /* the one at hand */
  struct fm_score_item *item; /* [most] its pictures */
  struct fm_progress progress;
  struct fm_score_plan plan;
  size_t from;            /* the first picture of the batch that is looked at now */
  bool tiles;             /* pictures come one by one, at their own size */
  size_t unlit, unplaced; /* pictures whose light, whose pose was not found */
};

/* What came out for picture i of the batch, and what the caller does with it on this thread. */
static enum fm_status look_at(void *user, size_t k) {
  struct run *r = user;
  size_t i = r->from + k;
  const struct fm_batch *b = &r->batch;
  struct fm_score_item *item = &r->item[i];
  *item = (struct fm_score_item){.index = b->pictures[i],
                                 .sample = &r->list->samples[b->pictures[i]],
                                 .image = r->list->images ? &b->image[i] : NULL,
                                 .adjusted = &b->adjusted[i],
                                 .piece = b->own_mask ? b->own_mask[i] : NULL};
  FM_TRY(fm_score_one_open(r->scorer, r->ctx, (int)i, b->width[i], b->height[i], &item->one));
  return r->list->work ? r->list->work(r->list->user, item) : FM_OK;
}

/* Scored and unread pictures in the order of the list. */
static enum fm_status give_out(struct run *r) {
  const struct fm_batch *b = &r->batch;
  for (size_t i = 0, k = 0; i < b->count || k < b->unread_count;) {
    bool unread = i == b->count || (k < b->unread_count && b->unread[k].picture < b->pictures[i]);
    if (unread)
      FM_TRY(r->list->unread(r->list->user, &b->unread[k++]));
    else if (r->list->take)
      FM_TRY(r->list->take(r->list->user, &r->item[i++]));
    else
      i++;
  }
  return FM_OK;
}

static enum fm_status score_batch(struct run *r) {
  size_t count = r->batch.count;
  for (size_t i = 0; i < count; i++) {
    r->unlit += r->batch.adjusted[i].unlit;
    r->unplaced += r->batch.adjusted[i].unplaced;
  }
  if (r->list->learned && count)
    FM_TRY(fm_score_batch_without(r->scorer, r->list->learned[r->batch.pictures[0]]));
  if (count && r->tiles) FM_TRY(fm_score_batch_run_tiles(r->scorer, &r->batch.image[0]));
  if (count && !r->tiles) FM_TRY(fm_score_batch_run(r->scorer, (int)count, r->batch.rgb, r->batch.adjusted));
  enum fm_status status = FM_OK;
  size_t most = (size_t)r->plan.at_once;
  for (r->from = 0; r->from < count && status == FM_OK; r->from += most)
    status = fm_parallel(r->ctx, count - r->from < most ? count - r->from : most, look_at, r);
  if (status == FM_OK) status = give_out(r);
  for (size_t i = 0; i < count; i++) {
    fm_score_one_close(r->ctx, &r->item[i].one);
    r->item[i] = (struct fm_score_item){0};
  }
  return status;
}

static enum fm_status go_through(struct run *r) {
  for (;;) {
    FM_TRY(fm_loader_next(r->loader, &r->batch));
    size_t pictures = r->batch.count + r->batch.unread_count;
    if (!pictures) return FM_OK;
    FM_TRY(score_batch(r));
    fm_progress_step(&r->progress, (long)pictures);
    if (r->ctx->stop)
      return fm_error(r->ctx, FM_STOPPED, "stopped after %ld of %zu pictures", r->progress.done,
                      r->list->count);
  }
}

static void say_adjusted(const struct run *r) {
  size_t all = r->list->count;
  if (r->unlit)
    fm_note(r->ctx, "note: the light of %zu of %zu pictures was not found; their colours are as they were",
            r->unlit, all);
  if (r->unplaced)
    fm_note(r->ctx, "note: the part in %zu of %zu pictures was not found; they were scored as they lie",
            r->unplaced, all);
}

/* What small pictures take is no matter where it is there. */
static void say_plan(struct run *r, int batch) {
  enum { MIB = 20 };
  const struct fm_score_plan *p = &r->plan;
  fm_score_plan_make(r->ctx, r->list, batch, fm_memory_available(), &r->plan);
  bool scarce = p->free && p->bytes > p->free;
  if (p->bytes >> MIB < 256 && !scarce) return;
  fm_note(
      r->ctx,
      "memory: pictures of up to %d x %d pixels take %zu MiB, %d at a time, and the whole program up to %zu "
      "MiB; %zu MiB are free%s",
      p->width, p->height, p->bytes >> MIB, p->at_once, (p->bytes + fm_memory_resident()) >> MIB,
      p->free >> MIB,
      scarce ? ", which may not be enough: leave out what is not needed (--no-overlays), or make them smaller"
             : "");
}

/* Pictures at a time, or their tiles. */
static int at_once(const struct fm_model *m, const struct fm_score_list *list) {
  long most = list->most ? list->most : m->recipe.batch;
  return fm_size_at_once(m->recipe.size, most < MOST_BATCH ? (int)most : MOST_BATCH);
}

/* Whole pictures, as they are, one decoded ahead of the one at hand; tiles are cut later. */
static void one_by_one(struct fm_loader_options *o) {
  o->preprocess.tile = 0;
  o->batch = o->depth = 1;
  o->images = true;
}

enum fm_status fm_score_set(struct fm_device *d, const struct fm_model *m, const struct fm_score_list *list) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_loader_options o = {.samples = list->samples,
                                .count = list->count,
                                .batch = at_once(m, list),
                                .tolerant = list->unread != NULL,
                                .images = list->images,
                                .pieces = list->pieces,
                                .seed = (uint64_t)m->recipe.seed,
                                .first_epoch = list->round,
                                .epochs = list->round + 1};
  if (list->count == 0) return FM_OK;
  if (list->learned) o.batch = 1; /* what a picture does without is a matter of the whole batch */
  if ((size_t)o.batch > list->count) o.batch = (int)list->count;
  FM_TRY(fm_model_preprocess(m, &o.preprocess));
  struct run r = {.ctx = ctx, .list = list, .tiles = o.preprocess.tile > 0};
  const int most = r.tiles ? at_once(m, list) : o.batch;
  if (r.tiles) one_by_one(&o);
  r.item = fm_alloc(ctx, (size_t)o.batch, sizeof *r.item);
  enum fm_status status = r.item ? fm_score_batch_make(d, m, most, list->refine, &r.scorer) : FM_MEMORY;
  if (status == FM_OK) {
    say_plan(&r, o.batch);
    o.workers = r.plan.workers;
    o.image_limit = r.tiles ? SIZE_MAX : r.plan.image_limit;
    status = fm_loader_open(ctx, &o, &r.loader);
  }
  if (status == FM_OK) {
    fm_progress_begin(&r.progress, ctx, list->text, 0, (long)list->count);
    status = go_through(&r);
    fm_progress_end(&r.progress);
    say_adjusted(&r);
  }
  fm_loader_close(r.loader);
  fm_score_batch_free(r.scorer);
  fm_free(ctx, r.item);
  return status;
}

enum fm_status fm_score_image(struct fm_context *ctx, const struct fm_score_item *item, struct fm_image *room,
                              const struct fm_image **image) {
  *room = (struct fm_image){0};
  *image = item->image;
  if (item->image && item->image->pixels) return FM_OK;
  *image = room;
  FM_TRY(fm_image_read(ctx, item->sample->path, room));
  if (room->width != item->one.width || room->height != item->one.height)
    return fm_error(ctx, FM_IO, "'%s' changed while it was being read", item->sample->path);
  return fm_image_to_rgb(ctx, room);
}

/* ---- scores only ---- */

struct scores {
  float *score, *peak;
};

static enum fm_status keep_score(void *user, const struct fm_score_item *item) {
  struct scores *s = user;
  s->score[item->index] = item->one.score;
  if (s->peak) s->peak[item->index] = item->one.peak;
  return FM_OK;
}

enum fm_status fm_score_set_scores(struct fm_device *d, const struct fm_model *model,
                                   const struct fm_score_list *list, float *scores, float *peaks) {
  struct scores s = {scores, peaks};
  struct fm_score_list only = *list;
  only.take = keep_score;
  only.user = &s;
  return fm_score_set(d, model, &only);
}
