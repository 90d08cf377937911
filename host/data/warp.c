#include "data/warp.h"

#include "file/image.h"

#include <math.h>
#include <string.h>

/* ---- values between pixels ---- */

struct spot { /* the four pixels around a place, and how much the second column and row count */
  int x, y, right, down;
  float fx, fy;
};

/* Comparisons, not fminf: that is a call, as it has to mind NaN. */
static inline float between(float v, float most) {
  v = v > 0 ? v : 0;
  return v < most ? v : most;
}

static inline struct spot spot_at(int width, int height, float x, float y) {
  float px = between(x * (float)width - 0.5f, (float)(width - 1)),
        py = between(y * (float)height - 0.5f, (float)(height - 1));
  struct spot s = {.x = (int)px, .y = (int)py};
  s.fx = px - (float)s.x;
  s.fy = py - (float)s.y;
  s.right = s.x + 1 < width ? 1 : 0;
  s.down = s.y + 1 < height ? 1 : 0;
  return s;
}

static bool inside(float x, float y) {
  return x >= 0 && y >= 0 && x <= 1 && y <= 1;
}

bool fm_sample_floats(const float *in, int width, int height, float x, float y, float *out) {
  if (!inside(x, y)) return false;
  struct spot s = spot_at(width, height, x, y);
  const float *a = in + (size_t)s.y * (size_t)width + s.x, *b = a + (size_t)s.down * (size_t)width;
  float top = a[0] + s.fx * (a[s.right] - a[0]), bottom = b[0] + s.fx * (b[s.right] - b[0]);
  *out = top + s.fy * (bottom - top);
  return true;
}

void fm_sample_colour(const unsigned char *in, int width, int height, int channels, float x, float y,
                      float out[3]) {
  struct spot s = spot_at(width, height, x, y);
  const unsigned char *a = in + ((size_t)s.y * (size_t)width + (size_t)s.x) * (size_t)channels,
                      *b = a + (size_t)s.down * (size_t)width * (size_t)channels;
  int right = s.right * channels;
  for (int c = 0; c < 3; c++) {
    int k = c < channels ? c : 0;
    float top = (float)a[k] + s.fx * (float)(a[right + k] - a[k]),
          bottom = (float)b[k] + s.fx * (float)(b[right + k] - b[k]);
    out[c] = top + s.fy * (bottom - top);
  }
}

static unsigned char to_byte(float v) {
  return (unsigned char)between(v + 0.5f, 255);
}

/* ---- to the mean part's pose ---- */

void fm_warp_view(const unsigned char *in, const struct fm_affine *affine, unsigned char *out) {
  for (int k = 0; k < FM_VIEW_PIXELS; k++) {
    float place[2], at[2], colour[3];
    fm_view_place(k, place);
    fm_affine_map(affine, place[0], place[1], at);
    fm_sample_colour(in, FM_VIEW_SIDE, FM_VIEW_SIDE, 3, at[0], at[1], colour);
    for (int c = 0; c < 3; c++) out[3 * k + c] = to_byte(colour[c]);
  }
}

/* How much of a place is the picture's own, 0 to 1: it fades within four pixels of the view towards what is
 * not shown. */
static void own_shares(const struct fm_mean_part *mean, float share[FM_VIEW_PIXELS]) {
  enum { SEAM = 4 };
  for (int k = 0; k < FM_VIEW_PIXELS; k++) share[k] = mean->shown[k] ? SEAM : 0;
  for (int pass = 0; pass < 2;
       pass++) /* the distance to what is not shown, from the one side, then the other */
    for (int i = 0; i < FM_VIEW_PIXELS; i++) {
      int k = pass ? FM_VIEW_PIXELS - 1 - i : i, x = k % FM_VIEW_SIDE, y = k / FM_VIEW_SIDE,
          back = pass ? 1 : -1;
      int bx = x + back, by = y + back;
      bool has_x = bx >= 0 && bx < FM_VIEW_SIDE, has_y = by >= 0 && by < FM_VIEW_SIDE;
      if (has_x && share[k + back] + 1 < share[k]) share[k] = share[k + back] + 1;
      if (has_y && share[k + back * FM_VIEW_SIDE] + 1 < share[k])
        share[k] = share[k + back * FM_VIEW_SIDE] + 1;
    }
  for (int k = 0; k < FM_VIEW_PIXELS; k++) share[k] /= SEAM;
}

/* A pixel [x, y] of n x n samples, each so wide and high: the picture's where it has them, else the mean
 * part's. */
static void pose_pixel(const struct fm_posing *p, const struct fm_image *in, float part, int x, int y, int n,
                       const float unit[2], float out[3]) {
  float mean[3] = {0}, sum[3] = {0};
  int seen = 0;
  for (int k = 0; k < n * n && part > 0; k++) {
    int column = x * n + k % n, row = y * n + k / n;
    float at[2], own[3];
    fm_affine_map(&p->to_own, ((float)column + 0.5f) * unit[0], ((float)row + 0.5f) * unit[1], at);
    if (!inside(at[0], at[1])) continue;
    fm_sample_colour(in->pixels, in->width, in->height, in->channels, at[0], at[1], own);
    for (int c = 0; c < 3; c++) sum[c] += own[c];
    seen++;
  }
  float share = part * (float)seen / (float)(n * n), wide = unit[0] * (float)n, high = unit[1] * (float)n;
  if (share < 1)
    fm_sample_colour(p->mean->colour, FM_VIEW_SIDE, FM_VIEW_SIDE, 3, ((float)x + 0.5f) * wide,
                     ((float)y + 0.5f) * high, mean);
  for (int c = 0; c < 3; c++) out[c] = part * sum[c] * p->gain[c] / (float)(n * n) + (1 - share) * mean[c];
}

void fm_warp_part(const struct fm_posing *p, const struct fm_image *in, struct fm_size size,
                  unsigned char *out) {
  bool large = 2 * in->width >= 3 * size.width || 2 * in->height >= 3 * size.height;
  int n = large ? 2 : 1; /* samples a pixel, each way */
  float share[FM_VIEW_PIXELS], unit[2] = {1 / (float)(size.width * n), 1 / (float)(size.height * n)};
  own_shares(p->mean, share);
  for (int y = 0; y < size.height; y++)
    for (int x = 0; x < size.width; x++, out += 3) {
      float one[3], part = 0;
      fm_sample_floats(share, FM_VIEW_SIDE, FM_VIEW_SIDE, ((float)x + 0.5f) / (float)size.width,
                       ((float)y + 0.5f) / (float)size.height, &part);
      pose_pixel(p, in, part, x, y, n, unit, one);
      for (int c = 0; c < 3; c++) out[c] = to_byte(one[c]);
    }
}

void fm_warp_mask(const struct fm_affine *to_own, const unsigned char *in, struct fm_size size,
                  unsigned char *out) {
  const float width = (float)size.width, height = (float)size.height;
  for (int y = 0; y < size.height; y++)
    for (int x = 0; x < size.width; x++, out++) {
      float at[2];
      fm_affine_map(to_own, ((float)x + 0.5f) / width, ((float)y + 0.5f) / height, at);
      int px = (int)floorf(at[0] * width), py = (int)floorf(at[1] * height);
      bool within = px >= 0 && py >= 0 && px < size.width && py < size.height;
      *out = within ? in[(size_t)py * (size_t)size.width + (size_t)px] : 0;
    }
}

/* ---- and back ---- */

/* Where a pixel of the picture's own middle was looked at, in units of that middle; false:
 * nowhere. */
static bool looked_at(const struct fm_mean_part *mean, const struct fm_affine *to_mean, struct fm_size size,
                      struct fm_size all, int x, int y, float at[2]) {
  const int left = (all.width - size.width) / 2, above = (all.height - size.height) / 2;
  const float edge[2] = {(float)left, (float)above}, whole[2] = {(float)all.width, (float)all.height},
              part[2] = {(float)size.width, (float)size.height};
  fm_affine_map(to_mean, ((float)x + edge[0] + 0.5f) / whole[0], ((float)y + edge[1] + 0.5f) / whole[1], at);
  if (!inside(at[0], at[1])) return false;
  int vx = (int)between(at[0] * FM_VIEW_SIDE, FM_VIEW_SIDE - 1),
      vy = (int)between(at[1] * FM_VIEW_SIDE, FM_VIEW_SIDE - 1);
  if (!mean->shown[vy * FM_VIEW_SIDE + vx]) return false;
  for (int i = 0; i < 2; i++) at[i] = (at[i] * whole[i] - edge[i]) / part[i];
  return inside(at[0], at[1]);
}

void fm_warp_map_back(const struct fm_mean_part *mean, const struct fm_affine *to_mean, float *map,
                      struct fm_size size, struct fm_size whole, float *room) {
  size_t pixels = fm_size_pixels(size);
  float least = map[0], *out = room;
  for (size_t i = 1; i < pixels; i++) least = fminf(least, map[i]);
  for (int y = 0; y < size.height; y++)
    for (int x = 0; x < size.width; x++, out++) {
      float at[2];
      *out = least;
      if (looked_at(mean, to_mean, size, whole, x, y, at))
        fm_sample_floats(map, size.width, size.height, at[0], at[1], out);
    }
  memcpy(map, room, pixels * sizeof *map);
}

void fm_warp_picture_back(const struct fm_mean_part *mean, const struct fm_affine *to_mean,
                          unsigned char *rgb, struct fm_size size, struct fm_size whole,
                          unsigned char *room) {
  unsigned char *out = room;
  for (int y = 0; y < size.height; y++)
    for (int x = 0; x < size.width; x++, out += 3) {
      float at[2], colour[3] = {0};
      if (looked_at(mean, to_mean, size, whole, x, y, at))
        fm_sample_colour(rgb, size.width, size.height, 3, at[0], at[1], colour);
      for (int c = 0; c < 3; c++) out[c] = to_byte(colour[c]);
    }
  memcpy(rgb, room, fm_size_pixels(size) * 3);
}
