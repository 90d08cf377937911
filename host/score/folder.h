/* Scores maps made by anything: files in folders, as MVTec's own evaluation takes them. */
#ifndef FM_SCORE_FOLDER_H
#define FM_SCORE_FOLDER_H

#include "score/metrics.h"

struct fm_score_folder {
  struct fm_metrics metrics;
  size_t pictures, flawed;  /* maps scored; those of another kind than good */
  size_t kinds;             /* folders they lie in */
  size_t unmasked, missing; /* flawed pictures without a mask; test pictures without a map */
};

/* Maps: KIND/NAME.tiff (or .tif) in the folder maps, or in its subfolder "maps" (an evaluation of flawmap) or
 * "test" (MVTec's arrangement). Masks: data/ground_truth/KIND, named as data/marks.h says; a flawed picture
 * without one counts as flawed, its pixels do not count. A map and a mask of different sizes are FM_FORMAT
 * with both files and sizes. Maps are read again for every pass over them (ranges.h), one for each thread at
 * a time; what that takes is said before it begins where it is much. What is odd but no error (unmasked,
 * missing) is also said as a note. */
enum fm_status fm_score_folder(struct fm_context *ctx, const char *maps, const char *data,
                               struct fm_score_folder *out);

#endif
