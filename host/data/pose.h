/* How a part lies in its picture: turned, larger or smaller, shifted, beside the mean part of the training.
 *
 * Places are pairs of numbers from the middle of a picture, x to the right and y down, in a unit that makes
 * the picture's area 1; so a turn is a turn also where pictures are not square. A place q of the mean part
 * lies at (x, y) + scale R(angle) q in the picture. */
#ifndef FM_DATA_POSE_H
#define FM_DATA_POSE_H

#include "base/status.h"
#include "data/part.h"

struct fm_pose {
  float angle, scale, x, y; /* angle: in radians, clockwise as one sees it */
};

/* The same as a map of places in units of the pictures' sides, 0 to 1: of the mean part's picture, then of
 * the picture at hand. out = {x = a[0] x + a[1] y + a[2], y = a[3] x + a[4] y + a[5]}. aspect: width /
 * height. */
struct fm_affine {
  float a[6];
};
struct fm_affine fm_pose_affine(const struct fm_pose *pose, float mean_aspect, float aspect);
struct fm_affine fm_affine_inverse(const struct fm_affine *affine);
static inline void fm_affine_map(const struct fm_affine *affine, float x, float y, float out[2]) {
  const float *a = affine->a;
  out[0] = a[0] * x + a[1] * y + a[2];
  out[1] = a[3] * x + a[4] * y + a[5];
}

/* The mean part, in the size in which pictures are looked at. Arrays are its own (fm_mean_part_free). */
struct fm_mean_part {
  float aspect;          /* of the training's pictures */
  float *relief;         /* [FM_VIEW_PIXELS] how far it stands out from its ground (part.h) */
  float *spread;         /* [FM_VIEW_PIXELS] how much that varies, at least FM_PART_LEAST_SPREAD */
  unsigned char *colour; /* [FM_VIEW_PIXELS][3] */
  unsigned char *shown;  /* [FM_VIEW_PIXELS] 1 where nearly all pictures show something there */
  float ground[3];       /* the colour of its ground */
  bool scales;           /* parts differ in size */
  float limit;           /* the least agreement of a part that was found */
};

/* Limits of what is believed. */
#define FM_POSE_LEAST_SCALE 0.75f
#define FM_POSE_MOST_SCALE 1.35f
#define FM_PART_LEAST_SPREAD 8.0f

enum fm_status fm_mean_part_make(struct fm_context *ctx, struct fm_mean_part *mean); /* zero */
void fm_mean_part_free(struct fm_context *ctx, struct fm_mean_part *mean);

/* What finding needs of it, made once. */
struct fm_pose_finder;
enum fm_status fm_pose_finder_make(struct fm_context *ctx, const struct fm_mean_part *mean,
                                   struct fm_pose_finder **finder);
void fm_pose_finder_free(struct fm_context *ctx, struct fm_pose_finder *finder);

/* The pose of a part, by registration: every direction is tried small, the best three are refined. agreement:
 * the share of the mean part that is seen where it should be; a part counts as found from mean->limit on.
 * Never fails; without a part the agreement is 0. By several threads at once. */
void fm_pose_find(const struct fm_pose_finder *finder, const struct fm_part *part, float aspect,
                  struct fm_pose *pose, float *agreement);

#endif
