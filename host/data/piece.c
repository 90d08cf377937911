#define _POSIX_C_SOURCE 200809L
#include "data/piece.h"

#include "base/memory.h"
#include "data/draw.h"
#include "file/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lengths are in units of 1/256 of the picture's shorter side, colours in levels. */
static const float LEAST_RADIUS = 2.5f, MOST_RADIUS = 18, SOFT_EDGE = 0.8f;
enum { TRIES = 12, MOST_PLACES = 16, LEAST_LEVELS = 8, SHOWS = 16 };

const char *const fm_piece_names[FM_PIECE_KINDS] = {"moved", "stained", "scratched", "bent", "faded"};

enum fm_piece fm_piece_kind(int round, uint32_t picture) {
  return (enum fm_piece)(((unsigned)round + picture) % FM_PIECE_KINDS);
}

/* The picture as it was, and what is known of it. */
struct scene {
  struct fm_image *image;
  const unsigned char *before; /* its pixels */
  float unit;                  /* in pixels */
  bool grey;                   /* its colours are all grey; then its flaws are, too */
};

struct shape {
  enum fm_piece kind;
  float x, y; /* its middle, in pixels */
  struct fm_blob blob;
  struct fm_curve curve;
  float width, tone[3], keep, shift_x, shift_y;
  float mean[3];                /* of what fades */
  int left, top, right, bottom; /* that it lies in; right and bottom excluded */
};

/* What came of drawing it. */
struct outcome {
  size_t region, shown; /* pixels of the shape; of them, those that changed */
  int most;             /* the largest change of a colour */
};

static float log_between(struct fm_rng *rng, float low, float high) {
  return low * expf(fm_rng_uniform(rng) * logf(high / low));
}

static const unsigned char *pixel(const struct scene *s, int y, int x) {
  int w = s->image->width, h = s->image->height;
  x = x < 0 ? 0 : x >= w ? w - 1 : x;
  y = y < 0 ? 0 : y >= h ? h - 1 : y;
  return s->before + 3 * ((size_t)y * (size_t)w + (size_t)x);
}

/* Between pixels, bilinear. */
static float sample(const struct scene *s, float y, float x, int c) {
  int i = (int)floorf(y), j = (int)floorf(x);
  float v = y - (float)i, u = x - (float)j;
  float top = (1 - u) * (float)pixel(s, i, j)[c] + u * (float)pixel(s, i, j + 1)[c];
  float low = (1 - u) * (float)pixel(s, i + 1, j)[c] + u * (float)pixel(s, i + 1, j + 1)[c];
  return (1 - v) * top + v * low;
}

/* On a lattice of 64 x 64 places. */
static bool is_grey(const struct scene *s) {
  enum { LATTICE = 64, NEARLY = 6 };
  for (int i = 0; i < LATTICE * LATTICE; i++) {
    const unsigned char *p =
        pixel(s, i / LATTICE * s->image->height / LATTICE, i % LATTICE * s->image->width / LATTICE);
    if (abs(p[0] - p[1]) > NEARLY || abs(p[1] - p[2]) > NEARLY) return false;
  }
  return true;
}

/* How much the picture shows around a place: the variance of its colours on a lattice within the radius; and
 * their mean. */
static float busy(const struct scene *s, float y, float x, float radius, float mean[3]) {
  enum { LATTICE = 7 };
  float sum[3] = {0}, square = 0, n = LATTICE * LATTICE;
  for (int i = 0; i < LATTICE * LATTICE; i++) {
    int row = i / LATTICE, column = i % LATTICE;
    float v = (float)row * 2 / (LATTICE - 1) - 1, u = (float)column * 2 / (LATTICE - 1) - 1;
    const unsigned char *p = pixel(s, (int)(y + v * radius), (int)(x + u * radius));
    for (int c = 0; c < 3; c++) sum[c] += (float)p[c], square += (float)p[c] * (float)p[c];
  }
  for (int c = 0; c < 3; c++) square -= sum[c] * sum[c] / n, mean[c] = sum[c] / n;
  return square / n;
}

/* A coordinate, 0 to 1: parts are mostly in the middle. */
static float anywhere(struct fm_rng *rng) {
  for (;;) {
    float at = 0.5f + 0.22f * (float)fm_rng_normal(rng);
    if (at > 0.02f && at < 0.98f) return at;
  }
}

/* The busiest of a few places: flaws lie on parts rather than on the ground beside them. */
static void find_place(const struct scene *s, struct fm_rng *rng, float radius, struct shape *p) {
  float most = -1;
  int places = (int)fm_rng_integer(rng, 1, MOST_PLACES + 1);
  for (int i = 0; i < places; i++) {
    float mean[3], y = anywhere(rng) * (float)s->image->height, x = anywhere(rng) * (float)s->image->width;
    float here = busy(s, y, x, radius, mean);
    if (here <= most) continue;
    most = here;
    p->y = y, p->x = x;
    memcpy(p->mean, mean, sizeof mean);
  }
}

static void choose_tone(const struct scene *s, struct fm_rng *rng, float least, float most, float tone[3]) {
  float strength = log_between(rng, least, most);
  bool tinted = !s->grey && fm_rng_integer(rng, 0, 3) == 0;
  float sign = fm_rng_integer(rng, 0, 2) ? 1.f : -1.f;
  for (int c = 0; c < 3; c++) {
    float part = s->grey ? 1 : tinted ? fm_between(rng, -1, 1) : fm_between(rng, 0.7f, 1);
    tone[c] = sign * strength * part;
  }
}

static void choose_box(const struct scene *s, struct shape *p) {
  float reach = 2 * p->blob.radius + 2 * s->unit, left = p->x - reach, right = p->x + reach;
  float top = p->y - reach, bottom = p->y + reach;
  for (int i = 0; p->kind == FM_PIECE_SCRATCHED && i < FM_CURVE_POINTS; i++) {
    reach = p->width + 2 * s->unit;
    left = fminf(left, p->curve.x[i] - reach), right = fmaxf(right, p->curve.x[i] + reach);
    top = fminf(top, p->curve.y[i] - reach), bottom = fmaxf(bottom, p->curve.y[i] + reach);
  }
  p->left = (int)fmaxf(left, 0), p->top = (int)fmaxf(top, 0);
  p->right = (int)fminf(right + 1, (float)s->image->width);
  p->bottom = (int)fminf(bottom + 1, (float)s->image->height);
}

static void choose_shape(const struct scene *s, struct fm_rng *rng, enum fm_piece kind, struct shape *p) {
  float unit = s->unit, radius = unit * log_between(rng, LEAST_RADIUS, MOST_RADIUS);
  *p = (struct shape){.kind = kind};
  find_place(s, rng, radius, p);
  p->blob = (struct fm_blob){p->x, p->y, radius, fm_between(rng, 0.2f, 0.9f), (uint32_t)fm_rng_next(rng)};
  float angle = fm_between(rng, 0, 2 * FM_PI);
  switch (kind) {
  case FM_PIECE_SCRATCHED:
    p->width = unit * log_between(rng, 0.8f, 3.5f);
    p->blob.radius = 0;
    fm_curve_draw(&p->curve, rng, p->x, p->y, angle, unit * log_between(rng, 14, 100), 0.5f);
    choose_tone(s, rng, 24, 120, p->tone);
    break;
  case FM_PIECE_MOVED:
    p->shift_x = roundf(fm_between(rng, 0, (float)s->image->width) - p->x);
    p->shift_y = roundf(fm_between(rng, 0, (float)s->image->height) - p->y);
    break;
  case FM_PIECE_BENT: {
    float far = radius * fm_between(rng, 0.2f, 0.5f);
    p->shift_x = far * cosf(angle), p->shift_y = far * sinf(angle);
    break;
  }
  case FM_PIECE_FADED:
    p->keep = fm_between(rng, 0, 0.5f);
    break;
  default:
    choose_tone(s, rng, 16, 100, p->tone);
  }
  choose_box(s, p);
}

/* How much of the piece lies over a place, 0 to 1. */
static float cover(const struct scene *s, const struct shape *p, float y, float x) {
  float edge = SOFT_EDGE * s->unit, unused;
  if (p->kind == FM_PIECE_SCRATCHED) {
    float along, distance = fm_curve_distance(&p->curve, x, y, &along, &unused);
    return 1 - fm_step(-edge / 2, edge / 2, distance - p->width / 2);
  }
  if (p->kind == FM_PIECE_BENT) return hypotf(x - p->x, y - p->y) < p->blob.radius ? 1 : 0;
  return 1 - fm_step(-edge, edge, fm_blob_distance(&p->blob, x, y));
}

static float colour(const struct scene *s, const struct shape *p, int y, int x, int c) {
  float v = pixel(s, y, x)[c], fy = (float)y, fx = (float)x;
  switch (p->kind) {
  case FM_PIECE_MOVED:
    return pixel(s, y + (int)p->shift_y, x + (int)p->shift_x)[c];
  case FM_PIECE_FADED:
    return p->mean[c] + p->keep * (v - p->mean[c]);
  case FM_PIECE_BENT: {
    float r = hypotf(fx - p->x, fy - p->y) / p->blob.radius, t = r < 1 ? (1 - r * r) * (1 - r * r) : 0;
    return sample(s, fy - t * p->shift_y, fx - t * p->shift_x, c);
  }
  case FM_PIECE_STAINED:
    v += p->tone[c] * 0.5f * fm_noise(fx / (6 * s->unit), fy / (6 * s->unit), p->blob.seed);
    /* fall through */
  default:
    return v + p->tone[c];
  }
}

/* Marks a pixel of the shape by how much it changed, 1 at least. */
static void draw_pixel(const struct scene *s, const struct shape *p, int y, int x, unsigned char *mask,
                       struct outcome *out) {
  float part = cover(s, p, (float)y, (float)x);
  if (part <= 0) return;
  size_t at = (size_t)y * (size_t)s->image->width + (size_t)x;
  int changed = 0;
  for (int c = 0; c < 3; c++) {
    float v = s->before[3 * at + (size_t)c], to = v + part * (colour(s, p, y, x, c) - v);
    int level = (int)lrintf(fm_clamp(to, 0, 255)), change = abs(level - s->before[3 * at + (size_t)c]);
    s->image->pixels[3 * at + (size_t)c] = (unsigned char)level;
    if (change > changed) changed = change;
  }
  if (changed > out->most) out->most = changed;
  if (part < 0.5f) return;
  out->region++;
  mask[at] = (unsigned char)(changed ? changed : 1);
}

/* The mask is where the shape changed by a third of its largest change at least, grown by two units, as
 * people draw outlines; within the shape. near[]: room of as many bytes as the mask. */
static void finish_mask(const struct scene *s, const struct shape *p, unsigned char *mask,
                        unsigned char *near, struct outcome *out) {
  size_t w = (size_t)s->image->width;
  int least = out->most / 3 > LEAST_LEVELS ? out->most / 3 : LEAST_LEVELS, grow = (int)ceilf(2 * s->unit);
  for (int y = p->top; y < p->bottom; y++)
    for (int x = p->left; x < p->right; x++) {
      size_t at = (size_t)y * w + (size_t)x;
      if (mask[at] < least) continue;
      out->shown++;
      for (int v = y - grow < p->top ? p->top : y - grow; v < p->bottom && v <= y + grow; v++)
        for (int u = x - grow < p->left ? p->left : x - grow; u < p->right && u <= x + grow; u++)
          near[(size_t)v * w + (size_t)u] = 1;
    }
  for (int y = p->top; y < p->bottom; y++)
    for (int x = p->left; x < p->right; x++) {
      size_t at = (size_t)y * w + (size_t)x;
      mask[at] = near[at] & (mask[at] != 0);
      near[at] = 0;
    }
}

static void restore(const struct scene *s, const struct shape *p, unsigned char *mask) {
  size_t w = (size_t)s->image->width, row = (size_t)(p->right - p->left);
  for (int y = p->top; y < p->bottom; y++) {
    size_t at = (size_t)y * w + (size_t)p->left;
    memcpy(s->image->pixels + 3 * at, s->before + 3 * at, 3 * row);
    memset(mask + at, 0, row);
  }
}

/* True where it shows: else everything is as it was. */
static bool draw_shape(const struct scene *s, const struct shape *p, unsigned char *mask,
                       unsigned char *near) {
  struct outcome out = {0};
  for (int y = p->top; y < p->bottom; y++)
    for (int x = p->left; x < p->right; x++) draw_pixel(s, p, y, x, mask, &out);
  finish_mask(s, p, mask, near, &out);
  if (out.most >= SHOWS && 5 * out.shown >= out.region) return true;
  restore(s, p, mask);
  return false;
}

static void draw(const struct scene *s, struct fm_rng *rng, enum fm_piece kind, unsigned char *mask,
                 unsigned char *near) {
  struct shape shape;
  for (int i = 0; i < TRIES; i++) {
    choose_shape(s, rng, kind, &shape);
    if (draw_shape(s, &shape, mask, near)) return;
  }
  /* Nothing that can be moved or bent shows in a plain picture; a stain does, brighter or darker. */
  for (int i = 0; i < TRIES; i++) {
    choose_shape(s, rng, FM_PIECE_STAINED, &shape);
    if (draw_shape(s, &shape, mask, near)) return;
  }
}

enum fm_status fm_piece_draw(struct fm_context *ctx, uint64_t seed, int round, uint32_t picture,
                             struct fm_image *image, unsigned char *mask) {
  size_t n = (size_t)image->width * (size_t)image->height;
  char name[48];
  snprintf(name, sizeof name, "piece.%d.%u", round, (unsigned)picture);
  struct fm_rng rng = fm_rng_stream(seed, name);
  unsigned char *room = fm_alloc(ctx, n, 4), *before = room, *near = room + 3 * n;
  if (!room) return FM_MEMORY;
  memset(mask, 0, n);
  memset(near, 0, n);
  memcpy(before, image->pixels, 3 * n);
  int shorter = image->width < image->height ? image->width : image->height;
  struct scene scene = {.image = image, .before = before, .unit = (float)shorter / 256};
  scene.grey = is_grey(&scene);
  draw(&scene, &rng, fm_piece_kind(round, picture), mask, near);
  fm_free(ctx, room);
  return FM_OK;
}
