/* Scores that are unlike the others: a good picture that is none, or a rare look, decides a threshold that is
 * the largest of some scores. */
#ifndef FM_SCORE_ODD_H
#define FM_SCORE_ODD_H

#include "base/status.h"

/* odd [n]: scores beyond the median by more than six times the spread of the upper half ((upper quartile -
 * median) / 0.6745, the standard deviation of a Gaussian). Returns how many. None of fewer than ten scores;
 * and none where more than a tenth are: those are a second look of the product, not odd ones. Of
 * scores that are the largest of many values (Gumbel's distribution) one set of 41 in twenty has one. */
enum fm_status fm_odd_find(struct fm_context *ctx, size_t n, const float *scores, bool *odd, size_t *count);

#endif
