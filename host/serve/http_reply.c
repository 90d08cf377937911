#include "serve/http_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/print.h"
#include "file/json.h"
#include "serve/page.h"

#include <string.h>

const char *fm_http_header(const struct fm_exchange *e, const char *name) {
  return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

const char *fm_http_query(const struct fm_exchange *e, const char *name) {
  return MHD_lookup_connection_value(e->connection, MHD_GET_ARGUMENT_KIND, name);
}

void fm_http_patience(struct fm_exchange *e, double seconds) {
  if (!e->who) return;
  pthread_mutex_lock(&e->http->lock);
  e->who->until = seconds > 0 ? fm_seconds() + seconds : 0;
  pthread_mutex_unlock(&e->http->lock);
}

static enum MHD_Result queue(struct fm_exchange *e, unsigned status, const char *type, const char *bytes,
                             size_t size) {
  struct MHD_Response *r = MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_PERSISTENT);
  if (!r) return MHD_NO;
  MHD_add_response_header(r, "Content-Type", type);
  MHD_add_response_header(r, "Cache-Control", "no-store");
  MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
  if (status == 503) MHD_add_response_header(r, "Retry-After", "1");
  if (status == 401) MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
  if (strncmp(type, "text/html", 9) == 0) {
    char policy[400];
    fm_page_policy(e->http->script_hash, policy, sizeof policy);
    MHD_add_response_header(r, "Content-Security-Policy", policy);
  }
  fm_http_patience(e, e->http->o.patience);
  enum MHD_Result result = MHD_queue_response(e->connection, status, r);
  MHD_destroy_response(r);
  return result;
}

enum MHD_Result fm_http_reply(struct fm_exchange *e, unsigned status, const char *type, char *text,
                              size_t size) {
  fm_free(&e->ctx, e->answer);
  e->answer = text;
  return queue(e, status, type, text, size);
}

enum MHD_Result fm_http_reply_static(struct fm_exchange *e, unsigned status, const char *type,
                                     const char *text) {
  return queue(e, status, type, text, strlen(text));
}

enum MHD_Result fm_http_reply_text(struct fm_exchange *e, unsigned status, const char *type,
                                   struct fm_text *text) {
  char *chars;
  size_t size;
  if (fm_text_take(text, &chars, &size) == FM_OK) return fm_http_reply(e, status, type, chars, size);
  return fm_http_reply_static(e, 503, "application/json",
                              "{\"error\":\"there is no memory for the answer\"}\n");
}

enum MHD_Result fm_http_refuse(struct fm_exchange *e, unsigned status, const char *format, ...) {
  char why[1100];
  va_list args;
  va_start(args, format);
  fm_vshow(why, sizeof why, format, args);
  va_end(args);
  enum fm_refused kind = status == 503   ? FM_REFUSED_FULL
                         : status == 413 ? FM_REFUSED_SIZE
                         : status == 401 ? FM_REFUSED_TOKEN
                                         : FM_REFUSED_OTHER;
  if (!e->given || e->refused) fm_figures_refused(e->http->o.figures, kind);
  struct fm_text text;
  struct fm_json j;
  fm_text_begin(&text, &e->ctx);
  fm_json_begin(&j, &text, false);
  fm_json_object(&j, NULL);
  fm_json_string(&j, "error", why);
  fm_json_end(&j);
  fm_text_append(&text, "\n");
  return fm_http_reply_text(e, status, "application/json", &text);
}

unsigned fm_http_status_of(const struct fm_job *job) {
  if (job->late) return 504;
  switch (job->ctx.status) {
  case FM_FORMAT:
    return 422;
  case FM_LIMIT:
    return 413;
  case FM_MEMORY:
    return 503;
  default:
    return 500;
  }
}
