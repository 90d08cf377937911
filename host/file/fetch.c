#define _POSIX_C_SOURCE 200809L
#include "file/fetch.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "file/sha256.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct work {
  struct fm_context *ctx;
  const struct fm_fetch *fetch;
  CURL *curl;
  struct fm_writer writer;
  struct fm_sha256 sha;
  struct fm_progress progress;
  size_t size;
  enum fm_status status; /* of our own callbacks */
  char message[CURL_ERROR_SIZE];
};

static enum fm_status too_large(const struct work *w) {
  return fm_error(w->ctx, FM_LIMIT, "the file at '%s' is larger than %zu bytes, the limit for '%s'",
                  w->fetch->url, w->fetch->limit, w->fetch->path);
}

static size_t on_data(char *bytes, size_t one, size_t size, void *user) {
  struct work *w = user;
  (void)one;
  if (size > w->fetch->limit - w->size)
    w->status = too_large(w);
  else
    w->status = fm_sha256_update(&w->sha, bytes, size);
  if (w->status == FM_OK) w->status = fm_writer_write(&w->writer, bytes, size);
  if (w->status != FM_OK) return 0;
  w->size += size;
  return size;
}

/* Progress counts kilobytes, so that it fits a long everywhere. */
static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up) {
  struct work *w = user;
  (void)up_total, (void)up;
  if (w->ctx->stop) {
    w->status =
        fm_error(w->ctx, FM_STOPPED, "the download of '%s' was stopped; nothing was kept", w->fetch->url);
    return 1;
  }
  long kilobytes = (long)(now / 1024);
  w->progress.total = total > 0 ? (long)((total + 1023) / 1024) : kilobytes;
  snprintf(w->progress.detail, sizeof w->progress.detail, "%.1f MB", (double)now / 1e6);
  if (kilobytes > w->progress.done) fm_progress_step(&w->progress, kilobytes - w->progress.done);
  return 0;
}

static bool set_options(struct work *w) {
  const struct fm_fetch *f = w->fetch;
  const char *protocols = f->any_protocol ? "https,http,file" : "https";
  CURL *c = w->curl;
  return curl_easy_setopt(c, CURLOPT_URL, f->url) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, f->any_protocol ? "https,http" : "https") ==
             CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_MAXREDIRS, 10L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_USERAGENT, "flawmap") == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 30L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 60L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_ERRORBUFFER, w->message) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_WRITEDATA, w) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_XFERINFODATA, w) == CURLE_OK;
}

static enum fm_status download(struct work *w) {
  const struct fm_fetch *f = w->fetch;
  char hex[65];
  FM_TRY(fm_sha256_begin(&w->sha, w->ctx));
  FM_TRY(fm_writer_open(&w->writer, w->ctx, f->path));
  w->curl = curl_easy_init();
  if (!w->curl || !set_options(w))
    return fm_error(w->ctx, FM_INTERNAL, "libcurl cannot be used; repair its installation");
  fm_progress_begin(&w->progress, w->ctx, f->text ? f->text : "downloading", 0, 0);
  CURLcode code = curl_easy_perform(w->curl);
  fm_progress_end(&w->progress);
  if (w->status != FM_OK) return w->status;
  if (code != CURLE_OK)
    return fm_error(
        w->ctx, FM_IO,
        "cannot download '%s': %s; check the network, or get the file another way and put it at '%s'", f->url,
        w->message[0] ? w->message : curl_easy_strerror(code), f->path);
  FM_TRY(fm_sha256_end(&w->sha, hex));
  if (f->sha256 && strcasecmp(hex, f->sha256) != 0)
    return fm_error(w->ctx, FM_FORMAT,
                    "the download from '%s' has the SHA-256 checksum %s instead of %s: it was damaged or "
                    "changed on the way and has been deleted; try again, or get the file another way",
                    f->url, hex, f->sha256);
  return fm_writer_commit(&w->writer);
}

enum fm_status fm_fetch(struct fm_context *ctx, const struct fm_fetch *fetch) {
  struct work w = {.ctx = ctx, .fetch = fetch, .writer = {.ctx = ctx}};
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return fm_error(ctx, FM_INTERNAL, "libcurl cannot be used; repair its installation");
  enum fm_status status = download(&w);
  curl_easy_cleanup(w.curl);
  fm_writer_discard(&w.writer);
  fm_sha256_free(&w.sha);
  curl_global_cleanup();
  return status;
}
