#include "op/shadow.h"

#include "base/memory.h"
#include "op/lanes.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 6 }; /* multiplications with the covariance */

/* Rows that are looked at for the axes: some ten milliseconds' work. */
static size_t looked_at(size_t width) {
  size_t rows = ((size_t)1 << 26) / (width * width);
  return rows > 2048 ? 2048 : rows < 64 ? 64 : rows;
}

/* ---- the axes: orthogonal iteration with the covariance ---- */

static void covariance(const float *rows, size_t count, size_t width, double *mean, double *covar) {
  for (size_t k = 0; k < width; k++) {
    mean[k] = 0;
    for (size_t i = 0; i < count; i++) mean[k] += (double)rows[i * width + k] / (double)count;
  }
  memset(covar, 0, width * width * sizeof *covar);
  for (size_t i = 0; i < count; i++)
    for (size_t a = 0; a < width; a++) {
      double v = (double)rows[i * width + a] - mean[a];
      for (size_t b = 0; b <= a; b++) covar[a * width + b] += v * ((double)rows[i * width + b] - mean[b]);
    }
  for (size_t a = 0; a < width; a++)
    for (size_t b = 0; b < a; b++) covar[b * width + a] = covar[a * width + b];
}

static double dot(const double *a, const double *b, size_t width) {
  double sum = 0;
  for (size_t k = 0; k < width; k++) sum += a[k] * b[k];
  return sum;
}

/* Gram and Schmidt, twice for the sake of rounding. What is left of a dependent axis is zero. */
static void orthonormal(double *axes, size_t count, size_t width) {
  for (size_t i = 0; i < count; i++) {
    double *axis = axes + i * width, before = sqrt(dot(axis, axis, width));
    for (int twice = 0; twice < 2; twice++)
      for (size_t j = 0; j < i; j++) {
        double along = dot(axis, axes + j * width, width);
        for (size_t k = 0; k < width; k++) axis[k] -= along * axes[j * width + k];
      }
    double after = sqrt(dot(axis, axis, width));
    bool none = !(after > 1e-9 * before) || !isfinite(after);
    for (size_t k = 0; k < width; k++) axis[k] = none ? 0 : axis[k] / after;
  }
}

/* axes [FM_SHADOW][width] become the covariance's images of themselves. */
static void multiply(const double *covar, double *axes, double *image, size_t width) {
  for (size_t i = 0; i < FM_SHADOW; i++) {
    for (size_t a = 0; a < width; a++) image[a] = dot(covar + a * width, axes + i * width, width);
    memcpy(axes + i * width, image, width * sizeof *image);
  }
}

/* The covariance's columns of the largest variance are where the iteration begins. */
static void begin(const double *covar, double *axes, double *taken, size_t width) {
  for (size_t k = 0; k < width; k++) taken[k] = covar[k * width + k];
  for (size_t i = 0; i < FM_SHADOW; i++) {
    size_t most = 0;
    for (size_t k = 1; k < width; k++)
      if (taken[k] > taken[most]) most = k;
    bool none = !(taken[most] > 0);
    for (size_t k = 0; k < width; k++) axes[i * width + k] = none ? 0 : covar[most * width + k];
    taken[most] = 0;
  }
}

enum fm_status fm_shadow_axes(struct fm_context *ctx, const float *rows, size_t count, size_t width,
                              float *axes) {
  double *covar = fm_alloc(ctx, width, width * sizeof *covar),
         *found = fm_alloc(ctx, FM_SHADOW, width * sizeof *found), *one = fm_alloc(ctx, width, sizeof *one);
  enum fm_status status = covar && found && one ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    covariance(rows, count, width, one, covar);
    begin(covar, found, one, width);
    orthonormal(found, FM_SHADOW, width);
    for (int i = 0; i < ROUNDS; i++) {
      multiply(covar, found, one, width);
      orthonormal(found, FM_SHADOW, width);
    }
    for (size_t k = 0; k < width; k++)
      for (size_t i = 0; i < FM_SHADOW; i++) axes[k * FM_SHADOW + i] = (float)found[i * width + k];
  }
  fm_free(ctx, covar);
  fm_free(ctx, found);
  fm_free(ctx, one);
  return status;
}

/* ---- on the device ---- */

/* Some of the rows, whole groups evenly; row-major, *looked of them. */
static enum fm_status look(struct fm_device *d, const struct fm_buffer *side, size_t count, size_t width,
                           float *group, float *rows, size_t *looked) {
  size_t lanes = (size_t)fm_lanes(d), most = (looked_at(width) + lanes - 1) / lanes,
         groups = (count + lanes - 1) / lanes, step = (groups + most - 1) / most,
         bytes = lanes * width * sizeof *group;
  *looked = 0;
  for (size_t g = 0; g < groups; g += step) {
    FM_TRY(fm_buffer_read(d, side, g * bytes, group, bytes));
    for (size_t lane = 0; lane < lanes && g * lanes + lane < count; lane++, ++*looked)
      for (size_t k = 0; k < width; k++) rows[*looked * width + k] = group[k * lanes + lane];
  }
  return FM_OK;
}

static enum fm_status find_axes(struct fm_device *d, const struct fm_buffer *side, int count, int width,
                                const struct fm_buffer *to) {
  struct fm_context *ctx = fm_device_context(d);
  size_t lanes = (size_t)fm_lanes(d), w = (size_t)width, looked;
  float *group = fm_alloc(ctx, lanes, w * sizeof *group),
        *rows = fm_alloc(ctx, looked_at(w) + lanes, w * sizeof *rows),
        *axes = fm_alloc(ctx, FM_SHADOW, w * sizeof *axes);
  enum fm_status status =
      group && rows && axes ? look(d, side, (size_t)count, w, group, rows, &looked) : FM_MEMORY;
  if (status == FM_OK) status = fm_shadow_axes(ctx, rows, looked, w, axes);
  if (status == FM_OK) status = fm_buffer_write(d, to, 0, axes, FM_SHADOW * w * sizeof *axes);
  fm_free(ctx, group);
  fm_free(ctx, rows);
  fm_free(ctx, axes);
  return status;
}

enum fm_status fm_shadow_make(struct fm_device *d, const struct fm_buffer *lanes, int groups, int count,
                              int width, struct fm_shadow *s) {
  /* `width` products and sums a number, each rounded, by Cauchy and Schwarz; root 16 for all axes. */
  *s = (struct fm_shadow){.groups = groups, .loss = 4 * ((float)width + 8) * 1.2e-7f};
  enum fm_status status = fm_buffer_make(d, FM_SHADOW * (size_t)width * sizeof(float), &s->axes);
  if (status == FM_OK)
    status = fm_lanes_make(d, (size_t)groups * (size_t)fm_lanes(d), FM_SHADOW, 1, &s->rows, NULL);
  if (status == FM_OK) status = find_axes(d, lanes, count, width, &s->axes);
  if (status != FM_OK) {
    fm_shadow_free(d, s);
    return status;
  }
  FM_LAUNCH(d, fm_kernel_get(d, "shadow.cl", "shadow", ""),
            (size_t)groups * (size_t)fm_device_facts(d)->group, 1, 1, fm_arg_buffer(lanes),
            fm_arg_buffer(&s->axes), fm_arg_buffer(&s->rows), fm_arg_int2(width, groups));
  return FM_OK;
}

void fm_shadow_free(struct fm_device *d, struct fm_shadow *s) {
  fm_buffer_free(d, &s->axes);
  fm_buffer_free(d, &s->rows);
}

size_t fm_shadow_bytes(const struct fm_device *d, int groups, int width) {
  return ((size_t)groups * (size_t)fm_lanes(d) + (size_t)width) * FM_SHADOW * sizeof(float);
}

enum fm_status fm_shadow_boxes(struct fm_device *d, const struct fm_shadow *s, int each, int beside,
                               struct fm_buffer *boxes) {
  int count = (s->groups + each - 1) / each, whole = (count + beside - 1) / beside * beside;
  FM_TRY(fm_buffer_make(d, (size_t)whole * 2 * FM_SHADOW * sizeof(float), boxes));
  FM_TRY(fm_buffer_fill(d, boxes, 0));
  FM_LAUNCH(d, fm_kernel_get(d, "shadow.cl", "boxes", ""), (size_t)count * FM_SHADOW, 1, 1,
            fm_arg_buffer(&s->rows), fm_arg_buffer(boxes), fm_arg_int4(s->groups, each, count, beside));
  return FM_OK;
}
