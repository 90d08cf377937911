/* A temporary folder for tests of this layer: made, filled with small files, removed with all it holds.
 * The including file defines _XOPEN_SOURCE 700 first. */
#ifndef FM_TESTS_FOLDER_H
#define FM_TESTS_FOLDER_H

#include "test.h"

#include "base/file.h"
#include "base/memory.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

struct folder {
  char path[64];
};

static inline struct folder folder_make(void) {
  struct folder f = {"/tmp/flawmap-test-XXXXXX"};
  if (!mkdtemp(f.path)) fail_msg("no temporary folder");
  return f;
}

static inline int folder_remove_one(const char *path, const struct stat *info, int flag, struct FTW *ftw) {
  (void)info, (void)flag, (void)ftw;
  return remove(path);
}

static inline void folder_remove(struct folder *f) {
  nftw(f->path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* folder/name in a buffer of the caller. */
static inline const char *folder_path(const struct folder *f, const char *name, char out[512]) {
  snprintf(out, 512, "%s/%s", f->path, name);
  return out;
}

/* Writes a file, with the folders above it. */
static inline void folder_put(struct fm_context *ctx, const struct folder *f, const char *name,
                              const void *bytes, size_t size) {
  char path[512];
  folder_path(f, name, path);
  char *slash = strrchr(path, '/');
  *slash = 0;
  ASSERT_OK(ctx, fm_folder_make(ctx, path));
  *slash = '/';
  ASSERT_OK(ctx, fm_file_write(ctx, path, bytes, size));
}

/* An empty file. */
static inline void folder_touch(struct fm_context *ctx, const struct folder *f, const char *name) {
  folder_put(ctx, f, name, "", 0);
}

#endif
