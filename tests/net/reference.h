/* A network in double precision, node by node as its graph describes it: slow, obvious, and the judge of
 * everything that is computed in single precision. One picture, frozen statistics. */
#ifndef FM_TESTS_REFERENCE_H
#define FM_TESTS_REFERENCE_H

#include "net/weights.h"

#include <math.h>
#include <stdlib.h>

struct reference {
  struct fm_graph graph;
  const struct fm_weights *weights;
  double **value; /* [nodes] channels x height x width */
  bool reflect;   /* padding by reflection */
};

static inline int reference_mirror(int i, int n) {
  while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
  return n > 1 ? i : 0;
}

static inline double reference_at(const struct reference *r, const double *x, int h, int w, int y, int i) {
  if (r->reflect) return x[reference_mirror(y, h) * w + reference_mirror(i, w)];
  return y < 0 || y >= h || i < 0 || i >= w ? 0 : x[y * w + i];
}

static inline void reference_conv(const struct reference *r, const struct fm_node *n,
                                  const struct fm_node *from, const double *x, double *y) {
  const struct fm_conv *c = &n->conv;
  const float *weights = fm_weights_at(r->weights, n->name, "weight");
  int inputs = c->depthwise ? 1 : c->cin;
  for (int o = 0; o < n->c; o++)
    for (int row = 0; row < n->h; row++)
      for (int i = 0; i < n->w; i++) {
        double sum = 0;
        for (int in = 0; in < inputs; in++)
          for (int ky = 0; ky < c->k; ky++)
            for (int kx = 0; kx < c->k; kx++)
              sum += (double)weights[((o * inputs + in) * c->k + ky) * c->k + kx] *
                     reference_at(r, x + (c->depthwise ? o : in) * from->h * from->w, from->h, from->w,
                                  row * c->stride + ky - c->pad_y, i * c->stride + kx - c->pad_x);
        y[(o * n->h + row) * n->w + i] = sum;
      }
}

static inline void reference_norm(const struct reference *r, const struct fm_node *n, const double *x,
                                  double *y) {
  const float *g = fm_weights_at(r->weights, n->name, "weight"),
              *b = fm_weights_at(r->weights, n->name, "bias");
  const float *mean = fm_weights_at(r->weights, n->name, "running_mean"),
              *var = fm_weights_at(r->weights, n->name, "running_var");
  for (int c = 0; c < n->c; c++)
    for (int i = 0; i < n->h * n->w; i++)
      y[c * n->h * n->w + i] =
          (x[c * n->h * n->w + i] - (double)mean[c]) / sqrt((double)var[c] + (double)n->eps) * (double)g[c] +
          (double)b[c];
}

static inline void reference_pool(const struct fm_node *n, const struct fm_node *from, const double *x,
                                  double *y) {
  for (int c = 0; c < n->c; c++)
    for (int row = 0; row < n->h; row++)
      for (int i = 0; i < n->w; i++) {
        double most = -INFINITY;
        for (int k = 0; k < 9; k++) {
          int yy = 2 * row - 1 + k / 3, xx = 2 * i - 1 + k % 3;
          if (yy >= 0 && yy < from->h && xx >= 0 && xx < from->w)
            most = fmax(most, x[(c * from->h + yy) * from->w + xx]);
        }
        y[(c * n->h + row) * n->w + i] = most;
      }
}

/* Bilinear, aligned corners. */
static inline void reference_resize(const struct fm_node *n, const struct fm_node *from, const double *x,
                                    double *y) {
  for (int c = 0; c < n->c; c++)
    for (int row = 0; row < n->h; row++)
      for (int i = 0; i < n->w; i++) {
        double sy = n->h > 1 ? (double)row * (from->h - 1) / (n->h - 1) : 0,
               sx = n->w > 1 ? (double)i * (from->w - 1) / (n->w - 1) : 0;
        int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < from->h ? y0 + 1 : y0,
            x1 = x0 + 1 < from->w ? x0 + 1 : x0;
        const double *p = x + c * from->h * from->w;
        y[(c * n->h + row) * n->w + i] =
            (1 - sy + y0) * ((1 - sx + x0) * p[y0 * from->w + x0] + (sx - x0) * p[y0 * from->w + x1]) +
            (sy - y0) * ((1 - sx + x0) * p[y1 * from->w + x0] + (sx - x0) * p[y1 * from->w + x1]);
      }
}

/* The weights must live as long. */
static inline void reference_open(struct fm_context *ctx, const struct fm_backbone *b, struct fm_size size,
                                  const struct fm_weights *weights, struct reference *r) {
  *r = (struct reference){.weights = weights};
  ASSERT_OK(ctx, fm_backbone_build(ctx, b, size, &r->graph));
  r->value = calloc((size_t)r->graph.count, sizeof *r->value);
  for (int i = 0; i < r->graph.count; i++)
    r->value[i] =
        calloc((size_t)(r->graph.node[i].c * r->graph.node[i].h * r->graph.node[i].w), sizeof(double));
}

static inline void reference_close(struct reference *r) {
  for (int i = 0; i < r->graph.count; i++) free(r->value[i]);
  free(r->value);
  fm_graph_free(&r->graph);
}

/* picture: 3 x size x size, normalised. */
static inline void reference_run(struct reference *r, const double *picture) {
  for (int i = 0; i < r->graph.count; i++) {
    const struct fm_node *n = &r->graph.node[i], *from = n->in >= 0 ? &r->graph.node[n->in] : NULL;
    const double *x = from ? r->value[n->in] : NULL;
    double *y = r->value[i];
    int count = n->c * n->h * n->w;
    if (n->kind == FM_NODE_DEAD) continue;
    if (n->kind == FM_NODE_INPUT)
      for (int k = 0; k < count; k++) y[k] = picture[k];
    if (n->kind == FM_NODE_CONV) reference_conv(r, n, from, x, y);
    if (n->kind == FM_NODE_NORM) reference_norm(r, n, x, y);
    if (n->kind == FM_NODE_POOL) reference_pool(n, from, x, y);
    if (n->kind == FM_NODE_RESIZE) reference_resize(n, from, x, y);
    if (n->kind == FM_NODE_ADD)
      for (int k = 0; k < count; k++) y[k] = x[k] + (n->res >= 0 ? r->value[n->res][k] : 0);
    for (int k = 0; k < count && n->kind != FM_NODE_INPUT; k++)
      y[k] = fmin(fmax(y[k], (double)n->limits.low), (double)n->limits.high);
  }
}

static inline const double *reference_tap(const struct reference *r, int tap) {
  return r->value[r->graph.tap[tap]];
}

static inline int reference_tap_count(const struct reference *r, int tap) {
  const struct fm_node *n = &r->graph.node[r->graph.tap[tap]];
  return n->c * n->h * n->w;
}

#endif
