/* The self-test's row of PaDiM. */
#include "op/mahalanobis.h"
#include "op/selfcheck.h"

#include "base/memory.h"

enum { TAPS = 3, PICTURES = 12, SIDE = 8, CELLS = SIDE * SIDE };
static const struct fm_trial_shape tap_shape[TAPS] = {
    {PICTURES, 7, SIDE, SIDE, 1}, {PICTURES, 5, SIDE / 2, SIDE / 2, 0}, {PICTURES, 4, SIDE / 4, SIDE / 4, 0}};
static const int chosen[] = {0, 2, 3, 6, 7, 9, 11, 12, 15};
enum { CHOSEN = sizeof chosen / sizeof *chosen };

/* What is learned of a cell, on the host. */
struct learned {
  float mean[CHOSEN * CELLS], rows[PICTURES * CHOSEN * CELLS], factor[PICTURES * (PICTURES + 1) / 2 * CELLS];
};

/* After the first batch the mean is that batch's own, which is taken off everything: it keeps sums small. */
static enum fm_status shift_is(struct fm_trial *t, const struct fm_gauss *g, double along, double size) {
  const int block = fm_device_facts(t->d)->block;
  float lanes[CELLS * 12], mean[CHOSEN * CELLS]; /* 12: CHOSEN in fours */
  FM_TRY(fm_buffer_read(t->d, &g->mean, 0, lanes, sizeof lanes));
  for (int i = 0; i < CHOSEN; i++)
    for (int cell = 0; cell < CELLS; cell++)
      mean[i * CELLS + cell] = lanes[(cell / block * g->d + i) * block + cell % block];
  return fm_trial_compare(t, "a first mean", mean, CHOSEN * CELLS, along, size);
}

/* In two batches: the taps' first pictures, then their first ones again and more. */
static enum fm_status learn(struct fm_trial *t, const struct fm_acts *const tap[TAPS], bool by_rows,
                            double ridge, struct learned *l) {
  enum { FIRST = 5 };
  struct fm_gauss g;
  FM_TRY(fm_gauss_make(t->d, tap, CHOSEN, chosen, by_rows ? PICTURES : 0, PICTURES, FM_GAUSS_LEARN, &g));
  fm_gauss_learn(t->d, &g, tap, FIRST);
  enum fm_status status = shift_is(t, &g, 3.73828092, 6.07900539);
  fm_gauss_learn(t->d, &g, tap, PICTURES - FIRST);
  double variance = 0;
  if (status == FM_OK) status = fm_gauss_variance(t->d, &g, &variance);
  if (status == FM_OK)
    status = fm_trial_compare(t, "a mean variance", &(float){(float)variance}, 1, -0.060485188, 0.313406825);
  if (status == FM_OK)
    status = fm_gauss_finish(t->d, &g, ridge, l->mean, by_rows ? l->rows : NULL, l->factor);
  fm_gauss_free(t->d, &g);
  return status;
}

static enum fm_status score(struct fm_trial *t, const struct fm_acts *const tap[TAPS],
                            const struct fm_acts *const gradient[TAPS], bool by_rows, double ridge,
                            const struct learned *l, const char *const what[2], const double answer[4]) {
  struct fm_gauss g;
  struct fm_buffer e, slope;
  const size_t count = PICTURES * CELLS;
  FM_TRY(fm_trial_room(t, count, &e));
  FM_TRY(fm_trial_numbers(t, "slope", count, &slope));
  FM_TRY(fm_gauss_make(t->d, tap, CHOSEN, chosen, by_rows ? PICTURES : 0, PICTURES, FM_GAUSS_GRADIENT, &g));
  enum fm_status status = fm_gauss_write(t->d, &g, l->mean, by_rows ? l->rows : NULL, l->factor);
  fm_gauss_score(t->d, &g, ridge, tap, PICTURES, &e);
  fm_gauss_back(t->d, &g, &slope, gradient);
  if (status == FM_OK) status = fm_trial_rows_are(t, what[0], &e, 1, count, count, answer[0], answer[1]);
  if (status == FM_OK) status = fm_trial_tensor_is(t, what[1], gradient[1], answer[2], answer[3]);
  fm_gauss_free(t->d, &g);
  return status;
}

/* Learning goes on from what was learned, with the first pictures once more. */
static enum fm_status go_on(struct fm_trial *t, const struct fm_acts *const tap[TAPS], double ridge,
                            struct learned *l) {
  enum { AGAIN = 5 };
  struct fm_gauss g;
  FM_TRY(fm_gauss_make(t->d, tap, CHOSEN, chosen, 0, PICTURES, FM_GAUSS_LEARN, &g));
  enum fm_status status = fm_gauss_resume(t->d, &g, PICTURES, ridge, l->mean, NULL, l->factor);
  if (status == FM_OK) fm_gauss_learn(t->d, &g, tap, AGAIN);
  if (status == FM_OK) status = fm_gauss_finish(t->d, &g, ridge, l->mean, NULL, l->factor);
  fm_gauss_free(t->d, &g);
  FM_TRY(status);
  return fm_trial_compare(t, "a factor that went on", l->factor, fm_triangle(CHOSEN) * CELLS, -37.1744398,
                          148.9789);
}

/* As PaDiM has it; and so small that numbers of 4 bytes are not enough. */
static const struct gauss_answer {
  double ridge, factor[2], by_factor[4], by_rows[4];
} gauss_answers[] = {{0.01,
                      {-40.1243878, 147.811931},
                      {51.2337803, 267.381569, 28.4614807, 126.272808},
                      {51.2337704, 267.381568, 28.4614765, 126.272807}},
                     {1e-6,
                      {2300.02651, 13856.5365},
                      {702990.799, 2415917.72, 348618.214, 1238902.17},
                      {702990.535, 2415917.75, 348618.897, 1238902.14}}};

static enum fm_status gauss_is(struct fm_trial *t, const struct fm_acts *const tap[TAPS],
                               const struct fm_acts *const gradient[TAPS], const struct gauss_answer *answer,
                               struct learned *l) {
  FM_TRY(learn(t, tap, false, answer->ridge, l));
  FM_TRY(fm_trial_compare(t, "a Gaussian's mean", l->mean, CHOSEN * CELLS, 2.7758907, 5.29501948));
  FM_TRY(fm_trial_compare(t, "a Gaussian's factor", l->factor, fm_triangle(CHOSEN) * CELLS, answer->factor[0],
                          answer->factor[1]));
  FM_TRY(score(t, tap, gradient, false, answer->ridge, l,
               (const char *const[]){"distances by the factor", "their gradient"}, answer->by_factor));
  if (answer == gauss_answers) FM_TRY(go_on(t, tap, answer->ridge, l)); /* the other's is lost in a float */
  FM_TRY(learn(t, tap, true, answer->ridge, l));
  return score(t, tap, gradient, true, answer->ridge, l,
               (const char *const[]){"distances by rows", "the gradient of distances by rows"},
               answer->by_rows);
}

static enum fm_status gauss_run(struct fm_trial *t, struct learned *l) {
  struct fm_acts tap[TAPS], gradient[TAPS];
  static const char *const names[TAPS] = {"tap1", "tap2", "tap3"};
  for (int i = 0; i < TAPS; i++) {
    FM_TRY(fm_trial_tensor(t, names[i], tap_shape[i], &tap[i]));
    FM_TRY(fm_trial_blank(t, tap_shape[i], &gradient[i]));
  }
  const struct fm_acts *const taps[] = {&tap[0], &tap[1], &tap[2]}, *const gradients[] = {&gradient[0],
                                                                                          &gradient[1],
                                                                                          &gradient[2]};
  for (size_t i = 0; i < sizeof gauss_answers / sizeof *gauss_answers; i++)
    FM_TRY(gauss_is(t, taps, gradients, &gauss_answers[i], l));
  return FM_OK;
}

static enum fm_status mahalanobis(struct fm_trial *t) {
  struct learned *l = fm_alloc(t->ctx, 1, sizeof *l);
  enum fm_status status = l ? gauss_run(t, l) : FM_MEMORY;
  fm_free(t->ctx, l);
  return status;
}
const struct fm_selfcheck fm_check_mahalanobis = {"mahalanobis", mahalanobis};
