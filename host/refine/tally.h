/* How well maps show flaws that were drawn on good pictures: pixels counted by their values, on a scale of
 * 64 steps an octave, so that any number of pictures takes next to no memory and every threshold can be
 * asked for at once. Values are off by a step at most, 1.1 %. */
#ifndef FM_REFINE_TALLY_H
#define FM_REFINE_TALLY_H

#include "base/status.h"

#include <stdint.h>

struct fm_tally {
  struct fm_context *ctx;
  size_t pictures;           /* that there is room for */
  float scale;               /* a map's values are multiplied by it first, to be of the order of 1 */
  uint32_t *normal, *flawed; /* [pictures][steps] */
};

enum fm_status fm_tally_make(struct fm_context *ctx, size_t pictures, float scale, struct fm_tally *tally);
void fm_tally_free(struct fm_tally *tally);

/* A picture's map [count] with its mask (not 0: flawed; NULL: nothing is). */
void fm_tally_add(struct fm_tally *tally, size_t picture, size_t count, const float *map,
                  const unsigned char *mask);

/* Average precision over the pixels of all pictures; NaN where nothing is flawed, or everything. */
double fm_tally_ap(const struct fm_tally *tally);

/* Shares of flawed pixels that are over the value, and of normal ones. */
double fm_tally_recall(const struct fm_tally *tally, double value);
double fm_tally_false(const struct fm_tally *tally, double value);

/* The smallest value that at most this share of the normal pixels is over. */
double fm_tally_at_false(const struct fm_tally *tally, double share);

/* The value, of those that are not below `least`, at which what is over it lies best on the flaws: the mean
 * over the flawed pictures of F1.5 is largest, in which a flawed pixel that is missed counts as much as 2.25
 * false ones. NaN where nothing is flawed. */
double fm_tally_best(const struct fm_tally *tally, double least);

#endif
