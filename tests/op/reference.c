#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t at4(int c, int h, int w, int n, int i, int y, int x) {
  return (((size_t)n * (size_t)c + (size_t)i) * (size_t)h + (size_t)y) * (size_t)w + (size_t)x;
}

double ref_limit(double v, double low, double high) {
  return v < low ? low : v > high ? high : v;
}
double ref_passed(double y, double low, double high) {
  return y > low && y < high ? 1 : 0;
}

/* Visits every product of the convolution: indices of input, weight and output. */
static void conv_visit(const struct ref_conv *c, void (*f)(void *, size_t, size_t, size_t), void *user) {
  int inputs = c->depthwise ? 1 : c->cin;
  for (int n = 0; n < c->n; n++)
    for (int o = 0; o < c->cout; o++)
      for (int y = 0; y < c->ho; y++)
        for (int x = 0; x < c->wo; x++)
          for (int i = 0; i < inputs; i++)
            for (int t = 0; t < c->k * c->k; t++) {
              int iy = y * c->stride - c->pad_y + t / c->k, ix = x * c->stride - c->pad_x + t % c->k;
              if (iy < 0 || iy >= c->h || ix < 0 || ix >= c->w) continue;
              f(user, at4(c->cin, c->h, c->w, n, c->depthwise ? o : i, iy, ix),
                ((size_t)o * (size_t)inputs + (size_t)i) * (size_t)(c->k * c->k) + (size_t)t,
                at4(c->cout, c->ho, c->wo, n, o, y, x));
            }
}

struct conv_arrays {
  const double *a, *b;
  double *to;
};
static void add_forward(void *user, size_t x, size_t w, size_t y) {
  struct conv_arrays *u = user;
  u->to[y] += u->a[x] * u->b[w];
}
static void add_input(void *user, size_t x, size_t w, size_t y) {
  struct conv_arrays *u = user;
  u->to[x] += u->a[y] * u->b[w];
}
static void add_weight(void *user, size_t x, size_t w, size_t y) {
  struct conv_arrays *u = user;
  u->to[w] += u->a[x] * u->b[y];
}

static size_t outputs(const struct ref_conv *c) {
  return at4(c->cout, c->ho, c->wo, c->n, 0, 0, 0);
}

void ref_conv_forward(const struct ref_conv *c, const double *x, const double *wt, double *y) {
  memset(y, 0, outputs(c) * sizeof *y);
  conv_visit(c, add_forward, &(struct conv_arrays){x, wt, y});
}
void ref_conv_input_gradient(const struct ref_conv *c, const double *dy, const double *wt, double *dx) {
  memset(dx, 0, at4(c->cin, c->h, c->w, c->n, 0, 0, 0) * sizeof *dx);
  conv_visit(c, add_input, &(struct conv_arrays){dy, wt, dx});
}
void ref_conv_weight_gradient(const struct ref_conv *c, const double *x, const double *dy, double *dw) {
  memset(dw, 0, (size_t)c->cout * (size_t)(c->depthwise ? 1 : c->cin) * (size_t)(c->k * c->k) * sizeof *dw);
  conv_visit(c, add_weight, &(struct conv_arrays){x, dy, dw});
}

void ref_norm_measure(const struct ref_norm *r, const double *x, double *mean, double *rstd,
                      double *running_mean, double *running_var) {
  double count = (double)r->n * r->hw;
  for (int c = 0; c < r->c; c++) {
    double sum = 0, squares = 0;
    for (int n = 0; n < r->n; n++)
      for (int i = 0; i < r->hw; i++) sum += x[at4(r->c, 1, r->hw, n, c, 0, i)];
    mean[c] = sum / count;
    for (int n = 0; n < r->n; n++)
      for (int i = 0; i < r->hw; i++) squares += pow(x[at4(r->c, 1, r->hw, n, c, 0, i)] - mean[c], 2);
    rstd[c] = 1 / sqrt(squares / count + r->eps);
    running_mean[c] += r->momentum * (mean[c] - running_mean[c]);
    running_var[c] += r->momentum * (squares / fmax(count - 1, 1) - running_var[c]);
  }
}

void ref_norm_apply(const struct ref_norm *r, const double *x, const double *mean, const double *rstd,
                    const double *gamma, const double *beta, const double *res, double *y) {
  for (size_t i = 0; i < (size_t)r->n * (size_t)r->c * (size_t)r->hw; i++) {
    size_t c = i / (size_t)r->hw % (size_t)r->c;
    y[i] = ref_limit((x[i] - mean[c]) * rstd[c] * gamma[c] + beta[c] + (res ? res[i] : 0), r->low, r->high);
  }
}

void ref_norm_backward(const struct ref_norm *r, const double *x, const double *mean, const double *rstd,
                       const double *gamma, const double *y, const double *dy, double *dz, double *dx,
                       double *dgamma, double *dbeta) {
  double count = (double)r->n * r->hw;
  size_t all = (size_t)r->n * (size_t)r->c * (size_t)r->hw;
  memset(dgamma, 0, (size_t)r->c * sizeof *dgamma);
  memset(dbeta, 0, (size_t)r->c * sizeof *dbeta);
  for (size_t i = 0; i < all; i++) {
    size_t c = i / (size_t)r->hw % (size_t)r->c;
    dz[i] = dy[i] * ref_passed(y[i], r->low, r->high);
    dbeta[c] += dz[i];
    dgamma[c] += dz[i] * (x[i] - mean[c]) * rstd[c];
  }
  for (size_t i = 0; i < all; i++) {
    size_t c = i / (size_t)r->hw % (size_t)r->c;
    dx[i] = gamma[c] * rstd[c] * (dz[i] - dbeta[c] / count - (x[i] - mean[c]) * rstd[c] * dgamma[c] / count);
  }
}

void ref_pool(int planes, int h, int w, int ho, int wo, const double *x, double *y, int *where) {
  for (int p = 0; p < planes; p++)
    for (int oy = 0; oy < ho; oy++)
      for (int ox = 0; ox < wo; ox++) {
        int best = -1;
        const double *plane = x + (size_t)p * (size_t)(h * w);
        for (int iy = 2 * oy - 1; iy <= 2 * oy + 1; iy++)
          for (int ix = 2 * ox - 1; ix <= 2 * ox + 1; ix++) {
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
            double v = plane[iy * w + ix];
            if (best < 0 || v > plane[best] || isnan(v)) best = iy * w + ix;
          }
        size_t to = (size_t)p * (size_t)(ho * wo) + (size_t)(oy * wo + ox);
        y[to] = plane[best];
        where[to] = best;
      }
}

void ref_pool_backward(int planes, int h, int w, int ho, int wo, const double *dy, const int *where,
                       double *dx) {
  memset(dx, 0, (size_t)planes * (size_t)(h * w) * sizeof *dx);
  for (int i = 0; i < planes * ho * wo; i++) dx[i / (ho * wo) * h * w + where[i]] += dy[i];
}

/* Entry (q, i) of the matrix that resizes a line. */
static double weight(int q, int i, int in, int out, bool aligned) {
  double s = aligned ? (out > 1 ? (double)q * (in - 1) / (out - 1) : 0) : fmax((q + 0.5) * in / out - 0.5, 0);
  s = fmin(s, in - 1);
  double t = 1 - fabs(s - i);
  return t > 0 ? t : 0;
}

static void resize(int planes, int h, int w, int ho, int wo, bool aligned, const double *from, double *to,
                   bool adjoint) {
  memset(to, 0, (size_t)planes * (size_t)(adjoint ? h * w : ho * wo) * sizeof *to);
  for (int q = 0; q < ho * wo; q++)
    for (int i = 0; i < h * w; i++) {
      double a = weight(q / wo, i / w, h, ho, aligned) * weight(q % wo, i % w, w, wo, aligned);
      if (a == 0) continue;
      for (int p = 0; p < planes; p++) {
        if (adjoint)
          to[p * h * w + i] += a * from[p * ho * wo + q];
        else
          to[p * ho * wo + q] += a * from[p * h * w + i];
      }
    }
}

void ref_resize(int planes, int h, int w, int ho, int wo, bool aligned, const double *x, double *y) {
  resize(planes, h, w, ho, wo, aligned, x, y, false);
}
void ref_resize_backward(int planes, int h, int w, int ho, int wo, bool aligned, const double *dy,
                         double *dx) {
  resize(planes, h, w, ho, wo, aligned, dy, dx, true);
}

/* Of the vector at a position of planes of hw positions. */
static double length(const struct ref_cdo *r, const double *f, int n, int hw, int at) {
  double sum = 0;
  for (int c = 0; c < r->c; c++) sum += pow(f[(n * r->c + c) * hw + at], 2);
  return fmax(sqrt(sum), 1e-12);
}

static double *unit(const struct ref_cdo *r, const double *tap) {
  int hw = r->th * r->tw;
  double *to = malloc((size_t)r->n * (size_t)(r->c * hw) * sizeof *to);
  for (int i = 0; i < r->n * r->c * hw; i++) to[i] = tap[i] / length(r, tap, i / (r->c * hw), hw, i % hw);
  return to;
}

static double *resized(const struct ref_cdo *r, const double *tap) {
  double *to = malloc((size_t)r->n * (size_t)r->c * (size_t)(r->h * r->w) * sizeof *to);
  double *before = r->twice ? unit(r, tap) : NULL;
  ref_resize(r->n * r->c, r->th, r->tw, r->h, r->w, true, before ? before : tap, to);
  free(before);
  return to;
}

/* d loss / d unit vectors to d loss / d features, in place. */
static void unit_gradient(const struct ref_cdo *r, const double *tap, double *g) {
  int hw = r->th * r->tw;
  double *u = unit(r, tap);
  for (int p = 0; p < r->n * hw; p++) {
    int n = p / hw, at = p % hw;
    double along = 0, le = length(r, tap, n, hw, at);
    for (int c = 0; c < r->c; c++) along += u[(n * r->c + c) * hw + at] * g[(n * r->c + c) * hw + at];
    for (int c = 0; c < r->c; c++) {
      int i = (n * r->c + c) * hw + at;
      g[i] = (g[i] - along * u[i]) / le;
    }
  }
  free(u);
}

static void distance(const struct ref_cdo *r, const double *e, const double *a, double *d) {
  int hw = r->h * r->w;
  for (int p = 0; p < r->n * hw; p++) {
    int n = p / hw, at = p % hw;
    double le = length(r, e, n, hw, at), la = length(r, a, n, hw, at);
    d[p] = 0;
    for (int c = 0; c < r->c; c++)
      d[p] += pow(e[(n * r->c + c) * hw + at] / le - a[(n * r->c + c) * hw + at] / la, 2);
  }
}

void ref_discrepancy(const struct ref_cdo *r, const double *expert, const double *apprentice, double *d) {
  double *e = resized(r, expert), *a = resized(r, apprentice);
  distance(r, e, a, d);
  free(e);
  free(a);
}

static bool synthetic(const struct ref_cdo *r, const unsigned char *mask, int p) {
  int hw = r->h * r->w, n = p / hw, y = p % hw / r->w, x = p % r->w;
  return mask[(n * r->mh + y * r->mh / r->h) * r->mw + x * r->mw / r->w] != 0;
}

void ref_cdo_loss(const struct ref_cdo *r, const double *expert, const double *apprentice,
                  const unsigned char *mask, const double *fixed, double *weights, double result[4]) {
  int all = r->n * r->h * r->w;
  double *d = malloc((size_t)all * sizeof *d), sum[2] = {0, 0}, count[2] = {0, 0}, total = 0, level = 0;
  ref_discrepancy(r, expert, apprentice, d);
  for (int p = 0; p < all; p++) {
    int s = synthetic(r, mask, p);
    sum[s] += d[p];
    count[s]++;
  }
  double mean[2] = {sum[0] / fmax(count[0], 1), sum[1] / fmax(count[1], 1)};
  for (int p = 0; p < all; p++) {
    int s = synthetic(r, mask, p);
    double w = !r->overlap ? 1
               : s         ? pow(mean[1] / fmax(d[p], 1e-12), r->gamma)
                           : pow(d[p] / mean[0], r->gamma);
    if (fixed) w = fixed[p];
    if (weights) weights[p] = w;
    total += w;
    level += (s ? -1 : 1) * w * d[p];
  }
  result[0] = r->n * level / total;
  result[1] = r->n / total;
  result[2] = mean[0];
  result[3] = mean[1];
  free(d);
}

/* By the chain rule through d, the unit vector and the resize, one after the other. */
void ref_cdo_gradient(const struct ref_cdo *r, const double *expert, const double *apprentice,
                      const unsigned char *mask, double *gradient) {
  int hw = r->h * r->w, all = r->n * hw;
  double *e = resized(r, expert), *a = resized(r, apprentice), result[4];
  double *w = malloc((size_t)all * sizeof *w), *g = malloc((size_t)all * (size_t)r->c * sizeof *g);
  ref_cdo_loss(r, expert, apprentice, mask, NULL, w, result);
  for (int p = 0; p < all; p++) {
    int n = p / hw, at = p % hw;
    double le = length(r, e, n, hw, at), la = length(r, a, n, hw, at), along = 0;
    double factor = result[1] * w[p] * (synthetic(r, mask, p) ? -1 : 1);
    for (int c = 0; c < r->c; c++) {
      int i = (n * r->c + c) * hw + at;
      g[i] = factor * 2 * (a[i] / la - e[i] / le); /* d loss / d unit vector */
      along += g[i] * a[i] / la;
    }
    for (int c = 0; c < r->c; c++) {
      int i = (n * r->c + c) * hw + at;
      g[i] = (g[i] - along * a[i] / la) / la;
    }
  }
  ref_resize_backward(r->n * r->c, r->th, r->tw, r->h, r->w, true, g, gradient);
  if (r->twice) unit_gradient(r, apprentice, gradient);
  free(e);
  free(a);
  free(w);
  free(g);
}

static int mirror(int i, int size) {
  while (i < 0 || i >= size) i = i < 0 ? -1 - i : 2 * size - 1 - i;
  return i;
}

void ref_gaussian(int n, int h, int w, double sigma, double *x) {
  int r = (int)(4 * sigma + 0.5);
  double *t = malloc((size_t)(n * h * w) * sizeof *t), total = 0;
  for (int k = -r; k <= r; k++) total += exp(-0.5 * k * k / (sigma * sigma));
  for (int pass = 0; pass < 2; pass++) {
    memcpy(t, x, (size_t)(n * h * w) * sizeof *t);
    for (int i = 0; i < n * h * w; i++) {
      int plane = i / (h * w) * h * w, row = i % (h * w) / w, column = i % w;
      x[i] = 0;
      for (int k = -r; k <= r; k++) {
        int from = pass ? row * w + mirror(column + k, w) : mirror(row + k, h) * w + column;
        x[i] += exp(-0.5 * k * k / (sigma * sigma)) / total * t[plane + from];
      }
    }
  }
  free(t);
}
