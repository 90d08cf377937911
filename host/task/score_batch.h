/* A model on the device that scores batches of pictures: the one place where it is decided what a picture's
 * score and its map are. eval, predict, calibrate and the C API all score through it.
 *
 * A picture's map at its own size is the network's map enlarged bilinearly (half-pixel corners). Its score is
 * the detector's own where it has one, else the largest value of that map, so that a picture is flagged
 * exactly where some pixel of its map is over the same threshold. Where maps are sharpened (F2PAD) the score
 * stays that of the detector's own map, unless the model says that the sharpened map's largest value tells
 * pictures apart better (model/refinement.h: scores). */
#ifndef FM_TASK_SCORE_BATCH_H
#define FM_TASK_SCORE_BATCH_H

#include "data/picture.h"
#include "model/method.h"

/* A map at a picture's own size, made row by row from the network's, small [size]; by several threads at
 * once. */
struct fm_score_map {
  struct fm_map_rows rows;
  float *whole; /* with a crop: the map that the crop was taken from; else NULL */
};
enum fm_status fm_score_map_open(struct fm_context *ctx, struct fm_score_map *map, const float *small,
                                 struct fm_size size, const struct fm_preprocess *p, int width, int height);
void fm_score_map_row(const struct fm_score_map *map, int y, float *row); /* [width] */
void fm_score_map_close(struct fm_context *ctx, struct fm_score_map *map);

struct fm_score_one {      /* a picture */
  int width, height;       /* its own size */
  struct fm_size size;     /* of its map: the network's; of a picture in tiles larger */
  struct fm_score_map map; /* [height][width] */
  const float *small;      /* [size] */
  float score, peak;       /* of the picture; the largest value of its map */
  float own_score;         /* the detector's own, from the map as it is without sharpening */
  /* Where maps are sharpened: [size] the detector's own map, [size][3] the repaired picture; else
   * NULL. */
  const float *base;
  const unsigned char *repaired;
  const unsigned char *rgb; /* [size][3]: what the network saw, in the picture's own light and pose; of
                             * tiles only where maps are sharpened, else NULL */
};

struct fm_score_batch;

/* most: pictures at a time. refine: sharpen the maps (F2PAD); FM_USAGE where the model did not learn to. The
 * model must live as long. */
enum fm_status fm_score_batch_make(struct fm_device *d, const struct fm_model *model, int most, bool refine,
                                   struct fm_score_batch **batch);
void fm_score_batch_free(struct fm_score_batch *b); /* NULL: nothing */

/* count (at most `most`) pictures [count][height][width][3], which must live until the next call. adjusted
 * [count]: what the model's standard did to them; all that comes out is as if it had not; NULL: nothing. */
enum fm_status fm_score_batch_run(struct fm_score_batch *b, int count, const unsigned char *rgb,
                                  const struct fm_adjusted *adjusted);

/* From now on the pictures at hand are one that the model learned from, number `picture` of them, scored as
 * if it had not; -1: no longer. FM_USAGE where the method cannot, and where maps are sharpened. */
enum fm_status fm_score_batch_without(struct fm_score_batch *b, int picture);

/* One picture of a model that sees pictures in tiles (--tile), RGB or grey: `most` tiles go through the
 * network at a time, and their maps become one (mosaic.h). It is picture 0 then, and its detector's own score
 * the largest of its tiles'. */
enum fm_status fm_score_batch_run_tiles(struct fm_score_batch *b, const struct fm_image *picture);

/* What came out for picture i of the last run, which has that size of its own; by several threads at once.
 * Valid until the next run; closed also after a failure. */
enum fm_status fm_score_one_open(const struct fm_score_batch *b, struct fm_context *ctx, int i, int width,
                                 int height, struct fm_score_one *one);
void fm_score_one_close(struct fm_context *ctx, struct fm_score_one *one);

#endif
