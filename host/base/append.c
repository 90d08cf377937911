#define _GNU_SOURCE
#include "base/append.h"

#include "base/fault.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum fm_status io_error(const struct fm_append *a, struct fm_context *ctx, const char *what) {
  return fm_error(ctx, FM_IO, "cannot %s '%s': %s", what, a->path, strerror(errno ? errno : EIO));
}

static bool broken(struct fm_context *ctx) {
  if (!fm_fault_hit(ctx, FM_FAULT_FILE)) return false;
  errno = EIO;
  return true;
}

/* The end of the last whole line of the first `size` bytes. */
static off_t whole_lines(int file, off_t size) {
  char block[4096];
  while (size > 0) {
    off_t n = size < (off_t)sizeof block ? size : (off_t)sizeof block;
    if (pread(file, block, (size_t)n, size - n) != n) return -1;
    const char *end = memrchr(block, '\n', (size_t)n);
    if (end) return size - n + (end - block) + 1;
    size -= n;
  }
  return 0;
}

enum fm_status fm_append_open(struct fm_append *a, struct fm_context *ctx, const char *path) {
  *a = (struct fm_append){.ctx = ctx, .file = -1};
  if (!(a->path = fm_strdup(ctx, path))) return FM_MEMORY;
  if (!broken(ctx))
    a->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  struct stat info;
  if (a->file < 0 || fstat(a->file, &info) != 0) return io_error(a, ctx, "open");
  if (!S_ISREG(info.st_mode)) return fm_error(ctx, FM_IO, "'%s' is no file", path);
  if (flock(a->file, LOCK_EX | LOCK_NB) != 0)
    return fm_error(ctx, FM_USAGE, "another process writes '%s': two cannot share it", path);
  off_t whole = whole_lines(a->file, info.st_size);
  if (whole < 0 || (whole < info.st_size && ftruncate(a->file, whole) != 0)) return io_error(a, ctx, "mend");
  a->size = (size_t)whole;
  return FM_OK;
}

enum fm_status fm_append_line(struct fm_append *a, struct fm_context *ctx, const char *line, size_t size) {
  errno = 0;
  ssize_t n = broken(ctx) ? -1 : write(a->file, line, size);
  if (n == (ssize_t)size) {
    a->size += size;
    return FM_OK;
  }
  if (n >= 0 && !errno) errno = ENOSPC;
  int why = errno;
  if (ftruncate(a->file, (off_t)a->size) != 0) why = errno;
  errno = why;
  return io_error(a, ctx, "write");
}

enum fm_status fm_append_sync(struct fm_append *a, struct fm_context *ctx) {
  return broken(ctx) || fdatasync(a->file) != 0 ? io_error(a, ctx, "write") : FM_OK;
}

void fm_append_close(struct fm_append *a) {
  if (a->ctx && a->file >= 0) close(a->file);
  if (a->ctx) fm_free(a->ctx, a->path);
  *a = (struct fm_append){.file = -1};
}
