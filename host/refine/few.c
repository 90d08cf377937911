#include "refine/few.h"

#include "base/memory.h"
#include "base/thread.h"

#include <math.h>
#include <string.h>

/* Places: a picture is compared in so many fields down and across. Finer ones would choose for single cells,
 * in which good pictures differ by chance. */
enum { FIELDS = 8, PLACES = FIELDS * FIELDS };

struct choice {
  struct fm_context *ctx;
  const struct fm_crowd *crowd;
  float *distance; /* [count][count][PLACES] squared */
  float *nearest;  /* [count][PLACES] of those chosen so far */
  double *gain;    /* [count] */
  bool *taken;     /* [count] */
  size_t *column;  /* [width] the field across */
};

/* Picture i beside all before it. */
static enum fm_status compare(void *user, size_t i) {
  struct choice *s = user;
  const struct fm_crowd *c = s->crowd;
  size_t columns = c->channels * c->height * c->width;
  for (size_t k = 0; k < i; k++) {
    const float *a = c->value + i * columns, *b = c->value + k * columns;
    float *d = s->distance + (i * c->count + k) * PLACES, *e = s->distance + (k * c->count + i) * PLACES;
    for (size_t line = 0; line < c->channels * c->height; line++) {
      float *at = d + line % c->height * FIELDS / c->height * FIELDS;
      for (size_t x = 0; x < c->width; x++, a++, b++) at[s->column[x]] += (*a - *b) * (*a - *b);
    }
    memcpy(e, d, PLACES * sizeof *d);
  }
  return FM_OK;
}

/* What picture k would add. */
static enum fm_status weigh(void *user, size_t k) {
  struct choice *s = user;
  s->gain[k] = -1;
  if (s->taken[k]) return FM_OK;
  double sum = 0;
  for (size_t i = 0; i < s->crowd->count; i++) {
    const float *d = s->distance + (i * s->crowd->count + k) * PLACES, *n = s->nearest + i * PLACES;
    for (size_t p = 0; p < PLACES; p++) sum += (double)fmaxf(n[p] - d[p], 0);
  }
  s->gain[k] = sum;
  return FM_OK;
}

static void take(struct choice *s, size_t k) {
  s->taken[k] = true;
  for (size_t i = 0; i < s->crowd->count; i++) {
    const float *d = s->distance + (i * s->crowd->count + k) * PLACES;
    float *n = s->nearest + i * PLACES;
    for (size_t p = 0; p < PLACES; p++) n[p] = fminf(n[p], d[p]);
  }
}

/* At first everything is as far as the farthest other picture. */
static void begin(struct choice *s) {
  size_t n = s->crowd->count;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < n; k++)
      for (size_t p = 0; p < PLACES; p++) {
        float *far = &s->nearest[i * PLACES + p], d = s->distance[(i * n + k) * PLACES + p];
        *far = fmaxf(*far, d);
      }
}

static enum fm_status choose(struct choice *s, size_t most, size_t *chosen) {
  size_t count = s->crowd->count, used = 0;
  FM_TRY(fm_parallel(s->ctx, count, compare, s));
  begin(s);
  for (size_t turn = 0; turn < most; turn++) {
    FM_TRY(fm_parallel(s->ctx, count, weigh, s));
    size_t best = 0;
    for (size_t k = 1; k < count; k++)
      if (s->gain[k] > s->gain[best]) best = k;
    take(s, best);
  }
  for (size_t k = 0; k < count; k++)
    if (s->taken[k]) chosen[used++] = k;
  return FM_OK;
}

enum fm_status fm_few_choose(struct fm_context *ctx, const struct fm_crowd *crowd, size_t most,
                             size_t *chosen) {
  size_t n = crowd->count;
  struct choice s = {.ctx = ctx,
                     .crowd = crowd,
                     .distance = fm_alloc(ctx, n, n * PLACES * sizeof *s.distance),
                     .nearest = fm_alloc(ctx, n, PLACES * sizeof *s.nearest),
                     .gain = fm_alloc(ctx, n, sizeof *s.gain),
                     .taken = fm_alloc(ctx, n, sizeof *s.taken),
                     .column = fm_alloc(ctx, crowd->width, sizeof *s.column)};
  for (size_t x = 0; s.column && x < crowd->width; x++) s.column[x] = x * FIELDS / crowd->width;
  enum fm_status status =
      s.distance && s.nearest && s.gain && s.taken && s.column ? choose(&s, most, chosen) : FM_MEMORY;
  fm_free(ctx, s.distance);
  fm_free(ctx, s.nearest);
  fm_free(ctx, s.gain);
  fm_free(ctx, s.taken);
  fm_free(ctx, s.column);
  return status;
}
