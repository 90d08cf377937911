#include "score/threshold.h"

#include "base/memory.h"
#include "score/beta.h"
#include "score/radix.h"

#include <math.h>
#include <stdio.h>

static const double confidence = 0.95;

/* floor((n + 1) alpha): how many of n + 1 exchangeable scores may lie over the threshold. The small amount
 * keeps 100 * 0.01 from rounding down to 0. */
static double allowance(double n, double alpha) {
  return floor((n + 1) * alpha * (1 + 1e-12));
}

size_t fm_threshold_needs(double alpha) {
  double n = floor(1 / alpha) - 1;
  if (n < 1) return 1;
  while (allowance(n, alpha) < 1) n++;
  return (size_t)n;
}

static enum fm_status check_rate(struct fm_context *ctx, double alpha) {
  if (alpha > 0 && alpha < 1) return FM_OK;
  return fm_error(ctx, FM_USAGE, "the false-alarm rate is %g %%; it must be between 0 and 100 %%",
                  100 * alpha);
}

static enum fm_status add_keys(struct fm_context *ctx, uint32_t *keys, size_t n, const float *scores) {
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(scores[i]))
      return fm_error(ctx, FM_NUMERIC,
                      "score %zu of the good pictures is not finite; no threshold can be made from it",
                      i + 1);
    keys[i] = fm_score_key(scores[i]);
  }
  return FM_OK;
}

static void describe(struct fm_threshold *t, const char *what) {
  if (t->kept)
    snprintf(t->origin, sizeof t->origin, "%zu %.120s", t->n, what);
  else if (t->k == t->n)
    snprintf(t->origin, sizeof t->origin, "the largest score of %zu %.120s", t->n, what);
  else
    snprintf(t->origin, sizeof t->origin, "the largest score but %zu far over the others of %zu %.120s",
             t->n - t->k, t->n, what);
}

enum fm_status fm_threshold_choose(struct fm_context *ctx, size_t n, const float *scores, double alpha,
                                   size_t odd, const char *what, struct fm_threshold *out) {
  *out = (struct fm_threshold){.alpha = alpha, .n = n};
  FM_TRY(check_rate(ctx, alpha));
  if (!n)
    return fm_error(ctx, FM_USAGE,
                    "there are no %s to choose a threshold from; hold some out (--hold-out 20%%) "
                    "or name a folder of good pictures (--calibrate DIR)",
                    what);
  uint32_t *keys = fm_alloc(ctx, n, sizeof *keys);
  if (!keys) return FM_MEMORY;
  enum fm_status status = add_keys(ctx, keys, n, scores);
  if (status == FM_OK) status = fm_sort_u32(ctx, keys, n);
  if (status == FM_OK) {
    double over = allowance((double)n, alpha);
    out->kept = over >= 1;
    out->k = out->kept ? n + 1 - (size_t)over : n;
    if (odd && odd < n && out->k > n - odd) {
      out->k = n - odd;
      out->kept = (double)(n + 1 - out->k) <= over;
    }
    out->value = (double)fm_score_of_key(keys[out->k - 1]);
    out->promised = (double)(n + 1 - out->k) / (double)(n + 1);
    size_t hits = 0;
    for (size_t i = n; i > 0 && keys[i - 1] > keys[out->k - 1]; i--) hits++;
    double none;
    fm_rate_interval(hits, n, confidence, &out->low, &none);
    fm_rate_interval(n - out->k, n, confidence, &none, &out->high);
    describe(out, what);
  }
  fm_free(ctx, keys);
  return status;
}

/* One digit behind the point, none where it would be a zero; rates under 0.1 % by two digits that say
 * something. */
static void percent(char out[16], double rate) {
  double p = 100 * rate;
  if (p > 0 && p < 0.095)
    snprintf(out, 16, "%.2g", p);
  else
    snprintf(out, 16, "%.4g", round(10 * p) / 10);
}

void fm_threshold_sentence(const struct fm_threshold *t, char out[400]) {
  int n = snprintf(out, 400, "%.6g, from %s", t->value, t->origin);
  if (n < 0 || n > 260 || !isfinite(t->promised) || !isfinite(t->low) || !isfinite(t->high)) return;
  char expected[16], low[16], high[16];
  percent(expected, t->promised);
  percent(low, t->low);
  percent(high, t->high);
  n += snprintf(out + n, (size_t)(400 - n), "; expected false alarms %s %% (95 %% interval %s to %s %%)",
                expected, low, high);
  if (!t->kept && t->n < fm_threshold_needs(t->alpha))
    snprintf(out + n, (size_t)(400 - n), "; %.4g %% takes %zu good pictures, there are %zu", 100 * t->alpha,
             fm_threshold_needs(t->alpha), t->n);
}

void fm_threshold_by_hand(double value, double alpha, struct fm_threshold *t) {
  *t = (struct fm_threshold){.value = value, .alpha = alpha, .promised = NAN, .low = NAN, .high = NAN};
  snprintf(t->origin, sizeof t->origin, "the command line (set by hand), without a promise");
}

/* Every other one is chosen from scores. */
bool fm_threshold_is_by_hand(const struct fm_threshold *t) {
  return t->n == 0 && isfinite(t->value);
}

double fm_threshold_outline(const struct fm_threshold *pixel, bool flagged, double peak) {
  static const double depth = 0.3; /* at half of its peak a sharpened map may show its ground, too */
  if (!flagged) return INFINITY;
  return peak > pixel->value ? pixel->value : peak - depth * fabs(peak);
}

double fm_threshold_outline_of(const struct fm_threshold *pixel, bool flagged, const float *map,
                               size_t count) {
  float peak = map[0];
  for (size_t i = 1; flagged && i < count; i++) peak = map[i] > peak ? map[i] : peak;
  return fm_threshold_outline(pixel, flagged, (double)peak);
}
