#include "detect/cdo.h"

#include "base/memory.h"
#include "op/map.h"
#include "op/simple.h"

#include <math.h>
#include <string.h>

struct fm_cdo_trainer {
  struct fm_device *d;
  struct fm_cdo_options o;
  struct fm_net *expert, *apprentice;
  struct fm_buffer rgb, mask, moments[2], norm_parts;
  struct fm_buffer result[FM_TAPS];
  struct fm_loss_scratch loss;
  int n;
};

enum fm_status fm_cdo_trainer_make(struct fm_device *d, const struct fm_cdo_options *o,
                                   const struct fm_weights *expert, const struct fm_weights *apprentice,
                                   struct fm_cdo_trainer **trainer) {
  *trainer = NULL;
  struct fm_cdo_trainer *t = fm_alloc(fm_device_context(d), 1, sizeof *t);
  if (!t) return FM_MEMORY;
  t->d = d;
  t->o = *o;
  t->n = o->batch;
  size_t pixels = (size_t)o->batch * (size_t)o->size * (size_t)o->size;
  enum fm_status status = fm_net_make(d, o->backbone, FM_NET_INFER, o->batch, o->size, expert, &t->expert);
  if (status == FM_OK)
    status = fm_net_make(d, o->backbone, FM_NET_TRAIN, o->batch, o->size, apprentice, &t->apprentice);
  if (status == FM_OK) {
    const struct fm_acts *grid = fm_net_tap(t->apprentice, 0);
    status = fm_loss_scratch_make(d, o->batch, grid->h, grid->w, &t->loss);
  }
  if (status == FM_OK) status = fm_buffer_make(d, pixels * 3 + 16, &t->rgb);
  if (status == FM_OK) status = fm_buffer_make(d, pixels, &t->mask);
  for (int i = 0; i < FM_TAPS && status == FM_OK; i++)
    status = fm_buffer_make(d, 4 * sizeof(float), &t->result[i]);
  size_t count = status == FM_OK ? fm_net_vectors(t->apprentice)->count : 0;
  for (int i = 0; i < 2 && status == FM_OK; i++) {
    status = fm_buffer_make(d, count * sizeof(float), &t->moments[i]);
    if (status == FM_OK) status = fm_buffer_fill(d, &t->moments[i], 0);
  }
  if (status == FM_OK) status = fm_buffer_make(d, fm_norm2_bytes(d, count), &t->norm_parts);
  if (status != FM_OK) {
    fm_cdo_trainer_free(t);
    return status;
  }
  *trainer = t;
  return FM_OK;
}

void fm_cdo_trainer_free(struct fm_cdo_trainer *t) {
  if (!t) return;
  struct fm_device *d = t->d;
  fm_net_free(t->expert);
  fm_net_free(t->apprentice);
  fm_loss_scratch_free(d, &t->loss);
  struct fm_buffer *const own[] = {&t->rgb,        &t->mask,      &t->moments[0], &t->moments[1],
                                   &t->norm_parts, &t->result[0], &t->result[1],  &t->result[2]};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
  fm_free(fm_device_context(d), t);
}

static void set_batch(struct fm_cdo_trainer *t, int n) {
  t->n = n;
  fm_net_set_batch(t->expert, n);
  fm_net_set_batch(t->apprentice, n);
}

enum fm_status fm_cdo_trainer_load(struct fm_cdo_trainer *t, int n, const unsigned char *rgb,
                                   const unsigned char *mask) {
  size_t pixels = (size_t)n * (size_t)t->o.size * (size_t)t->o.size;
  set_batch(t, n);
  FM_TRY(fm_buffer_write(t->d, &t->rgb, 0, rgb, pixels * 3));
  FM_TRY(fm_buffer_write(t->d, &t->mask, 0, mask, pixels));
  fm_picture(t->d, &t->rgb, fm_net_input(t->expert));
  fm_picture(t->d, &t->rgb, fm_net_input(t->apprentice));
  return fm_device_status(t->d);
}

enum fm_status fm_cdo_trainer_gradient(struct fm_cdo_trainer *t, struct fm_cdo_loss *loss, double *norm) {
  struct fm_device *d = t->d;
  struct fm_loss_options options = {t->o.gamma, t->o.overlap};
  fm_net_forward(t->expert);
  fm_net_forward(t->apprentice);
  const struct fm_acts *grid = fm_net_tap(t->apprentice, 0);
  for (int i = 0; i < FM_TAPS; i++)
    fm_loss_tap(d, &options, fm_net_tap(t->expert, i), fm_net_tap(t->apprentice, i), grid->h, grid->w,
                &t->mask, t->o.size, t->o.size, &t->loss, &t->result[i],
                fm_net_tap_gradient(t->apprentice, i));
  fm_net_backward(t->apprentice);
  loss->total = 0;
  for (int i = 0; i < FM_TAPS; i++) {
    float r[4];
    FM_TRY(fm_buffer_read(d, &t->result[i], 0, r, sizeof r));
    loss->part[i][0] = r[0];
    loss->part[i][1] = r[2];
    loss->part[i][2] = r[3];
    loss->total += r[0];
  }
  const struct fm_net_vectors *v = fm_net_vectors(t->apprentice);
  FM_TRY(fm_norm2(d, v->count, &v->gradient, &t->norm_parts, norm));
  if (!isfinite(loss->total) || !isfinite(*norm))
    return fm_error(fm_device_context(d), FM_NUMERIC,
                    "the training left the range of numbers: loss %g, gradient norm %g; use a "
                    "smaller learning rate (--lr) and go on from the last checkpoint",
                    (double)loss->total, *norm);
  return FM_OK;
}

void fm_cdo_trainer_update(struct fm_cdo_trainer *t, long step, double lr, float factor) {
  const struct fm_net_vectors *v = fm_net_vectors(t->apprentice);
  struct fm_adam adam = t->o.adam;
  adam.lr = lr;
  fm_adam_step(t->d, &adam, step, factor, v->count, &v->weights, &v->gradient, &t->moments[0],
               &t->moments[1]);
}

void fm_cdo_trainer_measure(struct fm_cdo_trainer *t, float momentum) {
  fm_net_set_momentum(t->apprentice, momentum);
  fm_net_forward(t->apprentice);
}

struct fm_net *fm_cdo_trainer_apprentice(struct fm_cdo_trainer *t) {
  return t->apprentice;
}
struct fm_net *fm_cdo_trainer_expert(struct fm_cdo_trainer *t) {
  return t->expert;
}
const struct fm_buffer *fm_cdo_trainer_moments(const struct fm_cdo_trainer *t) {
  return t->moments;
}

struct fm_cdo_scorer {
  struct fm_device *d;
  int batch, size, n;
  struct fm_net *net[2];
  struct fm_buffer rgb, distance, map, scratch;
  struct fm_gaussian gaussian;
};

enum fm_status fm_cdo_scorer_make(struct fm_device *d, const struct fm_backbone *b, int batch, int size,
                                  const struct fm_weights *expert, const struct fm_weights *apprentice,
                                  struct fm_cdo_scorer **scorer) {
  *scorer = NULL;
  struct fm_cdo_scorer *s = fm_alloc(fm_device_context(d), 1, sizeof *s);
  if (!s) return FM_MEMORY;
  *s = (struct fm_cdo_scorer){.d = d, .batch = batch, .size = size, .n = batch};
  size_t pixels = (size_t)batch * (size_t)size * (size_t)size;
  enum fm_status status = fm_net_make(d, b, FM_NET_INFER, batch, size, expert, &s->net[0]);
  if (status == FM_OK) status = fm_net_make(d, b, FM_NET_INFER, batch, size, apprentice, &s->net[1]);
  if (status == FM_OK) status = fm_buffer_make(d, pixels * 3 + 16, &s->rgb);
  if (status == FM_OK) status = fm_buffer_make(d, pixels / 16 * sizeof(float), &s->distance);
  if (status == FM_OK) status = fm_buffer_make(d, pixels * sizeof(float), &s->map);
  if (status == FM_OK) status = fm_buffer_make(d, pixels * sizeof(float), &s->scratch);
  if (status == FM_OK) status = fm_gaussian_make(d, 4, &s->gaussian);
  if (status != FM_OK) {
    fm_cdo_scorer_free(s);
    return status;
  }
  *scorer = s;
  return FM_OK;
}

void fm_cdo_scorer_free(struct fm_cdo_scorer *s) {
  if (!s) return;
  struct fm_device *d = s->d;
  fm_net_free(s->net[0]);
  fm_net_free(s->net[1]);
  fm_gaussian_free(d, &s->gaussian);
  struct fm_buffer *const own[] = {&s->rgb, &s->distance, &s->map, &s->scratch};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
  fm_free(fm_device_context(d), s);
}

struct fm_net *fm_cdo_scorer_net(struct fm_cdo_scorer *s, int which) {
  return s->net[which];
}

/* Map: the taps' discrepancies live on tap 1's grid, so they are added there and enlarged once. */
void fm_cdo_scorer_enqueue(struct fm_cdo_scorer *s) {
  fm_net_forward(s->net[0]);
  fm_net_forward(s->net[1]);
  const struct fm_acts *grid = fm_net_tap(s->net[0], 0);
  for (int i = 0; i < FM_TAPS; i++)
    fm_discrepancy(s->d, fm_net_tap(s->net[0], i), fm_net_tap(s->net[1], i), grid->h, grid->w, i > 0,
                   &s->distance, NULL, NULL);
  fm_enlarge(s->d, &s->distance, grid->n, grid->h, grid->w, &s->map, s->size, s->size);
  fm_gaussian_run(s->d, &s->gaussian, &s->map, &s->scratch, grid->n, s->size, s->size);
}

enum fm_status fm_cdo_scorer_read(struct fm_cdo_scorer *s, int n, float *maps) {
  return fm_buffer_read(s->d, &s->map, 0, maps, (size_t)n * (size_t)s->size * (size_t)s->size * sizeof *maps);
}

enum fm_status fm_cdo_scorer_run(struct fm_cdo_scorer *s, int n, const unsigned char *rgb, float *maps) {
  size_t pixels = (size_t)s->size * (size_t)s->size;
  for (int at = 0; at < n; at += s->batch) {
    int now = n - at < s->batch ? n - at : s->batch;
    for (int i = 0; i < 2; i++) fm_net_set_batch(s->net[i], now);
    FM_TRY(fm_buffer_write(s->d, &s->rgb, 0, rgb + (size_t)at * pixels * 3, (size_t)now * pixels * 3));
    for (int i = 0; i < 2; i++) fm_picture(s->d, &s->rgb, fm_net_input(s->net[i]));
    fm_cdo_scorer_enqueue(s);
    FM_TRY(fm_cdo_scorer_read(s, now, maps + (size_t)at * pixels));
  }
  return fm_device_status(s->d);
}
