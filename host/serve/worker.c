#define _POSIX_C_SOURCE 200809L
#include "serve/worker.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "report/result_json.h"

#include <string.h>
#include <time.h>

enum { MOST_PREPARING = 16 };

struct worker {
  struct fm_crew *crew;
  int number;
  pthread_t thread;
};

struct fm_crew {
  struct fm_context *ctx;
  struct fm_crew_options o;
  struct worker worker[FM_SERVE_WORKERS];
  pthread_t preparing[MOST_PREPARING];
  int workers_started, preparing_started;
  atomic_int status;
};

/* ---- decoding ---- */

static void finish(struct fm_crew *c, struct fm_job *job) {
  if (!job->draw) fm_figures_job(c->o.figures, job);
  fm_queue_finish(c->o.queue, job);
}

static void *prepare(void *argument) {
  struct fm_crew *c = argument;
  struct fm_job *job;
  while ((job = fm_queue_next(c->o.queue))) {
    enum fm_status status = fm_job_prepare(job, c->o.most_pixels);
    if (status == FM_OK && job->draw) status = job->draw(job);
    if (status != FM_OK && job->ctx.status == FM_OK)
      fm_error(&job->ctx, status, "%s", fm_status_text(status));
    job->held = (size_t)job->image.width * (size_t)job->image.height * 3;
    if (status != FM_OK || job->draw)
      finish(c, job);
    else
      fm_queue_ready(c->o.queue, job);
  }
  return NULL;
}

/* ---- what is said of a picture ---- */

static enum fm_status write_json(struct fm_job *job, const struct fm_score_item *item,
                                 const struct fm_verdict *found) {
  struct fm_text text;
  struct fm_json j;
  char when[24];
  fm_utc(time(NULL), when);
  fm_text_begin(&text, &job->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", job->name);
  fm_result_put(&j, &job->model->results, item, found);
  fm_json_string(&j, "model", job->model->name);
  fm_json_integer(&j, "model_version", job->model->version);
  fm_json_string(&j, "id", job->id);
  fm_json_string(&j, "time", when);
  fm_json_end(&j);
  return fm_text_take(&text, &job->json, NULL);
}

static enum fm_status encode_files(struct fm_job *job, const struct fm_score_item *item,
                                   const struct fm_verdict *found) {
  for (int k = 0; k < FM_RESULTS; k++) {
    struct fm_job_file *f = &job->file[k];
    if (!job->wanted[k] || (k == FM_RESULT_REPAIRED && !item->one.repaired)) continue;
    FM_TRY(fm_result_encode(&job->ctx, &job->model->results, item, found, &job->image, (enum fm_result)k,
                            &f->bytes, &f->size));
  }
  return FM_OK;
}

/* ---- batches ---- */

struct batch {
  struct fm_crew *crew;
  struct fm_context *ctx; /* the device's */
  struct fm_score_batch *scorer;
  struct fm_job *job[FM_SERVE_BATCH];
  int count;
};

static enum fm_status look_at(struct batch *b, size_t i) {
  struct fm_job *job = b->job[i];
  const struct fm_sample sample = {.path = job->name, .name = job->name};
  struct fm_score_item item = {
      .index = i, .sample = &sample, .image = &job->image, .adjusted = &job->adjusted};
  enum fm_status status =
      fm_score_one_open(b->scorer, &job->ctx, (int)i, job->image.width, job->image.height, &item.one);
  struct fm_verdict found = {0};
  if (status == FM_OK) status = fm_verdict_make(&job->ctx, &job->model->results.rule, &item.one, &found);
  job->flagged = found.flagged;
  fm_recent_name(b->crew->o.recent, job->id);
  if (status == FM_OK) status = encode_files(job, &item, &found);
  if (status == FM_OK && job->work) status = job->work(job, &item, &found);
  if (status == FM_OK) status = write_json(job, &item, &found);
  if (status == FM_OK) fm_recent_add(b->crew->o.recent, job, &item);
  fm_verdict_free(&job->ctx, &found);
  fm_score_one_close(&job->ctx, &item.one);
  return status;
}

/* What goes wrong with a picture stays in its job. */
static enum fm_status look_at_one(void *user, size_t i) {
  struct batch *b = user;
  struct fm_job *job = b->job[i];
  enum fm_status status = look_at(b, i);
  if (status != FM_OK && job->ctx.status == FM_OK) fm_error(&job->ctx, status, "%s", fm_status_text(status));
  return FM_OK;
}

static enum fm_status run_batch(struct batch *b) {
  const struct fm_served *model = b->job[0]->model;
  if (model->preprocess.tile) return fm_score_batch_run_tiles(b->scorer, &b->job[0]->image);
  size_t bytes = 3 * fm_size_pixels(fm_preprocess_size(&model->preprocess));
  struct fm_adjusted adjusted[FM_SERVE_BATCH];
  unsigned char *rgb = fm_alloc_aligned(b->ctx, (size_t)b->count, bytes);
  if (!rgb) return FM_MEMORY;
  for (int i = 0; i < b->count; i++) {
    memcpy(rgb + (size_t)i * bytes, b->job[i]->rgb, bytes);
    adjusted[i] = b->job[i]->adjusted;
  }
  enum fm_status status = fm_score_batch_run(b->scorer, b->count, rgb, adjusted);
  if (status == FM_OK) status = fm_parallel(b->ctx, (size_t)b->count, look_at_one, b);
  fm_free(b->ctx, rgb);
  return status;
}

/* Those that are too late leave the batch. */
static void drop_late(struct batch *b) {
  int kept = 0;
  double now = fm_seconds();
  for (int i = 0; i < b->count; i++) {
    struct fm_job *job = b->job[i];
    if (job->deadline == 0 || now <= job->deadline) {
      b->job[kept++] = job;
      continue;
    }
    job->late = true;
    fm_error(&job->ctx, FM_LIMIT, "'%s' was not scored before its deadline", job->name);
    finish(b->crew, job);
  }
  b->count = kept;
}

static void score(struct batch *b, int number) {
  struct fm_crew *c = b->crew;
  drop_late(b);
  if (!b->count) return;
  double begin = fm_seconds();
  b->scorer = b->job[0]->model->scorer[number];
  enum fm_status status = run_batch(b);
  if (status == FM_OK && b->job[0]->model->preprocess.tile) look_at_one(b, 0);
  fm_figures_batch(c->o.figures, b->count, fm_seconds() - begin);
  for (int i = 0; i < b->count; i++) {
    if (status != FM_OK) fm_error(&b->job[i]->ctx, status, "%s", b->ctx->message);
    finish(c, b->job[i]);
  }
  if (status == FM_DEVICE) {
    fm_error(c->ctx, status, "%s", b->ctx->message);
    atomic_store(&c->status, (int)status);
  } else {
    fm_error_clear(b->ctx);
  }
}

static void *work(void *argument) {
  struct worker *w = argument;
  struct fm_crew *c = w->crew;
  struct batch b = {.crew = c, .ctx = fm_device_context(c->o.devices[w->number])};
  while ((b.count = fm_queue_take(c->o.queue, w->number, b.job))) score(&b, w->number);
  return NULL;
}

/* ---- the crew ---- */

enum fm_status fm_crew_status(const struct fm_crew *c) {
  return (enum fm_status)atomic_load(&c->status);
}

enum fm_status fm_crew_start(struct fm_context *ctx, const struct fm_crew_options *o, struct fm_crew **crew) {
  struct fm_crew *c = *crew = fm_alloc(ctx, 1, sizeof *c);
  if (!c) return FM_MEMORY;
  c->ctx = ctx;
  c->o = *o;
  int preparing = o->preparing < MOST_PREPARING ? o->preparing : MOST_PREPARING;
  while (c->workers_started < o->workers) {
    struct worker *w = &c->worker[c->workers_started];
    *w = (struct worker){.crew = c, .number = c->workers_started};
    if (pthread_create(&w->thread, NULL, work, w))
      return fm_error(ctx, FM_MEMORY, "no thread can be started");
    c->workers_started++;
  }
  while (c->preparing_started < preparing) {
    if (pthread_create(&c->preparing[c->preparing_started], NULL, prepare, c))
      return fm_error(ctx, FM_MEMORY, "no thread can be started");
    c->preparing_started++;
  }
  return FM_OK;
}

void fm_crew_end(struct fm_crew *c) {
  if (!c) return;
  for (int i = 0; i < c->preparing_started; i++) pthread_join(c->preparing[i], NULL);
  for (int i = 0; i < c->workers_started; i++) pthread_join(c->worker[i].thread, NULL);
  fm_free(c->ctx, c);
}
