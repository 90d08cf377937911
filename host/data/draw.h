/* Small tools of the pictures that `flawmap synth` draws: noise, shapes, mixing. Colours are linear enough: 0
 * to 1 a channel. Lengths are in units of 1/256 of a picture's width, whatever its size in pixels. */
#ifndef FM_DATA_DRAW_H
#define FM_DATA_DRAW_H

#include "base/rng.h"
#include "base/status.h"
#include "data/make.h"

#include <math.h>

#define FM_PI 3.14159265358979f

struct fm_rgb {
  float r, g, b;
};

static inline float fm_clamp(float v, float low, float high) {
  return v < low ? low : v > high ? high : v;
}

/* 0 below low, 1 above high, a smooth step between. */
static inline float fm_step(float low, float high, float v) {
  float t = fm_clamp((v - low) / (high - low), 0, 1);
  return t * t * (3 - 2 * t);
}

static inline struct fm_rgb fm_mix(struct fm_rgb a, struct fm_rgb b, float t) {
  return (struct fm_rgb){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

static inline struct fm_rgb fm_scale(struct fm_rgb a, float t) {
  return (struct fm_rgb){a.r * t, a.g * t, a.b * t};
}

/* A number in [0, 1) for a lattice point. */
float fm_lattice(int x, int y, uint32_t seed);

/* Smooth noise with cells of side 1, in [-1, 1]; and the sum of octaves, each of half the size and weight. */
float fm_noise(float x, float y, uint32_t seed);
float fm_fractal(float x, float y, int octaves, uint32_t seed);

/* A number in [low, high). */
static inline float fm_between(struct fm_rng *rng, float low, float high) {
  return low + (high - low) * fm_rng_uniform(rng);
}

/* A smooth curve of `n` points through the picture: distance to it, the place of the nearest point along it
 * (0 to 1) and on which side (-1, 1). */
enum { FM_CURVE_POINTS = 24 };
struct fm_curve {
  float x[FM_CURVE_POINTS], y[FM_CURVE_POINTS];
};
void fm_curve_draw(struct fm_curve *curve, struct fm_rng *rng, float x, float y, float angle, float length,
                   float bend);
float fm_curve_distance(const struct fm_curve *curve, float x, float y, float *along, float *side);

/* A blob with an uneven rim: its distance function, negative inside. */
struct fm_blob {
  float x, y, radius, uneven;
  uint32_t seed;
};
float fm_blob_distance(const struct fm_blob *blob, float x, float y);

/* Signed distance from a line of print (some capital letters and digits) whose first letter begins at 0,
 * base line at y = 0, y upwards; letters are 1 high, strokes have no width. Letters below `from` or not below
 * `to` are left out. */
float fm_print_distance(const char *text, float x, float y, int from, int to);
float fm_print_width(const char *text);

/* Signed distance from a rectangle of these half lengths about 0 with rounded corners. */
static inline float fm_box_distance(float x, float y, float half_x, float half_y, float round) {
  float dx = fabsf(x) - half_x + round, dy = fabsf(y) - half_y + round;
  return hypotf(fmaxf(dx, 0), fmaxf(dy, 0)) + fminf(fmaxf(dx, dy), 0) - round;
}

/* A product: how to choose what differs between its pictures, and the colour at a place. */
enum { FM_SCENE_BYTES = 2048 };
struct fm_product {
  const char *name;
  const char *const *kinds; /* of flaws, NULL after the last */
  /* From two streams: what varies between good pictures, and what the flaw of a kind (its place in kinds) is.
   */
  void (*prepare)(void *scene, struct fm_rng *good, struct fm_rng *flaw, int kind,
                  const struct fm_make_options *o);
  struct fm_rgb (*shade)(const void *scene, float x, float y, bool flawed);
  int tall;      /* how many times as tall as wide its pictures are; 0: square */
  float noise;   /* of the camera, in levels of 255; 0: 1.4 */
  float visible; /* a flaw counts where it changes a channel by more than these levels; 0: 9 */
};

extern const struct fm_product fm_product_gear, fm_product_weave, fm_product_lever, fm_product_plate,
    fm_product_seal, fm_product_slab;

#endif
