#include "api/api.h"

#include "flawmap.h"

#include "op/selftest.h"

#include <stdlib.h>

#define SAME(name) _Static_assert((int)FLAWMAP_##name == (int)FM_##name, "errors have the library's numbers")
SAME(OK);
SAME(USAGE);
SAME(IO);
SAME(FORMAT);
SAME(LIMIT);
SAME(MEMORY);
SAME(DEVICE);
SAME(NUMERIC);
SAME(STOPPED);
SAME(INTERNAL);

int fm_session_open(const char *device, struct fm_session **session) {
  struct fm_session *s = *session = calloc(1, sizeof *s); /* there is no context to count it yet */
  if (!s) return FM_MEMORY;
  fm_context_init(&s->ctx);
  s->ctx.quiet = true;
  enum fm_status status = fm_device_open(&s->ctx, device, &s->device);
  return (int)(status == FM_OK ? fm_selftest(s->device, false) : status);
}

void fm_session_close(struct fm_session *s) {
  if (!s) return;
  fm_device_close(s->device);
  fm_context_free(&s->ctx);
  free(s);
}

const char *fm_session_device(const struct fm_session *s) {
  return s->device ? fm_device_facts(s->device)->name : "";
}

int fm_session_failed(const struct fm_session *s) {
  return s ? (int)s->ctx.status : FM_MEMORY;
}

const char *fm_session_message(const struct fm_session *s) {
  return s ? s->ctx.message : fm_status_text(FM_MEMORY);
}

void fm_session_clear(struct fm_session *s) {
  fm_error_clear(&s->ctx);
  s->ctx.stop = false;
}

static void pass_line(void *user, const char *text) {
  struct fm_session *s = user;
  if (s->line) s->line(s->line_user, text);
}

static bool pass_progress(void *user, const char *text, long done, long total) {
  struct fm_session *s = user;
  return s->progress && s->progress(s->progress_user, text, done, total) != 0;
}

static void listen(struct fm_session *s) {
  static const struct fm_listener listener = {pass_line, pass_progress};
  fm_context_listen(&s->ctx, s->line || s->progress ? &listener : NULL, s);
}

void fm_session_log(struct fm_session *s, void (*line)(void *user, const char *text), void *user) {
  s->line = line;
  s->line_user = user;
  listen(s);
}

void fm_session_progress(struct fm_session *s,
                         int (*progress)(void *user, const char *text, long done, long total), void *user) {
  s->progress = progress;
  s->progress_user = user;
  listen(s);
}

void fm_session_cancel(struct fm_session *s) {
  s->ctx.stop = true;
}
