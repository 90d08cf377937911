/* The usual light from good pictures, and whether it is worth bringing pictures to it. */
#include "base/memory.h"
#include "base/sort.h"
#include "data/light.h"

#include <math.h>
#include <string.h>

/* ---- levels and spreads ---- */

/* A tile says something where at most one of four pictures is black or clipped there. Few pictures know
 * little about the spread: it is as if four more had been seen that lie 3 % off. No tile is surer than 1 %.
 */
static const float least_spread = 0.01f, usual_spread = 0.03f;
enum { ROUNDS = 4, PRIOR = 4 };

static float quantile(float *v, size_t count, double q) {
  fm_sort_floats(v, count);
  return v[(size_t)(q * (double)(count - 1) + 0.5)];
}

/* One number's usual level and spread, from the pictures without their own light (shift). */
static void learn_number(const float *levels, const float *shift, size_t count, int number, float *room,
                         struct fm_light *light) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    float level = levels[i * FM_LIGHT_NUMBERS + (size_t)number];
    if (isfinite(level)) room[n++] = level - shift[3 * i + (size_t)(number / FM_LIGHT_TILES)];
  }
  light->spread[number] = light->level[number] = 0;
  if (n == 0 || n < count - count / 4) return;
  float level = quantile(room, n, 0.5);
  for (size_t i = 0; i < n; i++) room[i] = fabsf(room[i] - level);
  float s = 1.4826f * quantile(room, n, 0.5), more = PRIOR * usual_spread * usual_spread;
  s = sqrtf(((float)n * s * s + more) / (float)(n + PRIOR));
  light->level[number] = level;
  light->spread[number] = fmaxf(s, least_spread);
}

enum fm_status fm_light_learn(struct fm_context *ctx, const float *levels, size_t count,
                              struct fm_light *light) {
  float *shift = fm_alloc(ctx, count, 3 * sizeof *shift), *room = fm_alloc(ctx, count, sizeof *room);
  enum fm_light_mode mode = light->mode;
  enum fm_status status = shift && room ? FM_OK : FM_MEMORY;
  for (int round = 0; round < ROUNDS && status == FM_OK; round++) {
    for (int k = 0; k < FM_LIGHT_NUMBERS; k++) learn_number(levels, shift, count, k, room, light);
    light->mode = FM_LIGHT_COLOUR; /* each channel for itself, whatever will be asked of pictures */
    for (size_t i = 0; i < count; i++) {
      float gain[3];
      if (!fm_light_find(light, levels + i * FM_LIGHT_NUMBERS, gain)) continue;
      for (size_t c = 0; c < 3; c++) shift[3 * i + c] = -logf(gain[c]);
    }
  }
  light->mode = mode;
  fm_free(ctx, shift);
  fm_free(ctx, room);
  return status;
}

/* ---- whether it pays ---- */

/* Copies under other light: what each channel is multiplied with, and whether the left third is stained. */
static const struct copy {
  float light[3];
  bool stained;
} copies[] = {{{0.8f, 0.8f, 0.8f}, false},   {{0.9f, 0.9f, 0.9f}, false}, {{1.1f, 1.1f, 1.1f}, false},
              {{0.85f, 0.85f, 0.85f}, true}, {{1.1f, 1.1f, 1.1f}, true},  {{0.95f, 0.9f, 0.85f}, false},
              {{0.9f, 0.95f, 1.0f}, true}};
enum { COPIES = sizeof copies / sizeof *copies };

/* One gain for all cannot undo a tint: for it copies are relit by their mean. */
static void light_of(const struct copy *copy, enum fm_light_mode mode, float out[3]) {
  float mean = (copy->light[0] + copy->light[1] + copy->light[2]) / 3;
  for (int c = 0; c < 3; c++) out[c] = mode == FM_LIGHT_GAIN ? mean : copy->light[c];
}

static void make_copy(const unsigned char *rgb, int side, const float light[3], bool stained,
                      unsigned char *out) {
  size_t pixels = (size_t)side * (size_t)side;
  memcpy(out, rgb, 3 * pixels);
  fm_light_apply(light, out, pixels);
  for (size_t i = 0; i < pixels && stained; i++)
    if (3 * (i % (size_t)side) < (size_t)side)
      for (size_t c = 0; c < 3; c++) out[3 * i + c] = (unsigned char)(out[3 * i + c] / 2);
}

/* How far the gains of a picture's copies are from those that undo what was done to them. */
static size_t try_copies(const struct fm_light *light, const unsigned char *rgb, int side,
                         const float before[3], unsigned char *room, float *error) {
  for (size_t k = 0; k < COPIES; k++) {
    float level[FM_LIGHT_NUMBERS], relit[3], gain[3];
    light_of(&copies[k], light->mode, relit);
    make_copy(rgb, side, relit, copies[k].stained, room);
    fm_light_measure(room, side, level);
    bool found = fm_light_find(light, level, gain);
    error[k] = found ? 0 : INFINITY;
    for (int c = 0; c < 3 && found; c++)
      error[k] = fmaxf(error[k], fabsf(logf(gain[c] * relit[c] / before[c])));
  }
  return COPIES;
}

static float try_mode(const struct fm_light *light, const unsigned char *pictures, size_t count, int side,
                      unsigned char *room, float *error, float *tint) {
  size_t errors = 0, pixels = (size_t)side * (size_t)side;
  for (size_t i = 0; i < count; i++) {
    const unsigned char *rgb = pictures + i * pixels * 3;
    float level[FM_LIGHT_NUMBERS], gain[3];
    fm_light_measure(rgb, side, level);
    bool found = fm_light_find(light, level, gain);
    tint[i] =
        found ? logf(fmaxf(fmaxf(gain[0], gain[1]), gain[2]) / fminf(fminf(gain[0], gain[1]), gain[2])) : 0;
    if (found)
      errors += try_copies(light, rgb, side, gain, room, error + errors);
    else
      error[errors++] = INFINITY;
  }
  return quantile(error, errors, 0.9);
}

/* Light is worth undoing where it is found within 2 %; colour only where good pictures differ in it by more
 * than that, because what is undone can no longer be seen as a flaw. */
enum fm_status fm_light_try(struct fm_context *ctx, const struct fm_light *light,
                            const unsigned char *pictures, size_t count, int side,
                            struct fm_light_trial *trial) {
  static const float precise = 0.02f;
  unsigned char *room = fm_alloc(ctx, (size_t)side * (size_t)side, 3);
  float *error = fm_alloc(ctx, count, COPIES * sizeof *error), *tint = fm_alloc(ctx, count, sizeof *tint);
  enum fm_status status = room && error && tint ? FM_OK : FM_MEMORY;
  *trial = (struct fm_light_trial){.best = FM_LIGHT_OFF};
  for (int mode = FM_LIGHT_GAIN; mode < FM_LIGHT_MODES && status == FM_OK; mode++) {
    struct fm_light as = *light;
    as.mode = (enum fm_light_mode)mode;
    trial->error[mode] = try_mode(&as, pictures, count, side, room, error, tint);
  }
  if (status == FM_OK) {
    trial->tint = quantile(tint, count, 0.8);
    if (trial->error[FM_LIGHT_GAIN] <= precise) trial->best = FM_LIGHT_GAIN;
    if (trial->error[FM_LIGHT_COLOUR] <= precise && trial->tint > precise) trial->best = FM_LIGHT_COLOUR;
  }
  fm_free(ctx, room);
  fm_free(ctx, error);
  fm_free(ctx, tint);
  return status;
}
