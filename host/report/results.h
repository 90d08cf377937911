/* The files that predict writes for a picture: its map, what is over the threshold, both drawn over the
 * picture, and the repaired picture. */
#ifndef FM_REPORT_RESULTS_H
#define FM_REPORT_RESULTS_H

#include "report/heat.h"
#include "task/score_set.h"
#include "task/verdict.h"

enum fm_result { FM_RESULT_MAP, FM_RESULT_MASK, FM_RESULT_OVERLAY, FM_RESULT_REPAIRED, FM_RESULTS };

struct fm_results {
  struct fm_context *ctx;
  const char *folder;
  bool wanted[FM_RESULTS];
  bool known;                  /* the model has thresholds */
  struct fm_verdict_rule rule; /* verdicts and outlines */
  struct fm_heat heat;
  const struct fm_ignore *ignore; /* the model's, which is not looked at */
  struct fm_preprocess preprocess;
};

/* The thresholds and colours of a model, of its sharpened maps with refine; folder, wanted and
 * rule.min_area are the caller's to set. */
enum fm_status fm_results_make(struct fm_context *ctx, const struct fm_model *model, bool refine,
                               struct fm_results *results);

/* FOLDER/KIND/NAME.EXTENSION, a new string. name: of the picture, without extension; folders may be in it. */
char *fm_result_path(const struct fm_results *results, const char *name, enum fm_result kind);

/* "good", "flawed", or "unknown" where the model has no thresholds. */
const char *fm_result_verdict(const struct fm_results *results, const struct fm_verdict *found);

/* "map", "mask", "overlay", "repaired". */
const char *fm_result_name(enum fm_result kind);

/* Memory that fm_results_write takes: bytes a pixel of the picture, the picture itself included. */
size_t fm_results_bytes(const struct fm_results *results);

/* Writes the wanted files of item, with what was found in it, under its sample's name. A failure is reported
 * into ctx. */
enum fm_status fm_results_write(struct fm_context *ctx, const struct fm_results *results,
                                const struct fm_score_item *item, const struct fm_verdict *found);

/* One of them as bytes, the same as the file's (the caller's, fm_free). image: the picture, RGB at its own
 * size; a map and a mask do without (NULL). */
enum fm_status fm_result_encode(struct fm_context *ctx, const struct fm_results *results,
                                const struct fm_score_item *item, const struct fm_verdict *found,
                                const struct fm_image *image, enum fm_result kind, unsigned char **bytes,
                                size_t *size);

#endif
