/* Thresholds from good pictures only, with what they promise.
 *
 * Split conformal prediction (Vovk, Gammerman, Shafer 2005; Lei et al. 2018): of n scores of good pictures
 * that took no part in training, the k-th smallest, k = ceil((n + 1)(1 - alpha)), is exceeded by the next
 * good picture with a probability of at most alpha, whatever the distribution, as long as the pictures are
 * exchangeable (made and taken alike). A picture is flawed where its score is GREATER than the value.
 *
 * Picture level: scores of hold-out pictures, or of pictures that were learned from, each scored by a model
 * without it (task/calibrate.h). The latter are no split: the theorem's guarantee is weaker there
 * (docs/design.md), and the same numbers are printed. Pixel level: by default the maximum of each hold-out
 * picture's map goes in, so that at most a share alpha of good pictures has any pixel over the value; where
 * the picture's score is that maximum both thresholds are the same number and verdict and outline agree.
 *
 * What to expect of a threshold once it is chosen: the share F of good pictures over the k-th smallest of n
 * scores is itself a random number, of the distribution Beta(n + 1 - k, k) where scores do not repeat (the
 * coverage of an order statistic: Wilks 1941), and smaller where they do. Its mean is (n + 1 - k) / (n + 1),
 * the "expected false alarms". The upper end of the interval is its 97.5 % quantile, the lower end the 2.5 %
 * quantile of Beta(h, n + 1 - h), h = n - k the scores over the value (0 for the largest score: nothing
 * bounds the rate from below); that is Clopper and Pearson's interval of h in n, and holds F with a
 * probability of at least 95 %. */
#ifndef FM_SCORE_THRESHOLD_H
#define FM_SCORE_THRESHOLD_H

#include "base/status.h"

struct fm_threshold {
  double value;
  double alpha;     /* the false-alarm rate that was asked for */
  size_t n, k;      /* the value is the k-th smallest of n */
  bool kept;        /* false: alpha cannot be promised, because n is too small or too many are odd */
  double promised;  /* the rate that does hold: (n + 1 - k) / (n + 1) */
  double low, high; /* 95 % interval of the true false-alarm rate; NaN where none exists */
  char origin[200]; /* "42 held-out good pictures" */
};

/* what: where the scores come from, in the plural ("held-out good pictures"). alpha lies between 0 and 1,
 * without the ends (else FM_USAGE). Scores that are not finite are FM_NUMERIC. odd: so many of the largest do
 * not decide (odd.h): the value is then at most the largest of the others. They count all the same, so where
 * they are more than alpha allows, what is promised is more than alpha. */
enum fm_status fm_threshold_choose(struct fm_context *ctx, size_t n, const float *scores, double alpha,
                                   size_t odd, const char *what, struct fm_threshold *out);

/* How many good pictures a promise of alpha needs at least: the smallest n with k <= n. */
size_t fm_threshold_needs(double alpha);

/* A threshold that somebody named: no promise, no interval. alpha: the rate that the model is made for. */
void fm_threshold_by_hand(double value, double alpha, struct fm_threshold *threshold);
bool fm_threshold_is_by_hand(const struct fm_threshold *threshold);

/* What a pixel of a picture's map must be over to be outlined, so that verdict and outline agree: of a
 * picture that passes none is; of a flagged one those over the threshold of pixels, or where there are none
 * (a map that was sharpened, a threshold named by hand) its strongest spot, down to seven tenths of the map's
 * largest value, `peak`. */
double fm_threshold_outline(const struct fm_threshold *pixel, bool flagged, double peak);

/* The same of a map [count] whose largest value is not known. */
double fm_threshold_outline_of(const struct fm_threshold *pixel, bool flagged, const float *map,
                               size_t count);

/* A sentence for people, at most 400 bytes with its end: "1.83, from the largest score of 41 held-out good
 * pictures; expected false alarms 2.4 % (95 % interval 0 to 8.6 %); 1 % takes 99 good pictures, there are
 * 41". */
void fm_threshold_sentence(const struct fm_threshold *threshold, char out[400]);

#endif
