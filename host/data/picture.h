/* From a file to what a network is fed: decode, RGB, resize, centre crop. Normalisation is the device's work.
 */
#ifndef FM_DATA_PICTURE_H
#define FM_DATA_PICTURE_H

#include "data/resize.h"
#include "file/image.h"

struct fm_preprocess {
  int size; /* the whole picture becomes size x size */
  int crop; /* then the middle crop x crop is kept; 0: all of it */
  enum fm_resize resize;
};

/* The side of what comes out: crop, or size without one. */
int fm_preprocess_side(const struct fm_preprocess *p);

/* FM_USAGE for a size that is not 1..4096 or a crop larger than it. */
enum fm_status fm_preprocess_check(struct fm_context *ctx, const struct fm_preprocess *p);

/* An RGB picture of any size, resized and cropped, into rgb (side * side * 3 bytes). */
enum fm_status fm_picture_reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                                 const unsigned char *pixels, int width, int height, unsigned char *rgb);

/* The picture as side x side RGB into rgb (side * side * 3 bytes); its own size where width and height are
 * not NULL. */
enum fm_status fm_picture_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                               unsigned char *rgb, int *width, int *height);

/* The same, and the picture at its own size as it was decoded (fm_image_free; nothing after a failure). */
enum fm_status fm_picture_load_both(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                                    unsigned char *rgb, struct fm_image *image);

/* A mask, 0 or 1 a pixel (changed here), resized as the pictures are and cropped; a pixel of the result is 1
 * where that is not zero: with an antialiased resize wherever a part of it is flawed. */
enum fm_status fm_mask_reduce(struct fm_context *ctx, const struct fm_preprocess *p, unsigned char *pixels,
                              int width, int height, unsigned char *mask);

#endif
