#define _POSIX_C_SOURCE 200809L
#include "serve/models.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/queue.h"

#include <string.h>

struct entry { /* a name */
  char name[FM_SERVE_NAME + 1];
  const char *path;
  struct fm_file_stamp loaded, seen; /* the file's when it was loaded, and at the last look */
  bool wanted;                       /* to be loaded even if it did not change */
  long versions;
  struct fm_served *now; /* NULL: not yet */
  char error[1024];
};

struct fm_models {
  struct fm_context *ctx;
  struct fm_models_options options;
  struct fm_queue *queue;
  struct fm_device *const *devices;
  int workers, count;
  pthread_mutex_t lock; /* of entry[].now, wanted, error and retired */
  struct entry entry[FM_SERVE_MODELS];
  struct fm_served *retired[FM_SERVE_MODELS * 4]; /* until nobody holds them */
  int retired_count;
};

/* ---- names ---- */

static bool fits_name(const char *name, size_t n) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return n > 0 && n <= FM_SERVE_NAME && strspn(name, allowed) >= n && name[0] != '.';
}

static enum fm_status add(struct fm_models *m, const char *given) {
  struct entry *e = &m->entry[m->count];
  const char *equals = strchr(given, '='), *name = given;
  size_t n = equals ? (size_t)(equals - given) : 0;
  e->path = given;
  if (equals && fits_name(given, n)) {
    e->path = equals + 1;
  } else {
    const char *dot = strrchr(name = fm_path_name(given), '.');
    n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
  }
  if (!fits_name(name, n))
    return fm_error(m->ctx, FM_USAGE,
                    "'%s' cannot be a model's name: give it one of letters, digits, '.', '-' and '_' (%d at "
                    "most), as in bottle=%s",
                    name, FM_SERVE_NAME, e->path);
  memcpy(e->name, name, n);
  for (int i = 0; i < m->count; i++)
    if (strcmp(m->entry[i].name, e->name) == 0)
      return fm_error(m->ctx, FM_USAGE, "two models are called '%s': name one of them, as in other=%s",
                      e->name, e->path);
  m->count++;
  return FM_OK;
}

enum fm_status fm_models_make(struct fm_context *ctx, const struct fm_models_options *o,
                              struct fm_models **models) {
  struct fm_models *m = *models = fm_alloc(ctx, 1, sizeof *m);
  if (!m) return FM_MEMORY;
  m->ctx = ctx;
  m->options = *o;
  pthread_mutex_init(&m->lock, NULL);
  if (o->count > FM_SERVE_MODELS)
    return fm_error(ctx, FM_USAGE, "%d models are given; a service has at most %d", o->count,
                    FM_SERVE_MODELS);
  for (int i = 0; i < o->count; i++) FM_TRY(add(m, o->given[i]));
  return FM_OK;
}

void fm_models_begin(struct fm_models *m, struct fm_queue *queue, struct fm_device *const *devices,
                     int workers) {
  m->queue = queue;
  m->devices = devices;
  m->workers = workers;
}

/* ---- a version ---- */

void fm_served_release(struct fm_served *s) {
  if (s) atomic_fetch_sub(&s->holders, 1);
}

static void free_version(struct fm_models *m, struct fm_served *s) {
  for (int w = 0; w < m->workers; w++) fm_score_batch_free(s->scorer[w]);
  fm_model_free(&s->model);
  fm_context_free(&s->ctx);
  fm_free(m->ctx, s);
}

void fm_models_free(struct fm_models *m) {
  if (!m) return;
  for (int i = 0; i < m->retired_count; i++) free_version(m, m->retired[i]);
  for (int i = 0; i < m->count; i++)
    if (m->entry[i].now) free_version(m, m->entry[i].now);
  pthread_mutex_destroy(&m->lock);
  fm_free(m->ctx, m);
}

struct trial { /* of a new version on every device */
  struct fm_models *models;
  struct fm_served *served;
  enum fm_status status[FM_SERVE_WORKERS];
};

/* A grey picture: kernels are compiled before the first real one comes, and numbers that are none are seen.
 */
static enum fm_status score_grey(struct fm_score_batch *scorer, const struct fm_preprocess *p,
                                 struct fm_context *ctx) {
  struct fm_size size = p->tile ? (struct fm_size){p->tile, p->tile} : fm_preprocess_size(p);
  size_t pixels = fm_size_pixels(size);
  unsigned char *grey = fm_alloc_aligned(ctx, pixels, 3);
  struct fm_score_one one = {0};
  if (!grey) return FM_MEMORY;
  memset(grey, 128, 3 * pixels);
  const struct fm_image image = {.width = size.width, .height = size.height, .channels = 3, .pixels = grey};
  enum fm_status status =
      p->tile ? fm_score_batch_run_tiles(scorer, &image) : fm_score_batch_run(scorer, 1, grey, NULL);
  if (status == FM_OK) status = fm_score_one_open(scorer, ctx, 0, size.width, size.height, &one);
  fm_score_one_close(ctx, &one);
  fm_free(ctx, grey);
  return status;
}

static void try_on(void *user, int worker) {
  struct trial *t = user;
  struct fm_served *s = t->served;
  struct fm_device *device = t->models->devices[worker];
  struct fm_context *ctx = fm_device_context(device);
  int most = s->preprocess.tile ? t->models->options.batch : s->at_once;
  enum fm_status status = fm_score_batch_make(device, &s->model, most, s->refine, &s->scorer[worker]);
  if (status == FM_OK) status = score_grey(s->scorer[worker], &s->preprocess, ctx);
  t->status[worker] = status;
  if (status != FM_OK) fm_error(&s->ctx, status, "%s", ctx->message);
  if (status != FM_DEVICE) fm_error_clear(ctx);
}

static void free_scorer(void *user, int worker) {
  struct fm_served *s = user;
  fm_score_batch_free(s->scorer[worker]);
  s->scorer[worker] = NULL;
}

static void retire(struct fm_models *m, struct fm_served *s) {
  fm_queue_errand(m->queue, free_scorer, s);
  free_version(m, s);
}

static enum fm_status load(struct fm_models *m, const struct entry *e, struct fm_served *s) {
  const struct fm_models_options *o = &m->options;
  struct fm_context *ctx = &s->ctx;
  FM_TRY(fm_model_load(ctx, e->path, o->weights, &s->model));
  FM_TRY(fm_model_check_trained(&s->model, e->path, o->untrained));
  s->refine = fm_refine_pays(&s->model, o->refine);
  FM_TRY(fm_results_make(ctx, &s->model, s->refine, &s->results));
  s->results.rule.min_area = o->min_area;
  FM_TRY(fm_model_preprocess(&s->model, &s->preprocess));
  s->at_once = s->preprocess.tile ? 1 : o->batch;
  struct trial trial = {.models = m, .served = s};
  fm_queue_errand(m->queue, try_on, &trial);
  for (int w = 0; w < m->workers; w++) FM_TRY(trial.status[w]);
  return FM_OK;
}

/* ---- in place of the old one ---- */

static void replace(struct fm_models *m, struct entry *e, struct fm_served *s) {
  pthread_mutex_lock(&m->lock);
  if (e->now) m->retired[m->retired_count++] = e->now;
  e->now = s;
  e->error[0] = 0;
  pthread_mutex_unlock(&m->lock);
  fm_note(m->ctx, "model '%s': version %ld of '%s' is in use", e->name, s->version, e->path);
}

static enum fm_status refuse(struct fm_models *m, struct entry *e, struct fm_served *s) {
  enum fm_status status = s->ctx.status != FM_OK ? s->ctx.status : FM_MEMORY;
  pthread_mutex_lock(&m->lock);
  const char *why = s->ctx.message[0] ? s->ctx.message : fm_status_text(status);
  memcpy(e->error, why, strlen(why) + 1);
  pthread_mutex_unlock(&m->lock);
  if (e->now) fm_note(m->ctx, "model '%s': the new file was refused, the old model stays: %s", e->name, why);
  if (!e->now || status == FM_DEVICE) fm_error(m->ctx, status, "%s", why);
  retire(m, s);
  return e->now && status != FM_DEVICE ? FM_OK : status;
}

static enum fm_status renew(struct fm_models *m, struct entry *e) {
  struct fm_served *s = fm_alloc(m->ctx, 1, sizeof *s);
  if (!s) return FM_MEMORY;
  fm_context_branch(&s->ctx, m->ctx);
  s->name = e->name;
  s->version = ++e->versions;
  s->since = time(NULL);
  enum fm_status status = load(m, e, s);
  if (status != FM_OK) return refuse(m, e, s);
  replace(m, e, s);
  return FM_OK;
}

/* A file that is still being written changes from look to look. */
static enum fm_status look_at(struct fm_models *m, struct entry *e) {
  struct fm_file_stamp stamp = fm_file_stamp(e->path);
  bool settled = fm_file_stamp_same(&stamp, &e->seen), changed = !fm_file_stamp_same(&stamp, &e->loaded);
  e->seen = stamp;
  pthread_mutex_lock(&m->lock);
  bool due = !e->now || e->wanted || (changed && settled && stamp.there);
  e->wanted = false;
  pthread_mutex_unlock(&m->lock);
  if (!due) return FM_OK;
  e->loaded = stamp;
  return renew(m, e);
}

static void free_retired(struct fm_models *m) {
  for (int i = 0; i < m->retired_count;) {
    if (atomic_load(&m->retired[i]->holders)) {
      i++;
      continue;
    }
    retire(m, m->retired[i]);
    m->retired[i] = m->retired[--m->retired_count];
  }
}

enum fm_status fm_models_look(struct fm_models *m) {
  free_retired(m);
  for (int i = 0; i < m->count; i++) {
    if (m->retired_count >= (int)(sizeof m->retired / sizeof *m->retired)) return FM_OK; /* later */
    FM_TRY(look_at(m, &m->entry[i]));
  }
  return FM_OK;
}

/* ---- for the sources ---- */

static struct entry *find(struct fm_models *m, const char *name) {
  if (!name) return m->count == 1 ? &m->entry[0] : NULL;
  for (int i = 0; i < m->count; i++)
    if (strcmp(m->entry[i].name, name) == 0) return &m->entry[i];
  return NULL;
}

struct fm_served *fm_models_hold(struct fm_models *m, const char *name) {
  struct entry *e = find(m, name);
  pthread_mutex_lock(&m->lock);
  struct fm_served *s = e ? e->now : NULL;
  if (s) atomic_fetch_add(&s->holders, 1);
  pthread_mutex_unlock(&m->lock);
  return s;
}

bool fm_models_reload(struct fm_models *m, const char *name) {
  struct entry *e = find(m, name);
  if (!e) return false;
  pthread_mutex_lock(&m->lock);
  e->wanted = true;
  pthread_mutex_unlock(&m->lock);
  return true;
}

int fm_models_names(const struct fm_models *m, const char *names[FM_SERVE_MODELS]) {
  for (int i = 0; i < m->count; i++) names[i] = m->entry[i].name;
  return m->count;
}

bool fm_models_ready(struct fm_models *m) {
  bool ready = true;
  pthread_mutex_lock(&m->lock);
  for (int i = 0; i < m->count; i++) ready &= m->entry[i].now != NULL;
  pthread_mutex_unlock(&m->lock);
  return ready;
}

void fm_models_each(struct fm_models *m,
                    void (*each)(void *user, const struct fm_served *served, const char *error), void *user) {
  pthread_mutex_lock(&m->lock);
  for (int i = 0; i < m->count; i++)
    if (m->entry[i].now) each(user, m->entry[i].now, m->entry[i].error);
  pthread_mutex_unlock(&m->lock);
}
