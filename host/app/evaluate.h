/* A model's evaluation on one category: scores of all test pictures, metrics at two sizes, and their pages of
 * the report. */
#ifndef FM_APP_EVALUATE_H
#define FM_APP_EVALUATE_H

#include "report/report.h"
#include "task/score_set.h"

/* At the pixel threshold that the model has from good pictures: overlap of what is flagged with what is
 * flawed, over all pictures; the share of the good pictures' pixels that is flagged. */
struct fm_fixed {
  double iou, flagged_good;
};

struct fm_evaluation {
  struct fm_metrics official, cdo1; /* at the pictures' own size; at the training size */
  bool refined;                     /* the maps were sharpened; the rest is at the training size */
  struct fm_metrics base;           /* of the detector's own maps */
  struct fm_fixed fixed, base_fixed;
  struct fm_report_tally tally;
  size_t pictures;
  bool reported; /* the report has begun on it: a failure from here on spoils the report */
};

/* Adds the category to the report. Memory does not grow with the number of pictures times their size
 * (full_size.h, score/ranges.h): of each picture the network's map is held, 5 bytes a pixel of the network's
 * input, 15 with refine. What it takes is said before it begins where it is much.
 * refine: with sharpened maps, which the model must have learned. min_area: of a region (task/verdict.h).
 * Flawed pictures must all have masks, or none of them: then there are metrics of pictures only. */
enum fm_status fm_evaluate(struct fm_device *d, const struct fm_model *model, bool refine, size_t min_area,
                           const struct fm_category *category, struct fm_report *report,
                           struct fm_evaluation *out);

/* What is known about a model, for reports and `flawmap info`: at most FM_MODEL_FACTS facts; their texts are
 * in room. */
enum { FM_MODEL_FACTS = 24 };
struct fm_model_facts {
  struct fm_fact fact[FM_MODEL_FACTS];
  char room[FM_MODEL_FACTS][128];
  size_t count;
};
void fm_model_facts(const struct fm_model *model, struct fm_model_facts *facts);

/* --refine's value: "f2pad" FM_YES, "off" FM_NO, NULL FM_AUTO, else FM_USAGE. */
enum fm_status fm_refine_parse(struct fm_context *ctx, const char *text, enum fm_switch *wish);

#endif
