/* The connected regions of a mask, and a region with its holes filled. */
#ifndef FM_SCORE_REGION_H
#define FM_SCORE_REGION_H

#include "base/status.h"

#include <stdint.h>

struct fm_region {
  uint32_t area;      /* pixels */
  int x0, y0, x1, y1; /* bounding box; x1 and y1 are one past the end */
};

struct fm_regions {
  int width, height;
  uint32_t *label; /* height * width: 0 outside, else the region's index + 1 */
  size_t count;
  struct fm_region *region; /* in the order of their first pixels, row by row */
};

/* Regions of the non-zero pixels of mask (height * width), 8-connected: pixels that touch at a corner belong
 * together. Freed with fm_regions_free, also after a failure. */
enum fm_status fm_regions_find(struct fm_context *ctx, int width, int height, const unsigned char *mask,
                               struct fm_regions *out);
void fm_regions_free(struct fm_context *ctx, struct fm_regions *regions);

/* The region's bounding box, (y1 - y0) * (x1 - x0): 1 in the region and in its holes, else 0. The caller's
 * (fm_free). A hole is background that no 8-connected path joins to the outside, whatever other regions lie
 * there: the rule of scikit-image's regionprops (image_filled), so a ring that is closed only at corners
 * encloses nothing. */
enum fm_status fm_region_fill(struct fm_context *ctx, const struct fm_regions *regions, size_t index,
                              unsigned char **filled);

#endif
