/* Masks: what somebody drew to say where a flaw is. In a file any pixel that is not zero is flawed, whatever
 * the depth, the colour or the palette (fm_image_read_labels). Where a file keeps values only about (JPEG),
 * those from half of the range on are. A folder of masks is their union.
 *
 * Masks are often made wrongly, and then every figure of pixels is wrong in silence; so what looks wrong
 * about the masks of a test set is counted (fm_mask_census) and said. */
#ifndef FM_DATA_MASK_H
#define FM_DATA_MASK_H

#include "data/picture.h"

struct fm_drawn {
  int width, height;
  unsigned char *pixels; /* [height][width], 0 or 1 */
  size_t set;            /* flawed pixels */
  size_t edge;           /* of them, those on the outermost rows and columns */
  bool lossy;            /* a file that keeps values only about */
  bool no_ground;  /* no pixel is zero, although there are several values: its background is not black */
  int orientation; /* the file's own word on which way is up, as of fm_image; 0 for a folder */
};

/* path: a file or a folder of masks of one size. FM_FORMAT also for a mask whose colours say nothing while it
 * has transparency: that may be the mask, and nobody can know. */
enum fm_status fm_mask_read(struct fm_context *ctx, const char *path, struct fm_drawn *mask);
void fm_mask_release(struct fm_context *ctx, struct fm_drawn *mask);

/* FM_FORMAT with both sizes where it is not as large as its picture. */
enum fm_status fm_mask_fits(struct fm_context *ctx, const struct fm_drawn *mask, const char *path, int width,
                            int height);

/* At the size of the network's input (nearest, then the same crop), 0 or 1 a pixel, into out. */
enum fm_status fm_mask_nearest(struct fm_context *ctx, const struct fm_preprocess *p,
                               const struct fm_drawn *mask, unsigned char *out);

/* fm_mask_read and fm_mask_nearest. */
enum fm_status fm_mask_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                            unsigned char *out);

/* The masks of a set of flawed pictures; zeros at first. Paths are the caller's. */
struct fm_mask_census {
  size_t masks, lossy, empty, inverted, no_ground, whole, turned;
  const char *first_lossy, *first_empty, *first_inverted, *first_no_ground, *first_whole, *first_turned;
};

/* picture: of the mask (pixels are not looked at). */
void fm_mask_count(struct fm_mask_census *census, const struct fm_drawn *mask, const char *path,
                   const char *picture);

/* Notes on what was counted. FM_FORMAT where most masks look inverted (more than half of the picture is
 * flawed, and nearly all of its edge, but not all of it), or where most have a background that is not zero.
 */
enum fm_status fm_mask_census_say(struct fm_context *ctx, const struct fm_mask_census *census);

#endif
