/* What is found in a scored picture: the verdict, and where. predict, eval, serve and the C API say the same
 * because they ask here. */
#ifndef FM_TASK_VERDICT_H
#define FM_TASK_VERDICT_H

#include "file/csv.h"
#include "file/json.h"
#include "score/spot.h"
#include "score/threshold.h"
#include "task/score_batch.h"

struct fm_verdict_rule {
  struct fm_threshold image, pixel;
  size_t min_area; /* smaller regions are none (pixels); 0 and 1: every one counts */
};

struct fm_verdict {
  bool flagged;
  struct fm_spots spots; /* the regions; none in a picture that passes */
};

/* A picture is flagged where its score is over the threshold; its regions are the connected parts of its map
 * that are outlined (fm_threshold_outline). With min_area, one that has no region as large as that passes, so
 * verdict, mask and regions agree. Freed with fm_verdict_free, also after a failure. */
enum fm_status fm_verdict_make(struct fm_context *ctx, const struct fm_verdict_rule *rule,
                               const struct fm_score_one *one, struct fm_verdict *found);
void fm_verdict_free(struct fm_context *ctx, struct fm_verdict *found);

/* The same of a map with a score that come from elsewhere; peak: the map's largest value. */
enum fm_status fm_verdict_of_map(struct fm_context *ctx, const struct fm_verdict_rule *rule,
                                 const struct fm_spot_map *map, double score, double peak,
                                 struct fm_verdict *found);

size_t fm_verdict_area(const struct fm_verdict *found);  /* of all regions, in pixels */
double fm_verdict_share(const struct fm_verdict *found); /* the same as a share of the picture */

/* "regions": [{"x", "y", "width", "height": the box; "area"; "share": of the picture; "peak"; "mean";
 * "centre_x", "centre_y"}, ...] as the next member of the object at hand. */
void fm_verdict_json(struct fm_json *json, const struct fm_verdict *found);

/* The same for CSV, a row a region: fm_region_columns after the fields that the caller puts in front. */
enum { FM_REGION_COLUMNS = 11 };
extern const char *const fm_region_columns[FM_REGION_COLUMNS];
void fm_verdict_csv_row(struct fm_csv *csv, const struct fm_verdict *found, size_t region);

#endif
