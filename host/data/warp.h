/* Pictures and maps brought to another pose, and back. Places are in units of a picture's sides, 0 to 1. */
#ifndef FM_DATA_WARP_H
#define FM_DATA_WARP_H

#include "base/size.h"
#include "data/pose.h"

struct fm_image;

/* A value between pixels, bilinear, the outermost half pixel repeated; false outside the picture. */
bool fm_sample_floats(const float *in, int width, int height, float x, float y, float *out);

/* The same of a picture; channels 1 or 3. Outside it is its nearest pixel. */
void fm_sample_colour(const unsigned char *in, int width, int height, int channels, float x, float y,
                      float out[3]);

/* A view [FM_VIEW_SIDE][FM_VIEW_SIDE][3] of another: place p shows what the other shows at affine p, outside
 * of it what is nearest. */
void fm_warp_view(const unsigned char *in, const struct fm_affine *affine, unsigned char *out);

/* A part in the mean part's pose: in at its own size, in colours times gain, to out
 * [height][width][3]. What the training's pictures do not nearly all show is the mean part's, without a seam;
 * what lies outside this picture goes on from its border to that. */
struct fm_posing {
  const struct fm_mean_part *mean;
  struct fm_affine to_own; /* from the mean part's picture to this one */
  float gain[3];
};
enum fm_status fm_warp_part(struct fm_context *ctx, const struct fm_posing *posing, const struct fm_image *in,
                            struct fm_size size, unsigned char *out);

/* Which cells of a grid over the middle `size` of a picture of the size `whole`, in the mean part's pose, are
 * looked at: nearly all of the training's pictures show something there, and this one does. covered
 * [height][width]: 1 or 0. */
void fm_warp_covered(const struct fm_mean_part *mean, const struct fm_affine *to_own, struct fm_size size,
                     struct fm_size whole, struct fm_size grid, unsigned char *covered);

/* A map of that size, of the middle of a picture of the size `whole`, in the mean part's pose, back to the
 * picture's own. What nobody looked at has the map's lowest value. room: as large. to_mean: from the picture
 * to the mean part's. */
void fm_warp_map_back(const struct fm_mean_part *mean, const struct fm_affine *to_mean, float *map,
                      struct fm_size size, struct fm_size whole, float *room);

/* The same of a picture [height][width][3]; what nobody looked at is black. */
void fm_warp_picture_back(const struct fm_mean_part *mean, const struct fm_affine *to_mean,
                          unsigned char *rgb, struct fm_size size, struct fm_size whole, unsigned char *room);

/* A mask [height][width] of 0 and 1 into the mean part's pose, nearest. */
void fm_warp_mask(const struct fm_affine *to_own, const unsigned char *in, struct fm_size size,
                  unsigned char *out);

#endif
