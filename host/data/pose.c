#include "data/pose.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Registration proceeds in three sizes: 32 to choose among directions, 64 and 128 to refine. */
enum { LEVELS = 3, DIRECTIONS = 36, KEPT = 4 };
static const int sides[LEVELS] = {FM_VIEW_SIDE / 4, FM_VIEW_SIDE / 2, FM_VIEW_SIDE};
static const int steps[LEVELS] = {0, 8, 5};

struct pixel {          /* of the mean part, where something can be seen of a pose */
  float x, y;           /* its place */
  float relief, weight; /* weight: 1 / spread^2 */
  float slope[4];       /* of the relief: with a shift in x, in y, with the angle, with log scale */
};

struct level {
  int side, count;
  struct pixel *pixel;
};

struct fm_pose_finder {
  float aspect;
  float x, y; /* the middle of what stands out of it */
  float most; /* nothing stands out more: a black stain on a grey part is no more than part */
  bool scales;
  struct level level[LEVELS];
};

static const float whole_turn = 6.2831853f;

/* ---- places ---- */

static float across(float aspect) {
  return sqrtf(aspect);
}

struct fm_affine fm_pose_affine(const struct fm_pose *p, float mean_aspect, float aspect) {
  float mx = across(mean_aspect), my = 1 / mx, ox = 1 / across(aspect), oy = across(aspect);
  float c = p->scale * cosf(p->angle), s = p->scale * sinf(p->angle);
  struct fm_affine out = {{c * mx * ox, -s * my * ox, 0, s * mx * oy, c * my * oy, 0}};
  out.a[2] = 0.5f + p->x * ox - 0.5f * (out.a[0] + out.a[1]);
  out.a[5] = 0.5f + p->y * oy - 0.5f * (out.a[3] + out.a[4]);
  return out;
}

struct fm_affine fm_affine_inverse(const struct fm_affine *affine) {
  const float *a = affine->a;
  float d = 1 / (a[0] * a[4] - a[1] * a[3]);
  struct fm_affine out = {{a[4] * d, -a[1] * d, 0, -a[3] * d, a[0] * d, 0}};
  out.a[2] = -(out.a[0] * a[2] + out.a[1] * a[5]);
  out.a[5] = -(out.a[3] * a[2] + out.a[4] * a[5]);
  return out;
}

/* ---- the mean part ---- */

enum fm_status fm_mean_part_make(struct fm_context *ctx, struct fm_mean_part *m) {
  *m = (struct fm_mean_part){.relief = fm_alloc(ctx, FM_VIEW_PIXELS, sizeof *m->relief),
                             .spread = fm_alloc(ctx, FM_VIEW_PIXELS, sizeof *m->spread),
                             .colour = fm_alloc(ctx, FM_VIEW_PIXELS, 3),
                             .shown = fm_alloc(ctx, FM_VIEW_PIXELS, 1)};
  return m->relief && m->spread && m->colour && m->shown ? FM_OK : FM_MEMORY;
}

void fm_mean_part_free(struct fm_context *ctx, struct fm_mean_part *m) {
  fm_free(ctx, m->relief);
  fm_free(ctx, m->spread);
  fm_free(ctx, m->colour);
  fm_free(ctx, m->shown);
  *m = (struct fm_mean_part){0};
}

/* Means of squares of pixels. */
static void shrink(const float *in, int side, float *out) {
  int half = side / 2;
  for (int y = 0; y < half; y++)
    for (int x = 0; x < half; x++) {
      const float *a = in + 2 * y * side + 2 * x, *b = a + side;
      out[y * half + x] = 0.25f * (a[0] + a[1] + b[0] + b[1]);
    }
}

/* The three sizes of a plane: own [0] is 32 x 32. The largest is the plane itself. */
struct pyramid {
  const float *plane[LEVELS];
  float small[FM_VIEW_PIXELS / 16], middle[FM_VIEW_PIXELS / 4];
};

static void pyramid_make(struct pyramid *p, const float *plane) {
  shrink(plane, FM_VIEW_SIDE, p->middle);
  shrink(p->middle, FM_VIEW_SIDE / 2, p->small);
  p->plane[0] = p->small;
  p->plane[1] = p->middle;
  p->plane[2] = plane;
}

/* A pixel's slopes, per unit of place. */
static void set_slopes(struct pixel *p, const float *relief, int side, int x, int y, float unit_x,
                       float unit_y) {
  const float *at = relief + y * side + x;
  float gx = 0.5f * (at[1] - at[-1]) * (float)side / unit_x,
        gy = 0.5f * (at[side] - at[-side]) * (float)side / unit_y;
  p->slope[0] = gx;
  p->slope[1] = gy;
  p->slope[2] = gy * p->x - gx * p->y;
  p->slope[3] = gx * p->x + gy * p->y;
}

/* The pixels of one size: all that are shown, in the smallest; in the others those with a slope, the part
 * itself, and every fourth of the rest. */
static enum fm_status level_make(struct fm_context *ctx, const struct fm_mean_part *mean, const float *relief,
                                 int side, bool all, struct level *l) {
  float unit_x = across(mean->aspect), unit_y = 1 / unit_x;
  int factor = FM_VIEW_SIDE / side;
  *l = (struct level){.side = side, .pixel = fm_alloc(ctx, (size_t)side * (size_t)side, sizeof *l->pixel)};
  if (!l->pixel) return FM_MEMORY;
  for (int y = 1; y + 1 < side; y++)
    for (int x = 1; x + 1 < side; x++) {
      int at = (y * factor + factor / 2) * FM_VIEW_SIDE + x * factor + factor / 2;
      float spread = mean->spread[at];
      if (!mean->shown[at]) continue;
      struct pixel *p = &l->pixel[l->count];
      *p = (struct pixel){.x = (((float)x + 0.5f) / (float)side - 0.5f) * unit_x,
                          .y = (((float)y + 0.5f) / (float)side - 0.5f) * unit_y,
                          .relief = relief[y * side + x],
                          .weight = 1 / (spread * spread)};
      set_slopes(p, relief, side, x, y, unit_x, unit_y);
      float steep = fabsf(p->slope[0]) + fabsf(p->slope[1]), enough = 2 * (float)side;
      if (all || steep > enough || p->relief > 24 || (x % 2 == 0 && y % 2 == 0)) l->count++;
    }
  return FM_OK;
}

/* The place of a part's middle. */
static void middle_of(const struct fm_part *part, float aspect, float *x, float *y) {
  *x = ((part->x + 0.5f) / FM_VIEW_SIDE - 0.5f) * across(aspect);
  *y = ((part->y + 0.5f) / FM_VIEW_SIDE - 0.5f) / across(aspect);
}

enum fm_status fm_pose_finder_make(struct fm_context *ctx, const struct fm_mean_part *mean,
                                   struct fm_pose_finder **finder) {
  struct fm_pose_finder *f = *finder = fm_alloc(ctx, 1, sizeof *f);
  struct pyramid *planes = fm_alloc(ctx, 1, sizeof *planes);
  struct fm_part *part = fm_alloc(ctx, 1, sizeof *part);
  enum fm_status status = f && planes && part ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    f->aspect = mean->aspect;
    f->scales = mean->scales;
    pyramid_make(planes, mean->relief);
    memcpy(part->relief, mean->relief, sizeof part->relief);
    for (int i = 0; i < FM_VIEW_PIXELS; i++) f->most = fmaxf(f->most, mean->relief[i]);
    fm_part_measure(part);
    middle_of(part, mean->aspect, &f->x, &f->y);
  }
  fm_free(ctx, part);
  for (int i = 0; i < LEVELS && status == FM_OK; i++)
    status = level_make(ctx, mean, planes->plane[i], sides[i], i == 0, &f->level[i]);
  fm_free(ctx, planes);
  if (status == FM_OK) return FM_OK;
  fm_pose_finder_free(ctx, f);
  *finder = NULL;
  return status;
}

void fm_pose_finder_free(struct fm_context *ctx, struct fm_pose_finder *f) {
  for (int i = 0; f && i < LEVELS; i++) fm_free(ctx, f->level[i].pixel);
  fm_free(ctx, f);
}

/* ---- registration ---- */

/* A plane of the picture at hand with the pose under which it is looked at. */
struct sight {
  const float *plane;
  int side;
  float c, s, x, y, per_x, per_y; /* place to pixel */
};

static struct sight sight_make(const float *plane, int side, const struct fm_pose *p, float aspect) {
  return (struct sight){.plane = plane,
                        .side = side,
                        .c = p->scale * cosf(p->angle),
                        .s = p->scale * sinf(p->angle),
                        .x = p->x,
                        .y = p->y,
                        .per_x = (float)side / across(aspect),
                        .per_y = (float)side * across(aspect)};
}

/* What the picture shows at a place of the mean part, bilinear; false outside the picture. */
static bool look(const struct sight *v, float px, float py, float *out) {
  float x = (v->c * px - v->s * py + v->x) * v->per_x + 0.5f * (float)v->side - 0.5f,
        y = (v->s * px + v->c * py + v->y) * v->per_y + 0.5f * (float)v->side - 0.5f;
  float last = (float)(v->side - 1);
  if (!(x >= 0 && y >= 0 && x < last && y < last)) return false;
  int ix = (int)x, iy = (int)y;
  float fx = x - (float)ix, fy = y - (float)iy;
  const float *a = v->plane + iy * v->side + ix, *b = a + v->side;
  float top = a[0] + fx * (a[1] - a[0]), bottom = b[0] + fx * (b[1] - b[0]);
  *out = top + fy * (bottom - top);
  return true;
}

/* Squared distances in units of the spread end at this one: a flaw counts, but not more than others. */
static const float most_distance = 9;

/* The mean distance of what is seen from the mean part; what lies outside the picture counts half of the
 * most. */
static float cost(const struct level *l, const struct sight *v) {
  float sum = 0, all = 0;
  for (int i = 0; i < l->count; i++) {
    const struct pixel *p = &l->pixel[i];
    float seen, d = 0.5f * most_distance, w = 4 + p->relief; /* the part counts more than its ground */
    if (look(v, p->x, p->y, &seen)) {
      d = (seen - p->relief) * (seen - p->relief) * p->weight;
      d = d < most_distance ? d : most_distance;
    }
    sum += w * d;
    all += w;
  }
  return all > 0 ? sum / all : INFINITY;
}

/* The share of the part that is where it should be. */
static float agreement_of(const struct level *l, const struct sight *v) {
  float sum = 0, all = 0;
  for (int i = 0; i < l->count; i++) {
    const struct pixel *p = &l->pixel[i];
    float seen, w = fmaxf(p->relief - 12, 0);
    if (!(w > 0)) continue;
    all += w;
    if (look(v, p->x, p->y, &seen))
      sum += (seen - p->relief) * (seen - p->relief) * p->weight < most_distance ? w : 0;
  }
  return all > 0 ? sum / all : 0;
}

/* Solves the n equations a x = b, symmetric and positive. False where they are not. */
static bool solve(float a[4][4], float b[4], int n) {
  for (int i = 0; i < n; i++) {
    if (!(a[i][i] > 1e-9f)) return false;
    for (int k = i + 1; k < n; k++) {
      float f = a[k][i] / a[i][i];
      for (int j = i; j < n; j++) a[k][j] -= f * a[i][j];
      b[k] -= f * b[i];
    }
  }
  for (int i = n - 1; i >= 0; i--) {
    for (int j = i + 1; j < n; j++) b[i] -= a[i][j] * b[j];
    b[i] /= a[i][i];
  }
  return true;
}

/* One step of Gauss and Newton with Tukey's weights; false where nothing can be said. */
static bool step(const struct level *l, const struct sight *v, int unknowns, struct fm_pose *pose) {
  float h[4][4] = {{0}}, g[4] = {0};
  for (int i = 0; i < l->count; i++) {
    const struct pixel *p = &l->pixel[i];
    float seen;
    if (!look(v, p->x, p->y, &seen)) continue;
    float r = seen - p->relief, q = r * r * p->weight / (4 * most_distance);
    if (q >= 1) continue;
    float w = (1 - q) * (1 - q) * p->weight;
    for (int a = 0; a < unknowns; a++) {
      float s = w * p->slope[a];
      g[a] -= s * r;
      for (int b = 0; b <= a; b++) h[a][b] += s * p->slope[b];
    }
  }
  for (int a = 0; a < unknowns; a++) {
    h[a][a] *= 1.01f;
    for (int b = 0; b < a; b++) h[b][a] = h[a][b];
  }
  if (!solve(h, g, unknowns)) return false;
  float turn = fminf(fmaxf(g[2], -0.15f), 0.15f), dx = fminf(fmaxf(g[0], -0.1f), 0.1f),
        dy = fminf(fmaxf(g[1], -0.1f), 0.1f);
  pose->x += v->c * dx - v->s * dy;
  pose->y += v->s * dx + v->c * dy;
  pose->angle += turn;
  if (unknowns > 3) pose->scale *= expf(fminf(fmaxf(g[3], -0.1f), 0.1f));
  return true;
}

static void refine(const struct fm_pose_finder *f, const struct pyramid *planes, int which, float aspect,
                   struct fm_pose *pose) {
  const struct level *l = &f->level[which];
  for (int i = 0; i < steps[which]; i++) {
    struct sight v = sight_make(planes->plane[which], l->side, pose, aspect);
    if (!step(l, &v, f->scales ? 4 : 3, pose)) return;
  }
}

static float cost_of(const struct fm_pose_finder *f, const struct pyramid *planes, int which, float aspect,
                     const struct fm_pose *pose) {
  struct sight v = sight_make(planes->plane[which], sides[which], pose, aspect);
  return cost(&f->level[which], &v);
}

struct candidate {
  struct fm_pose pose;
  float cost;
};

/* Keeps the best, in order. */
static void keep(struct candidate kept[KEPT], const struct candidate *c) {
  for (int i = 0; i < KEPT; i++) {
    if (!(c->cost < kept[i].cost)) continue;
    for (int k = KEPT - 1; k > i; k--) kept[k] = kept[k - 1];
    kept[i] = *c;
    return;
  }
}

/* Every direction, with the middles of both parts on each other; and beside that, because what is gone or
 * more on a part moves its middle. */
static void scan(const struct fm_pose_finder *f, const struct pyramid *planes, const struct fm_part *part,
                 float aspect, struct candidate kept[KEPT]) {
  static const float beside[][2] = {{0, 0}, {0.09f, 0}, {-0.09f, 0}, {0, 0.09f}, {0, -0.09f}};
  float x, y;
  middle_of(part, aspect, &x, &y);
  for (int i = 0; i < KEPT; i++) kept[i].cost = INFINITY;
  for (int i = 0; i < DIRECTIONS; i++) {
    struct candidate best = {.cost = INFINITY},
                     c = {.pose = {.angle = whole_turn * (float)i / DIRECTIONS, .scale = 1}};
    float cosine = cosf(c.pose.angle), sine = sinf(c.pose.angle);
    for (size_t k = 0; k < sizeof beside / sizeof *beside; k++) {
      float mx = f->x + beside[k][0], my = f->y + beside[k][1];
      c.pose.x = x - cosine * mx + sine * my;
      c.pose.y = y - sine * mx - cosine * my;
      c.cost = cost_of(f, planes, 0, aspect, &c.pose);
      if (c.cost < best.cost) best = c;
    }
    keep(kept, &best);
  }
}

static void cut(const struct fm_part *in, float most, struct fm_part *out) {
  for (int i = 0; i < FM_VIEW_PIXELS; i++) out->relief[i] = fminf(in->relief[i], most);
  fm_part_measure(out);
}

void fm_pose_find(const struct fm_pose_finder *f, const struct fm_part *part, float aspect,
                  struct fm_pose *pose, float *agreement) {
  struct fm_part mine; /* cut at the largest relief */
  struct candidate kept[KEPT], best = {.cost = INFINITY};
  struct pyramid planes;
  *pose = (struct fm_pose){.scale = 1};
  *agreement = 0;
  cut(part, f->most, &mine);
  if (!mine.there) return;
  pyramid_make(&planes, mine.relief);
  scan(f, &planes, &mine, aspect, kept);
  for (int i = 0; i < KEPT && kept[i].cost < INFINITY; i++) {
    refine(f, &planes, 1, aspect, &kept[i].pose);
    kept[i].cost = cost_of(f, &planes, 1, aspect, &kept[i].pose);
    if (kept[i].cost < best.cost) best = kept[i];
  }
  if (!(best.cost < INFINITY)) return;
  refine(f, &planes, 2, aspect, &best.pose);
  best.pose.angle -= whole_turn * roundf(best.pose.angle / whole_turn);
  struct sight v = sight_make(planes.plane[2], FM_VIEW_SIDE, &best.pose, aspect);
  bool believed = best.pose.scale >= FM_POSE_LEAST_SCALE && best.pose.scale <= FM_POSE_MOST_SCALE &&
                  isfinite(best.pose.x) && isfinite(best.pose.y) && isfinite(best.pose.angle);
  if (!believed) return;
  *pose = best.pose;
  *agreement = agreement_of(&f->level[2], &v);
}
