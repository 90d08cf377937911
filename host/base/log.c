#define _POSIX_C_SOURCE 200809L
#include "base/log.h"

#include "base/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct fm_context *root_of(struct fm_context *ctx) {
  return ctx->root ? ctx->root : ctx;
}

/* What one thread says of a listener's context at a time. */
static void tell(struct fm_context *root, const char *line) {
  pthread_mutex_lock(&root->lock);
  root->listener->line(root->listener_user, line);
  pthread_mutex_unlock(&root->lock);
}

void fm_note(struct fm_context *ctx, const char *format, ...) {
  struct fm_context *root = ctx ? root_of(ctx) : NULL;
  if (ctx && ctx->quiet && !root->listener) return;
  va_list args;
  va_start(args, format);
  char line[2048];
  fm_vshow(line, sizeof line, format, args);
  va_end(args);
  if (root && root->listener)
    tell(root, line);
  else
    fprintf(stderr, "%s\n", line); /* one call: lines of several threads do not mix */
}

bool fm_verbose(const char *topic) {
  const char *list = getenv("FLAWMAP_VERBOSE");
  size_t n = strlen(topic);
  for (const char *at = list; at && *at;) {
    size_t length = strcspn(at, ",");
    if (length == n && strncmp(at, topic, n) == 0) return true;
    at += length + (at[length] == ',');
  }
  return false;
}

double fm_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void fm_utc(time_t when, char out[24]) {
  struct tm utc;
  out[0] = 0;
  if (gmtime_r(&when, &utc)) strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

void fm_duration(double seconds, char out[32]) {
  long s = (long)(seconds + 0.5);
  if (seconds < 0.1)
    snprintf(out, 32, "%.1f ms", seconds * 1e3);
  else if (seconds < 10)
    snprintf(out, 32, "%.1f s", seconds);
  else if (s < 60)
    snprintf(out, 32, "%ld s", s);
  else if (s < 3600)
    snprintf(out, 32, "%ld min %ld s", s / 60, s % 60);
  else
    snprintf(out, 32, "%ld h %ld min", s / 3600, s % 3600 / 60);
}

/* A branch's work is done on its root's device. */
static atomic_long *firsts_of(struct fm_context *ctx) {
  return &root_of(ctx)->firsts;
}

void fm_slow_first(struct fm_context *ctx) {
  atomic_fetch_add(firsts_of(ctx), 1);
}

void fm_progress_begin(struct fm_progress *p, struct fm_context *ctx, const char *text, long first,
                       long total) {
  *p = (struct fm_progress){.ctx = ctx, .text = text, .done = first, .total = total};
  p->begin = p->shown = p->stepped = fm_seconds();
  p->firsts = *firsts_of(ctx);
  p->bar = isatty(STDERR_FILENO);
}

double fm_progress_left(const struct fm_progress *p) {
  return p->steps > 0 ? p->seconds / (double)p->steps * (double)(p->total - p->done) : -1;
}

static void show(struct fm_progress *p, double now) {
  char left[32] = "?";
  double seconds = fm_progress_left(p);
  if (seconds >= 0) fm_duration(seconds, left);
  if (p->bar) {
    enum { WIDTH = 24 };
    char bar[WIDTH + 1];
    long full = p->total > 0 ? WIDTH * p->done / p->total : 0;
    for (int i = 0; i < WIDTH; i++) bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fm_print_to(stderr, "\r\033[K%s [%s] %ld/%ld, %s left  %s", p->text, bar, p->done, p->total, left,
                p->detail);
    fflush(stderr);
  } else {
    fm_note(p->ctx, "%s: %ld of %ld, %s left  %s", p->text, p->done, p->total, left, p->detail);
  }
  p->visible = true;
  p->shown = now;
}

static void report(const struct fm_progress *p, struct fm_context *root) {
  pthread_mutex_lock(&root->lock);
  if (root->listener->progress(root->listener_user, p->text, p->done, p->total)) root->stop = true;
  pthread_mutex_unlock(&root->lock);
}

void fm_progress_step(struct fm_progress *p, long steps) {
  double now = fm_seconds();
  long firsts = *firsts_of(p->ctx);
  p->done += steps;
  if (firsts == p->firsts) {
    p->seconds += now - p->stepped;
    p->steps += steps;
  }
  p->firsts = firsts;
  p->stepped = now;
  if (root_of(p->ctx)->listener) {
    report(p, root_of(p->ctx));
    return;
  }
  if (p->ctx->quiet) return;
  if (now - p->begin < 1.0) return; /* short work shows nothing */
  if (now - p->shown >= (p->bar ? 0.1 : 10.0)) show(p, now);
}

void fm_progress_end(struct fm_progress *p) {
  if (p->visible && p->bar) fprintf(stderr, "\r\033[K");
  p->visible = false;
}
