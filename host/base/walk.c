#define _DEFAULT_SOURCE /* the types of readdir's entries */
#include "base/walk.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct paths {
  char **path;
  size_t count, capacity;
};

struct place {
  dev_t device;
  ino_t number;
};

struct walker {
  const struct fm_walk *w;
  struct fm_context *ctx;
  struct paths folders, links; /* yet to be looked at: links only when no folder of its own name is left */
  bool sorted;                 /* the links are, last one first */
  struct place *seen;          /* a hash table; number 0: free */
  size_t seen_count, seen_size;
};

/* Takes the path. */
static enum fm_status push(struct walker *x, struct paths *list, char *path) {
  enum fm_status status =
      path ? fm_grow(x->ctx, (void **)&list->path, &list->capacity, list->count, sizeof *list->path)
           : FM_MEMORY;
  if (status == FM_OK)
    list->path[list->count++] = path;
  else
    fm_free(x->ctx, path);
  return status;
}

static size_t slot_of(const struct place *table, size_t size, const struct place *p) {
  size_t at = ((size_t)p->number * 0x9E3779B97F4A7C15u ^ (size_t)p->device) % size;
  while (table[at].number && (table[at].number != p->number || table[at].device != p->device))
    at = (at + 1) % size;
  return at;
}

/* *first: this folder was not seen before. */
static enum fm_status remember(struct walker *x, const struct stat *info, bool *first) {
  if (2 * x->seen_count >= x->seen_size) {
    size_t size = x->seen_size ? 2 * x->seen_size : 64;
    struct place *larger = fm_alloc(x->ctx, size, sizeof *larger);
    if (!larger) return FM_MEMORY;
    for (size_t i = 0; i < x->seen_size; i++)
      if (x->seen[i].number) larger[slot_of(larger, size, &x->seen[i])] = x->seen[i];
    fm_free(x->ctx, x->seen);
    x->seen = larger;
    x->seen_size = size;
  }
  struct place p = {info->st_dev, info->st_ino ? info->st_ino : 1};
  size_t at = slot_of(x->seen, x->seen_size, &p);
  *first = x->seen[at].number == 0;
  if (*first) x->seen_count++;
  x->seen[at] = p;
  return FM_OK;
}

static enum fm_status look_at(struct walker *x, const char *folder, DIR *open, const struct dirent *entry) {
  struct stat info;
  unsigned type = entry->d_type;
  if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) return FM_OK;
  char *path = fm_path_join(x->ctx, folder, entry->d_name);
  if (!path) return FM_MEMORY;
  if (type == DT_UNKNOWN && fstatat(dirfd(open), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0)
    type = S_ISDIR(info.st_mode)   ? DT_DIR
           : S_ISREG(info.st_mode) ? DT_REG
           : S_ISLNK(info.st_mode) ? DT_LNK
                                   : DT_UNKNOWN;
  const char *what = type == DT_REG ? "a file" : type == DT_DIR ? "a folder" : fm_path_type(path);
  if (strcmp(what, "a folder") != 0) {
    enum fm_status status = x->w->file(x->w->user, path, what);
    fm_free(x->ctx, path);
    return status;
  }
  if (x->w->enter && !x->w->enter(x->w->user, path)) {
    fm_free(x->ctx, path);
    return FM_OK;
  }
  if (type == DT_DIR) return push(x, &x->folders, path);
  x->sorted = false;
  return push(x, &x->links, path);
}

static enum fm_status list(struct walker *x, const char *folder, bool root) {
  struct stat info;
  bool broken = fm_fault_hit(x->ctx, FM_FAULT_FILE), first = true;
  DIR *open = broken ? NULL : opendir(folder);
  if (!open) {
    const char *why = strerror(broken ? EIO : errno);
    return root ? fm_error(x->ctx, FM_IO, "cannot list the folder '%s': %s", folder, why)
                : x->w->locked(x->w->user, folder, why);
  }
  enum fm_status status = fstat(dirfd(open), &info) == 0 ? remember(x, &info, &first) : FM_OK;
  for (struct dirent *entry; status == FM_OK && first && (entry = readdir(open));) {
    status = look_at(x, folder, open, entry);
    if (status == FM_OK && x->ctx->stop)
      status = fm_error(x->ctx, FM_STOPPED, "stopped while looking for files in '%s'", folder);
  }
  closedir(open);
  return status;
}

static int last_first(const void *a, const void *b) {
  return strcmp(*(char *const *)b, *(char *const *)a);
}

static char *next(struct walker *x) {
  if (x->folders.count) return x->folders.path[--x->folders.count];
  if (!x->links.count) return NULL;
  if (!x->sorted) qsort(x->links.path, x->links.count, sizeof *x->links.path, last_first);
  x->sorted = true;
  return x->links.path[--x->links.count];
}

enum fm_status fm_walk_folder(const struct fm_walk *walk, const char *root) {
  struct walker x = {.w = walk, .ctx = walk->ctx};
  enum fm_status status = list(&x, root, true);
  for (char *path; (path = next(&x));) {
    if (status == FM_OK) status = list(&x, path, false);
    fm_free(x.ctx, path);
  }
  fm_free(x.ctx, x.folders.path);
  fm_free(x.ctx, x.links.path);
  fm_free(x.ctx, x.seen);
  return status;
}
