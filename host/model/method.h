/* A way of finding flaws is a row of one table: how it learns from good pictures, what its model holds, how
 * it scores a picture cell by cell, and the way back from those scores to the picture. Adding a detector is
 * one file with one row, and its constants in the recipe's table.
 *
 * Every detector looks at a picture through the taps of a frozen network, the expert (CDO: of two networks),
 * and gives each cell of a grid a score e >= 0 of the kind of a squared distance. */
#ifndef FM_MODEL_METHOD_H
#define FM_MODEL_METHOD_H

#include "model/checkpoint.h"

struct fm_device;
struct fm_sample;
struct fm_scorer;

/* What there is to learn from. */
struct fm_train {
  struct fm_recipe recipe;
  const char *category;
  const struct fm_sample *samples; /* to learn from; those that are flawed have masks (semi-supervised) */
  size_t count;
  const char *real;      /* names of the flawed ones (real.h); NULL: none */
  const char *data_hash; /* 16 digits */
  const struct fm_expert *expert;
  const struct fm_standard *standard; /* that pictures are brought to; NULL: none */
  /* How well a method that trains by steps does so far: larger is better. `learned` as its fit would return
   * it. The same weights give the same. NULL: nothing is known about that. */
  enum fm_status (*judge)(void *user, const struct fm_weights *learned, double *value);
  void *judge_user;
  const struct fm_model *on;          /* goes on from what it learned; samples are new; NULL: from nothing */
  const char *checkpoint, *log;       /* paths; NULL: none is written */
  const struct fm_checkpoint *resume; /* NULL: from the beginning */
};

struct fm_method {
  const char *name, *about; /* "padim", "a Gaussian at each place" */
  const char *prefix;       /* of what it learned in a model's file */
  int bit;                  /* FM_PADIM */
  bool resumes;             /* its fit writes checkpoints and goes on from them */
  bool root;                /* its map shows the root of e */
  bool anywhere;            /* what it says of a cell does not depend on where the cell lies */

  /* Constants where they differ from CDO's, and which of them do not fit together; NULL: none. */
  void (*defaults)(struct fm_recipe *recipe);
  enum fm_status (*check)(struct fm_context *ctx, const struct fm_recipe *recipe);

  /* Bytes that a fit of so many pictures takes at its peak, on the device and in the host's memory together
   * (on most devices without memory of its own they are the same); only shapes are looked at. NULL: the fit
   * says it itself. */
  enum fm_status (*memory)(struct fm_device *d, const struct fm_train *t, size_t *bytes);

  /* Before a fit goes on (t->on) where that takes steps: gentle constants, and some epochs, for so many new
   * pictures. NULL: there are no steps, what was learned is the same in any order. */
  void (*go_on)(struct fm_recipe *recipe, size_t pictures);

  /* Learns; *learned is made here (fm_weights_free). */
  enum fm_status (*fit)(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned);

  /* Room for what it learns, zero, where the recipe alone decides on shapes. NULL: a model's file decides,
   * and accept says whether that can be: FM_FORMAT naming path and tensor. */
  enum fm_status (*shape)(struct fm_context *ctx, const struct fm_recipe *recipe, struct fm_weights *learned);
  enum fm_status (*accept)(const struct fm_model *model, const char *path);

  /* Scoring: see scorer.h. end is also called after a begin that failed. */
  enum fm_status (*begin)(struct fm_scorer *s);
  void (*end)(struct fm_scorer *s);
  void (*cells)(struct fm_scorer *s); /* the networks' taps to s->cells, enqueued */
  enum fm_status (*attend)(struct fm_scorer *s, int count, const int *cell); /* NULL: cells needs no hint */
  void (*back)(struct fm_scorer *s);              /* s->slope to the networks' tap gradients, enqueued */
  enum fm_status (*without)(struct fm_scorer *s); /* s->without changed; NULL: it cannot */
  /* From so many pictures on that is about what a model that never learned the picture says; of fewer, models
   * that learn from the others are asked (task/fit.c). */
  size_t without_from;
  void (*map)(struct fm_scorer *s); /* s->cells to s->map, enqueued; NULL: enlarged and smoothed (sigma 4) */

  /* The picture's score where it is not the largest value of its map; NULL: it is. maps: [n] on the host. */
  enum fm_status (*picture)(struct fm_scorer *s, int n, const float *maps, float *scores);
};

/* With what a finished model was learned with, and other pictures. */
struct fm_train fm_train_of(const struct fm_model *m, const struct fm_sample *samples, size_t count);

/* How its pictures are made fit for the network. */
enum fm_status fm_train_preprocess(struct fm_context *ctx, const struct fm_train *train,
                                   struct fm_preprocess *out);

/* The table: method/table.c. */
extern const struct fm_method *const fm_methods[];
extern const int fm_method_count;

/* By name; FM_USAGE with the names there are. */
enum fm_status fm_method_find(struct fm_context *ctx, const char *name, const struct fm_method **method);

/* Of a recipe; NULL where it names none. */
const struct fm_method *fm_method_of(const struct fm_recipe *recipe);

#endif
