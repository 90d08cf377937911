/* Pictures made for looking at: scaled down, put side by side, outlined. */
#ifndef FM_REPORT_CANVAS_H
#define FM_REPORT_CANVAS_H

#include "file/image.h"

/* An RGB image of one colour; freed with fm_image_free. */
enum fm_status fm_canvas_make(struct fm_context *ctx, int width, int height, const unsigned char rgb[3],
                              struct fm_image *out);

/* The size of width x height made to fit a square of `side` pixels, never larger than it was, at least 1 x 1.
 */
void fm_canvas_fit(int width, int height, int side, int *fit_width, int *fit_height);

/* Averages over areas; to is smaller or equal in both sides. The image (grey or RGB) becomes RGB. */
enum fm_status fm_canvas_shrink(struct fm_context *ctx, const struct fm_image *from, int width, int height,
                                struct fm_image *to);
enum fm_status fm_canvas_shrink_map(struct fm_context *ctx, const float *from, int from_width,
                                    int from_height, int width, int height, float **to);

/* 1 where any pixel of the area is flawed, so that no flaw is lost. */
enum fm_status fm_canvas_shrink_mask(struct fm_context *ctx, const unsigned char *from, int from_width,
                                     int from_height, int width, int height, unsigned char **to);

/* Copies an RGB image into another one, clipped. */
void fm_canvas_put(struct fm_image *onto, int x, int y, const struct fm_image *image);

/* Draws the border of a mask (of the image's size), `thick` pixels wide, inside the mask. dashed: in turns
 * with black. */
void fm_canvas_outline(struct fm_image *image, const unsigned char *mask, int thick,
                       const unsigned char rgb[3], bool dashed);

#endif
