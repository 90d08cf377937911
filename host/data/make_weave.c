/* The fabric: a 2/2 twill of dark warp (vertical) and light weft threads, lying a little differently in each
 * picture. */
#define _POSIX_C_SOURCE 200809L
#include "data/draw.h"

#include <math.h>

static const char *const kinds[] = {"hole", "loose_thread", "missing_thread", "snag", "stain", NULL};
enum kind { HOLE, LOOSE_THREAD, MISSING_THREAD, SNAG, STAIN };

struct scene {
  float shift_x, shift_y, turn_cos, turn_sin, period, light, light_x, light_y;
  uint32_t seed;
  int kind;
  struct fm_blob blob;
  struct fm_curve curve;
  struct fm_rgb colour;
  float x, y, angle, reach, pull; /* of the flaw */
  float depth;
  int thread, first, last; /* the missing thread, and from which to which crossing it is missing */
  bool across;             /* it is a weft thread */
};

static void prepare(void *room, struct fm_rng *good, struct fm_rng *flaw, int kind,
                    const struct fm_make_options *o) {
  struct scene *s = room;
  float turn = fm_between(good, -0.012f, 0.012f);
  *s = (struct scene){.kind = kind,
                      .period = fm_between(good, 7.4f, 7.7f),
                      .shift_x = fm_between(good, 0, 300),
                      .shift_y = fm_between(good, 0, 300),
                      .turn_cos = cosf(turn),
                      .turn_sin = sinf(turn),
                      .light = fm_between(good, 0.95f, 1.05f),
                      .light_x = fm_between(good, -0.06f, 0.06f),
                      .light_y = fm_between(good, -0.06f, 0.06f),
                      .seed = (uint32_t)fm_rng_next(good)};
  static const struct fm_rgb yarns[] = {
      {.72f, .16f, .13f}, {.93f, .91f, .86f}, {.10f, .10f, .11f}, {.85f, .62f, .16f}};
  s->x = fm_between(flaw, 45, 211);
  s->y = fm_between(flaw, 45, 211);
  s->angle = fm_between(flaw, 0, 2 * FM_PI);
  s->blob = (struct fm_blob){s->x, s->y, kind == HOLE ? fm_between(flaw, 7, 14) : fm_between(flaw, 13, 27),
                             kind == HOLE ? 0.45f : 0.9f, (uint32_t)fm_rng_next(flaw)};
  fm_curve_draw(&s->curve, flaw, s->x, s->y, s->angle, fm_between(flaw, 50, 120), 0.35f);
  s->colour = yarns[fm_rng_integer(flaw, 0, 4)];
  s->reach = fm_between(flaw, 9, 15);
  s->pull = fm_between(flaw, 6, 10);
  s->depth = fm_between(flaw, 0.45f, 0.7f);
  s->across = fm_rng_uniform(flaw) < 0.5f;
  int half = (int)fm_rng_integer(flaw, 4, 10);
  float along = s->across ? s->x + s->shift_x : s->y + s->shift_y;
  float over = s->across ? s->y + s->shift_y : s->x + s->shift_x;
  s->thread = (int)floorf(over / s->period);
  s->first = (int)floorf(along / s->period) - half;
  s->last = s->first + 2 * half;
}

/* Where the fabric's point at (x, y) would lie if the fabric lay flat. */
static void fabric_place(const struct scene *s, float x, float y, bool flawed, float *u, float *v) {
  if (flawed && (s->kind == HOLE || s->kind == SNAG)) {
    float dx = x - s->x, dy = y - s->y, r = sqrtf(dx * dx + dy * dy) + 1e-3f;
    if (s->kind == HOLE) { /* threads are pushed outwards around it */
      float push = 2.5f * expf(-fm_clamp(fm_blob_distance(&s->blob, x, y), 0, 40) / 3.5f);
      x -= push * dx / r, y -= push * dy / r;
    } else { /* and pulled to one side by a snag */
      float q = r / s->reach, pull = s->pull * expf(-q * q) * (r / (r + 1));
      x += pull * cosf(s->angle), y += pull * sinf(s->angle);
    }
  }
  float cx = x - 128, cy = y - 128;
  *u = s->turn_cos * cx - s->turn_sin * cy + 128 + s->shift_x;
  *v = s->turn_sin * cx + s->turn_cos * cy + 128 + s->shift_y;
  float wave = 1.3f;
  *u += wave * fm_noise(x / 70, y / 70, s->seed) + 0.35f * fm_noise(x / 16, y / 30, s->seed + 1);
  *v += wave * fm_noise(x / 70, y / 70, s->seed + 2) + 0.35f * fm_noise(x / 30, y / 16, s->seed + 3);
}

/* The look of one thread at a point: c across it (-1 to 1), t along the piece on top (-1 to 1). */
static struct fm_rgb thread_colour(const struct scene *s, struct fm_rgb base, int index, float c, float t,
                                   float along, bool across, float lift) {
  float own = fm_lattice(index, across, s->seed + 9), round = sqrtf(fmaxf(0, 1 - c * c));
  float bow = 0.55f * t, n = 1 / sqrtf(c * c * 0.8f + bow * bow + round * round * 0.6f + 0.15f);
  float nx = across ? bow : c * 0.9f, ny = across ? c * 0.9f : bow;
  float diffuse = fmaxf(0, n * (-0.42f * nx - 0.52f * ny + 0.74f * (0.35f + 0.65f * round)));
  float twist = sinf(2 * FM_PI * (along * 0.42f + c * 0.55f) + 6.28f * own);
  float fibre = fm_noise(along * 1.7f + 31 * own, c * 3.1f + (float)index * 5.7f, s->seed + 11);
  float shine = 0.10f * powf(fmaxf(0, diffuse), 8);
  float bright = (0.30f + 0.82f * diffuse) * (1 + 0.07f * twist + 0.10f * fibre + 0.10f * (own - 0.5f));
  bright *= lift * (1 - 0.35f * c * c * c * c) * (1 - 0.25f * t * t);
  struct fm_rgb out = fm_scale(base, bright);
  return (struct fm_rgb){out.r + shine, out.g + shine, out.b + shine};
}

static int wrap4(int v) {
  return ((v % 4) + 4) % 4;
}

static bool missing(const struct scene *s, bool across, int i, int j) {
  if (s->kind != MISSING_THREAD || s->across != across) return false;
  int thread = across ? j : i, place = across ? i : j;
  return thread == s->thread && place >= s->first && place <= s->last;
}

static struct fm_rgb fabric(const struct scene *s, float x, float y, bool flawed) {
  static const struct fm_rgb warp = {.16f, .27f, .42f}, weft = {.76f, .72f, .64f},
                             ground = {.035f, .035f, .04f};
  const float half = 0.47f;
  float u, v;
  fabric_place(s, x, y, flawed, &u, &v);
  u /= s->period, v /= s->period;
  int i = (int)floorf(u), j = (int)floorf(v), k = wrap4(i - j);
  float fu = u - (float)i, fv = v - (float)j, a = (fu - 0.5f) / half, b = (fv - 0.5f) / half;
  bool warp_on_top = k < 2;
  /* How far along its piece on top each thread is; below, it dips under its neighbour. */
  float t_warp = (k == 1 || k == 3 ? fv : 1 + fv) - 1, t_weft = (k == 2 || k == 0 ? fu : 1 + fu) - 1;
  bool has_warp = fabsf(a) < 1 && !(flawed && missing(s, false, i, j));
  bool has_weft = fabsf(b) < 1 && !(flawed && missing(s, true, i, j));
  bool first_is_warp = warp_on_top ? has_warp : has_warp && !has_weft;
  if (!has_warp && !has_weft) return ground;
  float lift = first_is_warp == warp_on_top ? 1 : 0.5f; /* seen through a gap: in shadow */
  if (first_is_warp) return thread_colour(s, warp, i, a, t_warp, v, false, lift);
  return thread_colour(s, weft, j, b, t_weft, u, true, lift);
}

static struct fm_rgb with_hole(const struct scene *s, struct fm_rgb c, float x, float y) {
  float d = fm_blob_distance(&s->blob, x, y);
  if (d > 5) return c;
  struct fm_rgb dark = {.05f, .045f, .045f};
  float ring = 1 - 0.45f * (1 - fm_step(0, 4, d)); /* the rim sinks into shadow */
  c = fm_scale(c, ring);
  /* Frayed ends reach into the hole. */
  float angle = atan2f(y - s->y, x - s->x);
  float fray = fm_noise(angle * 9, d * 0.05f, s->blob.seed + 3);
  float inside = fm_step(0.4f, -0.6f, d + (fray > 0.25f ? 3.2f * fray : 0));
  return fm_mix(c, dark, inside);
}

static struct fm_rgb with_loose_thread(const struct scene *s, struct fm_rgb c, float x, float y) {
  const float width = 1.25f;
  float along, side, shade = fm_curve_distance(&s->curve, x - 1.4f, y - 1.8f, &along, &side);
  c = fm_scale(c, 1 - 0.45f * fm_step(2.6f, 0.6f, shade));
  float d = fm_curve_distance(&s->curve, x, y, &along, &side);
  if (d > width) return c;
  float across = side * d / width, round = sqrtf(fmaxf(0, 1 - across * across));
  float twist = 1 + 0.14f * sinf(along * 150 + across * 2);
  return fm_scale(s->colour, (0.35f + 0.6f * round - 0.15f * across) * twist + 0.12f);
}

static struct fm_rgb with_stain(const struct scene *s, struct fm_rgb c, float x, float y) {
  float d = fm_blob_distance(&s->blob, x, y);
  if (d > 2) return c;
  static const struct fm_rgb tint = {.62f, .44f, .26f};
  float soak = fm_step(0.8f, -1.2f, d) * (0.8f + 0.35f * fm_step(-4, 0, d)); /* a drier, darker rim */
  float t = fm_clamp(soak * s->depth, 0, 1);
  return (struct fm_rgb){c.r * (1 - t * (1 - tint.r)), c.g * (1 - t * (1 - tint.g)),
                         c.b * (1 - t * (1 - tint.b))};
}

static struct fm_rgb shade(const void *room, float x, float y, bool flawed) {
  const struct scene *s = room;
  struct fm_rgb c = fabric(s, x, y, flawed);
  if (flawed && s->kind == HOLE) c = with_hole(s, c, x, y);
  if (flawed && s->kind == LOOSE_THREAD) c = with_loose_thread(s, c, x, y);
  if (flawed && s->kind == STAIN) c = with_stain(s, c, x, y);
  float light = s->light + s->light_x * (x - 128) / 128 + s->light_y * (y - 128) / 128;
  return fm_scale(c, light * (1 + 0.04f * fm_fractal(x / 50, y / 50, 2, s->seed + 20)));
}

_Static_assert(sizeof(struct scene) <= FM_SCENE_BYTES, "FM_SCENE_BYTES");

const struct fm_product fm_product_weave = {
    .name = "weave", .kinds = kinds, .prepare = prepare, .shade = shade};
