#include "op/order.h"

#include "base/memory.h"

#include <string.h>

enum { LOOKED_AT = 64, CHAINS = 8 }; /* rows of a half, for a line through it; sums side by side */

struct work {
  const float *rows;
  size_t width;
  float *line;   /* [width] */
  uint64_t *key; /* [count] of the half at hand: place along the line, row */
};

static const float *row_of(const struct work *w, uint32_t row) {
  return w->rows + (size_t)row * w->width;
}

static float dot(const float *a, const float *b, size_t width) {
  float sum[CHAINS] = {0}, rest = 0;
  size_t k = 0;
  for (; k + CHAINS <= width; k += CHAINS)
    for (int c = 0; c < CHAINS; c++) sum[c] += a[k + (size_t)c] * b[k + (size_t)c];
  for (; k < width; k++) rest += a[k] * b[k];
  for (int c = 0; c < CHAINS; c++) rest += sum[c];
  return rest;
}

static double squared(const float *a, const float *b, size_t width) {
  double sum = 0;
  for (size_t k = 0; k < width; k++) sum += ((double)a[k] - (double)b[k]) * ((double)a[k] - (double)b[k]);
  return sum;
}

/* Whole numbers in the order of floats; NaN lies past the infinities. */
static uint32_t ordered(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* Of some of the rows the one that is farthest from `from`. */
static const float *farthest(const struct work *w, const uint32_t *order, size_t count, const float *from) {
  size_t step = count / LOOKED_AT + 1;
  const float *best = row_of(w, order[0]);
  double most = -1;
  for (size_t i = 0; i < count; i += step) {
    double far = squared(from, row_of(w, order[i]), w->width);
    if (far > most) {
      most = far;
      best = row_of(w, order[i]);
    }
  }
  return best;
}

/* Moves the `low` smallest keys, which are all different, to the front. */
static void part(uint64_t *key, size_t count, size_t low) {
  size_t first = 0, last = count - 1;
  while (first < last) {
    uint64_t middle = key[first + (last - first) / 2];
    size_t i = first, j = last;
    for (;; i++, j--) {
      while (key[i] < middle) i++;
      while (key[j] > middle) j--;
      if (i >= j) break;
      uint64_t other = key[i];
      key[i] = key[j];
      key[j] = other;
    }
    /* key[first..j] <= middle <= key[i..last] */
    if (low <= j)
      last = j;
    else
      first = j + 1;
  }
}

static void halve(const struct work *w, uint32_t *order, size_t count, size_t low) {
  const float *one = farthest(w, order, count, row_of(w, order[0])), *other = farthest(w, order, count, one);
  for (size_t k = 0; k < w->width; k++) w->line[k] = other[k] - one[k];
  for (size_t i = 0; i < count; i++)
    w->key[i] = (uint64_t)ordered(dot(row_of(w, order[i]), w->line, w->width)) << 32 | order[i];
  part(w->key, count, low);
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)w->key[i];
}

/* Halves of halves; what is put off are the second halves of those at hand, at most one for each halving. */
static void arrange(const struct work *w, uint32_t *order, size_t count, size_t tile) {
  enum { DEEP = 64 };
  size_t later[DEEP], ends[DEEP], first = 0, end = count;
  for (int put_off = 0; tile > 0;) {
    size_t n = end - first;
    if (n > tile && put_off < DEEP) {
      size_t low = (n / tile + 1) / 2 * tile; /* whole tiles, so that only the last can have fewer rows */
      if (low >= n) low = n - n % tile;
      halve(w, order + first, n, low);
      later[put_off] = first + low;
      ends[put_off++] = end;
      end = first + low;
    } else if (put_off > 0) {
      first = later[--put_off];
      end = ends[put_off];
    } else {
      return;
    }
  }
}

enum fm_status fm_order_rows(struct fm_context *ctx, const float *rows, size_t count, size_t width,
                             size_t tile, uint32_t *order) {
  struct work w = {rows, width, fm_alloc(ctx, width, sizeof(float)), fm_alloc(ctx, count, sizeof(uint64_t))};
  enum fm_status status = w.line && w.key ? FM_OK : FM_MEMORY;
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  if (status == FM_OK) arrange(&w, order, count, tile);
  fm_free(ctx, w.line);
  fm_free(ctx, w.key);
  return status;
}
