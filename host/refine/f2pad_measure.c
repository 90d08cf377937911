/* What is normal, from looks at held-out good pictures: docs/math/f2pad.md. */
#include "base/memory.h"
#include "refine/f2pad_internal.h"
#include "score/radix.h"

#include <math.h>

static const float OWN_SHARE = 0.75f;

/* The smallest value that at most a share 1 - q of them is over, for several q at once. */
static enum fm_status quantiles(struct fm_context *ctx, const float *values, size_t count, int n,
                                const double *q, double *const *out) {
  uint32_t *key = fm_alloc(ctx, count, sizeof *key);
  if (!key) return FM_MEMORY;
  for (size_t i = 0; i < count; i++) key[i] = fm_score_key(values[i]);
  enum fm_status status = fm_sort_u32(ctx, key, count);
  for (int i = 0; i < n && status == FM_OK; i++) {
    size_t at = (size_t)ceil(q[i] * (double)count);
    *out[i] = (double)fm_score_of_key(key[at ? at - 1 : 0]);
  }
  fm_free(ctx, key);
  return status;
}

/* tau: 98 % quantile of the cell over the pictures, not below the 90 % quantile of all cells. */
static enum fm_status limits(struct fm_context *ctx, const struct fm_normal *s, double q90,
                             struct fm_refinement *out) {
  static const double share[] = {0.98};
  out->limit = fm_alloc(ctx, s->cells, sizeof *out->limit);
  float *one = fm_alloc(ctx, s->count, sizeof *one);
  enum fm_status status = out->limit && one ? FM_OK : FM_MEMORY;
  for (size_t c = 0; c < s->cells && status == FM_OK; c++) {
    double tau;
    double *const to[] = {&tau};
    for (size_t i = 0; i < s->count; i++) one[i] = s->e[i * s->cells + c];
    status = quantiles(ctx, one, s->count, 1, share, to);
    out->limit[c] = (float)fmax(tau, q90);
  }
  fm_free(ctx, one);
  return status;
}

/* rho at each pixel: three quarters of the way from the pooled one to the place's own root mean square, where
 * places mean anything: edges that never lie quite alike count less. */
static enum fm_status usual(struct fm_device *d, const struct fm_normal *s, struct fm_refinement *out) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_gaussian gaussian = {0};
  struct fm_buffer plane = {0}, scratch = {0};
  const struct fm_size size = out->reference.size;
  size_t bytes = s->pixels * sizeof *out->usual;
  out->usual = fm_alloc(ctx, s->pixels, sizeof *out->usual);
  if (!out->usual) return FM_MEMORY;
  for (size_t k = 0; k < s->pixels; k++) {
    double sum = 0;
    for (size_t i = 0; i < s->count; i++) sum += pow((double)s->blur[i * s->pixels + k], 2);
    out->usual[k] = (float)sqrt(sum / (double)s->count);
  }
  enum fm_status status = fm_gaussian_make(d, out->blur * fm_size_side(size) / 256, &gaussian);
  if (status == FM_OK) status = fm_buffer_make(d, bytes, &plane);
  if (status == FM_OK) status = fm_buffer_make(d, bytes, &scratch);
  if (status == FM_OK) status = fm_buffer_write(d, &plane, 0, out->usual, bytes);
  if (status == FM_OK) {
    fm_gaussian_run(d, &gaussian, &plane, &scratch, 1, size.height, size.width);
    status = fm_buffer_read(d, &plane, 0, out->usual, bytes);
  }
  float own = out->reference.kind == FM_REFERENCE_BLEND ? OWN_SHARE : 0;
  for (size_t k = 0; k < s->pixels; k++) out->usual[k] = own * out->usual[k] + (1 - own) * (float)out->rho;
  fm_gaussian_free(d, &gaussian);
  fm_buffer_free(d, &plane);
  fm_buffer_free(d, &scratch);
  return status;
}

enum fm_status fm_f2pad_measure(struct fm_device *d, const struct fm_normal *normal,
                                struct fm_refinement *out) {
  struct fm_context *ctx = fm_device_context(d);
  static const double of_cells[] = {0.9, 0.99, 0.995, 0.9995}, of_residual[] = {0.99};
  double q90;
  double *const cells[] = {&q90, &out->q99, &out->q995, &out->q9995}, *const residual[] = {&out->rho};
  FM_TRY(quantiles(ctx, normal->e, normal->count * normal->cells, 4, of_cells, cells));
  FM_TRY(quantiles(ctx, normal->blur, normal->count * normal->pixels, 1, of_residual, residual));
  if (!(out->q995 > 0))
    return fm_error(ctx, FM_NUMERIC,
                    "the held-out pictures all look exactly like those learned, so there is nothing to learn "
                    "sharpening from");
  out->rho = fmax(out->rho, 1.0 / 255); /* nothing is known more finely than a level */
  FM_TRY(limits(ctx, normal, q90, out));
  return usual(d, normal, out);
}
