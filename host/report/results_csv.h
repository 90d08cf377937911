/* What predict found, as tables beside its files: results.csv with a row a picture, regions.csv with a row a
 * region. */
#ifndef FM_REPORT_RESULTS_CSV_H
#define FM_REPORT_RESULTS_CSV_H

#include "base/file.h"
#include "task/score_set.h"
#include "task/verdict.h"

struct fm_results_csv {
  struct fm_context *ctx;
  struct fm_writer results, regions;
  double threshold;
  bool used;
};

/* Both files take their places in folder when they are closed; nothing is left of them without a row. */
enum fm_status fm_results_csv_open(struct fm_results_csv *csv, struct fm_context *ctx, const char *folder,
                                   double threshold);
/* trouble: why its files could not be written; NULL: they were. */
enum fm_status fm_results_csv_add(struct fm_results_csv *csv, const struct fm_score_item *item,
                                  const struct fm_verdict *found, const char *verdict, const char *trouble);
enum fm_status fm_results_csv_unread(struct fm_results_csv *csv, const char *path, const char *trouble);
enum fm_status fm_results_csv_close(struct fm_results_csv *csv);

#endif
