/* Scores as colours. The threshold always gets the colour map's middle, so that in every picture of a report
 * the same colour means "over the threshold". */
#ifndef FM_REPORT_HEAT_H
#define FM_REPORT_HEAT_H

struct fm_heat {
  double low, middle, high; /* ascending; shown black, at the middle, brightest */
};

/* middle: the pixel threshold. Where the three do not ascend (flat maps, no threshold: pass NaN) they are
 * moved apart. */
struct fm_heat fm_heat_make(double low, double middle, double high);

/* 0 to 1; 0.5 at the middle. */
double fm_heat_position(const struct fm_heat *heat, double score);

/* The colour at a position: black over violet, red and orange to pale yellow, ever brighter, so that it also
 * reads in grey and with colour-blind eyes. */
void fm_heat_colour(double position, unsigned char rgb[3]);

#endif
