/* The operators once more: plain loops in double precision over [n][c][h][w], as slow and as obvious as can
 * be. What the device computes is compared with these; their own gradients are checked by finite differences
 * (gradient.h). */
#ifndef FM_TESTS_OP_REFERENCE_H
#define FM_TESTS_OP_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

double ref_limit(double v, double low, double high);
double ref_passed(double y, double low, double high); /* 1 where the activation passed its input on, else 0 */

/* Convolution. w: [cout][cin][k][k], depthwise [c][1][k][k]; outside the picture is zero. */
struct ref_conv {
  int n, cin, h, w, cout, k, stride, pad_y, pad_x, ho, wo;
  bool depthwise;
};
void ref_conv_forward(const struct ref_conv *c, const double *x, const double *wt, double *y);
void ref_conv_input_gradient(const struct ref_conv *c, const double *dy, const double *wt, double *dx);
void ref_conv_weight_gradient(const struct ref_conv *c, const double *x, const double *dy, double *dw);

/* Batch norm; hw: positions of a plane. */
struct ref_norm {
  int n, c, hw;
  double eps, momentum, low, high;
};
void ref_norm_measure(const struct ref_norm *r, const double *x, double *mean, double *rstd,
                      double *running_mean, double *running_var);
/* y = limit((x - mean) rstd gamma + beta + res); res may be NULL. */
void ref_norm_apply(const struct ref_norm *r, const double *x, const double *mean, const double *rstd,
                    const double *gamma, const double *beta, const double *res, double *y);
/* Through the batch's own statistics. dz: dy behind the activation. */
void ref_norm_backward(const struct ref_norm *r, const double *x, const double *mean, const double *rstd,
                       const double *gamma, const double *y, const double *dy, double *dz, double *dx,
                       double *dgamma, double *dbeta);

/* Max pooling 3x3, stride 2, padding 1, over `planes` planes; where: index in the plane of the first maximum.
 */
void ref_pool(int planes, int h, int w, int ho, int wo, const double *x, double *y, int *where);
void ref_pool_backward(int planes, int h, int w, int ho, int wo, const double *dy, const int *where,
                       double *dx);

/* Bilinear; the adjoint is the transposed matrix, entry by entry. */
void ref_resize(int planes, int h, int w, int ho, int wo, bool aligned, const double *x, double *y);
void ref_resize_backward(int planes, int h, int w, int ho, int wo, bool aligned, const double *dy,
                         double *dx);

/* CDO for one tap pair [n][c][th][tw] on the grid [n][h][w]. mask [n][mh][mw]. */
struct ref_cdo {
  int n, c, th, tw, h, w, mh, mw;
  double gamma;
  bool overlap, twice; /* twice: features are normalised before the resize too */
};
void ref_discrepancy(const struct ref_cdo *r, const double *expert, const double *apprentice, double *d);
/* result as fm_loss_tap's; fixed: weights of the positions to use instead of d's own (finite differences: the
 * weights carry no gradient), or NULL; weights: what was used, or NULL. */
void ref_cdo_loss(const struct ref_cdo *r, const double *expert, const double *apprentice,
                  const unsigned char *mask, const double *fixed, double *weights, double result[4]);
void ref_cdo_gradient(const struct ref_cdo *r, const double *expert, const double *apprentice,
                      const unsigned char *mask, double *gradient);

/* Gaussian of radius int(4 sigma + 0.5), the plane mirrored with its edge repeated. */
void ref_gaussian(int n, int h, int w, double sigma, double *x);

#endif
