/* All files in a folder and the folders below it, for whoever decides what they are. */
#ifndef FM_BASE_WALK_H
#define FM_BASE_WALK_H

#include "base/status.h"

/* Paths are valid during the call. Links to folders are followed, but every folder is entered once only, so
 * that a loop of links ends: under its own path where that lies below the root too, else under the first
 * link's. Files come in no order that means anything. */
struct fm_walk {
  struct fm_context *ctx;
  void *user;
  /* Whether a folder below the root is entered; NULL: all are. */
  bool (*enter)(void *user, const char *path);
  /* A file, or whatever else is no folder; what: as fm_path_type says ("nothing": a link that leads nowhere).
   */
  enum fm_status (*file)(void *user, const char *path, const char *what);
  /* A folder below the root that cannot be listed; why: the system's words. */
  enum fm_status (*locked)(void *user, const char *path, const char *why);
};

/* FM_IO where the root cannot be listed; FM_STOPPED after Ctrl-C; else the first status of file and locked
 * that is not FM_OK. */
enum fm_status fm_walk_folder(const struct fm_walk *walk, const char *root);

#endif
