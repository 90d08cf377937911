/* What learning and using a refinement share: a look at pictures that gives scores, maps and the distance to
 * the normal reference. Nobody else includes this. */
#ifndef FM_REFINE_F2PAD_INTERNAL_H
#define FM_REFINE_F2PAD_INTERNAL_H

#include "refine/f2pad.h"
#include "refine/mask.h"

#include <math.h>

/* f = b (1 + (blur |Y - R| + blur |Y - N|) / (2 rho)), docs/math/f2pad.md; b is up(sqrt e), smoothed, times
 * this. */
static inline float fm_refinement_scale(const struct fm_refinement *m) {
  return (float)(1 / sqrt(m->q995));
}

static inline float fm_sharpened(float b, float r, float s, float rho) {
  return b * (1 + (r + s) / (2 * rho));
}

/* What was seen of held-out good pictures. */
struct fm_normal {
  size_t count, cells, pixels; /* pictures; cells and pixels of each */
  const float *e;              /* [count][cells] */
  const float *blur;           /* [count][pixels]: blur |Y - R| */
};

/* The quantiles, tau, rho and rho(p) of out, whose blur and reference's kind and size are set; limit and
 * usual are out's to free. */
enum fm_status fm_f2pad_measure(struct fm_device *d, const struct fm_normal *normal,
                                struct fm_refinement *out);

/* Threshold, base, worth, off and scores of m, which is otherwise finished. */
enum fm_status fm_f2pad_judge(struct fm_device *d, const struct fm_model *model, const struct fm_sample *held,
                              size_t count, struct fm_refinement *m);

struct fm_look {
  struct fm_device *d;
  struct fm_scorer *scorer;
  struct fm_composer referrer;
  struct fm_gaussian gaussian; /* blur of 256 pixels */
  int batch;
  /* Of the pictures looked at last, on the host: e [n][cells], 0 where a cell shows nothing of the picture
   * itself; planes [n][height][width]: |Y - R|, the same smoothed, up(sqrt e) smoothed. */
  float *cells, *residual, *blur, *soft;
  unsigned char *covered; /* [cells] of a picture */
};

enum fm_status fm_look_make(struct fm_device *d, const struct fm_model *model,
                            const struct fm_reference *reference, double blur, int batch,
                            struct fm_look *look);
void fm_look_free(struct fm_look *look);

/* n <= batch pictures; maps and scores as fm_scorer_run gives them. */
enum fm_status fm_look_at(struct fm_look *look, int n, const unsigned char *rgb,
                          const struct fm_adjusted *adjusted, float *maps, float *scores);

/* Smooths planes [n][height][width] in place. */
enum fm_status fm_look_blur(struct fm_look *look, int n, float *values);

#endif
