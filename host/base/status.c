#include "base/status.h"

#include "base/fault.h"
#include "base/print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name, *text;
} status_table[] = {
#define FM_STATUS_ROW(name, text) {#name, text},
    FM_STATUS_LIST(FM_STATUS_ROW)
#undef FM_STATUS_ROW
};

const char *fm_status_name(enum fm_status status) {
  size_t i = (size_t)status;
  return i < sizeof status_table / sizeof *status_table ? status_table[i].name : "FM_?";
}

const char *fm_status_text(enum fm_status status) {
  size_t i = (size_t)status;
  return i < sizeof status_table / sizeof *status_table ? status_table[i].text : "unknown status";
}

const char *fm_version(void) {
  return FM_VERSION;
}

void fm_context_init(struct fm_context *ctx) {
  memset(ctx, 0, sizeof *ctx);
  pthread_mutex_init(&ctx->lock, NULL);
  fm_fault_from_environment(ctx);
}

void fm_context_branch(struct fm_context *branch, struct fm_context *root) {
  memset(branch, 0, sizeof *branch);
  pthread_mutex_init(&branch->lock, NULL);
  branch->root = root->root ? root->root : root;
  branch->quiet = root->quiet;
  branch->threads = root->threads;
}

void fm_context_listen(struct fm_context *ctx, const struct fm_listener *listener, void *user) {
  ctx->listener = listener;
  ctx->listener_user = user;
}

void fm_context_free(struct fm_context *ctx) {
  pthread_mutex_destroy(&ctx->lock);
}

#undef fm_error /* status.h, for the analyser */
enum fm_status fm_error(struct fm_context *ctx, enum fm_status status, const char *format, ...) {
  pthread_mutex_lock(&ctx->lock);
  if (ctx->errors++ == 0) {
    va_list args;
    va_start(args, format);
    ctx->status = status;
    fm_vshow(ctx->message, sizeof ctx->message, format, args);
    va_end(args);
  }
  pthread_mutex_unlock(&ctx->lock);
  return status;
}

enum fm_status fm_stop_check(struct fm_context *ctx, const char *format, ...) {
  if (!atomic_load(&ctx->stop)) return FM_OK;
  char doing[512];
  va_list args;
  va_start(args, format);
  fm_vshow(doing, sizeof doing, format, args);
  va_end(args);
  return fm_error(ctx, FM_STOPPED, "stopped while %s", doing);
}

void fm_error_clear(struct fm_context *ctx) {
  pthread_mutex_lock(&ctx->lock);
  ctx->status = FM_OK;
  ctx->errors = 0;
  ctx->message[0] = 0;
  pthread_mutex_unlock(&ctx->lock);
}

bool fm_status_is_local(enum fm_status status) {
  return status == FM_USAGE || status == FM_IO || status == FM_FORMAT || status == FM_LIMIT ||
         status == FM_NUMERIC;
}
