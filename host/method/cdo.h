/* CDO (Cao et al., IEEE TII 2023): an expert network that stays as it is, an apprentice that learns to agree
 * with it on good pixels and to disagree on synthetic anomalies, and the map of their disagreement. The
 * equations: docs/math/cdo.md.
 *
 * A trainer makes steps with 8-bit RGB pictures; train.c is the loop around it, cdo_score.c
 * the map. */
#ifndef FM_METHOD_CDO_H
#define FM_METHOD_CDO_H

#include "net/net.h"
#include "op/adam.h"
#include "op/loss.h"

struct fm_cdo_trainer;

struct fm_cdo_options {
  const struct fm_backbone *backbone;
  int batch;
  struct fm_size size; /* of the pictures */
  float gamma;
  bool overlap; /* OOM */
  bool twice;   /* features are normalised before the resize to tap 1 too: the recipe of 2025 */
  struct fm_adam adam;
};

/* What one step gives: the loss, and for each tap its term, mean discrepancy of normal and of synthetic
 * positions. */
struct fm_cdo_loss {
  float total, part[FM_TAPS][3];
};

enum fm_status fm_cdo_trainer_make(struct fm_device *d, const struct fm_cdo_options *o,
                                   const struct fm_weights *expert, const struct fm_weights *apprentice,
                                   struct fm_cdo_trainer **trainer);
void fm_cdo_trainer_free(struct fm_cdo_trainer *t);

/* Loads n <= batch pictures (rgb: [n][height][width][3]) with masks ([n][height][width], non-zero:
 * synthetic). Does not wait: they stay where they are until fm_cdo_trainer_loaded, which does. */
enum fm_status fm_cdo_trainer_load(struct fm_cdo_trainer *t, int n, const unsigned char *rgb,
                                   const unsigned char *mask);
enum fm_status fm_cdo_trainer_loaded(struct fm_cdo_trainer *t);

/* Forward, loss and backward of what was loaded; the gradient lies in the apprentice's vector afterwards.
 * clip: what its norm is limited to in the update, 0: nothing. Only enqueues. */
void fm_cdo_trainer_gradient(struct fm_cdo_trainer *t, double clip);

/* AdamW with this learning rate; step counts from 1. Only enqueues. */
void fm_cdo_trainer_update(struct fm_cdo_trainer *t, long step, double lr);

/* Waits for the oldest gradient whose outcome was not asked for; two may be. The next step can be on its way
 * meanwhile. A loss or a gradient that is not finite is FM_NUMERIC: the weights are worth nothing then. */
enum fm_status fm_cdo_trainer_outcome(struct fm_cdo_trainer *t, struct fm_cdo_loss *loss, double *norm);

/* Forward of the apprentice only, so that its running statistics move: with momentum 1/k at the k-th batch
 * they become the mean over the batches. */
void fm_cdo_trainer_measure(struct fm_cdo_trainer *t, float momentum);

struct fm_net *fm_cdo_trainer_apprentice(struct fm_cdo_trainer *t);
struct fm_net *fm_cdo_trainer_expert(struct fm_cdo_trainer *t);

/* First and second moment, as long as the apprentice's vectors. */
const struct fm_buffer *fm_cdo_trainer_moments(const struct fm_cdo_trainer *t); /* [2] */

#endif
