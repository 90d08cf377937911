#define _POSIX_C_SOURCE 200809L
#include "base/part.h"

#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t fnv(uint32_t hash, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
  return hash;
}

/* Of processes with the same value, a number names one. */
static uint32_t space_of_processes(void) {
  char host[256] = "", link[64] = "";
  if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
  ssize_t n = readlink("/proc/self/ns/pid", link, sizeof link);
  return fnv(fnv(2166136261u, host, strlen(host)), link, n > 0 ? (size_t)n : 0);
}

char *fm_part_name(struct fm_context *ctx, const char *path) {
  return fm_format(ctx, "%s.part-%08" PRIx32 "-%ld", path, space_of_processes(), (long)getpid());
}

/* True for the name of a temporary file whose process is gone for certain. */
static bool is_stale(const char *name, uint32_t space) {
  static const char mark[] = ".part-";
  const char *at = NULL;
  for (const char *next = name; (next = strstr(next, mark)); next++) at = next;
  if (!at || at == name) return false;
  at += sizeof mark - 1;
  char expected[16], *end;
  snprintf(expected, sizeof expected, "%08" PRIx32 "-", space);
  if (strncmp(at, expected, strlen(expected)) != 0) return false;
  at += strlen(expected);
  if (*at < '1' || *at > '9' || strlen(at) > 9) return false;
  long pid = strtol(at, &end, 10);
  return !*end && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* Whether it is this folder's turn: the first time that the context sees it. */
static bool first_time(struct fm_context *ctx, uint32_t folder) {
  enum { ROOM = sizeof ctx->swept / sizeof *ctx->swept };
  bool seen = false;
  pthread_mutex_lock(&ctx->lock);
  for (int i = 0; i < ROOM; i++) seen = seen || ctx->swept[i] == folder;
  if (!seen) ctx->swept[ctx->swept_next++ % ROOM] = folder;
  pthread_mutex_unlock(&ctx->lock);
  return !seen;
}

void fm_part_sweep(struct fm_context *ctx, const char *path) {
  const char *slash = strrchr(path, '/');
  size_t n = slash ? (size_t)(slash - path) + 1 : 0;
  char folder[4096] = ".";
  if (n >= sizeof folder || !first_time(ctx, fnv(2166136261u, path, n) | 1)) return;
  if (n) {
    memcpy(folder, path, n);
    folder[n] = 0;
  }
  DIR *open_folder = opendir(folder);
  if (!open_folder) return;
  uint32_t space = space_of_processes();
  struct stat info;
  for (struct dirent *entry; (entry = readdir(open_folder));)
    if (is_stale(entry->d_name, space) &&
        fstatat(dirfd(open_folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode))
      unlinkat(dirfd(open_folder), entry->d_name, 0);
  closedir(open_folder);
}
