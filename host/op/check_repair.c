/* The self-test's row of references and F2PAD. */
#include "op/repair.h"
#include "op/selfcheck.h"

enum { N = 2, GOOD = 3, CELLS = 4, SIDE = 8 * CELLS, HALF = SIDE / 2, PIXELS = SIDE * SIDE };

/* Pictures, and the reference that is made for them. */
struct scene {
  struct fm_buffer rgb, good, reference;
};

static enum fm_status references(struct fm_trial *t, struct scene *s) {
  enum { FOUND = N * CELLS * CELLS };
  const struct fm_blend blend = {.count = GOOD, .reach = 1, .sharpness = 3};
  const struct fm_quilt quilt = {.h = CELLS, .w = CELLS, .step = SIDE / CELLS, .reach = 2};
  struct fm_acts x, features;
  struct fm_buffer distance, scratch, found, origin, shift;
  int from[FOUND], rows[2 * FOUND];
  for (int i = 0; i < FOUND; i++) {
    from[i] = i * 7 % FOUND;
    rows[2 * i] = i % GOOD;
    rows[2 * i + 1] = i * 5 % (CELLS * CELLS);
  }
  FM_TRY(fm_trial_tensor(t, "x", (struct fm_trial_shape){N, 20, CELLS, CELLS, 1}, &x));
  FM_TRY(fm_trial_tensor(t, "features", (struct fm_trial_shape){GOOD, 20, CELLS, CELLS, 0}, &features));
  FM_TRY(fm_trial_room(t, GOOD * CELLS * CELLS, &distance));
  FM_TRY(fm_trial_room(t, GOOD * CELLS * CELLS, &scratch));
  FM_TRY(fm_trial_ints(t, FOUND, from, &found));
  FM_TRY(fm_trial_ints(t, 2 * FOUND, rows, &origin));
  FM_TRY(fm_trial_room(t, 2 * FOUND, &shift));
  for (int n = 0; n < N; n++)
    fm_reference_blend(t->d, &blend, &x, n, &features, &s->good, &distance, &scratch, &s->reference);
  FM_TRY(fm_trial_rows_are(t, "a blend of good pictures", &s->reference, N * PIXELS, 4, 3, -27.8513497,
                           41.8242958));
  FM_TRY(fm_buffer_fill(t->d, &s->reference, -1));
  for (int n = 0; n < N; n++)
    fm_reference_quilt(t->d, &quilt, n, &s->rgb, &found, &origin, &s->good, &shift, &s->reference);
  FM_TRY(fm_trial_ints_are(t, "the moves of patches", &shift, 2 * FOUND, 1.98843288, 10.6301458));
  return fm_trial_rows_are(t, "a quilt of good patches", &s->reference, N * PIXELS, 4, 3, -33.9179593,
                           41.7625922);
}

static enum fm_status repair(struct fm_trial *t) {
  const struct fm_trial_shape picture = {N, 3, SIDE, SIDE, 1};
  struct scene s;
  struct fm_acts x, dx;
  struct fm_buffer residual, a, pull, limit;
  FM_TRY(fm_trial_bytes(t, "rgb", N * PIXELS * 3 + 16, &s.rgb));
  FM_TRY(fm_trial_bytes(t, "good", GOOD * PIXELS * 4, &s.good));
  FM_TRY(fm_trial_room(t, N * PIXELS * 4, &s.reference));
  FM_TRY(references(t, &s));
  FM_TRY(fm_trial_room(t, N * PIXELS, &residual));
  fm_residual(t->d, fm_square(SIDE), N, &s.rgb, &s.reference, &residual);
  FM_TRY(fm_trial_rows_are(t, "a picture's residual", &residual, N, PIXELS, PIXELS, -17.0038288, 26.482114));
  FM_TRY(fm_trial_numbers(t, "a", N * HALF * HALF, &a));
  FM_TRY(fm_trial_blank(t, picture, &x));
  fm_mix(t->d, fm_square(SIDE), &s.rgb, &s.reference, &a, &x);
  FM_TRY(fm_trial_tensor_is(t, "a mixture of pictures", &x, -31.6489736, 109.734194));
  FM_TRY(fm_trial_tensor(t, "dx", picture, &dx));
  FM_TRY(fm_trial_room(t, N * PIXELS, &pull));
  fm_pull(t->d, fm_square(SIDE), &s.rgb, &s.reference, &dx, false, &pull);
  FM_TRY(fm_trial_rows_are(t, "a mixture's gradient", &pull, N, PIXELS, PIXELS, -13.5260795, 67.7452384));
  fm_pull(t->d, fm_square(SIDE), &s.rgb, &s.reference, &x, true, &pull);
  FM_TRY(
      fm_trial_rows_are(t, "a mixture's gradient, added", &pull, N, PIXELS, PIXELS, 207.232138, 298.422321));
  FM_TRY(fm_trial_numbers(t, "limit", PIXELS, &limit));
  fm_hinge(t->d, N, SIDE, SIDE, &residual, &limit, 0.5f, &pull);
  return fm_trial_rows_are(t, "the cells over their limit", &pull, N, PIXELS, PIXELS, -12.1196718,
                           20.2175666);
}
const struct fm_selfcheck fm_check_repair = {"repair", repair};
