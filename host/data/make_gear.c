/* The toothed wheel: steel teeth and rim with print, a painted web with holes, a brass hub, on a dark table.
 * It lies within two units of the same place, at nearly the same angle (with `rotate` at any). */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"broken_tooth", "contamination", "dent", "discoloured",
                                    "misprint",     "scratch",       NULL};
enum kind { BROKEN_TOOTH, CONTAMINATION, DENT, DISCOLOURED, MISPRINT, SCRATCH };

/* Radii. */
static const float bore = 13, hub = 29, web = 62, rim = 86, tip = 102, hole_at = 45.5f, hole = 8.5f;
enum { TEETH = 22, HOLES = 6 };
static const char print_text[] = "FLAWMAP 20-T2";
static const float print_at = 70, print_size = 8.5f;

enum misprint { MISSING_LETTERS, DOUBLE_PRINT, MOVED_PRINT, SMEARED_PRINT, MISPRINTS };

struct scene {
  float x, y, angle, turn_cos, turn_sin; /* where it lies */
  float light_angle, light, gloss;
  uint32_t seed;
  int kind, misprint, from, to, tooth, blobs;
  struct fm_blob blob[3];
  struct fm_curve curve;
  struct fm_rgb colour;
  float at_x, at_y; /* of the flaw, in the wheel's own coordinates */
  float cut, amount, tilt, radius;
};

static void prepare_flaw(struct scene *s, struct fm_rng *flaw) {
  static const struct fm_rgb dirt[] = {
      {.20f, .12f, .06f}, {.42f, .20f, .08f}, {.05f, .05f, .05f}, {.55f, .50f, .38f}};
  float angle = fm_between(flaw, 0, 2 * FM_PI);
  float r = s->kind == DENT ? fm_between(flaw, 34, 80) : fm_between(flaw, 24, 90);
  if (s->kind == DISCOLOURED) r = fm_between(flaw, 74, 92);
  s->at_x = r * cosf(angle), s->at_y = r * sinf(angle);
  s->blobs = (int)fm_rng_integer(flaw, 1, 4);
  for (int i = 0; i < 3; i++)
    s->blob[i] = (struct fm_blob){
        s->at_x + (i ? fm_between(flaw, -20, 20) : 0), s->at_y + (i ? fm_between(flaw, -20, 20) : 0),
        i ? fm_between(flaw, 2, 5) : fm_between(flaw, 5, 11), 0.9f, (uint32_t)fm_rng_next(flaw)};
  s->colour = dirt[fm_rng_integer(flaw, 0, 4)];
  fm_curve_draw(&s->curve, flaw, s->at_x * 0.75f, s->at_y * 0.75f, fm_between(flaw, 0, 2 * FM_PI),
                fm_between(flaw, 30, 75), 0.12f);
  s->tooth = (int)fm_rng_integer(flaw, 0, TEETH);
  s->cut = fm_between(flaw, rim - 1, rim + 8);
  s->amount = fm_between(flaw, 0.6f, 1);
  s->tilt = fm_between(flaw, -0.5f, 0.5f);
  s->radius = s->kind == DENT ? fm_between(flaw, 6, 11) : fm_between(flaw, 15, 30);
  s->misprint = (int)fm_rng_integer(flaw, 0, MISPRINTS);
  s->from = (int)fm_rng_integer(flaw, 0, 9);
  s->to = s->from + (int)fm_rng_integer(flaw, 2, 5);
}

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  *s = (struct scene){.kind = kind,
                      .x = 128 + fm_between(good, -1.6f, 1.6f),
                      .y = 128 + fm_between(good, -1.6f, 1.6f),
                      .angle = fm_between(good, -0.008f, 0.008f),
                      .light_angle = -2.3f + fm_between(good, -0.06f, 0.06f),
                      .light = fm_between(good, 0.96f, 1.04f),
                      .gloss = fm_between(good, 0.90f, 1.10f),
                      .seed = (uint32_t)fm_rng_next(good)};
  float any = fm_between(good, 0, 2 * FM_PI);
  if (o->rotate) s->angle = any;
  s->turn_cos = cosf(s->angle), s->turn_sin = sinf(s->angle);
  prepare_flaw(s, flaw);
}

/* The wheel's outline at an angle: rounded trapezoids. */
static float outline(const struct scene *s, float theta, bool flawed) {
  float turn = theta / (2 * FM_PI) * TEETH, index = floorf(turn), f = turn - index - 0.5f;
  float tooth = fm_step(0.36f, 0.17f, fabsf(f));
  float r = rim + (tip - rim) * tooth;
  if (!flawed || s->kind != BROKEN_TOOTH || (int)index != s->tooth - TEETH / 2) return r;
  float broken = s->cut + 9 * s->tilt * f + 1.6f * fm_fractal(theta * 60, 3, 3, s->blob[0].seed);
  return fminf(r, broken);
}

/* Signed distance from the wheel as seen from above, negative on it: outline, bore with keyway, and holes. */
static float body(const struct scene *s, float x, float y, bool flawed) {
  float r = hypotf(x, y), theta = atan2f(y, x);
  if (r > tip + 12) return r - tip;
  float d = r - outline(s, theta, flawed);
  if (r > rim - 4) { /* the outline's slope turns a radial distance into a true one */
    float e = 0.004f, slope = (outline(s, theta + e, flawed) - outline(s, theta - e, flawed)) / (2 * e * r);
    return d / sqrtf(1 + slope * slope);
  }
  d = fmaxf(d, bore - r);
  float key = fmaxf(fabsf(x) - 3, fmaxf(-y, y - bore - 4.5f));
  d = fmaxf(d, -key);
  float sector = 2 * FM_PI / HOLES, near = roundf(theta / sector) * sector;
  float hx = x - hole_at * cosf(near), hy = y - hole_at * sinf(near);
  return fmaxf(d, hole - sqrtf(hx * hx + hy * hy));
}

/* The letters run clockwise along the rim's top, upright. */
static float print(const struct scene *s, float r, float theta, float shift, float lift, int from, int to) {
  float arc = theta + FM_PI / 2 - shift;
  arc -= 2 * FM_PI * roundf(arc / (2 * FM_PI));
  float x = arc * print_at / print_size + fm_print_width(print_text) / 2;
  float d = fm_print_distance(print_text, x, (r - print_at - lift) / print_size, from, to) * print_size;
  return fm_step(1.05f, 0.45f, d);
}

static float printed(const struct scene *s, float r, float theta, bool flawed) {
  const int all = 99;
  if (!flawed || s->kind != MISPRINT) return print(s, r, theta, 0, 0, 0, all);
  switch (s->misprint) {
  case MISSING_LETTERS:
    return fmaxf(print(s, r, theta, 0, 0, 0, s->from), print(s, r, theta, 0, 0, s->to, all));
  case DOUBLE_PRINT:
    return fmaxf(print(s, r, theta, 0, 0, 0, all),
                 0.6f * print(s, r, theta, 0.05f, 2.5f * s->tilt + 1.5f, 0, all));
  case MOVED_PRINT:
    return print(s, r, theta, 0.30f * (s->tilt > 0 ? 1.f : -1.f), 3.5f, 0, all);
  default:
    break;
  }
  float ink = print(s, r, theta, 0, 0, 0, all); /* smeared along the rim from some letters on */
  for (int i = 1; i <= 14; i++)
    ink = fmaxf(ink, (1 - (float)i / 15) * 0.8f * print(s, r, theta, 0.012f * (float)i, 0, s->from, s->to));
  return ink;
}

/* Light from a direction on a ridge at distance d: a bright and a dark flank, `up` in the direction of (nx,
 * ny). */
static float flank(const struct scene *s, float d, float width, float nx, float ny) {
  float facing = nx * cosf(s->light_angle) + ny * sinf(s->light_angle);
  return facing * fm_clamp(1 - fabsf(d) / width, 0, 1);
}

/* Turned metal shines in two opposite sectors, which stay with the light when the wheel turns. */
static float turned(const struct scene *s, float phi, float r, float grooves) {
  float c = cosf(phi - s->light_angle - 0.5f);
  float shine = powf(fabsf(c), 10) + 0.5f * powf(fabsf(cosf(phi - s->light_angle + 0.75f)), 16);
  return 0.55f + 0.34f * s->gloss * shine + grooves * fm_noise(r * 1.4f, phi * 1.5f, 77) +
         0.5f * grooves * fm_noise(r * 3.7f, phi * 3, 78);
}

static struct fm_rgb material(const struct scene *s, float x, float y, float r, float theta, float phi,
                              bool flawed) {
  static const struct fm_rgb steel = {.93f, .95f, .98f}, brass = {1.05f, .83f, .46f},
                             paint = {.11f, .33f, .47f}, ink = {.06f, .07f, .09f};
  if (r < hub) return fm_scale(brass, turned(s, phi, r, 0.05f));
  if (r < web) {
    float grain = 1 + 0.05f * fm_noise(x * 1.1f, y * 1.1f, 5) + 0.04f * fm_noise(x * 0.3f, y * 0.3f, 6);
    float sheen = 0.10f * fm_clamp(1 - hypotf(x + 22, y + 24) / 60, 0, 1);
    struct fm_rgb c = fm_scale(paint, grain * 1.0f);
    return (struct fm_rgb){c.r + sheen, c.g + sheen, c.b + sheen};
  }
  struct fm_rgb c = fm_scale(steel, turned(s, phi, r, r < rim - 1 ? 0.035f : 0.02f));
  if (r > rim) return fm_scale(c, 0.93f);
  return fm_mix(c, ink, 0.92f * printed(s, r, theta, flawed));
}

/* Steps between the parts, and the wheel's own edges, catch or lose light. */
static float relief(const struct scene *s, float r, float phi, float d, float edge_x, float edge_y) {
  float nx = cosf(phi), ny = sinf(phi), sum = 0;
  sum += 0.30f * flank(s, r - hub, 1.6f, nx, ny);
  sum -= 0.34f * flank(s, r - web, 2.0f, nx, ny); /* the rim stands above the web */
  sum += 0.22f * flank(s, r - (rim - 1), 1.2f, nx, ny);
  sum += 0.42f * flank(s, d + 0.4f, 2.4f, edge_x, edge_y);
  return sum;
}

/* What lies on the wheel's surface or is wrong with it; x, y in the wheel's coordinates. */
static struct fm_rgb surface_flaw(const struct scene *s, struct fm_rgb c, float x, float y, float r) {
  if (s->kind == CONTAMINATION) {
    for (int i = 0; i < s->blobs; i++) {
      float d = fm_blob_distance(&s->blob[i], x, y);
      float grain = 0.85f + 0.3f * fm_noise(x * 0.9f, y * 0.9f, s->blob[i].seed);
      c = fm_mix(c, fm_scale(s->colour, grain), 0.93f * fm_step(0.6f, -0.9f, d));
      if (d < 0)
        c = fm_scale(c, 1 + 0.5f * fm_step(2.2f, 0.6f, hypotf(x - s->blob[i].x + 2, y - s->blob[i].y + 2)));
    }
  } else if (s->kind == SCRATCH) {
    float along, side, d = fm_curve_distance(&s->curve, x, y, &along, &side);
    float width = 0.9f * s->amount * fm_clamp(8 * along * (1 - along), 0.25f, 1);
    width *= 1 + 0.3f * fm_noise(along * 30, 1, s->blob[0].seed);
    struct fm_rgb bright = {.97f, .97f, .95f};
    if (side > 0) c = fm_scale(c, 1 - 0.55f * fm_step(width + 0.9f, width, d));
    c = fm_mix(c, bright, 0.92f * fm_step(width + 0.25f, width - 0.25f, d));
  } else if (s->kind == DENT) {
    float dx = x - s->at_x, dy = y - s->at_y, q = hypotf(dx, dy * 1.15f) / s->radius;
    if (q < 1) {
      float wx = s->turn_cos * dx - s->turn_sin * dy, wy = s->turn_sin * dx + s->turn_cos * dy;
      float slope = (wx * cosf(s->light_angle) + wy * sinf(s->light_angle)) / s->radius;
      float steep = 3.2f * (1 - q * q);
      c = fm_scale(c, fm_clamp(1 - 0.16f * (1 - q * q) - 0.42f * steep * slope, 0.25f, 1.9f));
    }
  } else if (s->kind == DISCOLOURED && r > hub) {
    float q = hypotf(x - s->at_x, y - s->at_y) / s->radius + 0.25f * fm_noise(x / 9, y / 9, s->blob[0].seed);
    float heat = fm_step(1.05f, 0.75f, q) * (0.55f + 0.35f * s->amount);
    struct fm_rgb straw = {1.0f, .78f, .42f}, blue = {.50f, .52f, .86f},
                  tint = fm_mix(blue, straw, fm_step(.35f, .8f, q));
    c = fm_mix(c, (struct fm_rgb){c.r * tint.r, c.g * tint.g, c.b * tint.b}, heat);
  }
  return c;
}

static struct fm_rgb table(const struct scene *s, float x, float y, float to_shadow) {
  float grain =
      1 + 0.10f * fm_noise(x * 0.8f, y * 0.8f, s->seed) + 0.08f * fm_noise(x * 0.23f, y * 0.23f, s->seed + 1);
  float shadow = 1 - 0.62f * fm_step(7, -3, to_shadow);
  return fm_scale((struct fm_rgb){.205f, .225f, .245f}, grain * shadow);
}

/* The direction out of the wheel at a point near its edge, seen from above, as the picture has it. */
static void edge_normal(const struct scene *s, float x, float y, float d, bool flawed, float *ex, float *ey) {
  const float e = 0.3f;
  float gx = body(s, x + e, y, flawed) - d, gy = body(s, x, y + e, flawed) - d, n = hypotf(gx, gy) + 1e-6f;
  *ex = (s->turn_cos * gx - s->turn_sin * gy) / n;
  *ey = (s->turn_sin * gx + s->turn_cos * gy) / n;
}

/* The table's light where the wheel keeps it off: its shape again, moved away from the light. */
static float shadow_distance(const struct scene *s, float wx, float wy, bool flawed) {
  float sx = wx - 4, sy = wy - 5;
  if (hypotf(sx, sy) > tip + 10) return 10;
  return body(s, s->turn_cos * sx + s->turn_sin * sy, -s->turn_sin * sx + s->turn_cos * sy, flawed);
}

static struct fm_rgb shade(const void *room, float px, float py, bool flawed) {
  const struct scene *s = room;
  float wx = px - s->x, wy = py - s->y;
  float x = s->turn_cos * wx + s->turn_sin * wy, y = -s->turn_sin * wx + s->turn_cos * wy;
  float r = hypotf(x, y), theta = atan2f(y, x), phi = atan2f(wy, wx);
  float d = body(s, x, y, flawed);
  struct fm_rgb c;
  if (d > 0) {
    c = table(s, px, py, shadow_distance(s, wx, wy, flawed));
    if (r < web) c = fm_scale(c, 0.75f); /* deep in a hole */
  } else {
    float ex = 0, ey = 0;
    if (d > -3) edge_normal(s, x, y, d, flawed, &ex, &ey); /* farther in, the edge has no influence */
    c = material(s, x, y, r, theta, phi, flawed);
    if (flawed) c = surface_flaw(s, c, x, y, r);
    c = fm_scale(c, 1 + relief(s, r, phi, d, ex, ey));
  }
  float far = hypotf(px - 108, py - 104);
  return fm_scale(c, s->light * (1.06f - 0.0000065f * far * far));
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_gear = {
    .name = "gear", .kinds = kinds, .prepare = prepare, .shade = shade};
