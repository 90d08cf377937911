/* From a file to what a network is fed: decode, RGB, resize, the model's light, centre crop. Normalisation is
 * the device's work. */
#ifndef FM_DATA_PICTURE_H
#define FM_DATA_PICTURE_H

#include "data/resize.h"
#include "data/standard.h"
#include "file/image.h"

struct fm_preprocess {
  int size; /* the whole picture becomes size x size */
  int crop; /* then the middle crop x crop is kept; 0: all of it */
  enum fm_resize resize;
  const struct fm_standard
      *standard; /* that pictures are brought to, the owner's; NULL: they stay as they are */
};

/* The side of what comes out: crop, or size without one. */
int fm_preprocess_side(const struct fm_preprocess *p);

/* FM_USAGE for a size that is not 1..4096 or a crop larger than it. */
enum fm_status fm_preprocess_check(struct fm_context *ctx, const struct fm_preprocess *p);

/* An RGB picture of any size, made fit: rgb is side * side * 3 bytes. adjusted: what the standard did to it;
 * may be NULL. */
enum fm_status fm_picture_reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                                 const unsigned char *pixels, int width, int height, unsigned char *rgb,
                                 struct fm_adjusted *adjusted);

/* The same of a picture as it was decoded, grey or RGB. */
enum fm_status fm_picture_fit(struct fm_context *ctx, const struct fm_preprocess *p,
                              const struct fm_image *image, unsigned char *rgb, struct fm_adjusted *adjusted);

/* The same from a file; with image the picture at its own size, too, as it was decoded (fm_image_free;
 * nothing after a failure). */
enum fm_status fm_picture_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                               unsigned char *rgb, struct fm_adjusted *adjusted);
enum fm_status fm_picture_load_both(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                                    unsigned char *rgb, struct fm_image *image, struct fm_adjusted *adjusted);

/* A mask, 0 or 1 a pixel (changed here), resized as the pictures are and cropped; a pixel of the result is 1
 * where that is not zero: with an antialiased resize wherever a part of it is flawed. */
enum fm_status fm_mask_reduce(struct fm_context *ctx, const struct fm_preprocess *p, unsigned char *pixels,
                              int width, int height, unsigned char *mask);

#endif
