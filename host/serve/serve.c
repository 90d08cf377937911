#define _POSIX_C_SOURCE 200809L
#include "serve/serve.h"

#include "base/log.h"
#include "base/print.h"
#include "base/thread.h"
#include "serve/worker.h"

#include <stdio.h>
#include <time.h>

struct service {
  struct fm_context *ctx;
  const struct fm_serve_options *o;
  struct fm_models *models;
  struct fm_queue *queue;
  struct fm_figures *figures;
  struct fm_recent *recent;
  struct fm_crew *crew;
  struct fm_http *http;
  struct fm_watch *watch;
};

static enum fm_status begin_watch(struct service *s) {
  const char *names[FM_SERVE_MODELS];
  struct fm_watch_options watch = s->o->watch;
  if (!watch.folder) return FM_OK;
  watch.count = fm_models_names(s->models, names);
  watch.names = names; /* read before this returns */
  watch.queue = s->queue;
  watch.models = s->models;
  watch.share = s->o->queue > 1 ? s->o->queue / 2 : 1;
  watch.most_file = s->o->http.most_body;
  return fm_watch_start(s->ctx, &watch, &s->watch);
}

static enum fm_status begin(struct service *s) {
  const struct fm_serve_options *o = s->o;
  const struct fm_queue_limits limits = {
      .most = o->queue, .decoded_bytes = o->decoded_bytes, .wait = o->wait, .workers = o->workers};
  FM_TRY(fm_models_make(s->ctx, &o->models, &s->models));
  FM_TRY(fm_queue_make(s->ctx, &limits, &s->queue));
  FM_TRY(fm_figures_make(s->ctx, &s->figures));
  FM_TRY(fm_recent_make(s->ctx, o->recent_bytes, &s->recent));
  fm_models_begin(s->models, s->queue, o->devices, o->workers);
  const struct fm_crew_options crew = {.queue = s->queue,
                                       .figures = s->figures,
                                       .recent = s->recent,
                                       .devices = o->devices,
                                       .workers = o->workers,
                                       .preparing = fm_threads(s->ctx),
                                       .most_pixels = o->most_pixels};
  FM_TRY(fm_crew_start(s->ctx, &crew, &s->crew));
  struct fm_http_options http = o->http;
  http.queue = s->queue;
  http.models = s->models;
  http.figures = s->figures;
  http.recent = s->recent;
  FM_TRY(fm_http_start(s->ctx, &http, &s->http));
  FM_TRY(begin_watch(s));
  fm_print("listening on %s\n", fm_http_address(s->http));
  fflush(stdout);
  return FM_OK;
}

/* Models are looked at once a second, connections more often. */
static enum fm_status run(struct service *s) {
  enum { TICKS = 5 };
  const struct timespec tick = {.tv_nsec = 1000000000 / TICKS};
  for (unsigned n = 0; !atomic_load(&s->ctx->stop); n++) {
    FM_TRY(fm_crew_status(s->crew));
    if (s->watch) FM_TRY(fm_watch_status(s->watch));
    bool before = fm_models_ready(s->models);
    if (n % TICKS == 0) FM_TRY(fm_models_look(s->models));
    if (!before && fm_models_ready(s->models)) {
      fm_print("ready\n");
      fflush(stdout);
    }
    fm_http_tick(s->http);
    nanosleep(&tick, NULL);
  }
  return FM_OK;
}

static void end(struct service *s) {
  if (s->http) fm_http_quiesce(s->http);
  if (s->queue) fm_queue_close(s->queue);
  fm_watch_end(s->watch);
  fm_crew_end(s->crew);
  fm_http_end(s->http);
  fm_models_free(s->models);
  fm_recent_free(s->recent);
  fm_figures_free(s->figures);
  fm_queue_free(s->queue);
}

enum fm_status fm_serve(struct fm_context *ctx, const struct fm_serve_options *o) {
  struct service s = {.ctx = ctx, .o = o};
  enum fm_status status = begin(&s);
  if (status == FM_OK) status = run(&s);
  if (status == FM_OK) fm_note(ctx, "stopping: what was accepted is finished first");
  end(&s);
  return status;
}
