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
};

/* A row a kind, a dot a picture. Dots of a kind stand together. */
void fm_plot_pictures(struct fm_text *text, size_t count, const struct fm_plot_dot *dots, double threshold,
                      double f1_threshold);

#endif
