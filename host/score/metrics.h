/* The metrics of MVTec AD from anomaly maps and masks, exact: every distinct score is a threshold.
 *
 * AUROC and AP as scikit-learn defines them (ties grouped). F1: the largest over all thresholds score >= t,
 * the threshold the smallest of those that reach it. IoU pooled over all pictures at that threshold. AUPRO:
 * mean over 8-connected regions of the covered fraction against the false positive rate, up to the limit
 * (linear interpolation there), divided by the limit. aupro_cdo1: the 2023 CDO script's variant (200
 * thresholds, filled regions, rescaled rates). A metric without both classes is NaN (null in JSON). */
#ifndef FM_SCORE_METRICS_H
#define FM_SCORE_METRICS_H

#include "score/rank.h"
#include "score/scored.h"

/* name; the order of output */
/* clang-format off */
#define FM_METRICS_LIST(X) \
  X(image_auroc, "image_auroc") \
  X(image_ap, "image_ap") \
  X(image_f1, "image_f1") \
  X(image_f1_threshold, "image_f1_threshold") \
  X(pixel_auroc, "pixel_auroc") \
  X(pixel_ap, "pixel_ap") \
  X(pixel_f1, "pixel_f1") \
  X(pixel_f1_threshold, "pixel_f1_threshold") \
  X(pixel_iou, "pixel_iou") \
  X(aupro_30, "aupro_0.30") \
  X(aupro_05, "aupro_0.05") \
  X(aupro_cdo1, "aupro_cdo1")
/* clang-format on */

struct fm_metrics {
#define FM_METRICS_FIELD(field, key) double field;
  FM_METRICS_LIST(FM_METRICS_FIELD)
#undef FM_METRICS_FIELD
  double pro[FM_PRO_POINTS]; /* the curve under which aupro_30 is the area (rank.h); where that is NaN:
                                nothing */
  /* What it was computed from: why a value is missing (fm_metrics_missing in report/table.h). */
  size_t good, flawed, marked, unmarked; /* pictures; marked: with a flawed pixel in their masks */
  size_t sizes;                          /* pictures of another size than the first */
};

/* FM_METRICS_BUDGET: bytes for lists of pixels where the caller says 0; fewer where fewer than four times as
 * many are free. */
#define FM_METRICS_BUDGET ((size_t)768 << 20)

/* image_score: the pictures' scores where they are not the maps' maxima, else NULL. budget: bytes for lists
 * of pixels; fewer mean more passes over the pictures (ranges.h) and the same numbers. Beside it, whatever
 * the number of pictures: fm_metrics_bytes. 83 pictures of 900x900 take under 3 s on two cores. */
enum fm_status fm_metrics_compute(struct fm_context *ctx, const struct fm_source *source,
                                  const float *image_score, size_t budget, struct fm_metrics *out);

/* What it takes at most, with the budget of 0, for so many pixels in all, and in the largest picture. What
 * the source takes for open pictures is not among it. */
size_t fm_metrics_bytes(struct fm_context *ctx, const struct fm_source *source, size_t all, size_t largest);

#endif
