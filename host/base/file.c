#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include "base/fault.h"
#include "base/memory.h"
#include "base/part.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum fm_status io_error(struct fm_context *ctx, const char *what, const char *path) {
  return fm_error(ctx, FM_IO, "cannot %s '%s': %s", what, path, strerror(errno ? errno : EIO));
}

/* Fault injection before an operation: sets errno as a failing disk would. */
static bool broken(struct fm_context *ctx) {
  if (!fm_fault_hit(ctx, FM_FAULT_FILE)) return false;
  errno = EIO;
  return true;
}

/* Never waits: a pipe that nobody writes to opens too, and is refused after that. */
static FILE *open_to_read(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return NULL;
  FILE *f = fdopen(fd, "rb");
  if (!f) close(fd);
  return f;
}

static const char *name_of_type(mode_t mode) {
  return S_ISDIR(mode)    ? "a folder"
         : S_ISFIFO(mode) ? "a pipe"
         : S_ISSOCK(mode) ? "a socket"
         : S_ISREG(mode)  ? "a file"
                          : "a device";
}

const char *fm_path_type(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 ? name_of_type(info.st_mode) : "nothing";
}

/* At most `most` bytes from the front of a file that may have `limit`. */
static enum fm_status read_front(struct fm_context *ctx, const char *path, size_t limit, size_t most,
                                 unsigned char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  FILE *f = broken(ctx) ? NULL : open_to_read(path);
  if (!f) return io_error(ctx, "open", path);
  struct stat info;
  enum fm_status status = FM_OK;
  unsigned char *block = NULL;
  size_t wanted = 0;
  if (fstat(fileno(f), &info) != 0) {
    status = io_error(ctx, "examine", path);
  } else if (!S_ISREG(info.st_mode)) {
    status = fm_error(ctx, FM_IO, "'%s' is %s, not a file", path, name_of_type(info.st_mode));
  } else if ((uintmax_t)info.st_size > limit) {
    status = fm_error(ctx, FM_LIMIT, "'%s' has %jd bytes; the limit for such a file is %zu", path,
                      (intmax_t)info.st_size, limit);
  } else {
    wanted = (size_t)info.st_size < most ? (size_t)info.st_size : most;
    block = fm_alloc(ctx, wanted + 1, 1);
    if (!block)
      status = FM_MEMORY;
    else if (broken(ctx) || fread(block, 1, wanted, f) != wanted)
      status = io_error(ctx, "read", path);
  }
  fclose(f);
  if (status != FM_OK) {
    fm_free(ctx, block);
    return status;
  }
  *bytes = block;
  *size = wanted;
  return FM_OK;
}

enum fm_status fm_file_read(struct fm_context *ctx, const char *path, size_t limit, unsigned char **bytes,
                            size_t *size) {
  return read_front(ctx, path, limit, SIZE_MAX - 1, bytes, size);
}

enum fm_status fm_file_read_front(struct fm_context *ctx, const char *path, size_t most,
                                  unsigned char **bytes, size_t *size) {
  return read_front(ctx, path, SIZE_MAX, most, bytes, size);
}

/* What a chain of links ends at, whether it is there or not: that is written, and the links stay. A new
 * string, NULL without memory. */
static char *follow_links(struct fm_context *ctx, const char *path) {
  enum { MOST = 40 }; /* as the kernel has it; a circle fails when it is opened */
  char *at = fm_strdup(ctx, path), target[4096];
  for (int i = 0; at && i < MOST; i++) {
    ssize_t n = readlink(at, target, sizeof target - 1);
    if (n < 0) break;
    target[n] = 0;
    int folder = target[0] == '/' ? 0 : (int)(fm_path_name(at) - at);
    char *next = fm_format(ctx, "%.*s%s", folder, at, target);
    fm_free(ctx, at);
    at = next;
  }
  return at;
}

enum fm_status fm_writer_check(struct fm_context *ctx, const char *path) {
  struct stat info;
  if (stat(path, &info) != 0 || S_ISREG(info.st_mode)) return FM_OK;
  return fm_error(ctx, FM_IO, "cannot write '%s': %s has that name; choose another", path,
                  name_of_type(info.st_mode));
}

enum fm_status fm_writer_open(struct fm_writer *w, struct fm_context *ctx, const char *path) {
  *w = (struct fm_writer){.ctx = ctx};
  FM_TRY(fm_writer_check(ctx, path));
  if (!(w->path = follow_links(ctx, path))) return FM_MEMORY;
  fm_part_sweep(ctx, w->path);
  if (!(w->temporary = fm_part_name(ctx, w->path))) return FM_MEMORY;
  if (!broken(ctx)) w->stream = fopen(w->temporary, "wb");
  return w->stream ? FM_OK : io_error(ctx, "write", path);
}

enum fm_status fm_writer_write(struct fm_writer *w, const void *bytes, size_t size) {
  if (broken(w->ctx) || fwrite(bytes, 1, size, w->stream) != size) return io_error(w->ctx, "write", w->path);
  return FM_OK;
}

enum fm_status fm_writer_write_at(struct fm_writer *w, size_t at, const void *bytes, size_t size) {
  if (fseeko(w->stream, (off_t)at, SEEK_SET) != 0) return io_error(w->ctx, "write", w->path);
  return fm_writer_write(w, bytes, size);
}

/* Makes a rename survive a power cut; a file system that cannot flush a folder is not an error. */
static void flush_folder_of(const char *path) {
  char folder[4096];
  const char *slash = strrchr(path, '/');
  size_t n = slash ? (size_t)(slash - path) : 0;
  if (n >= sizeof folder) return;
  memcpy(folder, path, n);
  folder[n] = 0;
  int fd = open(slash ? (n ? folder : "/") : ".", O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

enum fm_status fm_writer_commit(struct fm_writer *w) {
  if (broken(w->ctx) || fflush(w->stream) != 0 || fsync(fileno(w->stream)) != 0)
    return io_error(w->ctx, "write", w->path);
  int closed = fclose(w->stream);
  w->stream = NULL;
  if (closed != 0) return io_error(w->ctx, "write", w->path);
  if (broken(w->ctx) || rename(w->temporary, w->path) != 0) return io_error(w->ctx, "put in place", w->path);
  flush_folder_of(w->path);
  fm_free(w->ctx, w->temporary);
  w->temporary = NULL;
  fm_writer_discard(w);
  return FM_OK;
}

enum fm_status fm_writer_open_memory(struct fm_writer *w, struct fm_context *ctx) {
  *w = (struct fm_writer){.ctx = ctx};
  if (!(w->path = fm_strdup(ctx, "a file in memory"))) return FM_MEMORY;
  return (w->stream = open_memstream(&w->memory, &w->memory_size)) ? FM_OK : io_error(ctx, "write", w->path);
}

enum fm_status fm_writer_take(struct fm_writer *w, unsigned char **bytes, size_t *size) {
  /* A stream onto memory ends where it was written last, which a writer of TIFF does at its front. */
  if (fseeko(w->stream, 0, SEEK_END) != 0 || fflush(w->stream) != 0)
    return io_error(w->ctx, "write", w->path);
  *size = w->memory_size;
  if (!(*bytes = fm_alloc(w->ctx, *size, 1))) return FM_MEMORY;
  memcpy(*bytes, w->memory, *size);
  return FM_OK;
}

void fm_writer_discard(struct fm_writer *w) {
  if (w->stream) fclose(w->stream);
  free(w->memory);
  if (w->temporary) unlink(w->temporary);
  fm_free(w->ctx, w->temporary);
  fm_free(w->ctx, w->path);
  *w = (struct fm_writer){.ctx = w->ctx};
}

enum fm_status fm_writer_try(struct fm_context *ctx, const char *path) {
  struct fm_writer w;
  enum fm_status status = fm_writer_open(&w, ctx, path);
  fm_writer_discard(&w);
  return status;
}

enum fm_status fm_file_write(struct fm_context *ctx, const char *path, const void *bytes, size_t size) {
  struct fm_writer w;
  enum fm_status status = fm_writer_open(&w, ctx, path);
  if (status == FM_OK) status = fm_writer_write(&w, bytes, size);
  if (status == FM_OK) status = fm_writer_commit(&w);
  fm_writer_discard(&w);
  return status;
}

bool fm_file_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

size_t fm_file_size(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (size_t)info.st_size : 0;
}

struct fm_file_stamp fm_file_stamp(const char *path) {
  struct stat info;
  if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) return (struct fm_file_stamp){0};
  return (struct fm_file_stamp){.there = true,
                                .device = (uint64_t)info.st_dev,
                                .inode = (uint64_t)info.st_ino,
                                .size = (uint64_t)info.st_size,
                                .modified = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec};
}

bool fm_file_stamp_same(const struct fm_file_stamp *a, const struct fm_file_stamp *b) {
  return a->there == b->there && a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->modified == b->modified;
}

bool fm_path_is_link(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

/* A second name and then the first one removed: a rename would replace a file of that name. */
static bool move_as(const char *path, const char *to) {
  if (link(path, to) != 0 && !(errno == EEXIST && fm_path_same(path, to))) return false;
  return unlink(path) == 0;
}

enum fm_status fm_file_move(struct fm_context *ctx, const char *path, const char *folder) {
  enum { MOST = 10000 };
  const char *name = fm_path_name(path);
  if (broken(ctx)) return io_error(ctx, "move", path);
  for (int i = 0; i < MOST; i++) {
    char *to = i ? fm_format(ctx, "%s/%d-%s", folder, i + 1, name) : fm_path_join(ctx, folder, name);
    if (!to) return FM_MEMORY;
    bool moved = move_as(path, to);
    int why = errno;
    fm_free(ctx, to);
    errno = why;
    if (moved) return FM_OK;
    if (errno != EEXIST) break;
  }
  return io_error(ctx, "move", path);
}

size_t fm_file_head(const char *path, void *bytes, size_t size) {
  struct stat info;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? read(fd, bytes, size) : 0;
  close(fd);
  return n > 0 ? (size_t)n : 0;
}

bool fm_path_same(const char *a, const char *b) {
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool fm_folder_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum fm_status fm_file_remove(struct fm_context *ctx, const char *path) {
  return !broken(ctx) && unlink(path) == 0 ? FM_OK : io_error(ctx, "remove", path);
}

enum fm_status fm_folder_make(struct fm_context *ctx, const char *path) {
  char *copy = fm_strdup(ctx, path);
  if (!copy) return FM_MEMORY;
  enum fm_status status = FM_OK;
  for (char *c = copy + 1; status == FM_OK; c++) {
    if (*c && *c != '/') continue;
    char kept = *c;
    *c = 0;
    if (!fm_folder_exists(copy) && (broken(ctx) || (mkdir(copy, 0777) != 0 && errno != EEXIST)))
      status = io_error(ctx, "make the folder", copy);
    *c = kept;
    if (!kept) break;
  }
  fm_free(ctx, copy);
  if (status == FM_OK && !fm_folder_exists(path))
    status = fm_error(ctx, FM_IO, "cannot make the folder '%s': there is a file of that name", path);
  return status;
}

enum fm_status fm_folder_make_temporary(struct fm_context *ctx, const char *prefix, char **path) {
  *path = fm_format(ctx, "%s.XXXXXX", prefix);
  if (!*path) return FM_MEMORY;
  if (!broken(ctx) && mkdtemp(*path)) return FM_OK;
  enum fm_status status = io_error(ctx, "make the folder", *path);
  fm_free(ctx, *path);
  *path = NULL;
  return status;
}

enum fm_status fm_folder_remove(struct fm_context *ctx, const char *path) {
  struct fm_names names;
  enum fm_status status = fm_folder_list(ctx, path, &names);
  for (size_t i = 0; status == FM_OK && i < names.count; i++) {
    char *file = fm_path_join(ctx, path, names.name[i]);
    status = file ? fm_file_remove(ctx, file) : FM_MEMORY;
    fm_free(ctx, file);
  }
  fm_names_free(ctx, &names);
  if (status == FM_OK && (broken(ctx) || rmdir(path) != 0)) status = io_error(ctx, "remove", path);
  return status;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

enum fm_status fm_folder_list(struct fm_context *ctx, const char *path, struct fm_names *names) {
  *names = (struct fm_names){0};
  DIR *folder = broken(ctx) ? NULL : opendir(path);
  if (!folder) return io_error(ctx, "list the folder", path);
  size_t capacity = 0;
  enum fm_status status = FM_OK;
  for (struct dirent *entry; status == FM_OK && (entry = readdir(folder));) {
    if (entry->d_name[0] == '.') continue;
    status = fm_grow(ctx, (void **)&names->name, &capacity, names->count, sizeof *names->name);
    if (status != FM_OK) break;
    char *copy = fm_strdup(ctx, entry->d_name);
    if (copy)
      names->name[names->count++] = copy;
    else
      status = FM_MEMORY;
  }
  closedir(folder);
  if (status != FM_OK)
    fm_names_free(ctx, names);
  else if (names->count)
    qsort(names->name, names->count, sizeof *names->name, by_bytes);
  return status;
}

bool fm_names_have(const struct fm_names *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->name[i], name) == 0) return true;
  return false;
}

void fm_names_free(struct fm_context *ctx, struct fm_names *names) {
  for (size_t i = 0; i < names->count; i++) fm_free(ctx, names->name[i]);
  fm_free(ctx, names->name);
  *names = (struct fm_names){0};
}

char *fm_path_join(struct fm_context *ctx, const char *folder, const char *name) {
  size_t n = strlen(folder);
  return fm_format(ctx, n && folder[n - 1] == '/' ? "%s%s" : "%s/%s", folder, name);
}

const char *fm_path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

void fm_path_extension(const char *path, char out[16]) {
  const char *dot = strrchr(fm_path_name(path), '.');
  size_t n = dot ? strlen(dot + 1) : 0;
  if (n > 15) n = 0;
  for (size_t i = 0; i < n; i++) out[i] = (char)tolower((unsigned char)dot[1 + i]);
  out[n] = 0;
}
