#define _GNU_SOURCE
#include "serve/watch.h"

#include "base/log.h"
#include "base/memory.h"
#include "file/json.h"
#include "file/sniff.h"
#include "serve/journal.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SHARE = 256, LOOK_AGAIN = 10 /* seconds */ };
#define SETTLED 2.0   /* seconds without a change: it is complete */
#define GIVEN_UP 10.0 /* and cannot be read: it never will */

struct folder {
  char *path, *moved; /* moved: pictures go there; NULL: they stay */
  const char *model;  /* name; NULL: the only one */
  int number;         /* inotify's */
};

struct taken { /* a picture that is at hand */
  struct fm_watch *watch;
  struct fm_job *job;
  const struct folder *folder;
  char *path, *name; /* name: below the watched folder */
  char *results;     /* name of its results: others than .png keep their extension, so none is another's */
  struct fm_file_stamp stamp;
  bool done; /* the lock's */
};

struct fm_watch {
  struct fm_context *ctx;
  struct fm_watch_options o;
  struct fm_journal journal;
  struct folder folder[FM_SERVE_MODELS];
  int folders, events, bell; /* events: inotify; bell: rung when a job is done */
  struct taken taken[MOST_SHARE];
  size_t at_hand;
  double looked; /* when the folders were looked through */
  double said;   /* when there was trouble last */
  bool again;    /* there is more than what was taken */
  pthread_t thread;
  bool started;
  pthread_mutex_t lock;
  atomic_bool ending;
  atomic_int status;
};

/* ---- a picture ---- */

static double age_of(const struct fm_file_stamp *stamp) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  /* Of one that comes from the future, too: clocks of cameras are set anyhow. */
  return fabs((double)now.tv_sec + 1e-9 * (double)now.tv_nsec - 1e-9 * (double)stamp->modified);
}

static struct taken *find_taken(struct fm_watch *w, const char *path) {
  for (size_t i = 0; i < w->o.share; i++)
    if (w->taken[i].job && (!path || strcmp(w->taken[i].path, path) == 0)) return &w->taken[i];
  return NULL;
}

static struct taken *find_free(struct fm_watch *w) {
  for (size_t i = 0; i < w->o.share; i++)
    if (!w->taken[i].job) return &w->taken[i];
  return NULL;
}

static void let_go(struct taken *t) {
  struct fm_watch *w = t->watch;
  fm_job_free(t->job);
  fm_free(w->ctx, t->path);
  fm_free(w->ctx, t->name);
  fm_free(w->ctx, t->results);
  *t = (struct taken){0};
  w->at_hand--;
}

/* While the maps are there. */
static enum fm_status write_files(struct fm_job *job, const struct fm_score_item *item,
                                  const struct fm_verdict *found) {
  const struct taken *t = job->user;
  struct fm_results results = job->model->results;
  struct fm_score_item named = *item;
  const struct fm_sample sample = {.path = t->path, .name = t->results};
  results.ctx = &job->ctx;
  results.folder = t->watch->o.results;
  memcpy(results.wanted, t->watch->o.wanted, sizeof results.wanted);
  results.wanted[FM_RESULT_REPAIRED] &= item->one.repaired != NULL;
  named.sample = &sample;
  return fm_results_write(&job->ctx, &results, &named, found);
}

static void job_done(struct fm_job *job) {
  struct taken *t = job->user;
  struct fm_watch *w = t->watch;
  const uint64_t one = 1;
  pthread_mutex_lock(&w->lock);
  t->done = true;
  pthread_mutex_unlock(&w->lock);
  if (write(w->bell, &one, sizeof one) < 0) return; /* it is heard of a little later */
}

/* What fails here is looked at again later, or is no picture. */
static bool read_file(struct fm_watch *w, struct taken *t) {
  struct fm_context branch;
  unsigned char *bytes = NULL;
  size_t size = 0;
  fm_context_branch(&branch, w->ctx);
  enum fm_status status = fm_file_read(&branch, t->path, w->o.most_file, &bytes, &size);
  bool too_large = status == FM_LIMIT;
  fm_context_free(&branch);
  struct fm_file_stamp now = fm_file_stamp(t->path);
  if ((status != FM_OK && !too_large) || !fm_file_stamp_same(&now, &t->stamp)) {
    fm_free(w->ctx, bytes);
    return false;
  }
  struct fm_served *served = fm_models_hold(w->o.models, t->folder->model);
  if (!served) {
    fm_free(w->ctx, bytes);
    return false;
  }
  t->job = fm_job_make(w->ctx, served, t->path, bytes, size);
  return t->job != NULL;
}

/* False: not now; it is found again when the folders are looked through. */
static bool take(struct fm_watch *w, const struct folder *f, const char *name, bool closed) {
  if (name[0] == '.' || fm_looks_by_name(name) != FM_LOOKS_READ) return true;
  struct taken *t = find_free(w);
  if (!t) return false;
  *t = (struct taken){.watch = w, .folder = f, .path = fm_path_join(w->ctx, f->path, name)};
  t->name = !t->path ? NULL : f->model ? fm_path_join(w->ctx, f->model, name) : fm_strdup(w->ctx, name);
  t->results = t->name ? fm_strdup(w->ctx, t->name) : NULL;
  char *dot = t->results ? strrchr(t->results, '.') : NULL;
  if (dot && strcmp(dot, ".png") == 0) *dot = 0;
  t->stamp = fm_file_stamp(t->path ? t->path : "");
  bool due = t->results && t->stamp.there && !fm_path_is_link(t->path) && !find_taken(w, t->path);
  bool known = due && fm_journal_knows(&w->journal, t->name, &t->stamp);
  if (known && f->moved) { /* the process ended between the two */
    struct fm_context branch;
    fm_context_branch(&branch, w->ctx);
    fm_file_move(&branch, t->path, f->moved);
    fm_context_free(&branch);
  }
  bool settled = closed || age_of(&t->stamp) > SETTLED;
  bool wanted = due && !known, taken = wanted && settled && read_file(w, t);
  w->at_hand++;
  if (taken) {
    t->job->source = "folder";
    t->job->user = t;
    t->job->work = write_files;
    t->job->done = job_done;
    if (fm_queue_put(w->o.queue, t->job)) return true;
  }
  let_go(t);
  w->again |= wanted;
  return !wanted;
}

/* ---- what came of it ---- */

static enum fm_status write_unread(struct fm_job *job) {
  struct fm_text text;
  struct fm_json j;
  char when[24];
  fm_utc(time(NULL), when);
  fm_text_begin(&text, &job->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", job->name);
  fm_json_string(&j, "error", job->ctx.message);
  fm_json_string(&j, "model", job->model->name);
  fm_json_string(&j, "time", when);
  fm_json_end(&j);
  fm_free(&job->ctx, job->json);
  return fm_text_take(&text, &job->json, NULL);
}

/* A picture whose trouble is not its own (memory, the device, a full disk) or that may still change is tried
 * again: nothing is noted of it. */
static bool is_over(const struct taken *t) {
  enum fm_status status = t->job->ctx.status;
  struct fm_file_stamp now = fm_file_stamp(t->path);
  if (!fm_file_stamp_same(&now, &t->stamp)) return !now.there && status == FM_OK;
  if (status == FM_OK) return true;
  return (status == FM_FORMAT || status == FM_LIMIT) && age_of(&now) > GIVEN_UP;
}

static enum fm_status note(struct fm_watch *w, struct taken *t) {
  struct fm_job *job = t->job;
  if (job->ctx.status != FM_OK) FM_TRY(write_unread(job));
  return fm_journal_add(&w->journal, w->ctx, t->name, &t->stamp, job->json);
}

/* Trouble that is not the picture's own is worth a word, but not one a picture. */
static void say_trouble(struct fm_watch *w, const struct taken *t) {
  const struct fm_context *ctx = &t->job->ctx;
  if (ctx->status == FM_OK || ctx->status == FM_FORMAT || fm_seconds() < w->said + LOOK_AGAIN) return;
  w->said = fm_seconds();
  fm_note(w->ctx, "'%s' is tried again later: %s", t->path, ctx->message);
}

/* All that is done gets its line; then one sync; then the pictures are moved. */
static enum fm_status collect(struct fm_watch *w) {
  struct taken *over[MOST_SHARE];
  size_t count = 0, noted = 0;
  pthread_mutex_lock(&w->lock);
  for (size_t i = 0; i < w->o.share; i++)
    if (w->taken[i].job && w->taken[i].done) over[count++] = &w->taken[i];
  pthread_mutex_unlock(&w->lock);
  for (size_t i = 0; i < count; i++) {
    if (is_over(over[i])) {
      FM_TRY(note(w, over[i]));
      over[noted++] = over[i];
    } else {
      say_trouble(w, over[i]);
      w->again = true;
      let_go(over[i]);
    }
  }
  if (noted) FM_TRY(fm_append_sync(&w->journal.file, w->ctx));
  for (size_t i = 0; i < noted; i++) {
    const char *moved = over[i]->folder->moved;
    if (moved && fm_file_exists(over[i]->path)) FM_TRY(fm_file_move(w->ctx, over[i]->path, moved));
    let_go(over[i]);
  }
  return FM_OK;
}

/* ---- the folders ---- */

static enum fm_status look_through(struct fm_watch *w) {
  w->again = false;
  w->looked = fm_seconds();
  for (int i = 0; i < w->folders; i++) {
    struct fm_names names;
    enum fm_status status = fm_folder_list(w->ctx, w->folder[i].path, &names);
    for (size_t n = 0; status == FM_OK && n < names.count; n++)
      if (!take(w, &w->folder[i], names.name[n], false) && w->at_hand == w->o.share) break;
    fm_names_free(w->ctx, &names);
    FM_TRY(status);
  }
  return FM_OK;
}

static void hear(struct fm_watch *w) {
  char block[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t n = read(w->events, block, sizeof block);
  for (ssize_t at = 0; at < n;) {
    const struct inotify_event *e = (const struct inotify_event *)(const void *)(block + at);
    at += (ssize_t)(sizeof *e + e->len);
    if (e->mask & IN_Q_OVERFLOW) w->looked = 0;
    for (int i = 0; i < w->folders && e->len; i++)
      if (w->folder[i].number == e->wd && !take(w, &w->folder[i], e->name, true)) w->again = true;
  }
}

/* How often: when some were left for want of room, soon after there is some. */
static bool is_time_to_look(const struct fm_watch *w) {
  double since = fm_seconds() - w->looked;
  return since > LOOK_AGAIN || (w->again && w->at_hand <= w->o.share / 2 && since > 0.2);
}

static enum fm_status go_on(struct fm_watch *w) {
  struct pollfd wait[2] = {{.fd = w->bell, .events = POLLIN}, {.fd = w->events, .events = POLLIN}};
  while (!atomic_load(&w->ending) || w->at_hand) {
    uint64_t rung;
    bool open = !atomic_load(&w->ending) && fm_models_ready(w->o.models);
    poll(wait, open ? 2 : 1, 200);
    if (wait[0].revents && read(w->bell, &rung, sizeof rung) < 0) rung = 0;
    FM_TRY(collect(w));
    if (!open) continue;
    hear(w);
    if (is_time_to_look(w)) FM_TRY(look_through(w));
  }
  return FM_OK;
}

static void *watch(void *argument) {
  struct fm_watch *w = argument;
  atomic_store(&w->status, (int)go_on(w));
  return NULL;
}

/* ---- begin and end ---- */

static enum fm_status add_folder(struct fm_watch *w, const char *model) {
  struct folder *f = &w->folder[w->folders++];
  f->model = model;
  f->number = -1;
  f->path = model ? fm_path_join(w->ctx, w->o.folder, model) : fm_strdup(w->ctx, w->o.folder);
  if (w->o.moved) f->moved = model ? fm_path_join(w->ctx, w->o.moved, model) : fm_strdup(w->ctx, w->o.moved);
  if (!f->path || (w->o.moved && !f->moved)) return FM_MEMORY;
  FM_TRY(fm_folder_make(w->ctx, f->path));
  if (f->moved) FM_TRY(fm_folder_make(w->ctx, f->moved));
  if (f->moved && fm_path_same(f->moved, f->path))
    return fm_error(w->ctx, FM_USAGE, "'%s' is watched: pictures cannot be moved there", f->moved);
  f->number = inotify_add_watch(w->events, f->path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
  if (f->number < 0) return fm_error(w->ctx, FM_IO, "'%s' cannot be watched: %s", f->path, strerror(errno));
  return FM_OK;
}

static enum fm_status prepare(struct fm_watch *w) {
  struct fm_context *ctx = w->ctx;
  w->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  w->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (w->events < 0 || w->bell < 0)
    return fm_error(ctx, FM_IO, "'%s' cannot be watched: %s", w->o.folder, strerror(errno));
  FM_TRY(fm_folder_make(ctx, w->o.results));
  if (w->o.count == 1) FM_TRY(add_folder(w, NULL));
  for (int i = 0; i < w->o.count && w->o.count > 1; i++) FM_TRY(add_folder(w, w->o.names[i]));
  char *path = fm_path_join(ctx, w->o.results, "results.jsonl");
  enum fm_status status = path ? fm_journal_open(&w->journal, ctx, path) : FM_MEMORY;
  fm_free(ctx, path);
  return status;
}

enum fm_status fm_watch_start(struct fm_context *ctx, const struct fm_watch_options *o,
                              struct fm_watch **watching) {
  struct fm_watch *w = *watching = fm_alloc(ctx, 1, sizeof *w);
  if (!w) return FM_MEMORY;
  w->ctx = ctx;
  w->o = *o;
  w->events = w->bell = -1;
  if (w->o.share > MOST_SHARE) w->o.share = MOST_SHARE;
  pthread_mutex_init(&w->lock, NULL);
  FM_TRY(prepare(w));
  if (pthread_create(&w->thread, NULL, watch, w)) return fm_error(ctx, FM_MEMORY, "no thread can be started");
  w->started = true;
  return FM_OK;
}

enum fm_status fm_watch_status(const struct fm_watch *w) {
  return (enum fm_status)atomic_load(&w->status);
}

/* After a failure some may still be at hand: whoever works on them must have ended. */
static bool is_waiting(struct fm_watch *w) {
  bool waiting = false;
  pthread_mutex_lock(&w->lock);
  for (size_t i = 0; i < w->o.share; i++) waiting |= w->taken[i].job && !w->taken[i].done;
  pthread_mutex_unlock(&w->lock);
  return waiting;
}

void fm_watch_end(struct fm_watch *w) {
  const struct timespec moment = {.tv_nsec = 10000000};
  if (!w) return;
  atomic_store(&w->ending, true);
  if (w->started) pthread_join(w->thread, NULL);
  while (is_waiting(w)) nanosleep(&moment, NULL);
  for (struct taken *t; (t = find_taken(w, NULL));) let_go(t);
  for (int i = 0; i < w->folders; i++) {
    fm_free(w->ctx, w->folder[i].path);
    fm_free(w->ctx, w->folder[i].moved);
  }
  if (w->events >= 0) close(w->events);
  if (w->bell >= 0) close(w->bell);
  fm_journal_close(&w->journal);
  pthread_mutex_destroy(&w->lock);
  fm_free(w->ctx, w);
}
