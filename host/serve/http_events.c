/* GET /v1/events: the pictures as they are scored, as server-sent events. A reader that falls behind misses
 * what is no longer there; nothing is kept for it. */
#include "serve/http_internal.h"

#include "base/memory.h"

#include <string.h>

enum { AT_ONCE = 20 }; /* pictures that are written for a reader at a time */

void fm_http_events_wake(void *http) {
  struct fm_http *h = http;
  pthread_mutex_lock(&h->lock);
  for (int i = 0; i < FM_HTTP_READERS; i++) {
    struct fm_reader *r = &h->reader[i];
    if (!r->used || !r->asleep) continue;
    r->asleep = false;
    MHD_resume_connection(r->connection);
  }
  pthread_mutex_unlock(&h->lock);
}

/* What there is to say now; false: nothing. */
static bool refill(struct fm_reader *r) {
  struct fm_http *h = r->http;
  struct fm_text text;
  fm_text_begin(&text, h->ctx);
  fm_free(h->ctx, r->chars);
  r->chars = NULL;
  r->size = r->at = 0;
  r->after = fm_recent_write(h->o.recent, r->after, AT_ONCE, FM_RECENT_EVENTS, &text);
  if (!text.size && r->nudge) fm_text_append(&text, ": still here\n\n");
  r->nudge = false;
  if (fm_text_take(&text, &r->chars, &r->size) != FM_OK) r->size = 0;
  return r->size > 0;
}

static ssize_t read_events(void *user, uint64_t position, char *out, size_t room) {
  struct fm_reader *r = user;
  struct fm_http *h = r->http;
  (void)position;
  if (r->at == r->size) {
    /* Locked, so that whoever adds a picture after this look finds the reader asleep. */
    pthread_mutex_lock(&h->lock);
    bool ending = h->ending, some = !ending && refill(r);
    if (!some && !ending) {
      r->asleep = true;
      MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&h->lock);
    if (ending) return MHD_CONTENT_READER_END_OF_STREAM;
    if (!some) return 0;
  }
  size_t n = r->size - r->at < room ? r->size - r->at : room;
  memcpy(out, r->chars + r->at, n);
  r->at += n;
  return (ssize_t)n;
}

static void close_reader(void *user) {
  struct fm_reader *r = user;
  struct fm_http *h = r->http;
  pthread_mutex_lock(&h->lock);
  fm_free(h->ctx, r->chars);
  *r = (struct fm_reader){0};
  pthread_mutex_unlock(&h->lock);
}

static struct fm_reader *open_reader(struct fm_exchange *e) {
  struct fm_http *h = e->http;
  struct fm_reader *found = NULL;
  const char *since = fm_http_header(e, "Last-Event-ID");
  if (!since) since = fm_http_query(e, "after");
  unsigned long last = fm_recent_last(h->o.recent);
  long after = since ? fm_guard_number(since, 0, 999999999) : -1;
  pthread_mutex_lock(&h->lock);
  for (int i = 0; i < FM_HTTP_READERS && !found; i++)
    if (!h->reader[i].used) found = &h->reader[i];
  if (found)
    *found = (struct fm_reader){.http = h,
                                .connection = e->connection,
                                .used = true,
                                .nudge = true,
                                /* of another run of the service: all there is */
                                .after = after < 0                     ? last
                                         : (unsigned long)after > last ? 0
                                                                       : (unsigned long)after};
  pthread_mutex_unlock(&h->lock);
  return found;
}

enum MHD_Result fm_http_events(struct fm_exchange *e) {
  struct fm_reader *r = open_reader(e);
  if (!r)
    return fm_http_refuse(e, 503, "%d others read the events already: try again later", FM_HTTP_READERS);
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_events, r, close_reader);
  if (!response) {
    close_reader(r);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type", "text/event-stream");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  fm_http_patience(e, 0);
  enum MHD_Result result = MHD_queue_response(e->connection, 200, response);
  MHD_destroy_response(response);
  return result;
}
