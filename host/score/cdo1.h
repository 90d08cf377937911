/* AUPRO as the script of the 2023 CDO computed it ("cdo1"), the variant of its paper's tables.
 *
 * 200 thresholds max - step * (max - min) / 200 over all maps; score > threshold. A region's overlap counts
 * pixels inside the region with its holes filled, divided by the unfilled area. The pairs of false positive
 * rate (at most 0.3) and mean overlap are rescaled in the rate to [0, 1] by their own extremes; trapezoid
 * rule. */
#ifndef FM_SCORE_CDO1_H
#define FM_SCORE_CDO1_H

#include "score/region.h"

enum { FM_CDO1_STEPS = 200 };

struct fm_cdo1 {
  double threshold[FM_CDO1_STEPS]; /* descending */
  double per_unit;                 /* thresholds in a unit of score */
};

/* What one picture adds, by the first threshold that a pixel is over (FM_CDO1_STEPS: none). */
struct fm_cdo1_part {
  uint64_t normals[FM_CDO1_STEPS + 1];
  double overlap[FM_CDO1_STEPS + 1]; /* of regions: pixels / area */
};

void fm_cdo1_begin(struct fm_cdo1 *cdo1, double low, double high); /* the extremes of all maps */

/* regions are those of the picture's mask. */
enum fm_status fm_cdo1_add(struct fm_context *ctx, const struct fm_cdo1 *cdo1, const float *map,
                           const struct fm_regions *regions, struct fm_cdo1_part *part);

/* From the parts of all pictures, added in their order. NaN where the rates up to 0.3 are all the same. */
double fm_cdo1_end(const struct fm_cdo1_part *part, size_t parts, size_t regions, size_t normals);

#endif
