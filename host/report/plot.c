#include "report/plot.h"

#include "base/memory.h"
#include "report/html.h"
#include "score/radix.h"

#include <math.h>
#include <string.h>

enum {
  WIDTH = 560,
  HEIGHT = 300,
  LEFT = 58,
  RIGHT = 14,
  TOP = 38,
  BOTTOM = 28,
  COLUMNS = 80,
  BIN_SHIFT = 14
};

enum fm_status fm_histogram_begin(struct fm_histogram *h, struct fm_context *ctx) {
  *h = (struct fm_histogram){.low = INFINITY, .high = -INFINITY};
  for (int c = 0; c < 2; c++) {
    h->count[c] = fm_alloc(ctx, FM_HISTOGRAM_BINS, sizeof *h->count[c]);
    if (!h->count[c]) return FM_MEMORY;
  }
  return FM_OK;
}

void fm_histogram_add(struct fm_histogram *h, size_t pixels, const float *map, const unsigned char *mask) {
  for (size_t i = 0; i < pixels; i++) {
    int flawed = mask && mask[i];
    h->count[flawed][fm_score_key(map[i]) >> BIN_SHIFT]++;
    h->total[flawed]++;
    if (map[i] < h->low) h->low = map[i];
    if (map[i] > h->high) h->high = map[i];
  }
}

void fm_histogram_free(struct fm_histogram *h, struct fm_context *ctx) {
  fm_free(ctx, h->count[0]);
  fm_free(ctx, h->count[1]);
  *h = (struct fm_histogram){0};
}

/* The horizontal axis: scores low .. high. */
struct axis {
  double low, high, left;
};

static double place(const struct axis *a, double score) {
  return a->left + (score - a->low) / (a->high - a->low) * (WIDTH - RIGHT - a->left);
}

static struct axis axis_of(double low, double high, double left) {
  if (!(high > low)) {
    double more = fabs(low) > 0 ? fabs(low) / 2 : 0.5;
    low -= more;
    high += more;
  }
  return (struct axis){low, high, left};
}

/* 1, 2 or 5 times a power of ten, about a fifth of the range. */
static double tick_step(double range) {
  double raw = range / 5, power = pow(10, floor(log10(raw))), lead = raw / power;
  return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

static void begin_svg(struct fm_text *t, int height, const char *label) {
  fm_text_printf(t, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, height, label);
}

static void draw_axis(struct fm_text *t, const struct axis *a, int bottom) {
  fm_text_printf(t, "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%d\" y2=\"%d\"/>\n", a->left, bottom,
                 WIDTH - RIGHT, bottom);
  double step = tick_step(a->high - a->low);
  for (double i = ceil(a->low / step); i * step <= a->high; i++) {
    double x = place(a, i * step);
    fm_text_printf(t,
                   "<line class=\"axis\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                   "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>\n",
                   x, bottom, x, bottom + 4, x, bottom + 20, i * step + 0.0);
  }
}

static bool shown(const struct axis *a, double score) {
  return score >= a->low && score <= a->high;
}

static void cut_line(struct fm_text *t, const struct axis *a, double score, const char *style, int from,
                     int bottom) {
  if (!shown(a, score)) return;
  double x = place(a, score);
  fm_text_printf(t, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", style, x, from, x,
                 bottom);
}

static void cut_label(struct fm_text *t, const struct axis *a, double score, const char *name, int y) {
  if (!shown(a, score)) return;
  double x = place(a, score);
  bool right = x > WIDTH * 0.5; /* then to the left of its line */
  fm_text_printf(t, "<text class=\"strong%s\" x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s %.4g</text>\n",
                 *name == 't' ? " cut" : "", right ? x - 5 : x + 5, y, right ? "end" : "start", name, score);
}

/* Lines first: no line crosses a label. */
static void draw_cuts(struct fm_text *t, const struct axis *a, double threshold, double f1, int bottom) {
  cut_line(t, a, f1, "f1", 20, bottom);
  cut_line(t, a, threshold, "cut", 2, bottom);
  cut_label(t, a, f1, "best F1 (not honest)", 32);
  cut_label(t, a, threshold, "threshold", 13);
}

static double bin_score(size_t bin) {
  return (double)fm_score_of_key((uint32_t)(bin << BIN_SHIFT | 1 << (BIN_SHIFT - 1)));
}

/* Columns of equal width from the bins; returns the largest count. */
static double gather(const struct fm_histogram *h, const struct axis *a, double column[2][COLUMNS]) {
  double most = 1;
  memset(column, 0, 2 * sizeof *column);
  size_t first = fm_score_key(h->low) >> BIN_SHIFT, last = fm_score_key(h->high) >> BIN_SHIFT;
  for (size_t bin = first; bin <= last; bin++) {
    if (!h->count[0][bin] && !h->count[1][bin]) continue;
    double at = (bin_score(bin) - a->low) / (a->high - a->low) * COLUMNS;
    int i = at < 0 ? 0 : at >= COLUMNS ? COLUMNS - 1 : (int)at;
    for (int c = 0; c < 2; c++) {
      column[c][i] += (double)h->count[c][bin];
      if (column[c][i] > most) most = column[c][i];
    }
  }
  return most;
}

static double level(double count, double decades, int bottom) {
  return bottom - (count < 1 ? 0 : (log10(count) + 0.3) / (decades + 0.3) * (bottom - TOP));
}

static void draw_steps(struct fm_text *t, const struct axis *a, const double column[COLUMNS],
                       const char *style, double decades, int bottom) {
  double wide = (WIDTH - RIGHT - a->left) / COLUMNS;
  fm_text_printf(t, "<path class=\"area %s\" d=\"M%.1f %d", style, a->left, bottom);
  for (int i = 0; i < COLUMNS; i++)
    fm_text_printf(t, "V%.1fH%.1f", level(column[i], decades, bottom), a->left + (i + 1) * wide);
  fm_text_printf(t, "V%dZ\"/>\n", bottom);
}

void fm_plot_pixels(struct fm_text *t, const struct fm_histogram *h, double threshold, double f1_threshold) {
  static const char *const tick[] = {"1",   "10",   "100",   "1 k", "10 k", "100 k",
                                     "1 M", "10 M", "100 M", "1 G", "10 G"};
  if (!h->total[0] && !h->total[1]) return;
  const int bottom = HEIGHT - BOTTOM;
  struct axis a = axis_of((double)h->low, (double)h->high, LEFT);
  double column[2][COLUMNS], decades = ceil(log10(gather(h, &a, column)));
  if (decades < 1) decades = 1;
  begin_svg(t, HEIGHT, "Number of normal and flawed pixels by score");
  for (int d = 0; d <= (int)decades && d < (int)(sizeof tick / sizeof *tick); d++) {
    double y = level(pow(10, d), decades, bottom);
    fm_text_printf(t,
                   "<line class=\"axis\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                   LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, tick[d]);
  }
  draw_steps(t, &a, column[0], "g", decades, bottom);
  if (h->total[1]) draw_steps(t, &a, column[1], "f", decades, bottom);
  draw_axis(t, &a, bottom);
  draw_cuts(t, &a, threshold, f1_threshold, bottom);
  fm_text_append(t, "</svg>\n");
}

/* Dots of a row get small shifts up and down, the same in every run, so that few hide each other. */
static double shift(size_t i) {
  double golden = 0.6180339887498949 * (double)(i + 1);
  return (golden - floor(golden) - 0.5) * 18;
}

enum { ROW = 46, ROW_LABEL = 14, ROW_DOTS = 31, EDGE = 14 };

/* The kind stands over its dots, so that long names take no room from them. */
static void draw_row(struct fm_text *t, const struct axis *a, const struct fm_plot_dot *dot, size_t count,
                     double top) {
  fm_text_printf(t, "<text class=\"strong\" x=\"%d\" y=\"%.1f\">", EDGE, top + ROW_LABEL);
  fm_html_escape(t, *dot->kind ? dot->kind : "pictures");
  fm_text_append(t, "</text>\n");
  for (size_t i = 0; i < count; i++) {
    fm_text_printf(t, "<circle class=\"dot %c\" data-card=\"%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>",
                   dot[i].flawed ? 'f' : 'g', dot[i].card, place(a, dot[i].score), top + ROW_DOTS + shift(i));
    fm_html_escape(t, dot[i].kind);
    fm_html_wrap(t, *dot[i].kind ? "/" : "", dot[i].name, "");
    fm_text_printf(t, ": %.4g</title></circle>\n", dot[i].score);
  }
}

static struct axis axis_of_dots(size_t count, const struct fm_plot_dot *dots, double threshold) {
  double low = dots[0].score, high = low;
  for (size_t i = 0; i < count; i++) {
    low = fmin(low, dots[i].score);
    high = fmax(high, dots[i].score);
  }
  if (isfinite(threshold)) {
    low = fmin(low, threshold);
    high = fmax(high, threshold);
  }
  double margin = (high - low) * 0.03;
  return axis_of(low - margin, high + margin, EDGE);
}

void fm_plot_pictures(struct fm_text *t, size_t count, const struct fm_plot_dot *dots, double threshold,
                      double f1_threshold) {
  if (!count) return;
  int rows = 0;
  for (size_t i = 0; i < count; i++) rows += !i || strcmp(dots[i].kind, dots[i - 1].kind) != 0;
  struct axis a = axis_of_dots(count, dots, threshold);
  int bottom = TOP + 4 + rows * ROW;
  fm_text_append(t, "<svg class=\"dots\" data-low=\"");
  fm_text_number(t, a.low);
  fm_text_append(t, "\" data-high=\"");
  fm_text_number(t, a.high);
  fm_text_printf(t,
                 "\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Every picture a dot by its score, a row "
                 "each kind; %zu pictures, scores from %.4g to %.4g\">\n",
                 WIDTH, bottom + BOTTOM, count, a.low, a.high);
  for (size_t i = 0, row = 0; i < count; row++) {
    size_t n = 1;
    while (i + n < count && !strcmp(dots[i].kind, dots[i + n].kind)) n++;
    draw_row(t, &a, dots + i, n, TOP + ROW * (double)row);
    i += n;
  }
  draw_axis(t, &a, bottom);
  draw_cuts(t, &a, threshold, f1_threshold, bottom);
  fm_text_append(t, "</svg>\n");
}
