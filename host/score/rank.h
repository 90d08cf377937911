/* All metrics of a ranking, in one walk from the highest score to the lowest. */
#ifndef FM_SCORE_RANK_H
#define FM_SCORE_RANK_H

#include <stddef.h>
#include <stdint.h>

/* The PRO curve: overlap at FM_PRO_POINTS false-positive rates from 0 to 30 %, closer together where the rate
 * is low, because there it rises. */
enum { FM_PRO_POINTS = 101 };
double fm_pro_rate(int point);

struct fm_rank {
  double auroc, ap, f1, f1_threshold, iou; /* iou at the threshold of the best F1 */
  double aupro_30, aupro_05;               /* NaN where regions is 0 */
  double pro[FM_PRO_POINTS];               /* of no meaning then */
};

/* Compensated summation (Neumaier 1974): 10^8 small terms keep full precision. Zero at first. */
struct fm_sum {
  double value, lost;
};
void fm_sum_add(struct fm_sum *sum, double term);
double fm_sum_value(const struct fm_sum *sum);

/* The area under a curve up to x = limit, the last piece cut by linear interpolation. */
struct fm_area {
  double limit;
  struct fm_sum sum;
};

/* A walk that stops at every distinct score of a flawed item, from the highest on. */
struct fm_walk {
  uint64_t normals, flawed, regions; /* in all */
  uint64_t lower, found;             /* normal items below the last stop; flawed ones at it or above */
  double x, y;                       /* the PRO curve so far: false positive rate, overlap (below 1) */
  struct fm_sum overlap;             /* sum over the regions of the part found */
  struct fm_area area_30, area_05;
  int pro_points;        /* of the curve, so far */
  uint64_t won_twice[2]; /* pairs with the flawed item higher, counted twice, ties once; low and high half */
  struct fm_sum ap;
  double recall;
  struct fm_rank out;
};

/* regions: how many there are; 0 where they mean nothing (pictures instead of pixels). */
void fm_walk_begin(struct fm_walk *walk, uint64_t normals, uint64_t flawed, uint64_t regions);
/* over: normal items between the last stop and this one; ties: at it. gain: of each flawed item here the part
 * of its region, 1 / area, summed from the largest area on. */
void fm_walk_stop(struct fm_walk *walk, uint32_t key, uint64_t over, uint64_t ties, uint64_t flawed,
                  double gain);
/* Everything is NaN unless there are both normal and flawed items. */
struct fm_rank fm_walk_end(struct fm_walk *walk);

/* The walk over sorted lists. Normal items are score keys (radix.h); flawed ones are key << 32 | area of the
 * region the pixel belongs to. Both ascend. */
struct fm_ranking {
  size_t normals, flawed, regions;
  const uint32_t *normal_keys;
  const uint64_t *flawed_keys;
};
struct fm_rank fm_rank_walk(const struct fm_ranking *ranking);

/* The next stop of a sorted list of flawed items: takes those of the highest score from its end, *count of
 * them are left. */
uint64_t fm_rank_take(const uint64_t *flawed_keys, size_t *count, uint32_t *key, double *gain);

#endif
