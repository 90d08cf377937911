/* What somebody names on the command line about verdicts: --threshold and --pixel-threshold of calibrate,
 * predict and eval, and --min-area and --ignore of the latter two. The thresholds take the place of the
 * model's own, in memory, and everything that is said or written of one says that it was set by hand. */
#ifndef FM_APP_BY_HAND_H
#define FM_APP_BY_HAND_H

#include "app/options.h"
#include "model/model.h"

struct fm_by_hand {
  double image, pixel;
  bool image_given, pixel_given;
};

/* The two rows of a table of options; h lives as long as the table. The range is what a model's file may
 * hold.
 */
#define FM_BY_HAND_OPTIONS(h)                                                                                \
  {"threshold",                                                                                              \
   FM_OPT_NUMBER,                                                                                            \
   &(h)->image,                                                                                              \
   "X",                                                                                                      \
   "a picture is flawed if its score is over X (default: the model's)",                                      \
   -1e30,                                                                                                    \
   1e30,                                                                                                     \
   &(h)->image_given},                                                                                       \
  {                                                                                                          \
    "pixel-threshold", FM_OPT_NUMBER, &(h)->pixel, "X",                                                      \
        "the same for pixels: masks and outlines of flawed pictures", -1e30, 1e30, &(h)->pixel_given         \
  }

/* The row of --min-area; min_area: a long that is 1 before. */
#define FM_MIN_AREA_OPTION(min_area)                                                                         \
  {                                                                                                          \
    "min-area", FM_OPT_INT, (min_area), "N",                                                                 \
        "regions of fewer pixels are none; a picture without others is good [1]", 1, 1e9, NULL               \
  }

/* The row of --ignore; path: a const char *. */
#define FM_IGNORE_OPTION(path)                                                                               \
  { "ignore", FM_OPT_TEXT, (path), "MASK", "do not look at what is white in this picture", 0, 0, NULL }

/* What a model's pictures are looked at without, besides what it learned without. path NULL: nothing more. */
enum fm_status fm_ignore_more(const char *path, struct fm_model *m);

/* The threshold of pixels follows that of pictures where the model has none, or had one number for both.
 * Both also hold for sharpened maps. FM_USAGE where only pixels are named and the model has no
 * thresholds. */
enum fm_status fm_by_hand_apply(const struct fm_by_hand *h, const char *path, struct fm_model *m);

/* " (set by hand)" where a threshold was, else "". */
const char *fm_by_hand_mark(const struct fm_threshold *threshold);

#endif
