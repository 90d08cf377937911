#include "refine/window.h"

#include <math.h>

/* Windows begin where the strides of any network do. */
enum { STEP = 32 };

/* Width and height, in quarters of the picture's. */
static const int quarters[FM_WINDOWS][2] = {{4, 4}, {3, 3}, {4, 2}, {2, 4}, {3, 2}, {2, 3}, {2, 2}};

static int side_of(int whole, int of_it) {
  if (whole % STEP) return whole;
  int side = (whole * of_it / 4 + STEP - 1) / STEP * STEP;
  return side < whole ? side : whole;
}

struct fm_size fm_window_size(struct fm_size whole, int kind) {
  return (struct fm_size){side_of(whole.width, quarters[kind][0]), side_of(whole.height, quarters[kind][1])};
}

/* One side of it, with from..to as nearly in the middle as steps allow; -1: they are too many. */
static int begin_of(int whole, int side, int from, int to) {
  from = from > FM_WINDOW_MARGIN ? from - FM_WINDOW_MARGIN : 0;
  to = to + FM_WINDOW_MARGIN < whole ? to + FM_WINDOW_MARGIN : whole;
  int begin = (from + to - side) / 2 / STEP * STEP;
  begin = begin < 0 ? 0 : begin > whole - side ? whole - side : begin;
  if (begin + side < to) begin += STEP;
  return begin <= from && begin + side >= to ? begin : -1;
}

struct fm_window fm_window_around(const struct fm_mask *mask) {
  int half = mask->half.width, left = half, right = 0, top = mask->half.height, bottom = 0;
  for (int i = 0; i < half * mask->half.height; i++) {
    if (!(mask->room[i] > 0)) continue;
    int x = i % half, y = i / half;
    left = x < left ? x : left;
    right = x >= right ? x + 1 : right;
    top = y < top ? y : top;
    bottom = y >= bottom ? y + 1 : bottom;
  }
  for (int kind = FM_WINDOWS - 1; kind > FM_WINDOW_WHOLE; kind--) {
    const struct fm_size size = fm_window_size(mask->size, kind);
    const struct fm_window window = {kind, begin_of(mask->size.width, size.width, 2 * left, 2 * right),
                                     begin_of(mask->size.height, size.height, 2 * top, 2 * bottom)};
    if (window.x >= 0 && window.y >= 0) return window;
  }
  return (struct fm_window){FM_WINDOW_WHOLE, 0, 0};
}

/* Cells of `pixels` from a to b of a window's side that begins at `begin` of the whole one. */
static bool near_cut(int a, int b, int begin, int side, int whole) {
  const int edge = FM_WINDOW_MARGIN / 2;
  return (begin > 0 && a < edge) || (begin + side < whole && b > side - edge);
}

void fm_window_limits(struct fm_size whole, struct fm_window window, const float *limit, int wide, float *out,
                      int h, int w) {
  const struct fm_size size = fm_window_size(whole, window.kind);
  const int high = size.height / h, broad = size.width / w; /* pixels of a cell */
  const int row = window.y / high, column = window.x / broad;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      bool out_of_count = near_cut(y * high, (y + 1) * high, window.y, size.height, whole.height) ||
                          near_cut(x * broad, (x + 1) * broad, window.x, size.width, whole.width);
      out[y * w + x] = out_of_count ? INFINITY : limit[(row + y) * wide + column + x];
    }
}
