#include "op/selfcheck.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>

/* Of a result's size: rounding moves an answer by a hundredth of that at most. */
#define TOLERANCE 1e-4

static struct fm_rng stream_of(const struct fm_trial *t, const char *name) {
  char full[64];
  snprintf(full, sizeof full, "selftest.%s.%s", t->family, name);
  return fm_rng_stream(1, full);
}

/* Who owns a buffer of the trial's; freed after the check. */
static enum fm_status keep(struct fm_trial *t, const struct fm_buffer *b) {
  if (t->owned == FM_TRIAL_MOST) {
    struct fm_buffer last = *b;
    fm_buffer_free(t->d, &last);
    return fm_error(t->ctx, FM_INTERNAL, "the self-test of %s makes too many buffers; please report this",
                    t->family);
  }
  t->own[t->owned++] = *b;
  return FM_OK;
}

static enum fm_status make(struct fm_trial *t, const void *content, size_t bytes, struct fm_buffer *b) {
  FM_TRY(fm_buffer_make(t->d, bytes, b));
  FM_TRY(keep(t, b));
  return content ? fm_buffer_write(t->d, b, 0, content, bytes) : fm_buffer_fill(t->d, b, NAN);
}

float *fm_trial_draw(struct fm_trial *t, const char *name, size_t count) {
  float *v = fm_alloc(t->ctx, count, sizeof *v);
  struct fm_rng rng = stream_of(t, name);
  for (size_t i = 0; v && i < count; i++) v[i] = 2 * fm_rng_uniform(&rng) - 1;
  return v;
}

enum fm_status fm_trial_numbers(struct fm_trial *t, const char *name, size_t count, struct fm_buffer *b) {
  float *v = fm_trial_draw(t, name, count);
  enum fm_status status = v ? make(t, v, count * sizeof *v, b) : FM_MEMORY;
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_bytes(struct fm_trial *t, const char *name, size_t count, struct fm_buffer *b) {
  unsigned char *v = fm_alloc(t->ctx, count, 1);
  struct fm_rng rng = stream_of(t, name);
  for (size_t i = 0; v && i < count; i++) v[i] = (unsigned char)fm_rng_integer(&rng, 0, 256);
  enum fm_status status = v ? make(t, v, count, b) : FM_MEMORY;
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_ints(struct fm_trial *t, size_t count, const int *values, struct fm_buffer *b) {
  return make(t, values, count * sizeof *values, b);
}

enum fm_status fm_trial_room(struct fm_trial *t, size_t count, struct fm_buffer *b) {
  return make(t, NULL, count * sizeof(float), b);
}

static enum fm_status tensor(struct fm_trial *t, const float *values, struct fm_trial_shape s,
                             struct fm_acts *a) {
  if (!values) return FM_MEMORY;
  FM_TRY(fm_acts_make(t->d, s.n, s.c, s.h, s.w, s.halo, a));
  FM_TRY(keep(t, &a->buffer));
  return fm_acts_write(t->d, a, values);
}

static size_t count_of(struct fm_trial_shape s) {
  return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

enum fm_status fm_trial_tensor(struct fm_trial *t, const char *name, struct fm_trial_shape s,
                               struct fm_acts *a) {
  float *v = fm_trial_draw(t, name, count_of(s));
  enum fm_status status = tensor(t, v, s, a);
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_blank(struct fm_trial *t, struct fm_trial_shape s, struct fm_acts *a) {
  size_t count = count_of(s);
  float *v = fm_alloc(t->ctx, count, sizeof *v);
  for (size_t i = 0; v && i < count; i++) v[i] = NAN;
  enum fm_status status = tensor(t, v, s, a);
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_compare(struct fm_trial *t, const char *what, const float *got, size_t count,
                                double along, double size) {
  struct fm_rng weights = fm_rng_stream(1, "selftest.along");
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    sum += (2 * (double)fm_rng_uniform(&weights) - 1) * (double)got[i];
    squares += (double)got[i] * (double)got[i];
  }
  squares = sqrt(squares);
  if (t->print) {
    fm_note(t->ctx, "%s: \"%s\", %.9g, %.9g", t->family, what, sum, squares);
    return FM_OK;
  }
  double error = fmax(fabs(sum - along), fabs(squares - size));
  if (isfinite(sum) && isfinite(squares) && error <= TOLERANCE * size) return FM_OK;
  return fm_error(t->ctx, FM_DEVICE,
                  "the device '%s' computes wrong: %s (kernels '%s') gives %.5g and %.5g instead of %.5g and "
                  "%.5g; update its driver, use another --device, or continue at your own risk with --force",
                  fm_device_facts(t->d)->name, what, t->family, sum, squares, along, size);
}

enum fm_status fm_trial_tensor_is(struct fm_trial *t, const char *what, const struct fm_acts *a, double along,
                                  double size) {
  size_t count = count_of((struct fm_trial_shape){a->n, a->c, a->h, a->w, 0});
  float *v = fm_alloc(t->ctx, count, sizeof *v);
  enum fm_status status = v ? fm_acts_read(t->d, a, v) : FM_MEMORY;
  if (status == FM_OK) status = fm_trial_compare(t, what, v, count, along, size);
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_rows_are(struct fm_trial *t, const char *what, const struct fm_buffer *b, size_t rows,
                                 size_t width, size_t used, double along, double size) {
  float *v = fm_alloc(t->ctx, rows * width, sizeof *v);
  enum fm_status status = v ? fm_buffer_read(t->d, b, 0, v, rows * width * sizeof *v) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < rows * used; i++) v[i] = v[i / used * width + i % used];
  if (status == FM_OK) status = fm_trial_compare(t, what, v, rows * used, along, size);
  fm_free(t->ctx, v);
  return status;
}

enum fm_status fm_trial_ints_are(struct fm_trial *t, const char *what, const struct fm_buffer *b,
                                 size_t count, double along, double size) {
  int *v = fm_alloc(t->ctx, count, sizeof *v);
  float *numbers = fm_alloc(t->ctx, count, sizeof *numbers);
  enum fm_status status = v && numbers ? fm_buffer_read(t->d, b, 0, v, count * sizeof *v) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < count; i++) numbers[i] = (float)v[i];
  if (status == FM_OK) status = fm_trial_compare(t, what, numbers, count, along, size);
  fm_free(t->ctx, v);
  fm_free(t->ctx, numbers);
  return status;
}
