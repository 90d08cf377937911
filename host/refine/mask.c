#include "refine/mask.h"

#include "base/memory.h"
#include "base/sort.h"

#include <math.h>
#include <string.h>

/* The published idea leaves these open; they were found by experiment, with flawed pictures too:
 * docs/math/f2pad.md. */
static const double PRIOR = 0.4, SMOOTH = 3, BETA1 = 0.9, BETA2 = 0.99;

enum fm_status fm_mask_make(struct fm_context *ctx, struct fm_size size, struct fm_mask *mask) {
  *mask = (struct fm_mask){.ctx = ctx, .size = size, .half = {size.width / 2, size.height / 2}};
  size_t count = fm_size_pixels(mask->half);
  float **const all[] = {&mask->a, &mask->room, &mask->m, &mask->v, &mask->g, &mask->t};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!(*all[i] = fm_alloc(ctx, count, sizeof(float)))) {
      fm_mask_free(mask);
      return FM_MEMORY;
    }
  return FM_OK;
}

void fm_mask_free(struct fm_mask *mask) {
  float *const all[] = {mask->a, mask->room, mask->m, mask->v, mask->g, mask->t};
  if (!mask->ctx) return;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) fm_free(mask->ctx, all[i]);
  *mask = (struct fm_mask){0};
}

/* Bilinear enlargement, half-pixel corners, at one pixel of a picture. */
static float enlarged(const float *x, int h, int w, struct fm_size size, int row, int i) {
  float sy = fmaxf(((float)row + 0.5f) * (float)h / (float)size.height - 0.5f, 0);
  float sx = fmaxf(((float)i + 0.5f) * (float)w / (float)size.width - 0.5f, 0);
  int y0 = (int)sy < h - 1 ? (int)sy : h - 1, x0 = (int)sx < w - 1 ? (int)sx : w - 1;
  int y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
  float fy = sy - (float)y0, fx = sx - (float)x0;
  return (1 - fy) * ((1 - fx) * x[y0 * w + x0] + fx * x[y0 * w + x1]) +
         fy * ((1 - fx) * x[y1 * w + x0] + fx * x[y1 * w + x1]);
}

/* Every pixel at most `reach` away (a square) from one that is set; in place, line by line in both
 * directions. */
static void dilate(unsigned char *x, unsigned char *t, struct fm_size size, int reach) {
  for (int turn = 0; turn < 2; turn++) {
    int rows = turn ? size.width : size.height, n = turn ? size.height : size.width;
    for (int row = 0; row < rows; row++)
      for (int i = 0; i < n; i++) {
        unsigned char any = 0;
        int from = i - reach > 0 ? i - reach : 0, to = i + reach < n - 1 ? i + reach : n - 1;
        for (int k = from; k <= to && !any; k++) any = x[row * n + k];
        t[i * rows + row] =
            any; /* transposed, so that the second turn does the other direction and turns it back */
      }
    memcpy(x, t, fm_size_pixels(size));
  }
}

/* Keeps those parts of Om, 1, that reach a pixel in hot: they become 2. stack: room for every pixel. */
static void keep_reached(unsigned char *om, const unsigned char *hot, int *stack, struct fm_size size) {
  int depth = 0, width = size.width, all = width * size.height;
  for (int i = 0; i < all; i++) {
    if (!hot[i] || om[i] != 1) continue;
    om[i] = 2;
    stack[depth++] = i;
    while (depth) {
      int at = stack[--depth], x = at % width;
      const int near[] = {x > 0 ? at - 1 : at, x < width - 1 ? at + 1 : at, at >= width ? at - width : at,
                          at < all - width ? at + width : at};
      for (int k = 0; k < 4; k++)
        if (om[near[k]] == 1) {
          om[near[k]] = 2;
          stack[depth++] = near[k];
        }
    }
  }
}

enum fm_status fm_mask_begin(struct fm_mask *mask, const float *e, int h, int w,
                             const struct fm_mask_limits *limits) {
  const struct fm_size size = mask->size;
  size_t pixels = fm_size_pixels(size), cells = (size_t)h * (size_t)w, width = (size_t)size.width,
         half = (size_t)mask->half.width, count = fm_size_pixels(mask->half);
  unsigned char *om = fm_alloc(mask->ctx, pixels, 3), *hot = om + pixels;
  float *x = fm_alloc(mask->ctx, cells, 2 * sizeof *x);
  int *stack = fm_alloc(mask->ctx, pixels, sizeof *stack);
  mask->inside = 0;
  if (!om || !x || !stack) {
    fm_free(mask->ctx, om);
    fm_free(mask->ctx, x);
    fm_free(mask->ctx, stack);
    return FM_MEMORY;
  }
  float *root = x + cells;
  bool any = false;
  for (size_t i = 0; i < cells; i++) {
    x[i] = (double)e[i] > limits->q99 ? 1.0f : 0.0f;
    root[i] = sqrtf(fmaxf(e[i], 0));
    any = any || (double)e[i] > limits->q9995;
  }
  for (size_t i = 0; i < pixels && any; i++) {
    int row = (int)(i / width), column = (int)(i % width);
    om[i] = enlarged(x, h, w, size, row, column) > 0.05f;
    hot[i] = (double)enlarged(root, h, w, size, row, column) > sqrt(limits->q9995);
  }
  if (any) {
    dilate(om, hot + pixels, size, (8 * fm_size_side(size) + 128) / 256);
    keep_reached(om, hot, stack, size);
  }
  for (size_t i = 0; i < count; i++) {
    float room = 0, begin = 0;
    size_t corner = 2 * (i / half) * width + 2 * (i % half);
    for (int k = 0; k < 4 && any; k++) {
      size_t at = corner + (size_t)(k / 2) * width + (size_t)(k % 2);
      if (om[at] != 2) continue;
      room += 0.25f;
      begin += 0.25f * (float)hot[at];
    }
    mask->room[i] = room;
    mask->a[i] = begin;
    mask->m[i] = mask->v[i] = 0;
    mask->inside += room > 0;
  }
  fm_free(mask->ctx, stack);
  fm_free(mask->ctx, om);
  fm_free(mask->ctx, x);
  return FM_OK;
}

void fm_mask_cut(const struct fm_mask *whole, int x, int y, struct fm_mask *part) {
  size_t wide = (size_t)part->half.width, bytes = wide * sizeof(float);
  part->inside = 0;
  for (int row = 0; row < part->half.height; row++) {
    size_t at = (size_t)row * wide,
           from = (size_t)(y / 2 + row) * (size_t)whole->half.width + (size_t)(x / 2);
    memcpy(part->a + at, whole->a + from, bytes);
    memcpy(part->room + at, whole->room + from, bytes);
    memcpy(part->m + at, whole->m + from, bytes);
    memcpy(part->v + at, whole->v + from, bytes);
    for (size_t i = at; i < at + wide; i++) part->inside += part->room[i] > 0;
  }
}

void fm_mask_paste(const struct fm_mask *part, int x, int y, struct fm_mask *whole) {
  size_t wide = (size_t)part->half.width;
  for (int row = 0; row < part->half.height; row++)
    memcpy(whole->a + (size_t)(y / 2 + row) * (size_t)whole->half.width + (size_t)(x / 2),
           part->a + (size_t)row * wide, wide * sizeof(float));
}

/* A Gaussian of the mask's plane, edges mirrored with the edge repeated; x to y by way of t. */
static void smooth(const float *x, float *y, float *t, struct fm_size size, double sigma) {
  float weight[33] = {1}, sum = 1;
  int radius = (int)(4 * sigma + 0.5);
  for (int k = 1; k <= radius; k++) {
    weight[k] = expf(-0.5f * (float)(k * k) / (float)(sigma * sigma));
    sum += 2 * weight[k];
  }
  for (int turn = 0; turn < 2; turn++) {
    const float *from = turn ? t : x;
    float *to = turn ? y : t;
    int rows = turn ? size.width : size.height, n = turn ? size.height : size.width;
    for (int row = 0; row < rows; row++)
      for (int i = 0; i < n; i++) {
        float v = weight[0] * from[row * n + i];
        for (int k = 1; k <= radius; k++) {
          int lo = i - k, hi = i + k;
          while (lo < 0 || lo >= n) lo = lo < 0 ? -1 - lo : 2 * n - 1 - lo;
          while (hi < 0 || hi >= n) hi = hi < 0 ? -1 - hi : 2 * n - 1 - hi;
          v += weight[k] * (from[row * n + lo] + from[row * n + hi]);
        }
        to[i * rows + row] = v / sum; /* transposed: the second turn goes the other way */
      }
  }
}

/* The median of the step sizes inside Om: no pixel moves faster than the typical one. */
static float median_inside(struct fm_mask *mask, const float *d) {
  size_t n = 0, count = fm_size_pixels(mask->half);
  for (size_t i = 0; i < count; i++)
    if (mask->room[i] > 0) mask->t[n++] = d[i];
  fm_sort_floats(mask->t, n);
  return n % 2 ? mask->t[n / 2] : 0.5f * (mask->t[n / 2 - 1] + mask->t[n / 2]);
}

enum fm_status fm_mask_step(struct fm_mask *mask, const float *g, int t, int T) {
  size_t count = fm_size_pixels(mask->half), half = (size_t)mask->half.width,
         width = (size_t)mask->size.width;
  float beta = (float)(1 - fmin(1, (double)t / (0.7 * T))), eta = 2.0f / (float)T;
  float *d = fm_alloc(mask->ctx, count, sizeof *d);
  if (!d) return FM_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const float *p = g + 2 * (i / half) * width + 2 * (i % half);
    mask->g[i] = mask->room[i] * (p[0] + p[1] + p[width] + p[width + 1]);
  }
  /* From coarse to fine: neighbours share their gradient at first. */
  if (beta > 0) smooth(mask->g, d, mask->t, mask->half, SMOOTH);
  double bias1 = 1 - pow(BETA1, t), bias2 = 1 - pow(BETA2, t);
  for (size_t i = 0; i < count; i++) {
    float v = beta > 0 ? mask->room[i] * ((1 - beta) * mask->g[i] + beta * d[i]) : mask->g[i];
    mask->m[i] = (float)BETA1 * mask->m[i] + (float)(1 - BETA1) * v;
    mask->v[i] = (float)BETA2 * mask->v[i] + (float)(1 - BETA2) * v * v;
    d[i] = sqrtf(mask->v[i] / (float)bias2);
  }
  float median = median_inside(mask, d);
  for (size_t i = 0; i < count; i++) {
    float scale = fmaxf(fmaxf(d[i], median), 1e-30f);
    float a = mask->a[i] - eta * (mask->m[i] / ((float)bias1 * scale) + (float)PRIOR);
    mask->a[i] = mask->room[i] > 0 ? fminf(fmaxf(a, 0), 1) : 0;
  }
  fm_free(mask->ctx, d);
  return FM_OK;
}

bool fm_mask_touches(const struct fm_mask *mask, int cell, int h, int w) {
  int high = mask->half.height, wide = mask->half.width, y = cell / w, x = cell % w;
  for (int row = y * high / h; row < ((y + 1) * high + h - 1) / h; row++)
    for (int i = x * wide / w; i < ((x + 1) * wide + w - 1) / w; i++)
      if (mask->room[row * wide + i] > 0) return true;
  return false;
}

void fm_mask_enlarge(const struct fm_mask *mask, float *out) {
  int width = mask->size.width;
  for (int row = 0; row < mask->size.height; row++)
    for (int i = 0; i < width; i++)
      out[row * width + i] = enlarged(mask->a, mask->half.height, mask->half.width, mask->size, row, i);
}
