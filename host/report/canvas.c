#include "report/canvas.h"

#include "base/memory.h"

#include <string.h>

enum fm_status fm_canvas_make(struct fm_context *ctx, int width, int height, const unsigned char rgb[3],
                              struct fm_image *out) {
  *out = (struct fm_image){.width = width, .height = height, .channels = 3};
  size_t pixels = (size_t)width * (size_t)height;
  out->pixels = fm_alloc(ctx, pixels, 3);
  if (!out->pixels) return FM_MEMORY;
  for (size_t i = 0; i < pixels; i++) memcpy(out->pixels + 3 * i, rgb, 3);
  return FM_OK;
}

void fm_canvas_fit(int width, int height, int side, int *fit_width, int *fit_height) {
  int longest = width > height ? width : height;
  *fit_width = width;
  *fit_height = height;
  if (longest <= side) return;
  *fit_width = (int)(((long long)width * side + longest / 2) / longest);
  *fit_height = (int)(((long long)height * side + longest / 2) / longest);
  if (*fit_width < 1) *fit_width = 1;
  if (*fit_height < 1) *fit_height = 1;
}

/* Source pixels that target pixel i of n touches, of m in all, and the share of one of them that lies inside.
 */
struct span {
  int first, last;
  double begin, end;
};

static struct span span_of(int i, int n, int m) {
  struct span s = {.begin = (double)i * m / n, .end = (double)(i + 1) * m / n};
  s.first = (int)s.begin;
  s.last = (int)s.end;
  if ((double)s.last >= s.end) s.last--;
  if (s.last >= m) s.last = m - 1;
  return s;
}

static double share(const struct span *s, int at) {
  double from = s->begin > at ? s->begin : at, to = s->end < at + 1 ? s->end : at + 1;
  return to - from;
}

enum fm_status fm_canvas_shrink(struct fm_context *ctx, const struct fm_image *from, int width, int height,
                                struct fm_image *to) {
  static const unsigned char black[3] = {0};
  FM_TRY(fm_canvas_make(ctx, width, height, black, to));
  size_t channels = (size_t)from->channels;
  unsigned char *out = to->pixels;
  for (int y = 0; y < height; y++) {
    struct span v = span_of(y, height, from->height);
    for (int x = 0; x < width; x++, out += 3) {
      struct span u = span_of(x, width, from->width);
      double sum[3] = {0}, weight = 0;
      for (int j = v.first; j <= v.last; j++)
        for (int i = u.first; i <= u.last; i++) {
          const unsigned char *p = from->pixels + ((size_t)j * (size_t)from->width + (size_t)i) * channels;
          double w = share(&v, j) * share(&u, i);
          for (size_t c = 0; c < 3; c++) sum[c] += w * p[channels == 3 ? c : 0];
          weight += w;
        }
      for (int c = 0; c < 3; c++) out[c] = (unsigned char)(sum[c] / weight + 0.5);
    }
  }
  return FM_OK;
}

enum fm_status fm_canvas_shrink_map(struct fm_context *ctx, const float *from, int from_width,
                                    int from_height, int width, int height, float **to) {
  float *out = *to = fm_alloc(ctx, (size_t)width * (size_t)height, sizeof **to);
  if (!out) return FM_MEMORY;
  for (int y = 0; y < height; y++) {
    struct span v = span_of(y, height, from_height);
    for (int x = 0; x < width; x++) {
      struct span u = span_of(x, width, from_width);
      double sum = 0, weight = 0;
      for (int j = v.first; j <= v.last; j++)
        for (int i = u.first; i <= u.last; i++) {
          double w = share(&v, j) * share(&u, i);
          sum += w * (double)from[(size_t)j * (size_t)from_width + (size_t)i];
          weight += w;
        }
      *out++ = (float)(sum / weight);
    }
  }
  return FM_OK;
}

enum fm_status fm_canvas_shrink_mask(struct fm_context *ctx, const unsigned char *from, int from_width,
                                     int from_height, int width, int height, unsigned char **to) {
  unsigned char *out = *to = fm_alloc(ctx, (size_t)width * (size_t)height, 1);
  if (!out) return FM_MEMORY;
  for (int y = 0; y < from_height; y++)
    for (int x = 0; x < from_width; x++) {
      size_t v = (size_t)((long long)y * height / from_height),
             u = (size_t)((long long)x * width / from_width);
      if (*from++) out[v * (size_t)width + u] = 1;
    }
  return FM_OK;
}

void fm_canvas_put(struct fm_image *onto, int x, int y, const struct fm_image *image) {
  int left = x < 0 ? -x : 0, right = image->width;
  if (right > onto->width - x) right = onto->width - x;
  if (right <= left) return;
  for (int row = 0; row < image->height; row++) {
    if (y + row < 0 || y + row >= onto->height) continue;
    memcpy(onto->pixels + ((size_t)(y + row) * (size_t)onto->width + (size_t)(x + left)) * 3,
           image->pixels + ((size_t)row * (size_t)image->width + (size_t)left) * 3,
           (size_t)(right - left) * 3);
  }
}

/* Within the mask, and a pixel outside it (or outside the picture) is nearer than thick. */
static bool on_border(const unsigned char *mask, int width, int height, int x, int y, int thick) {
  for (int d = 1; d <= thick; d++)
    if (x - d < 0 || y - d < 0 || x + d >= width || y + d >= height || !mask[y * (long)width + x - d] ||
        !mask[y * (long)width + x + d] || !mask[(y - d) * (long)width + x] ||
        !mask[(y + d) * (long)width + x])
      return true;
  return false;
}

void fm_canvas_outline(struct fm_image *image, const unsigned char *mask, int thick,
                       const unsigned char rgb[3], bool dashed) {
  static const unsigned char black[3] = {0};
  int dash = 4 * thick;
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      size_t at = (size_t)y * (size_t)image->width + (size_t)x;
      if (!mask[at] || !on_border(mask, image->width, image->height, x, y, thick)) continue;
      /* Along a line in any direction x + y or x - y changes. */
      bool gap = dashed && ((x + y) / dash + (x + image->height - y) / dash) % 2;
      memcpy(image->pixels + 3 * at, gap ? black : rgb, 3);
    }
}
