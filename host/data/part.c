#include "data/part.h"

#include <math.h>

enum { RIM = 4 }; /* pixels of the view that belong to the rim */

/* The middle value of each channel over the rim: a part, or a flaw, on less than half of it does not matter.
 */
static void look_at_ground(const unsigned char *view, float ground[3]) {
  int histogram[3][256] = {{0}}, count = 0;
  for (int y = 0; y < FM_VIEW_SIDE; y++)
    for (int x = 0; x < FM_VIEW_SIDE; x++) {
      if (x >= RIM && x < FM_VIEW_SIDE - RIM && y >= RIM && y < FM_VIEW_SIDE - RIM) continue;
      for (int c = 0; c < 3; c++) histogram[c][view[3 * (y * FM_VIEW_SIDE + x) + c]]++;
      count++;
    }
  for (int c = 0; c < 3; c++) {
    int v = 0, seen = histogram[c][0];
    while (2 * seen < count) seen += histogram[c][++v];
    ground[c] = (float)v;
  }
}

/* Otsu's threshold: it parts a histogram so that the two sides differ most. */
static int part_histogram(const int histogram[256], int count) {
  double all = 0, below = 0, most = -1;
  int n = 0, best = 0;
  for (int v = 0; v < 256; v++) all += (double)v * histogram[v];
  for (int v = 0; v < 255; v++) {
    n += histogram[v];
    below += (double)v * histogram[v];
    if (!n || n == count) continue;
    double difference = below / n - (all - below) / (count - n);
    double between = difference * difference * n * (count - n);
    if (between <= most) continue;
    most = between;
    best = v;
  }
  return best;
}

void fm_part_look(const unsigned char *view, struct fm_part *p) {
  look_at_ground(view, p->ground);
  for (int i = 0; i < FM_VIEW_PIXELS; i++) {
    p->relief[i] = 0;
    for (int c = 0; c < 3; c++)
      p->relief[i] = fmaxf(p->relief[i], fabsf((float)view[3 * i + c] - p->ground[c]));
  }
  fm_part_measure(p);
}

void fm_part_measure(struct fm_part *p) {
  static const float least = 0.003f, most = 0.7f, faint = 12;
  int histogram[256] = {0}, count = 0, rim = 0, rims = 0;
  double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  for (int i = 0; i < FM_VIEW_PIXELS; i++) histogram[(int)p->relief[i]]++;
  p->threshold = fmaxf((float)part_histogram(histogram, FM_VIEW_PIXELS), faint);
  for (int i = 0; i < FM_VIEW_PIXELS; i++) {
    int column = i % FM_VIEW_SIDE, row = i / FM_VIEW_SIDE;
    bool on_rim = column < RIM || column >= FM_VIEW_SIDE - RIM || row < RIM || row >= FM_VIEW_SIDE - RIM,
         out = p->relief[i] > p->threshold;
    rims += on_rim;
    rim += on_rim && out;
    if (!out) continue;
    count++;
    x += column;
    y += row;
    xx += column * column;
    xy += column * row;
    yy += row * row;
  }
  double n = count ? count : 1;
  p->share = (float)count / FM_VIEW_PIXELS;
  p->x = (float)(x / n);
  p->y = (float)(y / n);
  p->xx = (float)(xx / n - x / n * x / n);
  p->xy = (float)(xy / n - x / n * y / n);
  p->yy = (float)(yy / n - y / n * y / n);
  p->there = p->share >= least && p->share <= most && 4 * rim < rims;
}
