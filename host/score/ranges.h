/* The ranking of all pixels in bounded memory, exact: the scores are counted in ranges first, then ranges
 * that fit are collected, sorted and walked, from the highest on; each costs a pass over the pixels.
 *
 * Normal pixels of a range are held as a list (4 bytes each) or counted score by score (8 bytes a score that
 * the range can hold), whichever reaches further; so from some number of pixels on more of them do not take
 * more passes. Flawed ones are held as a list (8 bytes each). A sixteen-bit range of scores that does not fit
 * is counted score by score; of a single score whose flawed pixels do not fit the areas are counted. The
 * result is the same to the last bit for every budget. */
#ifndef FM_SCORE_RANGES_H
#define FM_SCORE_RANGES_H

#include "score/rank.h"
#include "score/scan.h"

struct fm_bins { /* of scores' keys: bin k holds those from low + (k << shift) on */
  uint32_t low;
  unsigned shift;
  size_t count;
  uint64_t *normal, *flawed; /* [lanes][count]; after fm_bins_sum the first [count] is the sum */
};

/* All keys in 65,536 bins. */
enum fm_status fm_bins_make(struct fm_context *ctx, int lanes, struct fm_bins *bins);
void fm_bins_visit(void *user /* the bins */, int lane, const float *scores, size_t n, uint32_t area);
void fm_bins_sum(struct fm_bins *bins, int lanes);
void fm_bins_free(struct fm_context *ctx, struct fm_bins *bins);

/* bins: the sums of all pixels of the scan. budget: bytes for the lists of a range. */
enum fm_status fm_ranges_walk(struct fm_scan *scan, const struct fm_bins *bins, size_t budget,
                              struct fm_rank *rank);

/* What fm_ranges_walk takes at most beside its lists. */
size_t fm_ranges_overhead(int lanes);

#endif
