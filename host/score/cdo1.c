#include "score/cdo1.h"

#include "base/memory.h"

#include <math.h>

void fm_cdo1_begin(struct fm_cdo1 *cdo1, double low, double high) {
  double delta = (high - low) / FM_CDO1_STEPS;
  for (int s = 0; s < FM_CDO1_STEPS; s++) cdo1->threshold[s] = high - s * delta;
  cdo1->per_unit = delta > 0 ? 1 / delta : 0;
}

/* The first threshold that v is over: an estimate, then the comparisons that decide. v may lie beyond the
 * extremes where a map changed since they were found. */
static int step_of(const struct fm_cdo1 *c, double v) {
  double guess = (c->threshold[0] - v) * c->per_unit;
  int s = !(guess > 0) ? 0 : guess < FM_CDO1_STEPS ? (int)guess : FM_CDO1_STEPS;
  while (s > 0 && v > c->threshold[s - 1]) s--;
  while (s < FM_CDO1_STEPS && !(v > c->threshold[s])) s++;
  return s;
}

static void add_filled(const struct fm_cdo1 *c, const float *map, int width, const struct fm_region *g,
                       const unsigned char *filled, double *overlap) {
  uint64_t pixels[FM_CDO1_STEPS + 1] = {0};
  for (int y = g->y0; y < g->y1; y++)
    for (int x = g->x0; x < g->x1; x++)
      if (*filled++) pixels[step_of(c, (double)map[(size_t)y * (size_t)width + (size_t)x])]++;
  for (int s = 0; s <= FM_CDO1_STEPS; s++) overlap[s] += (double)pixels[s] / g->area;
}

enum fm_status fm_cdo1_add(struct fm_context *ctx, const struct fm_cdo1 *cdo1, const float *map,
                           const struct fm_regions *regions, struct fm_cdo1_part *part) {
  size_t pixels = (size_t)regions->width * (size_t)regions->height;
  for (size_t i = 0; i < pixels; i++)
    if (!regions->label[i]) part->normals[step_of(cdo1, (double)map[i])]++;
  for (size_t i = 0; i < regions->count; i++) {
    unsigned char *filled;
    FM_TRY(fm_region_fill(ctx, regions, i, &filled));
    add_filled(cdo1, map, regions->width, &regions->region[i], filled, part->overlap);
    fm_free(ctx, filled);
  }
  return FM_OK;
}

double fm_cdo1_end(const struct fm_cdo1_part *part, size_t parts, size_t regions, size_t normals) {
  if (!regions || !normals) return NAN;
  double rate[FM_CDO1_STEPS], overlap[FM_CDO1_STEPS], found = 0;
  uint64_t wrong = 0;
  int kept = 0; /* rates ascend: those up to the limit come first */
  for (int s = 0; s < FM_CDO1_STEPS; s++) {
    for (size_t p = 0; p < parts; p++) {
      wrong += part[p].normals[s];
      found += part[p].overlap[s];
    }
    rate[s] = (double)wrong / (double)normals;
    overlap[s] = found / (double)regions;
    if (rate[s] <= 0.3) kept++;
  }
  if (kept < 2 || rate[kept - 1] == rate[0]) return NAN;
  double range = rate[kept - 1] - rate[0], area = 0;
  for (int s = 1; s < kept; s++) area += (rate[s] - rate[s - 1]) / range * (overlap[s] + overlap[s - 1]) / 2;
  return area;
}
