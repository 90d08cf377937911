/* What comes before the network: a picture is brought to the light in which the good parts of the training
 * lay, so that the network need not learn what says nothing about flaws.
 *
 * A standard is learned from good pictures once (standard_learn.h), lives in the model, and is part of how
 * pictures are made fit for the network (struct fm_preprocess): whoever trains, scores or calibrates goes
 * through the same function. What was done to a picture is known (struct fm_adjusted) and undone in one
 * place, where scores come back (task/score_batch.h). */
#ifndef FM_DATA_STANDARD_H
#define FM_DATA_STANDARD_H

#include "data/light.h"

/* Pictures are looked at in this size, whatever the network's is. */
enum { FM_VIEW_SIDE = 128 };

struct fm_standard {
  struct fm_light light;
};

/* What was done to a picture. Zeros, as of a standard that asks for nothing: nothing. */
struct fm_adjusted {
  bool lit;      /* its light was found: gain holds */
  bool unlit;    /* it was looked for in vain: the picture is as it was */
  float gain[3]; /* that its colours were multiplied with */
};

/* True where it leaves every picture as it is. */
bool fm_standard_none(const struct fm_standard *standard);

/* A picture [side][side][3] in the size in which it is looked at, [FM_VIEW_SIDE][FM_VIEW_SIDE][3]. */
enum fm_status fm_standard_view(struct fm_context *ctx, const unsigned char *rgb, int side,
                                unsigned char *view);

/* Changes a picture [side][side][3]. */
enum fm_status fm_standard_adjust(struct fm_context *ctx, const struct fm_standard *standard,
                                  unsigned char *rgb, int side, struct fm_adjusted *adjusted);

/* Back to the picture's own light: a picture [side][side][3] that was made from an adjusted one. */
void fm_standard_undo_picture(const struct fm_adjusted *adjusted, unsigned char *rgb, int side);

#endif
