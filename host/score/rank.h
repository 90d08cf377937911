/* All metrics of a ranking, from its sorted scores in one walk from the highest to the lowest. */
#ifndef FM_SCORE_RANK_H
#define FM_SCORE_RANK_H

#include <stddef.h>
#include <stdint.h>

/* Normal items are score keys (radix.h); flawed ones are key << 32 | area of the region the pixel belongs to.
 * Both ascend. regions: how many regions there are; 0 where areas mean nothing (pictures instead of pixels).
 */
struct fm_ranking {
  size_t normals, flawed, regions;
  const uint32_t *normal_keys;
  const uint64_t *flawed_keys;
};

struct fm_rank {
  double auroc, ap, f1, f1_threshold, iou; /* iou at the threshold of the best F1 */
  double aupro_30, aupro_05;               /* NaN where regions is 0 */
};

/* Everything is NaN unless there are both normal and flawed items. 2 * normals * flawed must be below 2^64.
 */
struct fm_rank fm_rank_walk(const struct fm_ranking *ranking);

#endif
