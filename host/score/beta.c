#define _POSIX_C_SOURCE 200809L
#include "score/beta.h"

#include <math.h>

/* The continued fraction of I_x(a, b) (DLMF 8.17.22) by Lentz's method; converges fast for x below the mean.
 */
static double fraction(double a, double b, double x) {
  const double tiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (fabs(d) < tiny ? tiny : d);
  double value = d;
  for (int m = 1; m < 100000; m++) {
    double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double change = 1;
    for (int k = 0; k < 2; k++) {
      double term = k ? odd : even;
      d = 1 + term * d;
      c = 1 + term / c;
      d = 1 / (fabs(d) < tiny ? tiny : d);
      if (fabs(c) < tiny) c = tiny;
      change = c * d;
      value *= change;
    }
    if (fabs(change - 1) < 1e-16) break;
  }
  return value;
}

/* Where the fraction converges fast: x below about the mean. */
static double lower_part(double a, double b, double x) {
  double front = a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b);
  return exp(front) * fraction(a, b, x) / a;
}

double fm_beta_below(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  return x > (a + 1) / (a + b + 2) ? 1 - lower_part(b, a, 1 - x) : lower_part(a, b, x);
}

double fm_beta_quantile(double a, double b, double p) {
  double low = 0, high = 1;
  for (int i = 0; i < 200; i++) { /* bisection: slow and certain; used a few times a run */
    double middle = (low + high) / 2;
    if (middle <= low || middle >= high) break;
    if (fm_beta_below(a, b, middle) < p)
      low = middle;
    else
      high = middle;
  }
  return (low + high) / 2;
}

void fm_rate_interval(size_t hits, size_t n, double confidence, double *low, double *high) {
  double x = (double)hits, misses = (double)n - x, tail = (1 - confidence) / 2;
  *low = hits == 0 ? 0 : fm_beta_quantile(x, misses + 1, tail);
  *high = hits >= n ? 1 : fm_beta_quantile(x + 1, misses, 1 - tail);
}
