#include "data/light.h"

#include <math.h>
#include <string.h>

const char *const fm_light_names[FM_LIGHT_MODES] = {"off", "gain", "colour"};

/* Middle values outside say nothing: black has no brightness, white has lost it. */
static const float darkest = 6, brightest = 248;

/* Residuals beyond so many spreads do not count (Tukey's biweight). */
static const float reach = 3;

/* The share of the tiles' weight that must agree. */
static const float agreement = 0.2f;

/* ---- what a picture shows ---- */

/* The mean of the middle half of a histogram's values: stains and highlights are in its outer quarters. */
static float middle(const int histogram[256], int count) {
  int begin = count / 4, end = count - begin, seen = 0;
  float sum = 0;
  for (int v = 0; v < 256; v++) {
    int from = seen > begin ? seen : begin, to = seen + histogram[v] < end ? seen + histogram[v] : end;
    if (to > from) sum += (float)v * (float)(to - from);
    seen += histogram[v];
  }
  return sum / (float)(end - begin);
}

void fm_light_measure(const unsigned char *rgb, int side, float level[FM_LIGHT_NUMBERS]) {
  for (int t = 0; t < FM_LIGHT_TILES; t++) {
    int histogram[3][256] = {{0}}, row = t / FM_LIGHT_ROWS, column = t % FM_LIGHT_ROWS;
    int top = row * side / FM_LIGHT_ROWS, bottom = (row + 1) * side / FM_LIGHT_ROWS,
        left = column * side / FM_LIGHT_ROWS, right = (column + 1) * side / FM_LIGHT_ROWS;
    for (int y = top; y < bottom; y++)
      for (int x = left; x < right; x++)
        for (int c = 0; c < 3; c++)
          histogram[c][rgb[3 * ((size_t)y * (size_t)side + (size_t)x) + (size_t)c]]++;
    int count = (bottom - top) * (right - left);
    for (int c = 0; c < 3; c++) {
      float v = count ? middle(histogram[c], count) : 0;
      level[c * FM_LIGHT_TILES + t] = v >= darkest && v <= brightest ? logf(v) : -INFINITY;
    }
  }
}

/* ---- the gain most tiles agree on ---- */

struct votes { /* tiles that say something */
  int count;
  float off[FM_LIGHT_NUMBERS], width[FM_LIGHT_NUMBERS]; /* how far from the usual level; its spread */
  float all;                                            /* the weight of all tiles that could have */
};

static void collect(const struct fm_light *light, const float *level, int from, int to, struct votes *v) {
  *v = (struct votes){0};
  for (int i = from; i < to; i++) {
    if (!(light->spread[i] > 0)) continue;
    v->all += 1 / light->spread[i];
    if (!isfinite(level[i])) continue;
    v->off[v->count] = level[i] - light->level[i];
    v->width[v->count++] = light->spread[i];
  }
}

/* Tukey's weight of a residual. */
static float weight(float off, float width) {
  float q = off / (reach * width);
  return q * q < 1 ? (1 - q * q) * (1 - q * q) : 0;
}

static float support(const struct votes *v, float at) {
  float sum = 0;
  for (int i = 0; i < v->count; i++) sum += weight(v->off[i] - at, v->width[i]) / v->width[i];
  return sum;
}

/* The place of the most support, found among the tiles themselves, then as the weighted mean around it. */
static bool agree(const struct votes *v, float *at) {
  enum { STEPS = 8 };
  float most = 0;
  for (int i = 0; i < v->count; i++) {
    float s = support(v, v->off[i]);
    if (s <= most) continue;
    most = s;
    *at = v->off[i];
  }
  for (int step = 0; step < STEPS && most > 0; step++) {
    float sum = 0, all = 0;
    for (int i = 0; i < v->count; i++) {
      float w = weight(v->off[i] - *at, v->width[i]) / (v->width[i] * v->width[i]);
      sum += w * v->off[i];
      all += w;
    }
    if (all > 0) *at = sum / all;
  }
  return most > 0 && support(v, *at) >= agreement * v->all;
}

bool fm_light_find(const struct fm_light *light, const float level[FM_LIGHT_NUMBERS], float gain[3]) {
  const bool together = light->mode == FM_LIGHT_GAIN;
  for (int c = 0; c < 3; c++) gain[c] = 1;
  if (light->mode == FM_LIGHT_OFF) return true;
  float found[3];
  for (int c = 0; c < 3; c++) {
    struct votes votes;
    float off = 0;
    int from = together ? 0 : c * FM_LIGHT_TILES, to = together ? FM_LIGHT_NUMBERS : from + FM_LIGHT_TILES;
    if (together && c) {
      found[c] = found[0];
      continue;
    }
    collect(light, level, from, to, &votes);
    if (!agree(&votes, &off)) return false;
    found[c] = expf(-off);
    if (!(found[c] <= FM_LIGHT_MOST && found[c] >= 1 / FM_LIGHT_MOST)) return false;
  }
  memcpy(gain, found, sizeof found);
  return true;
}

void fm_light_apply(const float gain[3], unsigned char *rgb, size_t pixels) {
  unsigned char table[3][256];
  if (gain[0] == 1 && gain[1] == 1 && gain[2] == 1) return;
  for (int c = 0; c < 3; c++)
    for (int v = 0; v < 256; v++) table[c][v] = (unsigned char)fminf((float)v * gain[c] + 0.5f, 255);
  for (size_t i = 0; i < pixels; i++, rgb += 3)
    for (int c = 0; c < 3; c++) rgb[c] = table[c][rgb[c]];
}
