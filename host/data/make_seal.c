/* The seal: a ring of black rubber on a dark ground, at any angle, in almost no light: ground and ring lie
 * ten levels of 255 apart, most places do not vary from picture to picture by more than a quiet camera's
 * noise, and the flaws are faint. */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"bubble", "cut", "faint_stain", "fibre", "flash", NULL};
enum kind { BUBBLE, CUT, FAINT_STAIN, FIBRE, FLASH };

static const float inner = 56, outer = 104;
enum { RIBS = 72 };

struct scene {
  float x, y, angle, light;
  uint32_t seed;
  int kind;
  float at_x, at_y, at_angle, radius, amount, width;
  struct fm_blob blob;
  struct fm_curve curve;
};

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  (void)o;
  *s = (struct scene){.kind = kind,
                      .x = 128 + fm_between(good, -1.5f, 1.5f),
                      .y = 128 + fm_between(good, -1.5f, 1.5f),
                      .angle = fm_between(good, 0, 2 * FM_PI),
                      .light = fm_between(good, 0.97f, 1.03f),
                      .seed = (uint32_t)fm_rng_next(good)};
  s->at_angle = fm_between(flaw, -FM_PI, FM_PI);
  float r = kind == FIBRE ? fm_between(flaw, 20, 115) : fm_between(flaw, inner + 10, outer - 10);
  s->at_x = r * cosf(s->at_angle), s->at_y = r * sinf(s->at_angle);
  s->radius = kind == FAINT_STAIN ? fm_between(flaw, 6, 14) : fm_between(flaw, 3.5f, 7);
  s->amount = fm_between(flaw, 0, 1);
  s->width = fm_between(flaw, 0.5f, 1);
  fm_curve_draw(&s->curve, flaw, s->at_x, s->at_y, fm_between(flaw, 0, 2 * FM_PI), fm_between(flaw, 14, 40),
                kind == FIBRE ? 0.8f : 0.15f);
  s->blob = (struct fm_blob){s->at_x, s->at_y, s->radius, 0.8f, (uint32_t)fm_rng_next(flaw)};
}

/* The ring's outer rim at an angle; a flap of rubber that was not trimmed reaches beyond it. */
static float rim(const struct scene *s, float theta, bool flawed) {
  if (!flawed || s->kind != FLASH) return outer;
  float off = theta - s->at_angle;
  off -= 2 * FM_PI * roundf(off / (2 * FM_PI));
  float half = 0.06f + 0.012f * s->radius;
  float frayed = 1 + 0.5f * fm_fractal(theta * 25, 1, 3, s->blob.seed);
  return outer + (3 + 5 * s->amount) * frayed * fm_step(half, 0.3f * half, fabsf(off));
}

static float rubber(const struct scene *s, float r, float theta, float x, float y) {
  float across = (r - (inner + outer) / 2) / ((outer - inner) / 2);
  float round = sqrtf(fmaxf(0, 1 - 0.9f * across * across));
  float rib =
      fabsf(across) < 0.55f ? cosf((theta - s->angle) * RIBS) * fm_step(0.55f, 0.45f, fabsf(across)) : 0;
  float bead = fm_step(0.05f, 0.02f, fabsf(fabsf(across) - 0.66f)); /* a moulded line on either side */
  float lit = 0.5f - 0.35f * across * sinf(theta + 0.9f);
  return 0.050f + 0.040f * round * lit + 0.007f * rib + 0.010f * bead +
         0.002f * fm_noise(x / 3, y / 3, s->seed);
}

/* What the flaw adds to the brightness. */
static float added(const struct scene *s, float x, float y, float r) {
  float along, side, a = s->amount;
  bool on_ring = r > inner && r < outer;
  switch (s->kind) {
  case BUBBLE: {
    float dx = (x - s->at_x) / s->radius, dy = (y - s->at_y) / s->radius, q = hypotf(dx, dy);
    return (0.035f + 0.06f * a) * -(0.5f * dx + 0.86f * dy) * fm_step(1, 0.6f, q);
  }
  case CUT: {
    float d = fm_curve_distance(&s->curve, x, y, &along, &side);
    float ends = fm_step(0, 0.2f, along) * fm_step(1, 0.8f, along);
    return on_ring ? (0.06f + 0.10f * a) * ends * fm_step(s->width + 0.6f, s->width - 0.2f, d) : 0;
  }
  case FAINT_STAIN: {
    float chalk = 1 + 0.4f * fm_fractal(x / 3, y / 3, 2, s->blob.seed + 5);
    return (0.026f + 0.05f * a) * chalk * fm_step(2, -3, fm_blob_distance(&s->blob, x, y));
  }
  case FIBRE:
    return (0.07f + 0.2f * a) *
           fm_step(s->width + 0.3f, s->width - 0.4f, fm_curve_distance(&s->curve, x, y, &along, &side));
  default:
    return 0;
  }
}

static struct fm_rgb shade(const void *room, float px, float py, bool flawed) {
  const struct scene *s = room;
  float x = px - s->x, y = py - s->y, r = hypotf(x, y), theta = atan2f(y, x);
  float d = fmaxf(r - rim(s, theta, flawed), inner - r);
  float ground = 0.030f * (1 - 0.3f * fm_step(8, 0, d)) + 0.0015f * fm_noise(px / 30, py / 30, 5);
  float v = ground;
  if (d < 0.5f) { /* beyond the true rim only the flap's thin rubber */
    float flap = fm_step(outer - 0.5f, outer + 0.5f, r);
    float ring = rubber(s, fminf(r, outer), theta, x, y) + 0.03f * flap;
    v += (ring - ground) * fm_step(0.5f, -0.5f, d);
  }
  if (flawed) v += added(s, x, y, r);
  v *= s->light;
  return (struct fm_rgb){v, v, v * 1.06f};
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_seal = {
    .name = "seal", .kinds = kinds, .prepare = prepare, .shade = shade, .noise = 0.7f, .visible = 5};
