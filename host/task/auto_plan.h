/* What `--method auto` (auto.h) tries: candidates of a fixed list under what is given, as many as all of the
 * command has time for, the training from all pictures, its thresholds and sharpening included. Seconds are
 * reckoned from a table, not from the clock. */
#ifndef FM_TASK_AUTO_PLAN_H
#define FM_TASK_AUTO_PLAN_H

#include "task/auto.h"

enum { FM_AUTO_ROWS = 8 };

struct fm_auto_load { /* what there is to look at */
  size_t pictures;    /* that the model will learn from */
  size_t learn, held; /* of a trial */
  int rounds;         /* that those held out are judged with pieces */
};

struct fm_candidate {
  struct fm_recipe recipe;
  double time;    /* seconds that a trial takes */
  double minutes; /* 0: it is tried; else it would be, within so many */
};

struct fm_auto_plan {
  struct fm_candidate candidate[FM_AUTO_ROWS]; /* the cheaper one first */
  int count;
  double seconds;    /* of all trials; the first one counts three times: it decides on light and pose, too */
  char refused[400]; /* why the last row that cannot have what is given cannot; "" */
};

/* Only headers of pictures are read. The first candidate is tried in any case. */
enum fm_status fm_auto_plan(struct fm_context *ctx, const struct fm_auto *how,
                            const struct fm_auto_load *load, struct fm_auto_plan *plan);

/* What was mostly the best, for those who cannot try: the plan's only candidate. */
enum fm_status fm_auto_plan_usual(struct fm_context *ctx, const struct fm_auto *how,
                                  struct fm_auto_plan *plan);

/* Field i (fm_field_find) was asked for. */
bool fm_auto_is_given(const struct fm_auto *how, int i);

/* "patchcore 512 concat 2 % fine 2" */
void fm_auto_name(const struct fm_recipe *r, char out[64]);

#endif
