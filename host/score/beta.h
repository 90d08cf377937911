/* The regularised incomplete beta function, and the exact interval of a proportion made from it. */
#ifndef FM_SCORE_BETA_H
#define FM_SCORE_BETA_H

#include <stddef.h>

/* I_x(a, b) for a, b > 0: the probability that a beta variable is at most x. About 13 digits. */
double fm_beta_below(double a, double b, double x);

/* The x with I_x(a, b) = p. */
double fm_beta_quantile(double a, double b, double p);

/* Clopper and Pearson 1934: with `hits` of n trials, the true rate lies in [low, high] with at least this
 * confidence (0.95, say), half of the rest on each side. n = 0 gives [0, 1]. */
void fm_rate_interval(size_t hits, size_t n, double confidence, double *low, double *high);

#endif
