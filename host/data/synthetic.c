#define _POSIX_C_SOURCE 200809L
#include "data/synthetic.h"

#include "base/memory.h"
#include "base/rng.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_background(const char *category) {
  static const char *const names[] = {"bottle", "hazelnut",   "metal_nut", "pill",
                                      "screw",  "toothbrush", "zipper"};
  for (size_t i = 0; category && i < sizeof names / sizeof *names; i++)
    if (strcmp(category, names[i]) == 0) return true;
  return false;
}

struct fm_synthetic fm_synthetic_cdo(const char *category) {
  return (struct fm_synthetic){.kind = FM_SYNTHETIC_CDO,
                               .most = 4,
                               .smallest = 40,
                               .largest = 10,
                               .skip_background = has_background(category),
                               .redraws = 200};
}

/* out = how many of the window of 2 * radius + 1 positions around each of n are set, along one line of in
 * with a step between positions. Beyond the ends the end value is repeated, or nothing is there. */
static void count_line(const unsigned char *in, size_t step, int n, int radius, bool repeat,
                       unsigned char *out) {
  int sum = 0;
  for (int k = -radius; k <= radius; k++) {
    int at = k < 0 ? 0 : k > n - 1 ? n - 1 : k;
    if (repeat || at == k) sum += in[(size_t)at * step];
  }
  for (int i = 0; i < n; i++) {
    out[(size_t)i * step] = (unsigned char)sum;
    int old = i - radius, new = i + radius + 1;
    if (repeat || old >= 0) sum -= in[(size_t)(old < 0 ? 0 : old) * step];
    if (repeat || new < n) sum += in[(size_t)(new > n - 1 ? n - 1 : new) * step];
  }
}

/* a = 1 where more than `most` of the square window are set, else 0; b is room for as many bytes. */
static void box_over(unsigned char *a, unsigned char *b, int size, int radius, bool repeat, int most) {
  size_t n = (size_t)size;
  for (size_t y = 0; y < n; y++) count_line(a + y * n, 1, size, radius, repeat, b + y * n);
  for (size_t x = 0; x < n; x++) count_line(b + x, n, size, radius, repeat, a + x);
  for (size_t i = 0; i < n * n; i++) a[i] = a[i] > most;
}

enum fm_status fm_synthetic_background(struct fm_context *ctx, const unsigned char *rgb, int size,
                                       unsigned char *background) {
  enum { BRIGHT = 3 * 220, DARK = 3 * 30, MEDIAN_RADIUS = 3, HALF_OF_49 = 24, DILATE_RADIUS = 9 };
  size_t n = (size_t)size * (size_t)size;
  unsigned char *room = fm_alloc(ctx, n, 1);
  if (!room) return FM_MEMORY;
  for (size_t i = 0; i < n; i++) {
    int sum = rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2];
    background[i] = sum > BRIGHT || sum < DARK;
  }
  box_over(background, room, size, MEDIAN_RADIUS, true, HALF_OF_49); /* the median of zeros and ones */
  /* A 19x19 window holds up to 361 ones, too many for a byte: any along rows first, then any down columns. */
  for (size_t y = 0; y < (size_t)size; y++)
    count_line(background + y * (size_t)size, 1, size, DILATE_RADIUS, false, room + y * (size_t)size);
  for (size_t i = 0; i < n; i++) room[i] = room[i] > 0;
  for (size_t x = 0; x < (size_t)size; x++)
    count_line(room + x, (size_t)size, size, DILATE_RADIUS, false, background + x);
  for (size_t i = 0; i < n; i++) background[i] = background[i] > 0;
  fm_free(ctx, room);
  return FM_OK;
}

/* A stream of its own for each picture, epoch and use. */
static struct fm_rng stream(const char *use, uint64_t seed, int epoch, uint32_t picture) {
  char name[64];
  snprintf(name, sizeof name, "synthetic.%s.%d.%u", use, epoch, (unsigned)picture);
  return fm_rng_stream(seed, name);
}

/* Draws a centre that is not on background; false after too many attempts. */
static bool draw_centre(struct fm_rng *rng, int size, int h, int w, const unsigned char *background,
                        int redraws, int *y, int *x) {
  for (int i = 0; i <= redraws; i++) {
    *y = (int)fm_rng_integer(rng, h, size - h);
    *x = (int)fm_rng_integer(rng, w, size - w);
    if (!background || !background[(size_t)*y * (size_t)size + (size_t)*x]) return true;
  }
  return false;
}

void fm_synthetic_apply(const struct fm_synthetic *options, uint64_t seed, int epoch, uint32_t picture,
                        unsigned char *rgb, unsigned char *mask, int size, const unsigned char *background) {
  size_t n = (size_t)size * (size_t)size;
  memset(mask, 0, n);
  if (options->kind == FM_SYNTHETIC_NONE) return;
  struct fm_rng rng = stream("patches", seed, epoch, picture), noise = stream("noise", seed, epoch, picture);
  int low = size / (options->smallest > 0 ? options->smallest : 40);
  int high = size / (options->largest > 0 ? options->largest : 10);
  int patches = (int)fm_rng_integer(&rng, 0, (int64_t)options->most + 1);
  for (int p = 0; p < patches; p++) {
    int h = (int)fm_rng_integer(&rng, low, high), w = (int)fm_rng_integer(&rng, low, high), y, x;
    if (2 * h >= size || 2 * w >= size) continue;
    if (!draw_centre(&rng, size, h, w, options->skip_background ? background : NULL, options->redraws, &y,
                     &x))
      continue;
    for (int row = y - h; row < y + h; row++)
      memset(mask + (size_t)row * (size_t)size + (x - w), 1, 2 * (size_t)w);
  }
  for (size_t i = 0; i < n; i++) {
    if (!mask[i]) continue;
    noise.next = 3 * i; /* a pixel's noise does not depend on the other pixels */
    for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = (unsigned char)fm_rng_integer(&noise, 0, 255);
  }
}
