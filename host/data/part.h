/* The part in a picture against its ground, dark or light: the picture as a relief. */
#ifndef FM_DATA_PART_H
#define FM_DATA_PART_H

#include "base/status.h"

/* Pictures are looked at in this size, whatever the network's is. */
enum { FM_VIEW_SIDE = 128, FM_VIEW_PIXELS = FM_VIEW_SIDE * FM_VIEW_SIDE };

struct fm_part {
  bool there; /* something stands out, and is neither all of the picture nor next to nothing */
  float relief[FM_VIEW_PIXELS]; /* how far a pixel is from the ground's colour, in its farthest channel,
                                   0..255 */
  float ground[3];              /* the colour of the picture's rim: the middle one */
  float threshold;              /* a relief over it stands out */
  float share;                  /* of the picture that stands out */
  float x, y;                   /* the middle of what stands out, in pixels of the view */
  float xx, xy, yy;             /* its second moments about that */
};

/* The middle of a pixel of a view, in units of the picture's sides, 0 to 1. */
static inline void fm_view_place(int pixel, float place[2]) {
  int column = pixel % FM_VIEW_SIDE, row = pixel / FM_VIEW_SIDE;
  place[0] = ((float)column + 0.5f) / FM_VIEW_SIDE;
  place[1] = ((float)row + 0.5f) / FM_VIEW_SIDE;
}

/* view [FM_VIEW_SIDE][FM_VIEW_SIDE][3]. */
void fm_part_look(const unsigned char *view, struct fm_part *part);

/* The rest of it from a relief that is there, but for the ground. */
void fm_part_measure(struct fm_part *part);

#endif
