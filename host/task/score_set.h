/* Scoring a list of pictures with a model: the loader decodes ahead while the device works (score_batch.h
 * says what a score is). */
#ifndef FM_TASK_SCORE_SET_H
#define FM_TASK_SCORE_SET_H

#include "data/loader.h"
#include "task/score_batch.h"

struct fm_score_item { /* a picture of the list with what came out */
  size_t index;        /* in the list */
  const struct fm_sample *sample;
  const struct fm_image *image; /* with images: RGB at its own size, its pixels NULL where there was no room
                                 * (fm_score_image reads it again); else NULL */
  const struct fm_adjusted *adjusted; /* what the model's standard did to it */
  const unsigned char *piece;         /* with pieces: [height][width], 1 where the piece shows; else NULL */
  struct fm_score_one one;
};

struct fm_score_list {
  const struct fm_sample *samples;
  size_t count;
  const char *text; /* names the work for the progress */
  bool refine;      /* sharpen the maps (F2PAD) */
  /* [count] Their numbers among the pictures that the model learned from: each is scored as if it had not
   * (method.h: without); NULL: as any picture. */
  const int *learned;
  bool images; /* decoded pictures are wanted, too */
  bool pieces; /* a piece (data/piece.h) is drawn on every picture, that of the model's seed and round */
  int round;
  int most;          /* pictures at a time, fewer where they are large; 0: the recipe's batch, 16 at most */
  size_t work_bytes; /* that work takes a pixel of the picture */
  /* Called for the pictures of a batch by several threads at once: for what takes long. NULL: nothing. */
  enum fm_status (*work)(void *user, const struct fm_score_item *item);
  /* Then for every picture in order. What both are given is valid during the call. Either one's failure ends
   * the run; what shall not end it they keep to themselves (fm_context_branch). NULL: nothing. */
  enum fm_status (*take)(void *user, const struct fm_score_item *item);
  /* In place of take for a picture that could not be read (FM_IO, FM_FORMAT, FM_LIMIT); not FM_OK: that ends
   * the run. NULL: the first such picture ends it. */
  enum fm_status (*unread)(void *user, const struct fm_unread *unread);
  void *user;
};

/* How a list is worked through in the memory there is, from the sizes in the pictures' headers. */
struct fm_score_plan {
  int width, height;   /* of the largest picture; 0: none could be looked at */
  size_t decode_bytes; /* what reading one takes at most */
  int workers;         /* that decode ahead */
  int at_once;         /* pictures that work is at, at the same time */
  size_t image_limit;  /* bytes of decoded pictures that are kept for work */
  size_t bytes, free;  /* what all that takes at most, and what there is; free 0: not known */
};

/* free: bytes there are; 0: not known, nothing is held back. */
void fm_score_plan_make(struct fm_context *ctx, const struct fm_score_list *list, int batch, size_t free,
                        struct fm_score_plan *plan);

/* Before it begins it says what large pictures take. FM_USAGE with refine where the model did not learn to.
 */
enum fm_status fm_score_set(struct fm_device *d, const struct fm_model *model,
                            const struct fm_score_list *list);

/* The picture of an item at its own size: what the item brings, or read again into *room, which the caller
 * frees in either case (fm_image_free). */
enum fm_status fm_score_image(struct fm_context *ctx, const struct fm_score_item *item, struct fm_image *room,
                              const struct fm_image **image);

/* The scores of a list's pictures and the largest values of their maps only, [count] each; peaks: NULL where
 * they are not wanted. The list has no calls of its own. */
enum fm_status fm_score_set_scores(struct fm_device *d, const struct fm_model *model,
                                   const struct fm_score_list *list, float *scores, float *peaks);

#endif
