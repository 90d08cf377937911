/* How good a model is, judged without a flawed picture: held-out good pictures as they are, and again with
 * pieces drawn on them (data/piece.h). Models of different sizes and methods are compared on the same
 * pictures, pieces and pixels: maps and masks are looked at with at most FM_JUDGE_SIDE pixels a side. */
#ifndef FM_TASK_JUDGE_H
#define FM_TASK_JUDGE_H

#include "score/metrics.h"
#include "task/score_set.h"

enum { FM_JUDGE_SIDE = 512 };

struct fm_judgement {
  struct fm_metrics metrics; /* the good pictures against those with pieces */
};

/* By the detector's own maps. rounds: pictures with pieces are so many times as many. text names the work. */
enum fm_status fm_judge(struct fm_device *d, const struct fm_model *model, const struct fm_sample *held,
                        size_t count, int rounds, const char *text, struct fm_judgement *out);

#endif
