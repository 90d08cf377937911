#include "score/spot.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sums { /* of the pixels with one label */
  int x0, y0, x1, y1;
  size_t area;
  double peak, total, x, y;
};

struct search {
  struct fm_context *ctx;
  const struct fm_spot_map *map;
  struct fm_spots *out;
  struct sums *sums; /* by label */
  size_t capacity;
  float *row;
  unsigned char *mask;
  uint32_t *labels[2];
};

static void cut(const float *row, int width, double threshold, unsigned char *mask) {
  for (int x = 0; x < width; x++) mask[x] = (double)row[x] > threshold ? 255 : 0;
}

static void add_pixel(struct sums *s, int x, int y, double value) {
  if (!s->area++) *s = (struct sums){.x0 = x, .x1 = x + 1, .y0 = y, .area = 1, .peak = value};
  if (x < s->x0) s->x0 = x;
  if (x >= s->x1) s->x1 = x + 1;
  s->y1 = y + 1;
  s->peak = fmax(s->peak, value);
  s->total += value;
  s->x += x;
  s->y += y;
}

static void join(struct sums *s, const struct sums *t) {
  if (!s->area) {
    *s = *t;
    return;
  }
  if (t->x0 < s->x0) s->x0 = t->x0;
  if (t->y0 < s->y0) s->y0 = t->y0;
  if (t->x1 > s->x1) s->x1 = t->x1;
  if (t->y1 > s->y1) s->y1 = t->y1;
  s->area += t->area;
  s->peak = fmax(s->peak, t->peak);
  s->total += t->total;
  s->x += t->x;
  s->y += t->y;
}

static enum fm_status look_at_row(struct search *s, int y) {
  int width = s->map->width;
  struct fm_labels *labels = &s->out->labels;
  uint32_t *row = s->labels[y & 1];
  size_t known = labels->count;
  s->map->row(s->map->user, y, s->row);
  cut(s->row, width, s->out->threshold, s->mask);
  memset(row, 0, (size_t)width * sizeof *row);
  FM_TRY(fm_labels_row(s->ctx, labels, s->mask, y ? s->labels[!(y & 1)] : NULL, row, width));
  for (; known < labels->count; known++) {
    FM_TRY(fm_grow(s->ctx, (void **)&s->sums, &s->capacity, known, sizeof *s->sums));
    s->sums[known] = (struct sums){0};
  }
  for (int x = 0; x < width; x++)
    if (row[x]) add_pixel(&s->sums[row[x]], x, y, (double)s->row[x]);
  return FM_OK;
}

static int by_peak(const void *a, const void *b) {
  const struct fm_spot *s = a, *t = b;
  if (s->peak != t->peak) return s->peak < t->peak ? 1 : -1;
  if (s->y0 != t->y0) return s->y0 < t->y0 ? -1 : 1;
  return (s->x0 > t->x0) - (s->x0 < t->x0);
}

/* The labels' sums become those of the parts they belong to, and the parts that are large enough spots. */
static enum fm_status collect(struct search *s, size_t min_area) {
  struct fm_spots *out = s->out;
  const size_t labels = out->labels.count, parts = fm_labels_finish(&out->labels);
  for (size_t l = 1; l < labels; l++) {
    size_t part = out->labels.parent[l]; /* never larger than l */
    struct sums now = s->sums[l];
    s->sums[l].area = 0;
    join(&s->sums[part], &now);
  }
  out->spot = fm_alloc(s->ctx, parts, sizeof *out->spot);
  out->kept = fm_alloc(s->ctx, parts + 1, 1);
  if (!out->spot || !out->kept) return FM_MEMORY;
  for (size_t p = 1; p <= parts; p++) {
    const struct sums *t = &s->sums[p];
    if (!(out->kept[p] = t->area >= min_area)) continue;
    double n = (double)t->area;
    out->spot[out->count++] =
        (struct fm_spot){t->x0, t->y0, t->x1, t->y1, t->area, t->peak, t->total / n, t->x / n, t->y / n};
  }
  if (out->count == parts) {
    fm_labels_free(s->ctx, &out->labels);
    fm_free(s->ctx, out->kept);
    out->kept = NULL;
  }
  if (out->count) qsort(out->spot, out->count, sizeof *out->spot, by_peak);
  return FM_OK;
}

enum fm_status fm_spots_find(struct fm_context *ctx, const struct fm_spot_map *map, double threshold,
                             size_t min_area, struct fm_spots *out) {
  *out = (struct fm_spots){.threshold = threshold, .width = map->width, .height = map->height};
  struct search s = {.ctx = ctx, .map = map, .out = out};
  size_t width = (size_t)map->width;
  s.row = fm_alloc(ctx, width, sizeof *s.row);
  s.mask = fm_alloc(ctx, width, 1);
  for (int k = 0; k < 2; k++) s.labels[k] = fm_alloc(ctx, width, sizeof **s.labels);
  enum fm_status status = s.row && s.mask && s.labels[0] && s.labels[1] ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_labels_begin(ctx, &out->labels);
  if (status == FM_OK) status = fm_grow(ctx, (void **)&s.sums, &s.capacity, 0, sizeof *s.sums);
  for (int y = 0; status == FM_OK && y < map->height; y++) status = look_at_row(&s, y);
  if (status == FM_OK) status = collect(&s, min_area);
  fm_free(ctx, s.row);
  fm_free(ctx, s.mask);
  for (int k = 0; k < 2; k++) fm_free(ctx, s.labels[k]);
  fm_free(ctx, s.sums);
  return status;
}

void fm_spots_free(struct fm_context *ctx, struct fm_spots *spots) {
  fm_free(ctx, spots->spot);
  fm_free(ctx, spots->kept);
  fm_labels_free(ctx, &spots->labels);
  *spots = (struct fm_spots){0};
}

enum fm_status fm_spot_mask_open(struct fm_context *ctx, struct fm_spot_mask *m,
                                 const struct fm_spots *spots) {
  *m = (struct fm_spot_mask){.spots = spots};
  for (int k = 0; k < 2 && spots->kept; k++)
    if (!(m->labels[k] = fm_alloc(ctx, (size_t)spots->width, sizeof **m->labels))) return FM_MEMORY;
  return FM_OK;
}

void fm_spot_mask_row(struct fm_spot_mask *m, const float *row, unsigned char *out) {
  const struct fm_spots *s = m->spots;
  cut(row, s->width, s->threshold, out);
  if (!s->kept) return;
  uint32_t *above = m->labels[0], *now = m->labels[1];
  fm_labels_again(&s->labels, &m->seen, out, m->begun ? above : NULL, now, s->width);
  for (int x = 0; x < s->width; x++)
    if (!s->kept[now[x]]) out[x] = 0; /* kept[0] is 0 */
  m->labels[0] = now;
  m->labels[1] = above;
  m->begun = true;
}

void fm_spot_mask_close(struct fm_context *ctx, struct fm_spot_mask *m) {
  for (int k = 0; k < 2; k++) fm_free(ctx, m->labels[k]);
  *m = (struct fm_spot_mask){0};
}
