/* F2PAD: a map sharpened to the flaw's outline, and the part as it should have looked (after Tao, Xu, Du,
 * arXiv 2407.06519; what is done and why: docs/math/f2pad.md).
 *
 * The picture Y is mixed with its normal reference R by a mask a, N = Y + up(a) (R - Y), and a is optimised
 * until the detector finds N normal, but no further. What had to change is the flaw: f = b (1 + (blur |Y - R|
 * + blur |Y - N|) / (2 rho)),  b = blur up(sqrt e) / sqrt(q99.5) All constants come from held-out good
 * pictures. */
#ifndef FM_REFINE_F2PAD_H
#define FM_REFINE_F2PAD_H

#include "method/scorer.h"
#include "model/refinement.h"
#include "refine/reference.h"

struct fm_f2pad;

/* The model has a refinement. */
enum fm_status fm_f2pad_make(struct fm_device *d, const struct fm_model *model, int batch,
                             struct fm_f2pad **out);
void fm_f2pad_free(struct fm_f2pad *r);

/* As fm_scorer_run, with sharpened maps; base: the detector's own maps, and repaired: 8-bit pictures
 * [n][height][width][3] of N; both may be NULL. */
enum fm_status fm_f2pad_run(struct fm_f2pad *r, int n, const unsigned char *rgb,
                            const struct fm_adjusted *adjusted, float *maps, float *scores, float *base,
                            unsigned char *repaired);

/* The repaired picture at the picture's own size: what was changed is enlarged, everything else keeps its
 * detail. seen: what the network saw; rgb, out: [height][width][3]. */
enum fm_status fm_repaired_enlarge(struct fm_context *ctx, const struct fm_preprocess *p,
                                   const unsigned char *seen, const unsigned char *repaired,
                                   const unsigned char *rgb, int width, int height, unsigned char *out);

/* Learns a refinement for a model that is otherwise finished: references from t's pictures, limits from
 * held-out good ones. */
enum fm_status fm_f2pad_fit(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                            const struct fm_sample *held, size_t held_count);

/* t's pictures join the model's refinement, which it has. known: among the held-out good ones are some of
 * those the model was made with, so that limits and threshold come from held pictures, and sharpening may be
 * switched off; else nothing tells that the old ones would still pass, limits only rise, and the threshold
 * stays. */
enum fm_status fm_f2pad_join(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                             const struct fm_sample *held, size_t held_count, bool known);

#endif
