#include "score/odd.h"

#include "base/memory.h"
#include "base/sort.h"

#include <string.h>

enum fm_status fm_odd_find(struct fm_context *ctx, size_t n, const float *scores, bool *odd, size_t *count) {
  enum { FEWEST = 10, MOST = 10 }; /* scores; one in so many */
  static const double beyond = 6, quartile = 0.6745;
  *count = 0;
  memset(odd, 0, n * sizeof *odd);
  if (n < FEWEST) return FM_OK;
  float *sorted = fm_alloc(ctx, n, sizeof *sorted);
  if (!sorted) return FM_MEMORY;
  memcpy(sorted, scores, n * sizeof *sorted);
  fm_sort_floats(sorted, n);
  double median = ((double)sorted[(n - 1) / 2] + (double)sorted[n / 2]) / 2,
         spread = ((double)sorted[(3 * n - 1) / 4] - median) / quartile;
  fm_free(ctx, sorted);
  for (size_t i = 0; i < n; i++) *count += odd[i] = (double)scores[i] > median + beyond * spread;
  if (*count * MOST <= n && spread > 0) return FM_OK;
  memset(odd, 0, n * sizeof *odd);
  *count = 0;
  return FM_OK;
}
