#define _POSIX_C_SOURCE 200809L
#include "data/resize.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {
    [FM_RESIZE_CV2] = "cv2", [FM_RESIZE_PIL] = "pil", [FM_RESIZE_LANCZOS] = "lanczos"};

const char *fm_resize_name(enum fm_resize kind) {
  return names[kind];
}

enum fm_status fm_resize_parse(struct fm_context *ctx, const char *text, enum fm_resize *kind) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(text, names[i]) != 0) continue;
    *kind = (enum fm_resize)i;
    return FM_OK;
  }
  return fm_error(ctx, FM_USAGE, "--resize %s is not known; there are cv2, pil and lanczos", text);
}

enum fm_status fm_resize_picture(struct fm_context *ctx, enum fm_resize kind, const unsigned char *in,
                                 int width, int height, int channels, unsigned char *out, int out_width,
                                 int out_height) {
  static enum fm_status (*const resize[])(struct fm_context *, const unsigned char *, int, int, int,
                                          unsigned char *, int,
                                          int) = {[FM_RESIZE_CV2] = fm_resize_cv2,
                                                  [FM_RESIZE_PIL] = fm_resize_pil,
                                                  [FM_RESIZE_LANCZOS] = fm_resize_lanczos};
  return resize[kind](ctx, in, width, height, channels, out, out_width, out_height);
}

/* Two neighbours and their weights for one output position. */
struct tap {
  int at[2];
  int weight[2]; /* sum about 2048 */
};

/* OpenCV's table: positions in double, fractions and weights in float, weights rounded half to even. Along
 * rows the fraction is dropped where a neighbour is missing; down the columns it is kept and the edge row is
 * used twice, which rounds differently (imgproc/src/resize.cpp does it so). */
static void cv2_taps(struct tap *taps, int in, int out, bool along_rows) {
  double scale = 1. / ((double)out / in);
  for (int i = 0; i < out; i++) {
    float f = (float)((i + 0.5) * scale - 0.5);
    int at = (int)floorf(f);
    f -= (float)at;
    if (along_rows && at < 0) at = 0, f = 0;
    if (along_rows && at >= in - 1) at = in - 1, f = 0;
    for (int k = 0; k < 2; k++) {
      int a = at + k;
      taps[i].at[k] = a < 0 ? 0 : a > in - 1 ? in - 1 : a;
      taps[i].weight[k] = (int)lrintf((k ? f : 1.f - f) * 2048.f);
    }
  }
}

static void cv2_row(const unsigned char *in, int channels, const struct tap *taps, int out_width, int *row) {
  for (int x = 0; x < out_width; x++) {
    const unsigned char *a = in + (size_t)taps[x].at[0] * (size_t)channels;
    const unsigned char *b = in + (size_t)taps[x].at[1] * (size_t)channels;
    for (int c = 0; c < channels; c++) *row++ = a[c] * taps[x].weight[0] + b[c] * taps[x].weight[1];
  }
}

static void cv2_resize(const unsigned char *in, int width, int channels, unsigned char *out, int out_width,
                       int out_height, const struct tap *across, const struct tap *down, int *rows) {
  size_t n = (size_t)out_width * (size_t)channels, stride = (size_t)width * (size_t)channels;
  int *row[2] = {rows, rows + n}, held[2] = {-1, -1}; /* which input row each buffer holds */
  for (int y = 0; y < out_height; y++) {
    const struct tap *t = &down[y];
    if (held[1] == t->at[0]) { /* going down, the lower row becomes the upper one */
      int *swap = row[0];
      row[0] = row[1], row[1] = swap;
      held[1] = held[0], held[0] = t->at[0];
    }
    for (int k = 0; k < 2; k++) {
      if (held[k] == t->at[k]) continue;
      cv2_row(in + (size_t)t->at[k] * stride, channels, across, out_width, row[k]);
      held[k] = t->at[k];
    }
    for (size_t i = 0; i < n; i++) {
      int sum = ((t->weight[0] * (row[0][i] >> 4)) >> 16) + ((t->weight[1] * (row[1][i] >> 4)) >> 16);
      int v = (sum + 2) >> 2;
      *out++ = (unsigned char)(v > 255 ? 255 : v);
    }
  }
}

/* Equal sizes copy; true then. */
static bool copied(const unsigned char *in, int width, int height, int channels, unsigned char *out,
                   int out_width, int out_height) {
  if (width != out_width || height != out_height) return false;
  memcpy(out, in, (size_t)width * (size_t)height * (size_t)channels);
  return true;
}

enum fm_status fm_resize_cv2(struct fm_context *ctx, const unsigned char *in, int width, int height,
                             int channels, unsigned char *out, int out_width, int out_height) {
  if (copied(in, width, height, channels, out, out_width, out_height)) return FM_OK;
  struct tap *across = fm_alloc(ctx, (size_t)out_width, sizeof *across);
  struct tap *down = fm_alloc(ctx, (size_t)out_height, sizeof *down);
  int *rows = fm_alloc(ctx, 2 * (size_t)out_width * (size_t)channels, sizeof *rows);
  enum fm_status status = across && down && rows ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    cv2_taps(across, width, out_width, true);
    cv2_taps(down, height, out_height, false);
    cv2_resize(in, width, channels, out, out_width, out_height, across, down, rows);
  }
  fm_free(ctx, across);
  fm_free(ctx, down);
  fm_free(ctx, rows);
  return status;
}

/* The reciprocal of a quotient, as OpenCV computes it: the last bit decides at exact multiples. */
static int nearest(int i, int in, int out) {
  int at = (int)floor(i * (1. / ((double)out / in)));
  return at < in ? at : in - 1;
}

void fm_resize_nearest(const unsigned char *in, int width, int height, unsigned char *out, int out_width,
                       int out_height) {
  for (int y = 0; y < out_height; y++) {
    const unsigned char *row = in + (size_t)nearest(y, height, out_height) * (size_t)width;
    for (int x = 0; x < out_width; x++) *out++ = row[nearest(x, width, out_width)];
  }
}

/* The neighbours of an output position and the weight of the second. */
static void map_tap(int i, int in, int out, int at[2], float *weight) {
  double f = (i + 0.5) * in / out - 0.5;
  if (f < 0) f = 0;
  at[0] = (int)f < in - 1 ? (int)f : in - 1;
  at[1] = at[0] < in - 1 ? at[0] + 1 : in - 1;
  *weight = (float)(f - at[0]);
}

enum fm_status fm_map_rows_open(struct fm_context *ctx, struct fm_map_rows *rows, const float *in, int width,
                                int height, int out_width, int out_height) {
  *rows = (struct fm_map_rows){
      .in = in, .width = width, .height = height, .out_width = out_width, .out_height = out_height};
  rows->at = fm_alloc(ctx, (size_t)out_width, 2 * sizeof *rows->at);
  rows->weight = fm_alloc(ctx, (size_t)out_width, sizeof *rows->weight);
  if (!rows->at || !rows->weight) {
    fm_map_rows_close(ctx, rows);
    return FM_MEMORY;
  }
  for (int x = 0; x < out_width; x++) map_tap(x, width, out_width, rows->at + 2 * x, &rows->weight[x]);
  return FM_OK;
}

void fm_map_rows_get(const struct fm_map_rows *m, int y, float *out) {
  int rows[2];
  float v;
  map_tap(y, m->height, m->out_height, rows, &v);
  const float *a = m->in + (size_t)rows[0] * (size_t)m->width,
              *b = m->in + (size_t)rows[1] * (size_t)m->width;
  for (int x = 0; x < m->out_width; x++) {
    int l = m->at[2 * x], r = m->at[2 * x + 1];
    float top = a[l] + m->weight[x] * (a[r] - a[l]), bottom = b[l] + m->weight[x] * (b[r] - b[l]);
    out[x] = top + v * (bottom - top);
  }
}

void fm_map_rows_close(struct fm_context *ctx, struct fm_map_rows *rows) {
  fm_free(ctx, rows->at);
  fm_free(ctx, rows->weight);
  *rows = (struct fm_map_rows){0};
}

enum fm_status fm_map_cursor_open(struct fm_context *ctx, struct fm_map_cursor *c,
                                  const struct fm_map_rows *rows) {
  *c = (struct fm_map_cursor){.rows = rows, .at = {-1, -1}};
  for (int k = 0; k < 2; k++)
    if (!(c->line[k] = fm_alloc(ctx, (size_t)rows->out_width, sizeof **c->line))) return FM_MEMORY;
  return FM_OK;
}

/* A row of the map at the output's width. */
static void widen(const struct fm_map_rows *m, int row, float *out) {
  const float *a = m->in + (size_t)row * (size_t)m->width;
  for (int x = 0; x < m->out_width; x++) {
    int l = m->at[2 * x], r = m->at[2 * x + 1];
    out[x] = a[l] + m->weight[x] * (a[r] - a[l]);
  }
}

void fm_map_cursor_get(struct fm_map_cursor *c, int y, float *out) {
  const struct fm_map_rows *m = c->rows;
  int rows[2];
  float v;
  map_tap(y, m->height, m->out_height, rows, &v);
  if (c->at[1] == rows[0]) { /* what was the lower one is the upper one now */
    float *line = c->line[0];
    c->line[0] = c->line[1];
    c->line[1] = line;
    c->at[0] = rows[0];
    c->at[1] = -1;
  }
  for (int k = 0; k < 2; k++) {
    if (c->at[k] != rows[k]) widen(m, rows[k], c->line[k]);
    c->at[k] = rows[k];
  }
  const float *top = c->line[0], *bottom = c->line[1];
  for (int x = 0; x < m->out_width; x++) out[x] = top[x] + v * (bottom[x] - top[x]);
}

void fm_map_cursor_close(struct fm_context *ctx, struct fm_map_cursor *c) {
  fm_free(ctx, c->line[0]);
  fm_free(ctx, c->line[1]);
  *c = (struct fm_map_cursor){0};
}

enum fm_status fm_resize_map(struct fm_context *ctx, const float *in, int width, int height, float *out,
                             int out_width, int out_height) {
  struct fm_map_rows rows;
  FM_TRY(fm_map_rows_open(ctx, &rows, in, width, height, out_width, out_height));
  for (int y = 0; y < out_height; y++) fm_map_rows_get(&rows, y, out + (size_t)y * (size_t)out_width);
  fm_map_rows_close(ctx, &rows);
  return FM_OK;
}

/* size / 2 rounded half to even, as Python's round does it. */
static size_t half(int size) {
  return (size_t)(size / 2 + (size % 2 && size / 2 % 2));
}

void fm_crop_centre(const unsigned char *in, int width, int height, int channels, unsigned char *out,
                    int crop_width, int crop_height) {
  size_t stride = (size_t)width * (size_t)channels, n = (size_t)crop_width * (size_t)channels;
  const unsigned char *row =
      in + half(height - crop_height) * stride + half(width - crop_width) * (size_t)channels;
  for (int y = 0; y < crop_height; y++) memcpy(out + (size_t)y * n, row + (size_t)y * stride, n);
}
