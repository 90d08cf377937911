/* What can be asked: the table, and the short answers. openapi.json says the same to others. */
#include "serve/http_internal.h"

#include "base/log.h"
#include "file/json.h"
#include "serve/page.h"

static enum MHD_Result get_page(struct fm_exchange *e) {
  return fm_http_reply_static(e, 200, "text/html; charset=utf-8", fm_page_file("page.html"));
}

static enum MHD_Result get_openapi(struct fm_exchange *e) {
  return fm_http_reply_static(e, 200, "application/json", fm_page_file("openapi.json"));
}

static enum MHD_Result get_live(struct fm_exchange *e) {
  return fm_http_reply_static(e, 200, "application/json", "{\"live\":true}\n");
}

static enum MHD_Result get_ready(struct fm_exchange *e) {
  bool ready = fm_models_ready(e->http->o.models) && !fm_queue_state(e->http->o.queue).closed;
  return fm_http_reply_static(e, ready ? 200 : 503, "application/json",
                              ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n");
}

static enum MHD_Result get_metrics(struct fm_exchange *e) {
  struct fm_text text;
  const struct fm_http_options *o = &e->http->o;
  fm_text_begin(&text, &e->ctx);
  fm_figures_write(o->figures, o->queue, o->models, &text);
  return fm_http_reply_text(e, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* ---- models ---- */

static void put_threshold(struct fm_json *j, const char *key, const struct fm_threshold *t) {
  char sentence[400];
  fm_json_object(j, key);
  fm_json_number(j, "value", t->value);
  fm_json_number(j, "false_alarms", t->alpha);
  fm_json_number(j, "promised", t->promised);
  fm_threshold_sentence(t, sentence);
  fm_json_string(j, "sentence", sentence);
  fm_json_end(j);
}

static void put_model(void *user, const struct fm_served *s, const char *error) {
  struct fm_json *j = user;
  char since[24];
  fm_utc(s->since, since);
  fm_json_object(j, NULL);
  fm_json_string(j, "name", s->name);
  fm_json_integer(j, "version", s->version);
  fm_json_string(j, "since", since);
  fm_json_string(j, "method", s->model.recipe.method);
  fm_json_string(j, "backbone", s->model.recipe.backbone);
  fm_json_string(j, "category", s->model.data.category);
  fm_json_bool(j, "sharpened", s->refine);
  fm_json_bool(j, "expert_trained", s->model.expert.trained);
  if (s->results.known) put_threshold(j, "threshold", &s->results.rule.image);
  if (s->results.known) put_threshold(j, "pixel_threshold", &s->results.rule.pixel);
  if (*error) fm_json_string(j, "refused", error);
  fm_json_end(j);
}

static enum MHD_Result get_models(struct fm_exchange *e) {
  struct fm_text text;
  struct fm_json j;
  fm_text_begin(&text, &e->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_array(&j, "models");
  fm_models_each(e->http->o.models, put_model, &j);
  fm_json_end(&j);
  fm_json_end(&j);
  fm_text_append(&text, "\n");
  return fm_http_reply_text(e, 200, "application/json", &text);
}

static enum MHD_Result post_reload(struct fm_exchange *e) {
  if (!fm_models_reload(e->http->o.models, e->word[0]))
    return fm_http_refuse(e, 404, "there is no model '%s': /v1/models lists them", e->word[0]);
  return fm_http_reply_static(e, 202, "application/json",
                              "{\"reload\":\"asked for: /v1/models says what came of it\"}\n");
}

const struct fm_route fm_http_routes[] = {
    {"GET", "/", true, false, get_page},
    {"GET", "/openapi.json", true, false, get_openapi},
    {"GET", "/health/live", true, false, get_live},
    {"GET", "/health/ready", true, false, get_ready},
    {"GET", "/metrics", false, false, get_metrics},
    {"GET", "/v1/models", false, false, get_models},
    {"POST", "/v1/models/?/reload", false, false, post_reload},
    {"POST", "/v1/score", false, true, fm_http_score},
    {"GET", "/v1/pictures", false, false, fm_http_pictures},
    {"GET", "/v1/pictures/?/?", false, false, fm_http_picture},
    {"GET", "/v1/events", false, false, fm_http_events},
    {NULL, NULL, false, false, NULL},
};
