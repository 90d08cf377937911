/* The lever: a flat steel part with a head, a hole, a slot, a hooked end and print, on a light table. It lies
 * anywhere: turned, shifted, a little nearer or farther, in light that changes from picture to picture. */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"bent", "chipped", "faint_stain", "no_hole", "thin_scratch", NULL};
enum kind { BENT, CHIPPED, FAINT_STAIN, NO_HOLE, THIN_SCRATCH };

/* Half lengths and radii, from the lever's middle; it lies along x, the head on the left. */
static const float reach = 66, half_width = 12, head = 25, hole = 9.5f, slot_half = 17, slot_width = 3.6f;
static const char print_text[] = "FLAWMAP";

struct scene {
  float x, y, turn_cos, turn_sin, size; /* where it lies */
  struct fm_rgb light;
  uint32_t seed;
  int kind;
  float at_x, at_y, radius, amount, bend; /* of the flaw, in the lever's own coordinates */
  struct fm_curve curve;
  struct fm_blob blob;
};

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  (void)o;
  float angle = fm_between(good, 0, 2 * FM_PI), light = fm_between(good, 0.78f, 1.08f),
        tint = fm_between(good, -0.01f, 0.01f);
  *s = (struct scene){.kind = kind,
                      .x = 128 + fm_between(good, -12, 12),
                      .y = 128 + fm_between(good, -12, 12),
                      .turn_cos = cosf(angle),
                      .turn_sin = sinf(angle),
                      .size = fm_between(good, 0.97f, 1.03f),
                      .light = {light * (1 + tint), light, light * (1 - tint)},
                      .seed = (uint32_t)fm_rng_next(good)};
  bool left = fm_rng_uniform(flaw) < 0.5f;
  s->at_x = left ? fm_between(flaw, -38, -28) : fm_between(flaw, 22, 58);
  s->at_y = fm_between(flaw, -8, 8);
  s->radius = kind == FAINT_STAIN ? fm_between(flaw, 6, 11) : fm_between(flaw, 5, 9);
  s->amount = fm_between(flaw, 0.12f, 0.2f);
  s->bend = (left ? -1.0f : 1.0f) * fm_between(flaw, 0.0025f, 0.005f);
  fm_curve_draw(&s->curve, flaw, s->at_x, s->at_y / 2, fm_between(flaw, 0, 2 * FM_PI),
                fm_between(flaw, 16, 34), 0.1f);
  s->blob = (struct fm_blob){s->at_x, half_width * (left ? -1.0f : 1.0f), s->radius, 0.7f,
                             (uint32_t)fm_rng_next(flaw)};
}

/* Signed distance from the lever, negative on it. */
static float body(const struct scene *s, float x, float y, bool flawed) {
  if (flawed && s->kind == BENT && x > 0) y -= s->bend * x * x;
  float d = fm_box_distance(x, y, reach, half_width, 5);
  d = fminf(d, hypotf(x + reach - 8, y) - head);
  d = fminf(d, fm_box_distance(x - reach + 6, y + 13, 6, 16, 3)); /* the hook, to one side */
  d = fmaxf(d, -fm_box_distance(x - 4, y, slot_half, slot_width, slot_width));
  if (!flawed || s->kind != NO_HOLE) d = fmaxf(d, hole - hypotf(x + reach - 8, y));
  if (flawed && s->kind == CHIPPED) d = fmaxf(d, -fm_blob_distance(&s->blob, x, y));
  return d;
}

static struct fm_rgb steel(const struct scene *s, float x, float y, float d, bool flawed) {
  float grain =
      1 + 0.06f * fm_noise(x * 0.25f, y * 2.2f, s->seed) + 0.03f * fm_fractal(x / 20, y / 20, 2, s->seed + 3);
  struct fm_rgb c = fm_scale((struct fm_rgb){.43f, .44f, .46f}, grain * (1 - 0.35f * fm_step(-2.6f, 0, d)));
  float size = 9,
        letters = fm_print_distance(print_text, (x - 26) / (size * 0.55f), -(y - 4) / size, 0, 7) * size;
  c = fm_mix(c, (struct fm_rgb){.12f, .12f, .14f}, 0.8f * fm_step(1.2f, 0.5f, letters));
  if (!flawed) return c;
  if (s->kind == FAINT_STAIN) {
    float q = hypotf(x - s->at_x, y - s->at_y) / s->radius + 0.2f * fm_noise(x / 6, y / 6, s->blob.seed);
    c = fm_scale(c, 1 - s->amount * fm_step(1.05f, 0.7f, q));
  } else if (s->kind == THIN_SCRATCH) {
    float along, side, off = fm_curve_distance(&s->curve, x, y, &along, &side);
    c = fm_mix(c, (struct fm_rgb){.85f, .86f, .86f}, 0.8f * fm_step(0.9f, 0.3f, off));
  }
  return c;
}

static struct fm_rgb shade(const void *room, float px, float py, bool flawed) {
  const struct scene *s = room;
  float wx = (px - s->x) / s->size, wy = (py - s->y) / s->size;
  float x = s->turn_cos * wx + s->turn_sin * wy, y = -s->turn_sin * wx + s->turn_cos * wy;
  float d = body(s, x, y, flawed);
  struct fm_rgb c;
  if (d > 0) {
    float shadow = fm_step(7, -1, d);
    float grain = 1 + 0.02f * fm_noise(px * 0.7f, py * 0.7f, s->seed + 1);
    c = fm_scale((struct fm_rgb){.74f, .75f, .74f}, grain * (1 - 0.22f * shadow));
  } else {
    c = steel(s, x, y, d, flawed);
  }
  return (struct fm_rgb){c.r * s->light.r, c.g * s->light.g, c.b * s->light.b};
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_lever = {
    .name = "lever", .kinds = kinds, .prepare = prepare, .shade = shade};
