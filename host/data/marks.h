/* Which mask belongs to which picture, by the names in a folder of masks. For a picture NAME.EXT that is, in
 * this order, NAME_mask.EXT, NAME_gt.EXT, NAME.EXT (any extension of a picture), or a folder NAME that holds
 * several masks, whose union counts (MVTec LOCO). Suffixes are known in any case. */
#ifndef FM_DATA_MARKS_H
#define FM_DATA_MARKS_H

#include "base/file.h"

struct fm_marks {
  char *folder;
  struct fm_names names; /* sorted; empty where there is no such folder */
  bool *used;            /* [names.count] belongs to a picture that was asked for */
};

/* folder: may be NULL or missing. Closed on every path. */
enum fm_status fm_marks_open(struct fm_context *ctx, const char *folder, struct fm_marks *marks);
void fm_marks_close(struct fm_context *ctx, struct fm_marks *marks);

/* *mask: the path of the picture's mask (a file, or a folder of masks), a new string; NULL where it has none.
 * picture: a file's name without folder. */
enum fm_status fm_marks_find(struct fm_context *ctx, struct fm_marks *marks, const char *picture,
                             char **mask);

/* The length of a file's name or path without its extension. */
size_t fm_stem_length(const char *name);

#endif
