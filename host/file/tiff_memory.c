#include "file/tiff_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Nothing that was written is read again. */
static tmsize_t on_read(thandle_t handle, void *out, tmsize_t size) {
  struct fm_tiff_memory *m = handle;
  size_t left = m->at < m->size && !m->writer ? m->size - m->at : 0;
  size_t n = size < 0 ? 0 : (size_t)size;
  if (n > left) n = left;
  if (n) memcpy(out, m->bytes + m->at, n);
  m->at += n;
  return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t handle, void *bytes, tmsize_t size) {
  struct fm_tiff_memory *m = handle;
  if (!m->writer || size < 0) return -1;
  if (m->status == FM_OK) m->status = fm_writer_write_at(m->writer, m->at, bytes, (size_t)size);
  if (m->status != FM_OK) return -1;
  m->at += (size_t)size;
  if (m->size < m->at) m->size = m->at;
  return size;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  struct fm_tiff_memory *m = handle;
  size_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->size;
  size_t limit = m->writer ? m->size + (1 << 20) : SIZE_MAX;
  if (base + offset > limit) return (toff_t)-1;
  m->at = base + (size_t)offset; /* modulo 2^64: offsets may be negative */
  return m->at;
}

static int on_close(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t on_size(thandle_t handle) {
  const struct fm_tiff_memory *m = handle;
  return m->size;
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

static TIFF *open_with(struct fm_tiff_memory *m) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (!options) return NULL;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 30);
  TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, m);
  TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, NULL);
  TIFF *tiff = TIFFClientOpenExt("file", m->writer ? "w" : "rm", m, on_read, on_write, on_seek, on_close,
                                 on_size, NULL, NULL, options);
  TIFFOpenOptionsFree(options);
  return tiff;
}

TIFF *fm_tiff_open(struct fm_tiff_memory *m, struct fm_context *ctx, const unsigned char *bytes,
                   size_t size) {
  *m = (struct fm_tiff_memory){.ctx = ctx, .bytes = bytes, .size = size};
  return open_with(m);
}

TIFF *fm_tiff_create(struct fm_tiff_memory *m, struct fm_context *ctx, struct fm_writer *writer) {
  *m = (struct fm_tiff_memory){.ctx = ctx, .writer = writer};
  return open_with(m);
}
