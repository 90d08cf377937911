/* What every training by gradient has in common: the state that checkpoints keep, the log, progress, and how
 * it stops and goes on.
 *
 * A checkpoint is written after each epoch and when ctx->stop is set (the batch at hand is finished first;
 * the status is then FM_STOPPED). What a batch computes depends on the recipe, the list of pictures and the
 * batch's number only, so a run that goes on from a checkpoint ends in the same bytes as one that was never
 * interrupted. */
#ifndef FM_METHOD_SESSION_H
#define FM_METHOD_SESSION_H

#include "base/log.h"
#include "model/method.h"

struct fm_training {
  struct fm_context *ctx;
  const struct fm_train *t;
  struct fm_checkpoint state; /* weights and moments in it are up to date only when it is written */
  long epochs;                /* of the whole training (fm_recipe_epochs) */
  struct fm_progress progress;
  char text[160];                       /* the progress' */
  double lr, began;                     /* of the epoch at hand; began: seconds */
  enum fm_status (*gather)(void *user); /* brings weights and moments in the state up to date */
  void *user;
};

/* At the beginning with zero weights, or where t->resume is; fm_training_weights copies that one's tensors,
 * or the weights of t->on. The log is written as it is so far: a place that cannot be written is seen before
 * an epoch was spent. Close it also after a failure. */
enum fm_status fm_training_open(struct fm_context *ctx, const struct fm_train *t, struct fm_training *s);
void fm_training_weights(struct fm_training *s);
void fm_training_close(struct fm_training *s);

/* The clock and the progress (fm_progress_end(&s->progress) ends it); batches: of an epoch. */
void fm_training_begin(struct fm_training *s, long batches);

/* Counts a batch with its loss and the taps' parts; after an epoch's last one, a row of the log and a
 * checkpoint. */
void fm_training_batch(struct fm_training *s, const double loss[FM_LOSS_SUMS]);
enum fm_status fm_training_epoch(struct fm_training *s);

/* Where ctx->stop was seen: a checkpoint, and FM_STOPPED. */
enum fm_status fm_training_stopped(struct fm_training *s);

#endif
