/* What comes before the network: a picture is brought to the light in which the good parts of the training
 * lay, and its part to their pose, so that the network need not learn what says nothing about flaws.
 *
 * A standard is learned from good pictures once (standard_learn.h), lives in the model, and is part of how
 * pictures are made fit for the network (struct fm_preprocess): whoever trains, scores or calibrates goes
 * through the same function. What was done to a picture is known (struct fm_adjusted) and undone in one
 * place, where scores come back (task/score_batch.h). */
#ifndef FM_DATA_STANDARD_H
#define FM_DATA_STANDARD_H

#include "base/size.h"
#include "data/ignore.h"
#include "data/light.h"
#include "data/pose.h"

struct fm_image;

/* Zeros ask for nothing. */
struct fm_standard {
  struct fm_light light;
  bool poses;
  struct fm_mean_part part;      /* where it poses */
  struct fm_pose_finder *finder; /* of that (fm_standard_ready) */
  struct fm_ignore ignore;       /* regions of pictures that are not looked at */
};

/* Where a tile lies in its picture; 0 to 1 is all of that. */
struct fm_tile_place {
  float x, y, width, height;
};

/* What was done to a picture. Zeros, as of a standard that asks for nothing: nothing. */
struct fm_adjusted {
  bool lit;      /* its light was found: gain holds */
  bool unlit;    /* it was looked for in vain: the picture is as it was */
  bool placed;   /* its part was found and brought to the mean part's pose: pose holds */
  bool unplaced; /* it was looked for in vain: the picture is as it lies */
  float gain[3]; /* that its colours were multiplied with */
  struct fm_pose pose;
  struct fm_affine to_own;   /* from the mean part's picture to the picture's own */
  struct fm_tile_place tile; /* of a tile; zeros: it is the whole picture */
};

/* How a part lies, for people: turned clockwise by so many degrees, from the middle of the picture shifted
 * right and down by so many of its pixels, and so many times as large, beside the mean part. */
struct fm_lie {
  double angle, x, y, scale;
};
struct fm_lie fm_adjusted_lie(const struct fm_adjusted *adjusted, int width, int height);

/* True where it leaves every picture as it is. */
bool fm_standard_none(const struct fm_standard *standard);

/* Makes what finding poses needs, once the part is there; before pictures are adjusted. */
enum fm_status fm_standard_ready(struct fm_context *ctx, struct fm_standard *standard);
void fm_standard_free(struct fm_context *ctx, struct fm_standard *standard);

/* A picture [height][width][3] in the size in which it is looked at, [FM_VIEW_SIDE][FM_VIEW_SIDE][3]. */
enum fm_status fm_standard_view(struct fm_context *ctx, const unsigned char *rgb, struct fm_size size,
                                unsigned char *view);

/* Changes a picture rgb [height][width][3]; own: the same at its own size. */
enum fm_status fm_standard_adjust(struct fm_context *ctx, const struct fm_standard *standard,
                                  const struct fm_image *own, unsigned char *rgb, struct fm_size size,
                                  struct fm_adjusted *adjusted);

/* Which cells of a grid over an adjusted picture are looked at, 1 or 0: those that show the picture itself,
 * not what came in by turning it nor what is ignored. Sizes as below; covered [grid]. */
void fm_standard_covered(const struct fm_standard *standard, const struct fm_adjusted *adjusted,
                         struct fm_size size, struct fm_size whole, struct fm_size grid,
                         unsigned char *covered);

/* Where there are cells that fm_standard_covered leaves out. */
bool fm_standard_chooses(const struct fm_standard *standard);

/* Back to the picture's own light and pose: a picture or a map that was made from an adjusted one, of that
 * size, of the middle of a picture of the size `whole`. room: as large. What nobody looked at is black, and
 * has the map's lowest value, and so has what is ignored. */
void fm_standard_undo_picture(const struct fm_standard *standard, const struct fm_adjusted *adjusted,
                              unsigned char *rgb, struct fm_size size, struct fm_size whole,
                              unsigned char *room);
void fm_standard_undo_map(const struct fm_standard *standard, const struct fm_adjusted *adjusted, float *map,
                          struct fm_size size, struct fm_size whole, float *room);

#endif
