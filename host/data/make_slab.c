/* The slab: ground stone with veins and pores, in pictures twice as tall as wide, each a different piece of
 * it in light that is uneven and never the same. Its cracks are thin and its stains faint. */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"chip", "crack", "faint_stain", "rust", "scuff", NULL};
enum kind { CHIP, CRACK, FAINT_STAIN, RUST, SCUFF };

struct scene {
  float light, light_x, light_y, lamp_x, lamp_y, lamp, lamp_size;
  float tone, coarse;
  uint32_t seed;
  int kind;
  float amount, width;
  struct fm_blob blob;
  struct fm_curve curve, branch;
};

static void prepare_flaw(struct scene *s, struct fm_rng *flaw) {
  static const float least[] = {6, 1, 14, 3, 1}, most[] = {13, 2, 34, 7, 2};
  float x = fm_between(flaw, 30, 226), y = fm_between(flaw, 40, 472), angle = fm_between(flaw, 0, 2 * FM_PI);
  int kind = s->kind < 0 ? CHIP : s->kind;
  s->amount = fm_between(flaw, 0, 1);
  s->width = fm_between(flaw, 0.35f, 1);
  s->blob =
      (struct fm_blob){x, y, fm_between(flaw, least[kind], most[kind]), 0.9f, (uint32_t)fm_rng_next(flaw)};
  fm_curve_draw(&s->curve, flaw, x, y, angle, fm_between(flaw, 50, 200), 0.5f);
  int at = (int)fm_rng_integer(flaw, 6, 18);
  float turn = fm_rng_uniform(flaw) < 0.5f ? 0.8f : -0.8f, length = fm_between(flaw, 15, 50);
  fm_curve_draw(&s->branch, flaw, 0, 0, angle + turn, length, 0.4f);
  float dx = s->curve.x[at] - s->branch.x[0], dy = s->curve.y[at] - s->branch.y[0];
  for (int i = 0; i < FM_CURVE_POINTS; i++) s->branch.x[i] += dx, s->branch.y[i] += dy;
}

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  (void)o;
  *s = (struct scene){.kind = kind,
                      .light = fm_between(good, 0.86f, 1.06f),
                      .light_x = fm_between(good, -0.12f, 0.12f),
                      .light_y = fm_between(good, -0.16f, 0.16f),
                      .lamp_x = fm_between(good, 0, 256),
                      .lamp_y = fm_between(good, 0, 512),
                      .lamp = fm_between(good, -0.14f, 0.18f),
                      .lamp_size = fm_between(good, 90, 200),
                      .tone = fm_between(good, -0.015f, 0.015f),
                      .coarse = fm_between(good, 0.9f, 1.15f),
                      .seed = (uint32_t)fm_rng_next(good)};
  prepare_flaw(s, flaw);
}

/* Round holes, at most one in a cell of side 1: how much of one is here. */
static float pores(float x, float y, uint32_t seed) {
  int i = (int)floorf(x), j = (int)floorf(y);
  if (fm_lattice(i, j, seed) > 0.3f) return 0;
  float radius = 0.07f + 0.20f * fm_lattice(i, j, seed + 1) * fm_lattice(i, j, seed + 2);
  float free = 1 - 2 * radius;
  float dx = x - (float)i - radius - free * fm_lattice(i, j, seed + 3);
  float dy = y - (float)j - radius - free * fm_lattice(i, j, seed + 4);
  return fm_step(radius, 0.5f * radius, sqrtf(dx * dx + 1.3f * dy * dy));
}

static float stone(const struct scene *s, float x, float y) {
  float u = 0.82f * x - 0.57f * y, v = 0.57f * x + 0.82f * y; /* no grain along the picture's rows */
  float cloud = 0.09f * fm_fractal(x / 60, y / 60, 3, s->seed);
  float fine = 2.6f * s->coarse;
  float grain = 0.20f * fm_noise(u / fine, v / fine, s->seed + 10) + 0.12f * fm_noise(x, y, s->seed + 11);
  float pore =
      fmaxf(pores(u / 9, v / 9, s->seed + 20), pores(v / 6.3f + 0.4f * x / 9, u / 6.3f, s->seed + 40));
  float bend = fm_fractal(x / 35, y / 35, 3, s->seed + 30);
  float vein = 0.05f * fm_step(0.05f, 0, fabsf(bend));
  return (1 + cloud + 0.5f * grain + vein) * (1 - 0.35f * pore);
}

/* Distance to a crack, which is more ragged than its curve. */
static float crack_distance(const struct scene *s, float x, float y, float *open) {
  float jx = x + 1.6f * fm_noise(x / 5, y / 5, s->blob.seed),
        jy = y + 1.6f * fm_noise(x / 5, y / 5, s->blob.seed + 1);
  float along, side, a = fm_curve_distance(&s->curve, jx, jy, &along, &side);
  *open = fm_step(0, 0.2f, along) * fm_step(1, 0.8f, along);
  float b = fm_curve_distance(&s->branch, jx, jy, &along, &side);
  if (b >= a) return a;
  *open = 0.7f * fm_step(1, 0.4f, along);
  return b;
}

static struct fm_rgb with_flaw(const struct scene *s, struct fm_rgb c, float x, float y) {
  float d = fm_blob_distance(&s->blob, x, y), a = s->amount, open;
  switch (s->kind) {
  case CHIP: { /* a lit and a shadowed flank */
    float side = ((x - s->blob.x) + (y - s->blob.y)) / s->blob.radius;
    float rough = 1 + 0.25f * fm_fractal(x / 3, y / 3, 2, s->blob.seed + 3);
    return fm_scale(c, 1 + fm_step(0.5f, -1.5f, d) * ((0.10f + 0.3f * a) * side * rough - 0.12f - 0.18f * a));
  }
  case CRACK: {
    float off = crack_distance(s, x, y, &open);
    return fm_scale(c, 1 - (0.22f + 0.5f * a) * open * fm_step(s->width + 0.6f, s->width - 0.3f, off));
  }
  case FAINT_STAIN:
    return fm_scale(c, 1 - (0.075f + 0.12f * a) * fm_step(3, -5, d));
  case RUST: {
    float t = (0.3f + 0.5f * a) * fm_step(2, -3, d);
    return fm_mix(c, (struct fm_rgb){.46f, .27f, .13f}, t);
  }
  default: { /* scuffed: a few fine light lines side by side */
    float along, side, off = fm_curve_distance(&s->curve, x, y, &along, &side);
    float line = fabsf(off * side / 4.5f - roundf(off * side / 4.5f)) * 4.5f;
    float held = off < 7 ? fm_step(0, 0.3f, along) * fm_step(1, 0.7f, along) : 0;
    return fm_scale(c, 1 + (0.12f + 0.3f * a) * held * fm_step(s->width + 0.5f, s->width - 0.3f, line));
  }
  }
}

static struct fm_rgb shade(const void *room, float x, float y, bool flawed) {
  const struct scene *s = room;
  float base = 0.50f * stone(s, x, y);
  struct fm_rgb c = {base * (1.02f + s->tone), base, base * (0.95f - s->tone)};
  if (flawed) c = with_flaw(s, c, x, y);
  float far = hypotf(x - s->lamp_x, y - s->lamp_y) / s->lamp_size;
  float light =
      s->light + s->light_x * (x - 128) / 128 + s->light_y * (y - 256) / 256 + s->lamp * expf(-far * far);
  return fm_scale(c, light);
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_slab = {
    .name = "slab", .kinds = kinds, .prepare = prepare, .shade = shade, .tall = 2};
