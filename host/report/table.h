/* Metrics as JSON, as a table for people, and the whole of `flawmap metrics`. */
#ifndef FM_REPORT_TABLE_H
#define FM_REPORT_TABLE_H

#include "base/text.h"
#include "file/json.h"
#include "score/metrics.h"

/* All metrics as members of the object that is open, under the names of FM_METRICS_LIST; NaN becomes null. */
void fm_metrics_json(struct fm_json *json, const struct fm_metrics *metrics);

/* Why values of these metrics are missing, in a sentence: no flawed picture, no masks, ...; "" where none is.
 */
void fm_metrics_missing(const struct fm_metrics *metrics, char out[240]);

/* A value in percent with two digits, or "-" where there is none. */
void fm_metrics_percent(char out[16], double value);

/* One table: a row a metric, columns picture and pixel, in percent; "-" and the reason where there is none.
 */
void fm_metrics_table(struct fm_text *text, const struct fm_metrics *metrics);

/* Scores a folder of maps (score/folder.h) and gives what `flawmap metrics MAPS DATA [--json]` prints to
 * stdout: one JSON object with the names of FM_METRICS_LIST, or the table. *printed is the caller's
 * (fm_free). */
enum fm_status fm_metrics_command(struct fm_context *ctx, const char *maps, const char *data, bool json,
                                  char **printed);

#endif
