/* The pictures that a command line names: files, and folders with all that lies below them (data/find.h). */
#ifndef FM_APP_GIVEN_H
#define FM_APP_GIVEN_H

#include "data/dataset.h"

struct fm_given {
  struct fm_sample *item; /* path, and name: for its results, without extension, unique; the rest is zero */
  size_t count, capacity;
  size_t unread; /* what looks like a picture and is of no kind that is read; each was named in a note */
};

/* FM_USAGE where there is no picture at all, FM_FORMAT where there are only such that are not read. A
 * picture's name is its path below the folder that was given. Where two would be the same they keep their
 * extensions, or else the folders that they were given in. *given is to be freed on every path. */
enum fm_status fm_given_list(struct fm_context *ctx, const char *const *paths, int count,
                             struct fm_given *given);
void fm_given_free(struct fm_context *ctx, struct fm_given *given);

#endif
