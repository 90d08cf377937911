/* The plate: a painted cover with four screws, a printed label and an arrow, lying within two units of the
 * same place. It has two normal looks: a red label with a bar and one text, its arrow upwards; or a blue one
 * with a ring and another text, its arrow downwards. Each alone is right, a mixture of both is a flaw. */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"bubble",     "faint_stain", "mixed_label", "no_screw",
                                    "torn_label", "scratch",     NULL};
enum kind { BUBBLE, FAINT_STAIN, MIXED_LABEL, NO_SCREW, TORN_LABEL, SCRATCH };

/* Half widths and heights, places and radii, from the plate's middle. */
static const float plate_x = 112, plate_y = 80, label_x = 58, label_y = 36, label_at = -20;
static const float screw_x = 97, screw_y = 65, screw_radius = 8, arrow_at = 72;
static const char *const texts[] = {"FLAW-02", "MAP-20"}; /* red, blue */

struct scene {
  float x, y, turn_cos, turn_sin, light, light_x, light_y;
  uint32_t seed;
  int kind, look, screw;
  float slot_cos[4], slot_sin[4]; /* how far each screw is turned */
  float at_x, at_y, radius, amount, width;
  struct fm_blob blob;
  struct fm_curve curve;
};

static void prepare_flaw(struct scene *s, struct fm_rng *flaw) {
  bool on_label = s->kind == BUBBLE || fm_rng_uniform(flaw) < 0.4f;
  s->at_x = on_label ? label_at + fm_between(flaw, -48, 48) : fm_between(flaw, -95, 95);
  s->at_y = on_label ? fm_between(flaw, -27, 27) : fm_between(flaw, -65, 65);
  s->screw = (int)fm_rng_integer(flaw, 0, 4);
  s->radius = s->kind == BUBBLE ? fm_between(flaw, 4, 9) : fm_between(flaw, 7, 20);
  s->amount = fm_between(flaw, 0, 1);
  s->width = fm_between(flaw, 0.45f, 1.1f);
  fm_curve_draw(&s->curve, flaw, s->at_x * 0.8f, s->at_y * 0.8f, fm_between(flaw, 0, 2 * FM_PI),
                fm_between(flaw, 18, 70), 0.12f);
  s->blob = (struct fm_blob){s->at_x, s->at_y, s->radius, 0.8f, (uint32_t)fm_rng_next(flaw)};
  if (s->kind == TORN_LABEL) { /* at its rim */
    bool side = fm_rng_uniform(flaw) < 0.5f;
    float sign = fm_rng_uniform(flaw) < 0.5f ? -1.0f : 1.0f;
    s->blob.x = label_at + (side ? sign * label_x : fm_between(flaw, -label_x, label_x));
    s->blob.y = side ? fm_between(flaw, -label_y, label_y) : sign * label_y;
  }
}

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  (void)o;
  float turn = fm_between(good, -0.008f, 0.008f);
  *s = (struct scene){.kind = kind,
                      .look = fm_rng_uniform(good) < 0.5f,
                      .x = 128 + fm_between(good, -1.6f, 1.6f),
                      .y = 128 + fm_between(good, -1.6f, 1.6f),
                      .turn_cos = cosf(turn),
                      .turn_sin = sinf(turn),
                      .light = fm_between(good, 0.95f, 1.05f),
                      .light_x = fm_between(good, -0.05f, 0.05f),
                      .light_y = fm_between(good, -0.05f, 0.05f),
                      .seed = (uint32_t)fm_rng_next(good)};
  for (int i = 0; i < 4; i++) {
    float angle = fm_between(good, 0, FM_PI);
    s->slot_cos[i] = cosf(angle), s->slot_sin[i] = sinf(angle);
  }
  prepare_flaw(s, flaw);
}

/* How much white ink the print of a look has at a place of the label. */
static float print(int look, float x, float y) {
  float size = look ? 13 : 15, wide = size * 0.9f, middle = look ? 14 : 0;
  float left = middle - fm_print_width(texts[look]) * wide / 2;
  float letters = fm_print_distance(texts[look], (x - left) / wide, -(y - 8) / size, 0, 99);
  float ink = fm_step(1.5f, 0.8f, letters * size);
  float mark = look ? fabsf(hypotf(x + 38, y - 2) - 9) - 2.5f : fm_box_distance(x, y - 20, 44, 4, 1);
  return fmaxf(ink, fm_step(0.6f, -0.4f, mark));
}

static struct fm_rgb label(const struct scene *s, float x, float y, bool flawed) {
  static const struct fm_rgb red = {.72f, .15f, .14f}, blue = {.14f, .28f, .58f}, white = {.90f, .90f, .88f};
  int printed = flawed && s->kind == MIXED_LABEL ? 1 - s->look : s->look;
  float paper = 1 + 0.025f * fm_noise(x * 0.9f, y * 0.9f, s->seed + 4);
  return fm_scale(fm_mix(s->look ? blue : red, white, print(printed, x, y)), paper);
}

static float arrow(int look, float x, float y) {
  if (look) y = -y;
  float shaft = fm_box_distance(x, y - 8, 3.5f, 14, 0.5f);
  float tip = fmaxf(0.78f * fabsf(x) - 0.62f * (y + 24), y + 6);
  return fm_step(0.7f, -0.5f, fminf(shaft, tip));
}

static struct fm_rgb screw(const struct scene *s, int i, float x, float y, float r, bool flawed) {
  if (flawed && s->kind == NO_SCREW && s->screw == i)
    return fm_scale((struct fm_rgb){.10f, .10f, .11f}, 0.6f + 0.8f * fm_step(0, screw_radius, r));
  float u = s->slot_cos[i] * x + s->slot_sin[i] * y, v = -s->slot_sin[i] * x + s->slot_cos[i] * y;
  float bright = 0.62f - 0.016f * (x + y) + 0.05f * fm_noise(u * 0.4f, v * 2.5f, s->seed + 7);
  struct fm_rgb c =
      fm_scale((struct fm_rgb){1, 1, 1.03f}, bright * (1 - 0.5f * fm_step(-1.6f, 0, r - screw_radius)));
  return fm_mix(c, (struct fm_rgb){.12f, .12f, .13f},
                fm_step(0.5f, -0.5f, fm_box_distance(u, v, 6.2f, 1.3f, 0.3f)));
}

/* The label with what is wrong with it, over the paint. */
static struct fm_rgb with_label(const struct scene *s, struct fm_rgb c, float x, float y, bool flawed) {
  float lx = x - label_at, d = fm_box_distance(lx, y, label_x, label_y, 4), glue = 0;
  c = fm_scale(c, 1 - 0.12f * fm_step(3, 0, d)); /* its shadow */
  if (flawed && s->kind == TORN_LABEL) {
    float hole = -fm_blob_distance(&s->blob, x, y);
    glue = fm_step(0.4f, -0.4f, d) * fm_step(-0.4f, 0.4f, hole);
    d = fmaxf(d, hole);
  }
  struct fm_rgb l = label(s, lx, y, flawed);
  if (flawed && s->kind == BUBBLE) { /* a bright and a dark flank */
    float dx = x - s->at_x, dy = y - s->at_y, q = hypotf(dx, dy) / s->radius;
    float side = -(dx + 1.2f * dy) / s->radius * fm_step(1, 0.6f, q);
    l = fm_scale(l, 1 + (0.12f + 0.3f * s->amount) * side);
  }
  float worn = 0.9f + 0.05f * fm_noise(x / 3, y / 3, s->seed + 6);
  return fm_mix(fm_mix(c, (struct fm_rgb){.70f, .66f, .56f}, 0.6f * glue * worn), l, fm_step(0.4f, -0.4f, d));
}

static struct fm_rgb with_marks(const struct scene *s, struct fm_rgb c, float x, float y) {
  if (s->kind == SCRATCH) {
    float along, side, off = fm_curve_distance(&s->curve, x, y, &along, &side);
    float depth = (0.2f + 0.6f * s->amount) * fm_step(0, 0.15f, along) * fm_step(1, 0.85f, along);
    c = fm_mix(c, (struct fm_rgb){.40f, .40f, .41f}, depth * fm_step(s->width + 0.4f, s->width - 0.3f, off));
  } else if (s->kind == FAINT_STAIN) {
    float t = (0.08f + 0.17f * s->amount) * fm_step(2, -4, fm_blob_distance(&s->blob, x, y));
    c = (struct fm_rgb){c.r * (1 - 0.6f * t), c.g * (1 - 0.8f * t), c.b * (1 - 1.6f * t)};
  }
  return c;
}

static struct fm_rgb shade(const void *room, float px, float py, bool flawed) {
  const struct scene *s = room;
  float wx = px - s->x, wy = py - s->y;
  float x = s->turn_cos * wx + s->turn_sin * wy, y = -s->turn_sin * wx + s->turn_cos * wy;
  float d = fm_box_distance(x, y, plate_x, plate_y, 12);
  float light = s->light + s->light_x * wx / 128 + s->light_y * wy / 128;
  struct fm_rgb c = {.24f, .25f, .27f};
  if (d > 0) {
    float grain = 1 + 0.05f * fm_noise(px * 0.6f, py * 0.6f, s->seed + 1);
    return fm_scale(c, light * grain * (1 - 0.45f * fm_step(9, -1, d)));
  }
  float peel = 1 + 0.018f * fm_fractal(x / 2.5f, y / 2.5f, 2, s->seed) +
               0.012f * fm_noise(x / 40, y / 40, s->seed + 2);
  c = fm_scale((struct fm_rgb){.74f, .75f, .72f}, peel * (1 - 0.3f * fm_step(-3, 0, d)));
  c = fm_mix(c, (struct fm_rgb){.16f, .17f, .18f}, 0.9f * arrow(s->look, x - arrow_at, y));
  c = with_label(s, c, x, y, flawed);
  int i = (x > 0) + 2 * (y > 0);
  float sx = x - (x > 0 ? screw_x : -screw_x), sy = y - (y > 0 ? screw_y : -screw_y), r = hypotf(sx, sy);
  c = fm_scale(c, 1 - 0.2f * fm_step(screw_radius + 3, screw_radius, r));
  c = fm_mix(c, screw(s, i, sx, sy, r, flawed), fm_step(0.4f, -0.4f, r - screw_radius));
  return fm_scale(flawed ? with_marks(s, c, x, y) : c, light);
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_plate = {
    .name = "plate", .kinds = kinds, .prepare = prepare, .shade = shade};
