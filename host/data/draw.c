#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>
#include <string.h>

float fm_lattice(int x, int y, uint32_t seed) {
  uint32_t h = (uint32_t)x * 0x9E3779B1u ^ (uint32_t)y * 0x85EBCA77u ^ seed * 0xC2B2AE3Du;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  h ^= h >> 15;
  return (float)(h >> 8) * 0x1p-24f;
}

float fm_noise(float x, float y, uint32_t seed) {
  float fx = floorf(x), fy = floorf(y), u = x - fx, v = y - fy;
  int i = (int)fx, j = (int)fy;
  u = u * u * u * (u * (u * 6 - 15) + 10);
  v = v * v * v * (v * (v * 6 - 15) + 10);
  float a = fm_lattice(i, j, seed), b = fm_lattice(i + 1, j, seed);
  float c = fm_lattice(i, j + 1, seed), d = fm_lattice(i + 1, j + 1, seed);
  return 2 * (a + u * (b - a) + v * (c - a + u * (a - b - c + d))) - 1;
}

float fm_fractal(float x, float y, int octaves, uint32_t seed) {
  float sum = 0, weight = 0.5f;
  for (int k = 0; k < octaves; k++, weight *= 0.5f, x *= 2.03f, y *= 2.03f)
    sum += weight * fm_noise(x, y, seed + (uint32_t)k);
  return sum;
}

void fm_curve_draw(struct fm_curve *curve, struct fm_rng *rng, float x, float y, float angle, float length,
                   float bend) {
  float step = length / (FM_CURVE_POINTS - 1), turn = 0;
  float px = 0, py = 0, middle_x = 0, middle_y = 0;
  for (int i = 0; i < FM_CURVE_POINTS; i++) {
    curve->x[i] = px, curve->y[i] = py;
    middle_x += px / FM_CURVE_POINTS, middle_y += py / FM_CURVE_POINTS;
    turn = 0.8f * turn + bend * (fm_rng_uniform(rng) - 0.5f);
    angle += turn;
    px += step * cosf(angle), py += step * sinf(angle);
  }
  for (int i = 0; i < FM_CURVE_POINTS; i++) curve->x[i] += x - middle_x, curve->y[i] += y - middle_y;
}

/* Squared distance; *t is the nearest point's place on the segment. */
static float segment_square(float x, float y, float x0, float y0, float x1, float y1, float *t) {
  float dx = x1 - x0, dy = y1 - y0, n = dx * dx + dy * dy;
  *t = n > 0 ? fm_clamp(((x - x0) * dx + (y - y0) * dy) / n, 0, 1) : 0;
  float ex = x - x0 - *t * dx, ey = y - y0 - *t * dy;
  return ex * ex + ey * ey;
}

static float segment_distance(float x, float y, float x0, float y0, float x1, float y1) {
  float t;
  return sqrtf(segment_square(x, y, x0, y0, x1, y1, &t));
}

float fm_curve_distance(const struct fm_curve *curve, float x, float y, float *along, float *side) {
  float best = 1e12f;
  *along = 0, *side = 1;
  for (int i = 0; i + 1 < FM_CURVE_POINTS; i++) {
    float x0 = curve->x[i], y0 = curve->y[i], x1 = curve->x[i + 1], y1 = curve->y[i + 1], t;
    float d = segment_square(x, y, x0, y0, x1, y1, &t);
    if (d >= best) continue;
    best = d;
    *along = ((float)i + t) / (FM_CURVE_POINTS - 1);
    *side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0 ? 1.f : -1.f;
  }
  return sqrtf(best);
}

float fm_blob_distance(const struct fm_blob *blob, float x, float y) {
  float dx = x - blob->x, dy = y - blob->y, r = sqrtf(dx * dx + dy * dy);
  if (r > 3 * blob->radius) return r - blob->radius;
  float wave = fm_fractal(dx * 1.6f / blob->radius + 7, dy * 1.6f / blob->radius + 7, 4, blob->seed);
  return r - blob->radius * (1 + blob->uneven * wave);
}

/* Letters as strokes on a grid 4 wide and 6 high: four digits a stroke, column and row of its two ends. */
static const struct {
  char letter;
  const char *strokes;
} font[] = {
    {'A', "002626401232"},
    {'F', "000606460333"},
    {'L', "06000040"},
    {'M', "0006062323464640"},
    {'P', "000606363645454444333303"},
    {'T', "06462620"},
    {'W', "0610102424303046"},
    {'0', "10303041414545363616160505010110"},
    {'2', "051616363645454444000040"},
    {'-', "0333"},
};

enum { ADVANCE = 6 }; /* from letter to letter, on that grid */

float fm_print_width(const char *text) {
  return (float)strlen(text) * ADVANCE / 6.f - 2 / 6.f;
}

static float letter_distance(char letter, float x, float y) {
  float best = 1e6f;
  for (size_t i = 0; i < sizeof font / sizeof *font; i++) {
    if (font[i].letter != letter) continue;
    const char *s = font[i].strokes;
    for (; s[0] && s[1] && s[2] && s[3]; s += 4) {
      float d = segment_distance(x, y, (float)(s[0] - '0'), (float)(s[1] - '0'), (float)(s[2] - '0'),
                                 (float)(s[3] - '0'));
      if (d < best) best = d;
    }
  }
  return best;
}

float fm_print_distance(const char *text, float x, float y, int from, int to) {
  float best = 1e6f, gx = 6 * x, gy = 6 * y;
  int at = (int)floorf(gx / ADVANCE), length = (int)strlen(text);
  if (gy < -4 || gy > 10) return best;
  for (int i = at - 1; i <= at + 1; i++) {
    if (i < 0 || i >= length || i < from || i >= to) continue;
    float d = letter_distance(text[i], gx - (float)(i * ADVANCE), gy) / 6;
    if (d < best) best = d;
  }
  return best;
}
