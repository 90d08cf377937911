#include "task/gain.h"

#include "task/judge.h"

enum { MOST = 16 }; /* pictures, as many again with pieces: some seconds */

enum fm_status fm_gain_judge(void *user, const struct fm_weights *learned, double *value) {
  const struct fm_gain *g = user;
  struct fm_model m = *g->model;
  struct fm_judgement judgement;
  m.learned = *learned;
  m.has_thresholds = false;
  FM_TRY(fm_judge(g->d, &m, g->held, g->count < MOST ? g->count : MOST, 1, "looking at pieces", &judgement));
  *value = judgement.metrics.pixel_ap;
  return FM_OK;
}
