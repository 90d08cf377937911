#include "file/tiff_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t end_of(const struct fm_tiff_memory *m) {
  return m->writing ? m->out.size : m->size;
}

static tmsize_t on_read(thandle_t handle, void *out, tmsize_t size) {
  struct fm_tiff_memory *m = handle;
  size_t end = end_of(m), left = m->at < end ? end - m->at : 0;
  size_t n = size < 0 ? 0 : (size_t)size;
  if (n > left) n = left;
  if (n) memcpy(out, (m->writing ? (const unsigned char *)m->out.chars : m->bytes) + m->at, n);
  m->at += n;
  return (tmsize_t)n;
}

/* Overwrites, appends, and fills a gap that a seek behind the end left. */
static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t size) {
  struct fm_tiff_memory *m = handle;
  if (!m->writing || size < 0) return -1;
  while (m->out.status == FM_OK && m->out.size < m->at) fm_text_append_bytes(&m->out, "", 1);
  if (m->out.status != FM_OK) return -1;
  size_t over = m->out.size - m->at < (size_t)size ? m->out.size - m->at : (size_t)size;
  if (over) memcpy(m->out.chars + m->at, bytes, over);
  fm_text_append_bytes(&m->out, (const unsigned char *)bytes + over, (size_t)size - over);
  if (m->out.status != FM_OK) return -1;
  m->at += (size_t)size;
  return size;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  struct fm_tiff_memory *m = handle;
  size_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : end_of(m);
  size_t limit = m->writing ? end_of(m) + (1 << 20) : SIZE_MAX;
  if (base + offset > limit) return (toff_t)-1;
  m->at = base + (size_t)offset; /* modulo 2^64: offsets may be negative */
  return m->at;
}

static int on_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t on_size(thandle_t handle) {
  return end_of(handle);
}

static int keep_message(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
  struct fm_tiff_memory *m = user;
  (void)tiff, (void)module;
  if (!m->message[0]) vsnprintf(m->message, sizeof m->message, format, args);
  return 1; /* and nothing is printed */
}

static int drop_message(TIFF *tiff, void *user, const char *module, const char *format, va_list args) {
  (void)tiff, (void)user, (void)module, (void)format, (void)args;
  return 1;
}

TIFF *fm_tiff_open(struct fm_tiff_memory *m, struct fm_context *ctx, const unsigned char *bytes,
                   size_t size) {
  *m = (struct fm_tiff_memory){.ctx = ctx, .bytes = bytes, .size = size, .writing = !bytes};
  fm_text_begin(&m->out, ctx);
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return NULL;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 30);
  TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, m);
  TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, NULL);
  TIFF *tiff = TIFFClientOpenExt("file", bytes ? "rm" : "w", m, on_read, on_write, on_seek, on_close, on_size,
                                 NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  return tiff;
}
