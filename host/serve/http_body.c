#include "serve/http_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first thing that is wrong is what is answered; what still comes is read and dropped. */
static void refuse(struct fm_exchange *e, unsigned status, const char *why) {
  if (e->refused) return;
  e->refused = status;
  snprintf(e->why, sizeof e->why, "%s", why);
}

static void refuse_size(struct fm_exchange *e) {
  char why[160];
  snprintf(why, sizeof why, "the request is larger than %zu bytes, which is the limit (--max-request)",
           e->http->o.most_body);
  refuse(e, 413, why);
}

/* Room for so many bytes in all in what the requests hold together. */
static bool reserve(struct fm_exchange *e, size_t size) {
  struct fm_http *h = e->http;
  if (size <= e->held) return true;
  if (size > h->o.most_body) {
    refuse_size(e);
    return false;
  }
  pthread_mutex_lock(&h->lock);
  bool room = size - e->held <= h->o.most_bodies - h->bodies;
  if (room) h->bodies += size - e->held;
  pthread_mutex_unlock(&h->lock);
  if (room) e->held = size;
  if (!room) refuse(e, 503, "too much is being sent at this moment: try again in a second");
  return room;
}

/* ---- parts ---- */

static bool add_part(struct fm_exchange *e, const char *name) {
  if (e->parts == FM_HTTP_PARTS) {
    char why[80];
    snprintf(why, sizeof why, "a request brings at most %d pictures", FM_HTTP_PARTS);
    refuse(e, 413, why);
    return false;
  }
  struct fm_sent *p = &e->part[e->parts];
  if (!(p->name = fm_strdup(&e->ctx, name && *name ? name : "picture"))) {
    refuse(e, 503, "there is no memory for the request");
    return false;
  }
  e->parts++;
  return true;
}

static void add_bytes(struct fm_exchange *e, struct fm_sent *p, const char *bytes, size_t size) {
  if (p->size + size > p->capacity) {
    size_t wanted = p->capacity + p->capacity / 2 + 4096;
    if (wanted < p->size + size) wanted = p->size + size;
    unsigned char *more = fm_realloc(&e->ctx, p->bytes, wanted, 1);
    if (!more) {
      refuse(e, 503, "there is no memory for the request");
      return;
    }
    p->bytes = more;
    p->capacity = wanted;
  }
  memcpy(p->bytes + p->size, bytes, size);
  p->size += size;
}

static size_t size_of_parts(const struct fm_exchange *e) {
  size_t size = 0;
  for (int i = 0; i < e->parts; i++) size += e->part[i].size;
  return size;
}

/* A piece of a form: off 0 begins a field, which is a picture if it is a file. */
static enum MHD_Result take_piece(void *user, enum MHD_ValueKind kind, const char *key, const char *file,
                                  const char *type, const char *encoding, const char *bytes, uint64_t off,
                                  size_t size) {
  struct fm_exchange *e = user;
  (void)kind, (void)key, (void)type, (void)encoding;
  if (e->refused || !file) return MHD_YES;
  if (off == 0 && !add_part(e, file)) return MHD_YES;
  if (reserve(e, size_of_parts(e) + size)) add_bytes(e, &e->part[e->parts - 1], bytes, size);
  return MHD_YES;
}

/* ---- a body ---- */

void fm_http_body_begin(struct fm_exchange *e) {
  const char *type = fm_http_header(e, "Content-Type"), *length = fm_http_header(e, "Content-Length");
  if (length) {
    size_t n = strspn(length, "0123456789");
    bool number = n > 0 && n <= 18 && !length[n];
    unsigned long long size = number ? strtoull(length, NULL, 10) : 0;
    if (!number || size > e->http->o.most_body)
      refuse_size(e);
    else
      reserve(e, (size_t)size);
  }
  if (e->refused) return;
  if (type && strncmp(type, "multipart/form-data", 19) == 0) {
    if (!(e->post = MHD_create_post_processor(e->connection, 4096, take_piece, e)))
      refuse(e, 400, "the form's boundary is missing: send it as multipart/form-data; boundary=...");
  } else {
    add_part(e, fm_http_query(e, "name"));
  }
}

void fm_http_body_more(struct fm_exchange *e, const char *bytes, size_t size) {
  if (e->refused) return;
  if (e->post) {
    if (MHD_post_process(e->post, bytes, size) == MHD_NO) refuse(e, 400, "the form cannot be read");
    return;
  }
  struct fm_sent *p = &e->part[0];
  if (reserve(e, p->size + size)) add_bytes(e, p, bytes, size);
}

void fm_http_body_end(struct fm_exchange *e) {
  if (e->post && MHD_destroy_post_processor(e->post) == MHD_NO)
    refuse(e, 400, "the form ends in the middle of a part");
  e->post = NULL;
}

void fm_http_body_free(struct fm_exchange *e) {
  if (e->post) MHD_destroy_post_processor(e->post);
  for (int i = 0; i < e->parts; i++) {
    fm_free(&e->ctx, e->part[i].name);
    fm_free(&e->ctx, e->part[i].bytes);
  }
  pthread_mutex_lock(&e->http->lock);
  e->http->bodies -= e->held;
  pthread_mutex_unlock(&e->http->lock);
}
