/* The steps of F2PAD (docs/math/f2pad.md): the masks of pictures go down the slope of the detector's loss.
 * What is looked at is the same window of every picture, or a window of each (window.h). */
#ifndef FM_REFINE_DESCENT_H
#define FM_REFINE_DESCENT_H

#include "model/model.h"
#include "refine/window.h"

struct fm_device;

struct fm_descent_item {
  const unsigned char *rgb; /* [whole][3] */
  const float *reference;   /* [whole][4] */
  struct fm_mask *mask;     /* of the whole picture, begun; what comes out */
  struct fm_window window;
};

struct fm_descent;

/* For windows of a kind. batch: pictures at a time. The model has a refinement, and must live as long. */
enum fm_status fm_descent_make(struct fm_device *d, const struct fm_model *model, int kind, int batch,
                               struct fm_descent **out);
void fm_descent_free(struct fm_descent *r); /* NULL: nothing */

enum fm_status fm_descent_run(struct fm_descent *r, int n, const struct fm_descent_item *items);

#endif
