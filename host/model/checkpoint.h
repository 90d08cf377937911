/* The state of an unfinished training as one safetensors file, in named tensors that any device can go on
 * with: weights, running statistics, both moments of AdamW; metadata: every constant, what it learns from,
 * how far it got. */
#ifndef FM_MODEL_CHECKPOINT_H
#define FM_MODEL_CHECKPOINT_H

#include "model/model.h"

enum { FM_LOSS_SUMS = 4 }; /* loss, and its part of each tap */

struct fm_checkpoint {
  struct fm_recipe recipe;
  char data_hash[17], expert_hash[65];
  long epoch, batch, step;   /* the next batch of the epoch (from 0), and steps done */
  double sums[FM_LOSS_SUMS]; /* over the epoch's batches so far */
  double seconds;            /* of this epoch so far */
  double best;               /* with the recipe's steps: the largest judgement so far, */
  long idle;                 /* and how many came after it */
  char *log;                 /* the CSV log so far; fm_free */
  char *real;                /* names of the flawed pictures it learns from (real.h), or NULL; fm_free */
  struct fm_weights weights, moment[2];
};

/* Room for the three sets of tensors; log is empty. */
enum fm_status fm_checkpoint_make(struct fm_context *ctx, const struct fm_recipe *recipe,
                                  struct fm_checkpoint *c);
void fm_checkpoint_free(struct fm_context *ctx, struct fm_checkpoint *c);

enum fm_status fm_checkpoint_write(struct fm_context *ctx, const struct fm_checkpoint *c, const char *path);
enum fm_status fm_checkpoint_read(struct fm_context *ctx, const char *path, struct fm_checkpoint *c);

/* FM_USAGE, naming the option, where the checkpoint was made with another constant than the recipe; only
 * fields marked in given count (NULL: all). */
enum fm_status fm_checkpoint_agrees(struct fm_context *ctx, const struct fm_checkpoint *c, const char *path,
                                    const struct fm_recipe *recipe, const bool *given);

#endif
