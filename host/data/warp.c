#include "data/warp.h"

#include "base/memory.h"
#include "file/image.h"

#include <math.h>
#include <stdint.h>
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

/* A line of equally distant places in a picture, in pixels from the middle of its first one; parts of 2^32 of
 * a pixel, so that no step drifts. */
struct line {
  int64_t x, y, step_x, step_y;
};

static int64_t fixed(double v) {
  return (int64_t)(v * 4294967296.0);
}

static struct line line_make(const struct fm_affine *to_own, const struct fm_image *in, double first,
                             double step, double row) {
  const float *a = to_own->a;
  double w = in->width, h = in->height;
  return (struct line){fixed((a[0] * first + a[1] * row + a[2]) * w - 0.5),
                       fixed((a[3] * first + a[4] * row + a[5]) * h - 0.5), fixed(a[0] * step * w),
                       fixed(a[3] * step * h)};
}

/* Adds the colours along a line to sum[count][3]; a grey picture's to sum[.][0] only. What lies outside the
 * picture adds nothing; seen counts the others. */
static void add_line(const struct fm_image *in, struct line l, int count, float *sum, float *seen) {
  const int64_t half = (int64_t)1 << 31, right = ((int64_t)in->width << 32) - half,
                bottom = ((int64_t)in->height << 32) - half;
  const size_t channels = (size_t)in->channels, row = (size_t)in->width * channels;
  for (int i = 0; i < count; i++, l.x += l.step_x, l.y += l.step_y) {
    if (l.x < -half || l.y < -half || l.x > right || l.y > bottom) continue;
    int x = (int)(l.x >> 32), y = (int)(l.y >> 32);
    float fx = (float)(uint32_t)l.x * 0x1p-32f, fy = (float)(uint32_t)l.y * 0x1p-32f;
    size_t next = channels, down = row;
    if (x < 0) x = 0, fx = 0; /* the outermost half pixel is repeated */
    if (y < 0) y = 0, fy = 0;
    if (x >= in->width - 1) next = 0;
    if (y >= in->height - 1) down = 0;
    const unsigned char *a = in->pixels + (size_t)y * row + (size_t)x * channels, *b = a + down;
    for (size_t c = 0; c < channels; c++) {
      float top = (float)a[c] + fx * (float)(a[next + c] - a[c]),
            low = (float)b[c] + fx * (float)(b[next + c] - b[c]);
      sum[3 * i + (int)c] += top + fy * (low - top);
    }
    seen[i] += 1;
  }
}

/* What stands in a row of what comes out. */
struct posed_row {
  float *sum, *seen;        /* [width][3], [width]: of add_line */
  float part[FM_VIEW_SIDE]; /* the own shares at the row's height */
};

static void share_at(const float *share, float down, float part[FM_VIEW_SIDE]) {
  struct spot s = spot_at(FM_VIEW_SIDE, FM_VIEW_SIDE, 0, down);
  const float *a = share + s.y * FM_VIEW_SIDE, *b = a + s.down * FM_VIEW_SIDE;
  for (int x = 0; x < FM_VIEW_SIDE; x++) part[x] = a[x] + s.fy * (b[x] - a[x]);
}

/* What a place outside of the picture would show: the mean part's colour, and as much of what the picture's
 * nearest pixel differs from it as there is left so far away. So the picture's border is no edge. */
static void go_beyond(const struct fm_posing *p, const struct fm_affine *to_mean, const struct fm_image *in,
                      const float place[2], float out[3]) {
  static const float reach = 8; /* pixels of the view */
  float at[2], border[2], own[3], there[3];
  fm_affine_map(&p->to_own, place[0], place[1], at);
  for (int i = 0; i < 2; i++) at[i] = between(at[i], 1);
  fm_affine_map(to_mean, at[0], at[1], border);
  float left = 1 - hypotf(place[0] - border[0], place[1] - border[1]) * FM_VIEW_SIDE / reach;
  if (left <= 0) return;
  fm_sample_colour(in->pixels, in->width, in->height, in->channels, at[0], at[1], own);
  fm_sample_colour(p->mean->colour, FM_VIEW_SIDE, FM_VIEW_SIDE, 3, border[0], border[1], there);
  for (int c = 0; c < 3; c++) out[c] += left * (own[c] * p->gain[c] - there[c]);
}

/* n x n samples a pixel where the picture has them; where it does not, what goes on beyond it; and the mean
 * part's colour for the share that is not the picture's own. */
static void pose_row(const struct fm_posing *p, const struct fm_affine *to_mean, const struct fm_image *in,
                     struct posed_row *r, int y, struct fm_size size, int n, unsigned char *out) {
  double across = 1 / (double)(size.width * n), height = 1 / (double)(size.height * n);
  float each = 1 / (float)(n * n), down = ((float)y + 0.5f) / (float)size.height;
  int green = in->channels == 1 ? 0 : 1, blue = 2 * green;
  for (int k = 0; k < n * n; k++) {
    int row = y * n + k / n;
    add_line(in, line_make(&p->to_own, in, (k % n + 0.5) * across, n * across, (row + 0.5) * height),
             size.width, r->sum, r->seen);
  }
  for (int x = 0; x < size.width; x++, out += 3) {
    const float *sum = r->sum + 3 * x;
    const float place[2] = {((float)x + 0.5f) / (float)size.width, down};
    struct spot s = spot_at(FM_VIEW_SIDE, 1, place[0], 0);
    float share = r->part[s.x] + s.fx * (r->part[s.x + s.right] - r->part[s.x]), part = each * share;
    float missing = (float)(n * n) - r->seen[x], mean[3] = {0}, beyond[3] = {0};
    if (share < 1 || missing > 0)
      fm_sample_colour(p->mean->colour, FM_VIEW_SIDE, FM_VIEW_SIDE, 3, place[0], down, mean);
    memcpy(beyond, mean, sizeof beyond);
    if (missing > 0) go_beyond(p, to_mean, in, place, beyond);
    const float own[3] = {sum[0], sum[green], sum[blue]};
    for (int c = 0; c < 3; c++)
      out[c] = to_byte(part * (own[c] * p->gain[c] + missing * beyond[c]) + (1 - share) * mean[c]);
  }
}

enum fm_status fm_warp_part(struct fm_context *ctx, const struct fm_posing *p, const struct fm_image *in,
                            struct fm_size size, unsigned char *out) {
  bool large = 2 * in->width >= 3 * size.width || 2 * in->height >= 3 * size.height;
  int n = large ? 2 : 1; /* samples a pixel, each way */
  size_t width = (size_t)size.width;
  float share[FM_VIEW_PIXELS], *room = fm_alloc(ctx, width, 4 * sizeof *room);
  struct posed_row row = {.sum = room, .seen = room + 3 * width};
  if (!room) return FM_MEMORY;
  const struct fm_affine to_mean = fm_affine_inverse(&p->to_own);
  own_shares(p->mean, share);
  for (int y = 0; y < size.height; y++) {
    memset(room, 0, width * 4 * sizeof *room);
    share_at(share, ((float)y + 0.5f) / (float)size.height, row.part);
    pose_row(p, &to_mean, in, &row, y, size, n, out + (size_t)y * 3 * width);
  }
  fm_free(ctx, room);
  return FM_OK;
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

/* Nearly all of the training's pictures show something at a place of the mean part's picture. */
static bool shown_at(const struct fm_mean_part *mean, const float at[2]) {
  if (!inside(at[0], at[1])) return false;
  int x = (int)between(at[0] * FM_VIEW_SIDE, FM_VIEW_SIDE - 1),
      y = (int)between(at[1] * FM_VIEW_SIDE, FM_VIEW_SIDE - 1);
  return mean->shown[y * FM_VIEW_SIDE + x];
}

void fm_warp_covered(const struct fm_mean_part *mean, const struct fm_affine *to_own, struct fm_size size,
                     struct fm_size whole, struct fm_size grid, unsigned char *covered) {
  const int left = (whole.width - size.width) / 2, above = (whole.height - size.height) / 2;
  for (int y = 0; y < grid.height; y++)
    for (int x = 0; x < grid.width; x++, covered++) {
      const float place[2] = {
          ((float)left + ((float)x + 0.5f) * (float)size.width / (float)grid.width) / (float)whole.width,
          ((float)above + ((float)y + 0.5f) * (float)size.height / (float)grid.height) / (float)whole.height};
      float own[2];
      fm_affine_map(to_own, place[0], place[1], own);
      *covered = shown_at(mean, place) && inside(own[0], own[1]);
    }
}

/* Where a pixel of the picture's own middle was looked at, in units of that middle; false:
 * nowhere. */
static bool looked_at(const struct fm_mean_part *mean, const struct fm_affine *to_mean, struct fm_size size,
                      struct fm_size all, int x, int y, float at[2]) {
  const int left = (all.width - size.width) / 2, above = (all.height - size.height) / 2;
  const float edge[2] = {(float)left, (float)above}, whole[2] = {(float)all.width, (float)all.height},
              part[2] = {(float)size.width, (float)size.height};
  fm_affine_map(to_mean, ((float)x + edge[0] + 0.5f) / whole[0], ((float)y + edge[1] + 0.5f) / whole[1], at);
  if (!shown_at(mean, at)) return false;
  for (int i = 0; i < 2; i++) at[i] = (at[i] * whole[i] - edge[i]) / part[i];
  return inside(at[0], at[1]);
}

void fm_warp_map_back(const struct fm_mean_part *mean, const struct fm_affine *to_mean, float *map,
                      struct fm_size size, struct fm_size whole, float *room) {
  size_t pixels = fm_size_pixels(size);
  float least = map[0], *out = room;
  for (size_t i = 1; i < pixels; i++) least = map[i] < least ? map[i] : least;
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
