#include "base/sort.h"

#include <stdlib.h>

static int by_float(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static int by_double(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void fm_sort_floats(float *v, size_t count) {
  if (count) qsort(v, count, sizeof *v, by_float);
}

void fm_sort_doubles(double *v, size_t count) {
  if (count) qsort(v, count, sizeof *v, by_double);
}
