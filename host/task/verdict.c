#include "task/verdict.h"

const char *const fm_region_columns[FM_REGION_COLUMNS] = {
    "region", "x", "y", "width", "height", "area", "share", "peak", "mean", "centre_x", "centre_y"};

enum fm_status fm_verdict_of_map(struct fm_context *ctx, const struct fm_verdict_rule *rule,
                                 const struct fm_spot_map *map, double score, double peak,
                                 struct fm_verdict *f) {
  bool flagged = score > rule->image.value;
  double outline = fm_threshold_outline(&rule->pixel, flagged, peak);
  *f = (struct fm_verdict){.flagged = flagged,
                           .spots = {.threshold = outline, .width = map->width, .height = map->height}};
  if (!flagged) return FM_OK; /* nothing is outlined */
  FM_TRY(fm_spots_find(ctx, map, outline, rule->min_area, &f->spots));
  if (rule->min_area > 1 && !f->spots.count) f->flagged = false;
  return FM_OK;
}

static void row_of_one(void *user, int y, float *row) {
  const struct fm_score_one *one = user;
  fm_score_map_row(&one->map, y, row);
}

enum fm_status fm_verdict_make(struct fm_context *ctx, const struct fm_verdict_rule *rule,
                               const struct fm_score_one *one, struct fm_verdict *f) {
  const struct fm_spot_map map = {one->width, one->height, row_of_one, (void *)one};
  return fm_verdict_of_map(ctx, rule, &map, (double)one->score, (double)one->peak, f);
}

void fm_verdict_free(struct fm_context *ctx, struct fm_verdict *f) {
  fm_spots_free(ctx, &f->spots);
}

size_t fm_verdict_area(const struct fm_verdict *f) {
  size_t area = 0;
  for (size_t i = 0; i < f->spots.count; i++) area += f->spots.spot[i].area;
  return area;
}

static double share(const struct fm_verdict *f, size_t area) {
  return (double)area / ((double)f->spots.width * (double)f->spots.height);
}

double fm_verdict_share(const struct fm_verdict *f) {
  return share(f, fm_verdict_area(f));
}

void fm_verdict_json(struct fm_json *j, const struct fm_verdict *f) {
  fm_json_array(j, "regions");
  for (size_t i = 0; i < f->spots.count; i++) {
    const struct fm_spot *s = &f->spots.spot[i];
    fm_json_object(j, NULL);
    fm_json_integer(j, "x", s->x0);
    fm_json_integer(j, "y", s->y0);
    fm_json_integer(j, "width", s->x1 - s->x0);
    fm_json_integer(j, "height", s->y1 - s->y0);
    fm_json_integer(j, "area", (int64_t)s->area);
    fm_json_number(j, "share", share(f, s->area));
    fm_json_number(j, "peak", s->peak);
    fm_json_number(j, "mean", s->mean);
    fm_json_number(j, "centre_x", s->x);
    fm_json_number(j, "centre_y", s->y);
    fm_json_end(j);
  }
  fm_json_end(j);
}

void fm_verdict_csv_row(struct fm_csv *csv, const struct fm_verdict *f, size_t region) {
  const struct fm_spot *s = &f->spots.spot[region];
  fm_csv_integer(csv, (int64_t)region + 1);
  fm_csv_integer(csv, s->x0);
  fm_csv_integer(csv, s->y0);
  fm_csv_integer(csv, s->x1 - s->x0);
  fm_csv_integer(csv, s->y1 - s->y0);
  fm_csv_integer(csv, (int64_t)s->area);
  fm_csv_number(csv, share(f, s->area));
  fm_csv_number(csv, s->peak);
  fm_csv_number(csv, s->mean);
  fm_csv_number(csv, s->x);
  fm_csv_number(csv, s->y);
  fm_csv_row(csv);
}
