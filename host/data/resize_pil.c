/* Pillow's antialiased filters (libImaging/Resample.c), bilinear (a triangle) and Lanczos (a sinc under a
 * sinc three times as wide), both as much wider as the picture is reduced; weights normalised in double and
 * rounded to 22 bits; first across, to 8 bits, then down.
 * Pillow 13 goes down first where that is cheaper, which changes some values of pictures higher than wide;
 * all before it (checked: 10.4, 12.0, 12.2), with which the recipes were published, go across first. */
#define _POSIX_C_SOURCE 200809L
#include "base/memory.h"
#include "data/resize.h"

#include <math.h>
#include <string.h>

enum { BITS = 22 };

/* For each output position: where its window begins, how many inputs it has, and their weights [out][most].
 */
struct filter {
  int most;
  int *begin, *count, *weight;
};

static void filter_free(struct fm_context *ctx, struct filter *f) {
  fm_free(ctx, f->begin);
  fm_free(ctx, f->count);
  fm_free(ctx, f->weight);
}

struct shape {
  double (*value)(double x);
  double reach; /* zero from here on, either side */
};

static double triangle(double x) {
  return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

static double sinc(double x) {
  const double pi = 3.14159265358979323846;
  return x == 0 ? 1 : sin(x * pi) / (x * pi);
}

static double lanczos(double x) {
  return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static const struct shape shapes[] = {[FM_RESIZE_PIL] = {triangle, 1}, [FM_RESIZE_LANCZOS] = {lanczos, 3}};

static void fill_window(struct filter *f, const struct shape *shape, int i, int in, double scale, double *w) {
  double stretch = scale < 1 ? 1 : scale, reach = shape->reach * stretch;
  double centre = (i + 0.5) * scale, sum = 0;
  int begin = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
  if (begin < 0) begin = 0;
  if (end > in) end = in;
  f->begin[i] = begin;
  f->count[i] = end - begin;
  for (int k = 0; k < end - begin; k++)
    sum += w[k] = shape->value((k + begin - centre + 0.5) * (1 / stretch));
  int *weight = f->weight + (size_t)i * (size_t)f->most;
  for (int k = 0; k < end - begin; k++) {
    double share = sum != 0 ? w[k] / sum : w[k];
    weight[k] = (int)((share < 0 ? -0.5 : 0.5) + share * (1 << BITS));
  }
}

static enum fm_status filter_make(struct fm_context *ctx, struct filter *f, const struct shape *shape, int in,
                                  int out) {
  double scale = (double)in / out;
  *f = (struct filter){.most = (int)ceil(shape->reach * (scale < 1 ? 1 : scale)) * 2 + 1};
  size_t weights;
  if (!fm_mul((size_t)f->most, (size_t)out, &weights))
    return fm_error(ctx, FM_LIMIT, "a picture too large to resize");
  f->begin = fm_alloc(ctx, (size_t)out, sizeof *f->begin);
  f->count = fm_alloc(ctx, (size_t)out, sizeof *f->count);
  f->weight = fm_alloc(ctx, weights, sizeof *f->weight);
  double *w = fm_alloc(ctx, (size_t)f->most, sizeof *w);
  enum fm_status status = f->begin && f->count && f->weight && w ? FM_OK : FM_MEMORY;
  for (int i = 0; status == FM_OK && i < out; i++) fill_window(f, shape, i, in, scale, w);
  fm_free(ctx, w);
  return status;
}

static unsigned char clip(int sum) {
  int v = sum >> BITS;
  return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void across(const struct filter *f, const unsigned char *in, int width, int height, int channels,
                   unsigned char *out, int out_width) {
  for (int y = 0; y < height; y++) {
    const unsigned char *row = in + (size_t)y * (size_t)width * (size_t)channels;
    for (int x = 0; x < out_width; x++) {
      const int *weight = f->weight + (size_t)x * (size_t)f->most;
      const unsigned char *window = row + (size_t)f->begin[x] * (size_t)channels;
      if (channels == 3) { /* the usual case: twice as fast where their number is known */
        int sum[3] = {1 << (BITS - 1), 1 << (BITS - 1), 1 << (BITS - 1)};
        for (int k = 0; k < f->count[x]; k++)
          for (int c = 0; c < 3; c++) sum[c] += window[k * 3 + c] * weight[k];
        for (int c = 0; c < 3; c++) *out++ = clip(sum[c]);
        continue;
      }
      for (int c = 0; c < channels; c++) {
        int sum = 1 << (BITS - 1);
        for (int k = 0; k < f->count[x]; k++) sum += window[k * channels + c] * weight[k];
        *out++ = clip(sum);
      }
    }
  }
}

static void down(const struct filter *f, const unsigned char *in, size_t stride, unsigned char *out,
                 int out_height, int *sums) {
  for (int y = 0; y < out_height; y++) {
    const int *weight = f->weight + (size_t)y * (size_t)f->most;
    for (size_t i = 0; i < stride; i++) sums[i] = 1 << (BITS - 1);
    for (int k = 0; k < f->count[y]; k++) {
      const unsigned char *row = in + (size_t)(f->begin[y] + k) * stride;
      for (size_t i = 0; i < stride; i++) sums[i] += row[i] * weight[k];
    }
    for (size_t i = 0; i < stride; i++) *out++ = clip(sums[i]);
  }
}

static enum fm_status go_across(struct fm_context *ctx, const struct shape *shape, const unsigned char *in,
                                int width, int height, int channels, unsigned char *out, int out_width) {
  struct filter f;
  enum fm_status status = filter_make(ctx, &f, shape, width, out_width);
  if (status == FM_OK) across(&f, in, width, height, channels, out, out_width);
  filter_free(ctx, &f);
  return status;
}

static enum fm_status go_down(struct fm_context *ctx, const struct shape *shape, const unsigned char *in,
                              size_t stride, int height, unsigned char *out, int out_height) {
  struct filter f;
  enum fm_status status = filter_make(ctx, &f, shape, height, out_height);
  int *sums = status == FM_OK ? fm_alloc(ctx, stride, sizeof *sums) : NULL;
  if (sums)
    down(&f, in, stride, out, out_height, sums);
  else
    status = status == FM_OK ? FM_MEMORY : status;
  fm_free(ctx, sums);
  filter_free(ctx, &f);
  return status;
}

/* A direction that keeps its size is left alone, as in Pillow. */
static enum fm_status resize(struct fm_context *ctx, const struct shape *shape, const unsigned char *in,
                             int width, int height, int channels, unsigned char *out, int out_width,
                             int out_height) {
  size_t stride = (size_t)out_width * (size_t)channels;
  if (width == out_width && height == out_height) {
    memcpy(out, in, stride * (size_t)height);
    return FM_OK;
  }
  if (height == out_height) return go_across(ctx, shape, in, width, height, channels, out, out_width);
  if (width == out_width) return go_down(ctx, shape, in, stride, height, out, out_height);
  unsigned char *between = fm_alloc(ctx, stride, (size_t)height);
  if (!between) return FM_MEMORY;
  enum fm_status status = go_across(ctx, shape, in, width, height, channels, between, out_width);
  if (status == FM_OK) status = go_down(ctx, shape, between, stride, height, out, out_height);
  fm_free(ctx, between);
  return status;
}

enum fm_status fm_resize_pil(struct fm_context *ctx, const unsigned char *in, int width, int height,
                             int channels, unsigned char *out, int out_width, int out_height) {
  return resize(ctx, &shapes[FM_RESIZE_PIL], in, width, height, channels, out, out_width, out_height);
}

enum fm_status fm_resize_lanczos(struct fm_context *ctx, const unsigned char *in, int width, int height,
                                 int channels, unsigned char *out, int out_width, int out_height) {
  return resize(ctx, &shapes[FM_RESIZE_LANCZOS], in, width, height, channels, out, out_width, out_height);
}
