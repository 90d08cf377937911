/* POST /v1/score: pictures in, what predict says of them out. */
#include "serve/http_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "file/json.h"
#include "report/html.h"

#include <string.h>

/* ---- setting a request aside ---- */

static void one_less(struct fm_exchange *e) {
  if (atomic_fetch_sub(&e->open, 1) == 1) MHD_resume_connection(e->connection);
}

static void job_done(struct fm_job *job) {
  one_less(job->user);
}

enum MHD_Result fm_http_give(struct fm_exchange *e) {
  fm_http_patience(e, 0);
  e->given = true;
  atomic_store(&e->open, e->jobs + 1);
  MHD_suspend_connection(e->connection);
  for (int i = 0; i < e->jobs; i++) {
    struct fm_job *job = e->job[i];
    job->user = e;
    job->done = job_done;
    if (fm_queue_put(e->http->o.queue, job)) continue;
    /* All or none: whoever is told to come again brings all of them again. What went in is scored for nobody.
     */
    e->refused = 503;
    fm_job_free(job);
    e->job[i] = NULL;
    one_less(e);
  }
  one_less(e);
  return MHD_YES;
}

/* ---- what was asked ---- */

static bool read_wishes(struct fm_exchange *e, bool wanted[FM_RESULTS]) {
  const char *with = fm_http_query(e, "with");
  while (with && *with) {
    size_t n = strcspn(with, ",");
    int kind = 0;
    while (kind < FM_RESULTS && (strncmp(with, fm_result_name((enum fm_result)kind), n) != 0 ||
                                 strlen(fm_result_name((enum fm_result)kind)) != n))
      kind++;
    if (kind == FM_RESULTS) return false;
    wanted[kind] = true;
    with += n + (with[n] == ',');
  }
  return true;
}

static enum MHD_Result refuse_model(struct fm_exchange *e, const char *name) {
  if (!fm_models_ready(e->http->o.models))
    return fm_http_refuse(e, 503, "the models are still being loaded: try again in a second");
  if (!name) return fm_http_refuse(e, 400, "there are several models: name one, as in /v1/score?model=NAME");
  return fm_http_refuse(e, 404, "there is no model '%s': /v1/models lists them", name);
}

static enum MHD_Result begin(struct fm_exchange *e) {
  bool wanted[FM_RESULTS] = {false};
  const char *name = fm_http_query(e, "model"), *deadline = fm_http_query(e, "deadline_ms");
  long ms = deadline ? fm_guard_number(deadline, 1, 3600000) : 0;
  if (!read_wishes(e, wanted))
    return fm_http_refuse(e, 400, "'with' is a list of map, mask, overlay and repaired, joined by commas");
  if (ms < 0) return fm_http_refuse(e, 400, "'deadline_ms' is a whole number from 1 to 3600000");
  if (!e->parts)
    return fm_http_refuse(e, 400, "no picture was sent: it is the request's body, or a file of a form");
  if (!e->part[0].size && e->parts == 1) return fm_http_refuse(e, 400, "the picture that was sent is empty");
  for (int i = 0; i < e->parts; i++) {
    struct fm_served *model = fm_models_hold(e->http->o.models, name);
    if (!model) return refuse_model(e, name);
    struct fm_sent *p = &e->part[i];
    struct fm_job *job = fm_job_make(&e->ctx, model, p->name, p->bytes, p->size);
    p->bytes = NULL;
    if (!job) return fm_http_refuse(e, 503, "there is no memory for the request");
    job->source = "http";
    memcpy(job->wanted, wanted, sizeof wanted);
    job->deadline = ms ? job->received + (double)ms / 1000 : 0;
    e->job[e->jobs++] = job;
  }
  return fm_http_give(e);
}

/* ---- the answer ---- */

/* The files that were wanted, as further members of the object. */
static void put_result(struct fm_text *text, const struct fm_job *job) {
  fm_text_append_bytes(text, job->json, strlen(job->json) - 1);
  for (int k = 0; k < FM_RESULTS; k++) {
    if (!job->file[k].bytes) continue;
    fm_text_printf(text, ",\"%s\":\"", fm_result_name((enum fm_result)k));
    fm_base64(text, job->file[k].bytes, job->file[k].size);
    fm_text_append(text, "\"");
  }
  fm_text_append(text, "}");
}

static void put_failure(struct fm_text *text, const struct fm_job *job) {
  struct fm_json j;
  fm_json_begin(&j, text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "picture", job->name);
  fm_json_string(&j, "error", job->ctx.message);
  fm_json_integer(&j, "status", (int64_t)fm_http_status_of(job));
  fm_json_end(&j);
}

static enum MHD_Result answer(struct fm_exchange *e) {
  struct fm_text text;
  if (e->refused) return fm_http_refuse(e, 503, "the queue is full: try again in a second");
  const struct fm_job *only = e->job[0];
  if (e->jobs == 1 && !only->json) return fm_http_refuse(e, fm_http_status_of(only), "%s", only->ctx.message);
  fm_text_begin(&text, &e->ctx);
  if (e->jobs > 1) fm_text_append(&text, "{\"results\":[");
  for (int i = 0; i < e->jobs; i++) {
    if (i) fm_text_append(&text, ",");
    if (e->job[i]->json && e->job[i]->ctx.status == FM_OK)
      put_result(&text, e->job[i]);
    else
      put_failure(&text, e->job[i]);
  }
  fm_text_append(&text, e->jobs > 1 ? "]}\n" : "\n");
  return fm_http_reply_text(e, 200, "application/json", &text);
}

enum MHD_Result fm_http_score(struct fm_exchange *e) {
  return e->given ? answer(e) : begin(e);
}
