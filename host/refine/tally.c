#include "refine/tally.h"

#include "base/memory.h"

#include <math.h>

/* Step k holds values from 2^((k - 1) / 64 - 10) to 2^(k / 64 - 10); the first one all below, the last one
 * all above. */
enum { STEPS = 1536, OCTAVE = 64, LOWEST = -10 };

/* Beta^2: drawn flaws are plainer than real ones, so what is missed of them counts more than what is false.
 */
static const double MISSED = 2.25;

enum fm_status fm_tally_make(struct fm_context *ctx, size_t pictures, float scale, struct fm_tally *tally) {
  *tally = (struct fm_tally){.ctx = ctx, .pictures = pictures, .scale = scale};
  tally->normal = fm_alloc(ctx, pictures, STEPS * sizeof *tally->normal);
  tally->flawed = fm_alloc(ctx, pictures, STEPS * sizeof *tally->flawed);
  if (tally->normal && tally->flawed) return FM_OK;
  fm_tally_free(tally);
  return FM_MEMORY;
}

void fm_tally_free(struct fm_tally *tally) {
  if (!tally->ctx) return;
  fm_free(tally->ctx, tally->normal);
  fm_free(tally->ctx, tally->flawed);
  *tally = (struct fm_tally){0};
}

/* Of values that were scaled. */
static int step_of(double value) {
  if (!(value > 0)) return 0;
  double at = ceil((log2(value) - LOWEST) * OCTAVE - 1e-6); /* the top of a step is in it, rounded or not */
  return at < 0 ? 0 : at > STEPS - 1 ? STEPS - 1 : (int)at;
}

/* The largest value that the step holds. */
static double top_of(const struct fm_tally *tally, int step) {
  return exp2((double)step / OCTAVE + LOWEST) / (double)tally->scale;
}

void fm_tally_add(struct fm_tally *tally, size_t picture, size_t count, const float *map,
                  const unsigned char *mask) {
  uint32_t *normal = tally->normal + picture * STEPS, *flawed = tally->flawed + picture * STEPS;
  for (size_t i = 0; i < count; i++)
    (mask && mask[i] ? flawed : normal)[step_of((double)(map[i] * tally->scale))]++;
}

static double sum_over(const struct fm_tally *tally, const uint32_t *of, int step) {
  double sum = 0;
  for (size_t i = 0; i < tally->pictures; i++)
    for (int k = step + 1; k < STEPS; k++) sum += of[i * STEPS + (size_t)k];
  return sum;
}

static double share_over(const struct fm_tally *tally, const uint32_t *of, double value) {
  double all = sum_over(tally, of, -1);
  return all > 0 ? sum_over(tally, of, step_of(value * (double)tally->scale)) / all : NAN;
}

double fm_tally_recall(const struct fm_tally *tally, double value) {
  return share_over(tally, tally->flawed, value);
}

double fm_tally_false(const struct fm_tally *tally, double value) {
  return share_over(tally, tally->normal, value);
}

/* What all pictures together hold in a step. */
static double held(const struct fm_tally *tally, const uint32_t *of, int step) {
  double sum = 0;
  for (size_t i = 0; i < tally->pictures; i++) sum += of[i * STEPS + (size_t)step];
  return sum;
}

double fm_tally_ap(const struct fm_tally *tally) {
  double flaws = sum_over(tally, tally->flawed, -1), normals = sum_over(tally, tally->normal, -1);
  double found = 0, wrong = 0, sum = 0;
  if (!(flaws > 0 && normals > 0)) return NAN;
  for (int k = STEPS - 1; k >= 0; k--) {
    double here = held(tally, tally->flawed, k);
    found += here;
    wrong += held(tally, tally->normal, k);
    if (here > 0) sum += here * found / (found + wrong);
  }
  return sum / flaws;
}

double fm_tally_at_false(const struct fm_tally *tally, double share) {
  double most = share * sum_over(tally, tally->normal, -1), over = 0;
  int k = STEPS - 1;
  for (; k > 0; k--) {
    over += held(tally, tally->normal, k);
    if (over > most) break;
  }
  return top_of(tally, k);
}

/* Adds the picture's F1.5 at every step to mean[STEPS]; whether it has a flaw. */
static bool add_f(const struct fm_tally *tally, size_t picture, double *mean) {
  const uint32_t *normal = tally->normal + picture * STEPS, *flawed = tally->flawed + picture * STEPS;
  double flaws = 0, found = 0, wrong = 0;
  for (int k = 0; k < STEPS; k++) flaws += flawed[k];
  for (int k = STEPS - 1; k >= 0 && flaws > 0; k--) {
    mean[k] += (1 + MISSED) * found / (MISSED * flaws + found + wrong);
    found += flawed[k];
    wrong += normal[k];
  }
  return flaws > 0;
}

double fm_tally_best(const struct fm_tally *tally, double least) {
  double mean[STEPS] = {0};
  bool any = false;
  for (size_t i = 0; i < tally->pictures; i++) any |= add_f(tally, i, mean);
  int from = step_of(least * (double)tally->scale), best = from;
  for (int k = from; k < STEPS; k++)
    if (mean[k] > mean[best]) best = k;
  if (!any) return NAN;
  return best > from ? top_of(tally, best) : least;
}
