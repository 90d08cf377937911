/* A standard from good pictures: the light they lay in, the mean part and its pose, and whether bringing
 * pictures to them pays. */
#ifndef FM_DATA_STANDARD_LEARN_H
#define FM_DATA_STANDARD_LEARN_H

#include "data/dataset.h"
#include "data/picture.h"

/* What is asked for, as an option says it: "off", "auto", or how. */
struct fm_standard_wish {
  const char *light;              /* one of fm_light_names, or "auto": held-out pictures decide */
  const char *align;              /* "off", or "auto": the pose where held-out pictures say that it pays */
  const struct fm_ignore *ignore; /* what is not looked at; NULL: nothing */
};

/* FM_USAGE for what is not known. */
enum fm_status fm_standard_wish_check(struct fm_context *ctx, const struct fm_standard_wish *wish);

/* True where nothing is asked for. */
bool fm_standard_wish_none(const struct fm_standard_wish *wish);

/* learn: good pictures to learn from; held: those that decide (none: the others do). preprocess: of the
 * network, without a standard. Notes say what was decided, and why. *standard is ready, and to be freed also
 * after a failure. */
enum fm_status fm_standard_learn(struct fm_context *ctx, const struct fm_standard_wish *wish,
                                 const struct fm_preprocess *preprocess, const struct fm_holdout *pictures,
                                 struct fm_standard *standard);

#endif
