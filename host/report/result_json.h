/* What is said of a picture as JSON: the same members by predict and by the service. */
#ifndef FM_REPORT_RESULT_JSON_H
#define FM_REPORT_RESULT_JSON_H

#include "file/json.h"
#include "report/results.h"

/* Into the object that is open: verdict, score, threshold, size, what the model's standard did to the
 * picture, and its regions. */
void fm_result_put(struct fm_json *json, const struct fm_results *results, const struct fm_score_item *item,
                   const struct fm_verdict *found);

#endif
