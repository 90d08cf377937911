/* From a file to what a network is fed: decode, RGB, resize, the model's light, centre crop. Normalisation is
 * the device's work. */
#ifndef FM_DATA_PICTURE_H
#define FM_DATA_PICTURE_H

#include "base/size.h"
#include "data/resize.h"
#include "data/standard.h"
#include "file/image.h"

struct fm_preprocess {
  struct fm_size size; /* that the whole picture becomes */
  struct fm_size crop; /* then its middle is kept; zeros: all of it */
  int tile; /* what becomes that size is a tile of tile x tile pixels (tiles.h); 0: the whole picture */
  enum fm_resize resize;
  const struct fm_standard
      *standard; /* that pictures are brought to, the owner's; NULL: they stay as they are */
};

/* The size of what comes out: crop, or size without one. */
struct fm_size fm_preprocess_size(const struct fm_preprocess *p);

/* The size of the map of a picture: what comes out, or of one in tiles, as fine as the network sees these. */
struct fm_size fm_preprocess_map_size(const struct fm_preprocess *p, int width, int height);

/* What a crop leaves out on the left and above. */
void fm_preprocess_edge(const struct fm_preprocess *p, int *left, int *above);

/* FM_USAGE for a side that is not 1..4096 or a crop larger than the size. */
enum fm_status fm_preprocess_check(struct fm_context *ctx, const struct fm_preprocess *p);

/* An RGB picture of any size, made fit: rgb is [height][width][3] of what comes
 * out. adjusted: what the standard did to it;
 * may be NULL. */
enum fm_status fm_picture_reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                                 const unsigned char *pixels, int width, int height, unsigned char *rgb,
                                 struct fm_adjusted *adjusted);

/* Without what the standard ignores: *painted is a copy (fm_image_free), or where nothing is ignored the
 * picture itself, with the same pixels. Whoever cuts tiles paints first; the others leave it to what follows.
 */
enum fm_status fm_preprocess_paint(struct fm_context *ctx, const struct fm_preprocess *p,
                                   const struct fm_image *image, struct fm_image *painted);

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
