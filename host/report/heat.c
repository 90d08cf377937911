#include "report/heat.h"

#include <math.h>

struct fm_heat fm_heat_make(double low, double middle, double high) {
  if (!isfinite(low)) low = 0;
  if (!isfinite(high) || high <= low) high = low + (fabs(low) > 1 ? fabs(low) : 1);
  if (!isfinite(middle)) middle = (low + high) / 2;
  if (middle <= low) low = middle - (high > middle ? high - middle : 1);
  if (high <= middle) high = middle + (middle - low);
  return (struct fm_heat){low, middle, high};
}

double fm_heat_position(const struct fm_heat *heat, double score) {
  if (!(score > heat->low)) return 0;
  if (score >= heat->high) return 1;
  if (score <= heat->middle) return 0.5 * (score - heat->low) / (heat->middle - heat->low);
  return 0.5 + 0.5 * (score - heat->middle) / (heat->high - heat->middle);
}

void fm_heat_colour(double position, unsigned char rgb[3]) {
  static const unsigned char point[][3] = {{0, 0, 6},      {26, 12, 66},   {76, 14, 108},
                                           {124, 28, 110}, {190, 48, 82},  {226, 84, 46},
                                           {246, 136, 18}, {250, 198, 58}, {252, 252, 170}};
  enum { PIECES = sizeof point / sizeof *point - 1 };
  double at = fmin(fmax(position, 0), 1) * PIECES;
  int i = at < PIECES ? (int)at : PIECES - 1;
  for (int c = 0; c < 3; c++) {
    double from = point[i][c], to = point[i + 1][c];
    rgb[c] = (unsigned char)(from + (to - from) * (at - i) + 0.5);
  }
}
