/* Where F2PAD looks while it changes a picture. What it may change is mostly small, and a method whose cells
 * know nothing of their place (struct fm_method: anywhere) sees the same in a window around it as in the
 * whole picture, but for what its network sees of the window's edge: what may change stays FM_WINDOW_MARGIN
 * pixels away from that, and cells within half of those do not count (docs/math/f2pad.md). */
#ifndef FM_REFINE_WINDOW_H
#define FM_REFINE_WINDOW_H

#include "refine/mask.h"

enum { FM_WINDOW_WHOLE, FM_WINDOWS = 7, FM_WINDOW_MARGIN = 48 };

struct fm_window {
  int kind, x, y; /* of the sizes below; of its first pixel */
};

/* The whole picture, or three quarters or half of its sides, from large to small. */
struct fm_size fm_window_size(struct fm_size whole, int kind);

/* The smallest one that will do. */
struct fm_window fm_window_around(const struct fm_mask *mask);

/* limit [high][wide] of a picture's cells as it is in the window [h][w]: infinite for cells that do not
 * count. */
void fm_window_limits(struct fm_size whole, struct fm_window window, const float *limit, int wide, float *out,
                      int h, int w);

#endif
