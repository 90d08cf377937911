/* Several models on the same data set, side by side: a table for people, comparison.csv, comparison.json,
 * and a page. */
#ifndef FM_APP_COMPARE_H
#define FM_APP_COMPARE_H

#include "app/evaluate.h"

/* What a model came to, over all of its categories. */
struct fm_compared {
  char *name; /* unique: of its folder of results */
  struct fm_metrics sum;
  struct fm_report_tally tally;
  size_t categories, pictures;
};

struct fm_comparison {
  struct fm_context *ctx;
  struct fm_compared *model;
  size_t count;
};

/* Names are the files' without folder and extension; of equal ones the later get a number. To be freed also
 * after a failure. */
enum fm_status fm_comparison_begin(struct fm_context *ctx, const char *const *paths, size_t count,
                                   struct fm_comparison *c);
void fm_comparison_free(struct fm_comparison *c);

/* A category of the model. */
void fm_compared_add(struct fm_compared *model, const struct fm_evaluation *evaluation);

/* The table, a row a model in the order given, with a warning where they did not see equally many pictures.
 */
enum fm_status fm_comparison_print(const struct fm_comparison *c);

/* comparison.csv, comparison.json, and report.html, which leads to the models' own pages. */
enum fm_status fm_comparison_write(const struct fm_comparison *c, const char *folder);

#endif
