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
static void box_over(unsigned char *a, unsigned char *b, struct fm_size size, int radius, bool repeat,
                     int most) {
  size_t w = (size_t)size.width, h = (size_t)size.height;
  for (size_t y = 0; y < h; y++) count_line(a + y * w, 1, size.width, radius, repeat, b + y * w);
  for (size_t x = 0; x < w; x++) count_line(b + x, w, size.height, radius, repeat, a + x);
  for (size_t i = 0; i < h * w; i++) a[i] = a[i] > most;
}

enum fm_status fm_synthetic_background(struct fm_context *ctx, const unsigned char *rgb, struct fm_size size,
                                       unsigned char *background) {
  enum { BRIGHT = 3 * 220, DARK = 3 * 30, MEDIAN_RADIUS = 3, HALF_OF_49 = 24, DILATE_RADIUS = 9 };
  size_t n = fm_size_pixels(size), width = (size_t)size.width;
  unsigned char *room = fm_alloc(ctx, n, 1);
  if (!room) return FM_MEMORY;
  for (size_t i = 0; i < n; i++) {
    int sum = rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2];
    background[i] = sum > BRIGHT || sum < DARK;
  }
  box_over(background, room, size, MEDIAN_RADIUS, true, HALF_OF_49); /* the median of zeros and ones */
  /* A 19x19 window holds up to 361 ones, too many for a byte: any along rows first, then any down columns. */
  for (size_t y = 0; y < (size_t)size.height; y++)
    count_line(background + y * width, 1, size.width, DILATE_RADIUS, false, room + y * width);
  for (size_t i = 0; i < n; i++) room[i] = room[i] > 0;
  for (size_t x = 0; x < width; x++)
    count_line(room + x, width, size.height, DILATE_RADIUS, false, background + x);
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
static bool draw_centre(struct fm_rng *rng, struct fm_size size, int h, int w,
                        const unsigned char *background, int redraws, int *y, int *x) {
  for (int i = 0; i <= redraws; i++) {
    *y = (int)fm_rng_integer(rng, h, size.height - h);
    *x = (int)fm_rng_integer(rng, w, size.width - w);
    if (!background || !background[(size_t)*y * (size_t)size.width + (size_t)*x]) return true;
  }
  return false;
}

void fm_synthetic_apply(const struct fm_synthetic *options, uint64_t seed, int epoch, uint32_t picture,
                        unsigned char *rgb, unsigned char *mask, struct fm_size size,
                        const unsigned char *background) {
  size_t n = fm_size_pixels(size);
  memset(mask, 0, n);
  if (options->kind == FM_SYNTHETIC_NONE) return;
  struct fm_rng rng = stream("patches", seed, epoch, picture), noise = stream("noise", seed, epoch, picture);
  int smallest = options->smallest > 0 ? options->smallest : 40;
  int largest = options->largest > 0 ? options->largest : 10;
  int patches = (int)fm_rng_integer(&rng, 0, (int64_t)options->most + 1);
  for (int p = 0; p < patches; p++) {
    int h = (int)fm_rng_integer(&rng, size.height / smallest, size.height / largest),
        w = (int)fm_rng_integer(&rng, size.width / smallest, size.width / largest), y, x;
    if (2 * h >= size.height || 2 * w >= size.width) continue;
    if (!draw_centre(&rng, size, h, w, options->skip_background ? background : NULL, options->redraws, &y,
                     &x))
      continue;
    for (int row = y - h; row < y + h; row++)
      memset(mask + (size_t)row * (size_t)size.width + (x - w), 1, 2 * (size_t)w);
  }
  for (size_t i = 0; i < n; i++) {
    if (!mask[i]) continue;
    noise.next = 3 * i; /* a pixel's noise does not depend on the other pixels */
    for (size_t c = 0; c < 3; c++) rgb[3 * i + c] = (unsigned char)fm_rng_integer(&noise, 0, 255);
  }
}
