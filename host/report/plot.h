/* Plots as inline SVG: how the scores of normal and flawed pixels and pictures lie, and where the thresholds
 * cut. */
#ifndef FM_REPORT_PLOT_H
#define FM_REPORT_PLOT_H

#include "base/text.h"

#include <stdint.h>

/* Counts of pixels by score, filled picture by picture before the range of scores is known: bins by the
 * highest bits of the score, 512 to a factor of two. */
enum { FM_HISTOGRAM_BINS = 1 << 18 };

struct fm_histogram {
  uint64_t *count[2]; /* normal, flawed */
  uint64_t total[2];
  float low, high;
};

enum fm_status fm_histogram_begin(struct fm_histogram *histogram, struct fm_context *ctx);
/* mask NULL: all pixels are normal. */
void fm_histogram_add(struct fm_histogram *histogram, size_t pixels, const float *map,
                      const unsigned char *mask);
void fm_histogram_free(struct fm_histogram *histogram, struct fm_context *ctx);

/* Both distributions over the score, counts on a logarithmic axis. Thresholds that are not finite are not
 * drawn. */
void fm_plot_pixels(struct fm_text *text, const struct fm_histogram *histogram, double threshold,
                    double f1_threshold);

struct fm_plot_dot {
  const char *kind, *name;
  double score;
  bool flawed;
  size_t card; /* its card on the page, which a click opens (data-card) */
};

/* A row a kind, a dot a picture. Dots of a kind stand together. The page's script moves the threshold: the
 * scores at the ends of the axis are data-low and data-high of the svg, and its line has the class cut. */
void fm_plot_pictures(struct fm_text *text, size_t count, const struct fm_plot_dot *dots, double threshold,
                      double f1_threshold);

/* A line through points whose x ascend. */
struct fm_curve {
  const char *label; /* what is seen, for those who cannot see it */
  const char *x_name, *y_name;
  bool percent;  /* both axes are shares: 0 to 1, shown in percent; else they end where the points do */
  double x_high; /* with percent: where the x axis ends */
  size_t count;
  const double *x, *y;
  bool filled;           /* what lies under it is an area that is spoken of */
  double mark_x, mark_y; /* a point on it that is marked (class now); NaN: none */
  double line_x;         /* a dashed upright line; NaN: none */
};
void fm_plot_curve(struct fm_text *text, const struct fm_curve *curve);

#endif
