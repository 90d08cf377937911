#include "method/cdo.h"

#include "base/memory.h"
#include "op/simple.h"

#include <math.h>
#include <string.h>

/* A step's results on their way to the host. */
struct outcome {
  float *values; /* as in the buffer results */
  struct fm_transfer transfer;
};

struct fm_cdo_trainer {
  struct fm_device *d;
  struct fm_cdo_options o;
  struct fm_net *expert, *apprentice;
  struct fm_buffer rgb, mask, moments[2], norm_parts;
  struct fm_buffer results, result[FM_TAPS],
      limit; /* results: the others in one, and what they hold on its way */
  struct outcome outcome[2];
  long enqueued, taken; /* gradients */
  struct fm_transfer load[2];
  struct fm_loss_scratch loss;
  struct fm_unit_pair unit[FM_TAPS]; /* empty where once is enough */
  int n;
};

/* On the grid itself there is no resize between the two normalisations, and the second changes nothing. */
static bool twice(const struct fm_cdo_trainer *t, int tap) {
  const struct fm_acts *grid = fm_net_tap(t->apprentice, 0), *a = fm_net_tap(t->apprentice, tap);
  return t->o.twice && (a->h != grid->h || a->w != grid->w);
}

/* What a step tells: of each tap four numbers, of the gradient two; in one buffer, so that one copy fetches
 * it. */
static enum fm_status make_results(struct fm_cdo_trainer *t) {
  const size_t each = fm_device_facts(t->d)->base_alignment;
  FM_TRY(fm_buffer_make(t->d, (FM_TAPS + 1) * each, &t->results));
  for (size_t i = 0; i <= FM_TAPS; i++)
    FM_TRY(fm_buffer_view(t->d, &t->results, i * each, each, i < FM_TAPS ? &t->result[i] : &t->limit));
  for (int i = 0; i < 2; i++) {
    t->outcome[i].values = fm_alloc(fm_device_context(t->d), FM_TAPS + 1, each);
    if (!t->outcome[i].values) return FM_MEMORY;
  }
  return FM_OK;
}

static enum fm_status make_loss(struct fm_cdo_trainer *t) {
  const struct fm_acts *grid = fm_net_tap(t->apprentice, 0);
  FM_TRY(make_results(t));
  FM_TRY(fm_loss_scratch_make(t->d, t->o.batch, grid->h, grid->w, &t->loss));
  for (int i = 0; i < FM_TAPS; i++)
    if (twice(t, i)) FM_TRY(fm_unit_pair_make(t->d, fm_net_tap(t->apprentice, i), &t->unit[i]));
  return FM_OK;
}

enum fm_status fm_cdo_trainer_make(struct fm_device *d, const struct fm_cdo_options *o,
                                   const struct fm_weights *expert, const struct fm_weights *apprentice,
                                   struct fm_cdo_trainer **trainer) {
  *trainer = NULL;
  struct fm_cdo_trainer *t = fm_alloc(fm_device_context(d), 1, sizeof *t);
  if (!t) return FM_MEMORY;
  t->d = d;
  t->o = *o;
  t->n = o->batch;
  size_t pixels = (size_t)o->batch * fm_size_pixels(o->size);
  enum fm_status status = fm_net_make(d, o->backbone, FM_NET_INFER, o->batch, o->size, expert, &t->expert);
  if (status == FM_OK)
    status = fm_net_make(d, o->backbone, FM_NET_TRAIN, o->batch, o->size, apprentice, &t->apprentice);
  if (status == FM_OK) status = make_loss(t);
  if (status == FM_OK) status = fm_buffer_make(d, pixels * 3 + 16, &t->rgb);
  if (status == FM_OK) status = fm_buffer_make(d, pixels, &t->mask);
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
  for (int i = 0; i < 2; i++) {
    fm_transfer_wait(d, &t->load[i]);
    fm_transfer_wait(d, &t->outcome[i].transfer);
    fm_free(fm_device_context(d), t->outcome[i].values);
  }
  fm_net_free(t->expert);
  fm_net_free(t->apprentice);
  fm_loss_scratch_free(d, &t->loss);
  for (int i = 0; i < FM_TAPS; i++) fm_unit_pair_free(d, &t->unit[i]);
  struct fm_buffer *const own[] = {&t->rgb,   &t->mask,      &t->moments[0], &t->moments[1], &t->norm_parts,
                                   &t->limit, &t->result[2], &t->result[1],  &t->result[0],  &t->results};
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
  size_t pixels = (size_t)n * fm_size_pixels(t->o.size);
  set_batch(t, n);
  FM_TRY(fm_cdo_trainer_loaded(t));
  FM_TRY(fm_buffer_write_later(t->d, &t->rgb, 0, rgb, pixels * 3, &t->load[0]));
  FM_TRY(fm_buffer_write_later(t->d, &t->mask, 0, mask, pixels, &t->load[1]));
  fm_picture(t->d, &t->rgb, fm_net_input(t->expert));
  fm_picture(t->d, &t->rgb, fm_net_input(t->apprentice));
  return fm_device_status(t->d);
}

enum fm_status fm_cdo_trainer_loaded(struct fm_cdo_trainer *t) {
  for (int i = 0; i < 2; i++) fm_transfer_wait(t->d, &t->load[i]);
  return fm_device_status(t->d);
}

static void tap_loss(struct fm_cdo_trainer *t, int i) {
  const struct fm_acts *grid = fm_net_tap(t->apprentice, 0), *expert = fm_net_tap(t->expert, i),
                       *apprentice = fm_net_tap(t->apprentice, i),
                       *gradient = fm_net_tap_gradient(t->apprentice, i);
  struct fm_loss_options o = {t->o.gamma, t->o.overlap};
  int height = t->o.size.height, width = t->o.size.width;
  if (twice(t, i))
    fm_loss_tap_twice(t->d, &o, expert, apprentice, grid->h, grid->w, &t->mask, height, width, &t->loss,
                      &t->unit[i], &t->result[i], gradient);
  else
    fm_loss_tap(t->d, &o, expert, apprentice, grid->h, grid->w, &t->mask, height, width, &t->loss,
                &t->result[i], gradient);
}

void fm_cdo_trainer_gradient(struct fm_cdo_trainer *t, double clip) {
  struct fm_device *d = t->d;
  struct outcome *outcome = &t->outcome[t->enqueued++ % 2];
  const struct fm_net_vectors *v = fm_net_vectors(t->apprentice);
  fm_net_forward(t->expert);
  fm_net_forward(t->apprentice);
  for (int i = 0; i < FM_TAPS; i++) tap_loss(t, i);
  fm_net_backward(t->apprentice);
  fm_norm2(d, v->count, &v->gradient, (float)clip, &t->norm_parts, &t->limit);
  fm_buffer_read_later(d, &t->results, 0, outcome->values, t->results.bytes, &outcome->transfer);
}

void fm_cdo_trainer_update(struct fm_cdo_trainer *t, long step, double lr) {
  const struct fm_net_vectors *v = fm_net_vectors(t->apprentice);
  struct fm_adam adam = t->o.adam;
  adam.lr = lr;
  fm_adam_step(t->d, &adam, step, &t->limit, v->count, &v->weights, &v->gradient, &t->moments[0],
               &t->moments[1]);
}

enum fm_status fm_cdo_trainer_outcome(struct fm_cdo_trainer *t, struct fm_cdo_loss *loss, double *norm) {
  struct outcome *outcome = &t->outcome[t->taken++ % 2];
  const size_t each = fm_device_facts(t->d)->base_alignment / sizeof(float);
  FM_TRY(fm_transfer_wait(t->d, &outcome->transfer));
  loss->total = 0;
  for (size_t i = 0; i < FM_TAPS; i++) {
    const float *r = outcome->values + i * each;
    loss->part[i][0] = r[0];
    loss->part[i][1] = r[2];
    loss->part[i][2] = r[3];
    loss->total += r[0];
  }
  *norm = (double)outcome->values[FM_TAPS * each];
  if (!isfinite(loss->total) || !isfinite(*norm))
    return fm_error(fm_device_context(t->d), FM_NUMERIC,
                    "the training diverged: loss %g, gradient norm %g; use a smaller learning rate (--lr) "
                    "and continue from the last checkpoint (--resume)",
                    (double)loss->total, *norm);
  return FM_OK;
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
