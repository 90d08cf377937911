/* The pictures in a folder and in all folders below it, whatever else lies there.
 *
 * A picture is what ends like one (.png, .jpg, ...) or, under any other name, begins like one. Nothing is
 * passed over without a word: pictures of kinds that are not read are named and counted; what desktops,
 * editors and storage boxes leave behind (@eaDir, .thumbnails, __MACOSX, ._001.png, ...), pipes and devices
 * with a picture's name, and results of flawmap are left out with a note. */
#ifndef FM_DATA_FIND_H
#define FM_DATA_FIND_H

#include "base/status.h"

struct fm_found {
  char *path;
  const char
      *below; /* the path below the folder that was looked through, inside path: "001.png", "left/001.png" */
};

struct fm_finding {
  struct fm_found *item; /* sorted by the bytes of below */
  size_t count, capacity;
  size_t deeper;      /* of them in folders below */
  size_t unread;      /* what looks like a picture and cannot be looked at, each named in a note */
  char *first_unread; /* the first of them by name; NULL without */
};

/* Zeros are the defaults. */
struct fm_find_options {
  bool flat; /* this folder only */
  const char *const
      *without; /* folders that are not entered (found by what they are, not by name), NULL at the end */
};

/* Adds to what finding holds (zero at first). What was found before a failure stays in it. options may be
 * NULL. */
enum fm_status fm_find_pictures(struct fm_context *ctx, const char *folder,
                                const struct fm_find_options *options, struct fm_finding *finding);
void fm_finding_free(struct fm_context *ctx, struct fm_finding *finding);

/* FM_FORMAT where something was left unread, with what to do. folder: for the sentence. */
enum fm_status fm_finding_complete(struct fm_context *ctx, const struct fm_finding *finding,
                                   const char *folder);

/* What desktops, editors and storage boxes leave behind, and everything hidden. */
bool fm_is_debris(const char *name);

/* Marks a folder of results, so that its maps, masks, overlays and repaired pictures are never input. */
enum fm_status fm_mark_results(struct fm_context *ctx, const char *folder);

#endif
