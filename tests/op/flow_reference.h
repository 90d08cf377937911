/* A flow of CFLOW-AD in double precision, straight from its definition (docs/math/cflow.md). */
#ifndef FM_TESTS_OP_FLOW_REFERENCE_H
#define FM_TESTS_OP_FLOW_REFERENCE_H

#include "op/flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 6 }; /* w1, b1, w2, b2, scale, offset */

struct host {
  struct fm_flow_shape shape;
  int s, t, inputs, hidden;
  int count[KINDS], all;   /* numbers of each kind in a block, and together */
  double *values, *mixing; /* [block][all]; [block][channels * channels or channels] */
};

static inline struct host host_make(const struct fm_flow_shape *shape) {
  struct host h = {.shape = *shape, .t = shape->channels / 2};
  h.s = shape->channels - h.t;
  h.inputs = h.s + shape->condition;
  h.hidden = 2 * h.inputs;
  int count[KINDS] = {h.hidden * h.inputs, h.hidden,       2 * h.t * h.hidden, 2 * h.t,
                      shape->channels,     shape->channels};
  memcpy(h.count, count, sizeof count);
  for (int i = 0; i < KINDS; i++) h.all += count[i];
  size_t mixing = (size_t)(shape->mixing ? shape->channels * shape->channels : shape->channels);
  h.values = calloc((size_t)(h.all * shape->blocks), sizeof *h.values);
  h.mixing = calloc(mixing * (size_t)shape->blocks, sizeof *h.mixing);
  return h;
}

static inline void host_free(struct host *h) {
  free(h->values);
  free(h->mixing);
}

static inline double *kind_at(const struct host *h, double *values, int block, int kind) {
  double *at = values + block * h->all;
  for (int i = 0; i < kind; i++) at += h->count[i];
  return at;
}

static inline double *mixing_at(const struct host *h, int block) {
  int channels = h->shape.channels;
  return h->mixing + block * channels * (h->shape.mixing ? channels : 1);
}

/* One fibre through the flow; its image in z where not NULL; returns logp / channels. */
static inline double host_score(const struct host *h, const double *x, int column, int row, double *image) {
  int channels = h->shape.channels, half = h->shape.condition / 2;
  double u[512], z[512], c[1024], r[2048], sum = 0;
  for (int k = 0; k < half / 2; k++) {
    double w = exp(-2.0 * k * log(1e4) / half);
    c[2 * k] = sin(column * w);
    c[2 * k + 1] = cos(column * w);
    c[half + 2 * k] = sin(row * w);
    c[half + 2 * k + 1] = cos(row * w);
  }
  memcpy(z, x, (size_t)channels * sizeof *z);
  for (int k = 0; k < h->shape.blocks; k++) {
    const double *w1 = kind_at(h, h->values, k, 0), *b1 = kind_at(h, h->values, k, 1),
                 *w2 = kind_at(h, h->values, k, 2), *b2 = kind_at(h, h->values, k, 3),
                 *g = kind_at(h, h->values, k, 4), *delta = kind_at(h, h->values, k, 5), *m = mixing_at(h, k);
    for (int o = 0; o < h->hidden; o++) {
      r[o] = b1[o];
      for (int i = 0; i < h->inputs; i++) r[o] += w1[o * h->inputs + i] * (i < h->s ? z[i] : c[i - h->s]);
      r[o] = fmax(r[o], 0);
    }
    for (int o = 0; o < h->t; o++) {
      double scale = b2[o], shift = b2[h->t + o];
      for (int i = 0; i < h->hidden; i++) {
        scale += w2[o * h->hidden + i] * r[i];
        shift += w2[(h->t + o) * h->hidden + i] * r[i];
      }
      double sigma = (double)h->shape.clamp * tanh(0.1 * scale);
      z[h->s + o] = z[h->s + o] * exp(sigma) + 0.1 * shift;
      sum += sigma;
    }
    for (int i = 0; i < channels; i++) {
      double gamma = 0.2 * log1p(exp(g[i] / 2));
      u[i] = gamma * z[i] + delta[i];
      sum += log(gamma);
    }
    for (int i = 0; i < channels; i++) {
      z[i] = h->shape.mixing ? 0 : u[(int)m[i]];
      for (int j = 0; j < channels && h->shape.mixing; j++) z[i] += m[i * channels + j] * u[j];
    }
  }
  for (int i = 0; i < channels; i++) sum -= 0.5 * z[i] * z[i];
  if (image) memcpy(image, z, (size_t)channels * sizeof *z);
  return sum / channels - 0.5 * log(2 * 3.14159265358979323846);
}

#endif
