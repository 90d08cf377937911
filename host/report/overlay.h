/* The pictures of an anomaly map: the map alone, over its picture, and the outlines of what was found and
 * what is so. */
#ifndef FM_REPORT_OVERLAY_H
#define FM_REPORT_OVERLAY_H

#include "data/ignore.h"
#include "report/canvas.h"
#include "report/heat.h"

enum { FM_TINT_STEPS = 512 };

/* 255 where the map is over (greater than) the threshold, else 0; height * width, the caller's (fm_free). */
enum fm_status fm_mask_from_map(struct fm_context *ctx, const float *map, int width, int height,
                                double threshold, unsigned char **mask);

/* The map in the colours of heat, RGB. */
enum fm_status fm_overlay_heat(struct fm_context *ctx, const float *map, int width, int height,
                               const struct fm_heat *heat, struct fm_image *out);

/* The picture with the map over it, clear where it is low, and outlines: of mask (what was found) in light
 * blue, of truth (what is flawed) in white and black dashes. mask and truth have the picture's size and may
 * be NULL. */
enum fm_status fm_overlay_draw(struct fm_context *ctx, const struct fm_image *image, const float *map,
                               const unsigned char *mask, const unsigned char *truth,
                               const struct fm_heat *heat, struct fm_image *out);

/* What lies over a pixel of a picture, for every score: heat's colours, clear where they are dark. */
struct fm_tint {
  struct fm_heat heat;
  struct {
    unsigned char rgb[3], cover; /* of 255 */
  } step[FM_TINT_STEPS];
};

void fm_tint_make(struct fm_tint *tint, const struct fm_heat *heat);

/* A row of the picture (RGB) with its map over it, in place. */
void fm_overlay_blend(unsigned char *rgb, const float *map, size_t count, const struct fm_tint *tint);

/* The outline of what was found, in place, as fm_overlay_draw has it. */
void fm_overlay_outline(struct fm_image *image, const unsigned char *mask);

/* What is not looked at, hatched in grey, in place; where nothing is ignored, nothing. */
enum fm_status fm_overlay_hatch(struct fm_context *ctx, struct fm_image *image,
                                const struct fm_ignore *ignore);

/* The picture darkened but for its flawed pixels, which are outlined. */
enum fm_status fm_overlay_truth(struct fm_context *ctx, const struct fm_image *image,
                                const unsigned char *truth, struct fm_image *out);

#endif
