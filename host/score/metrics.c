/* The first pass over the maps finds extremes, regions and how the pixels' scores are spread; then ranges of
 * scores are ranked (ranges.c), mostly one range that holds them all. CDO's script of 2023 needs the extremes
 * first and takes a pass of its own. */
#include "score/metrics.h"

#include "base/available.h"
#include "base/memory.h"
#include "score/cdo1.h"
#include "score/radix.h"
#include "score/ranges.h"
#include "score/region.h"

#include <math.h>
#include <string.h>

struct work {
  struct fm_scan scan;
  struct fm_bins bins;
  size_t count, budget;
  struct fm_cdo1 cdo1;
  struct fm_cdo1_part *part; /* [count] */
};

/* ---- CDO's script of 2023 ---- */

static float *whole_map(struct fm_context *ctx, const struct fm_scored *p) {
  float *map = fm_alloc(ctx, (size_t)p->width * (size_t)p->height, sizeof *map);
  for (int y = 0; map && y < p->height; y++) p->row(p, y, map + (size_t)y * (size_t)p->width);
  return map;
}

static enum fm_status add_to_part(struct work *w, const struct fm_scored *p, size_t index) {
  struct fm_context *ctx = w->scan.ctx;
  struct fm_regions regions = {0};
  unsigned char *clean = p->mask ? NULL : fm_alloc(ctx, (size_t)p->width * (size_t)p->height, 1);
  float *made = p->map ? NULL : whole_map(ctx, p);
  const float *map = p->map ? p->map : made;
  enum fm_status status = map && (clean || p->mask) ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_regions_find(ctx, p->width, p->height, clean ? clean : p->mask, &regions);
  fm_free(ctx, clean);
  if (status == FM_OK) status = fm_cdo1_add(ctx, &w->cdo1, map, &regions, &w->part[index]);
  fm_regions_free(ctx, &regions);
  fm_free(ctx, made);
  return status;
}

static enum fm_status cdo1_picture(void *user, int lane, size_t i) {
  struct work *w = user;
  const struct fm_source *source = w->scan.source;
  const struct fm_scan_picture *known = &w->scan.picture[i];
  struct fm_scored p = {0};
  (void)lane;
  if (!known->pixels) return FM_OK;
  enum fm_status status = source->open(source->user, i, known->flaws > 0, &p);
  if (status == FM_OK && (p.width != known->width || p.height != known->height))
    status = fm_error(w->scan.ctx, FM_IO, "the map of picture %zu changed while it was being read", i + 1);
  if (status == FM_OK) status = add_to_part(w, &p, i);
  if (source->close) source->close(source->user, i, &p);
  return status;
}

static enum fm_status cdo1(struct work *w, double *aupro) {
  const struct fm_scan_picture *p = w->scan.picture;
  float low = p[0].low, high = p[0].high;
  *aupro = NAN;
  for (size_t i = 0; i < w->count; i++) {
    if (p[i].width != p[0].width || p[i].height != p[0].height) return FM_OK;
    if (p[i].low < low) low = p[i].low;
    if (p[i].high > high) high = p[i].high;
  }
  fm_cdo1_begin(&w->cdo1, (double)low, (double)high);
  if (!(w->part = fm_alloc(w->scan.ctx, w->count, sizeof *w->part))) return FM_MEMORY;
  FM_TRY(fm_scan_pictures(&w->scan, cdo1_picture, w));
  *aupro = fm_cdo1_end(w->part, w->count, w->scan.regions, w->scan.normals);
  return FM_OK;
}

/* ---- pixels and pictures ---- */

static enum fm_status pixel_metrics(struct work *w, struct fm_metrics *out) {
  struct fm_rank rank = {NAN, NAN, NAN, NAN, NAN, NAN, NAN, {0}};
  out->aupro_cdo1 = NAN;
  if (w->scan.normals && w->scan.flaws) {
    fm_bins_sum(&w->bins, w->scan.lanes);
    FM_TRY(cdo1(w, &out->aupro_cdo1));
    FM_TRY(fm_ranges_walk(&w->scan, &w->bins, w->budget, &rank));
  }
  out->pixel_auroc = rank.auroc;
  out->pixel_ap = rank.ap;
  out->pixel_f1 = rank.f1;
  out->pixel_f1_threshold = rank.f1_threshold;
  out->pixel_iou = rank.iou;
  out->aupro_30 = rank.aupro_30;
  out->aupro_05 = rank.aupro_05;
  memcpy(out->pro, rank.pro, sizeof out->pro);
  return FM_OK;
}

static void count_pictures(const struct work *w, struct fm_metrics *out) {
  const struct fm_scan_picture *p = w->scan.picture;
  *out = (struct fm_metrics){0};
  for (size_t i = 0; i < w->count; i++) {
    out->good += !p[i].flawed;
    out->flawed += p[i].flawed;
    out->marked += p[i].flaws > 0;
    out->unmarked += p[i].unmarked;
    out->sizes += p[i].width != p[0].width || p[i].height != p[0].height;
  }
}

static enum fm_status image_metrics(struct work *w, const float *score, struct fm_metrics *out) {
  uint32_t *normal = fm_alloc(w->scan.ctx, w->count, sizeof *normal);
  uint64_t *flawed = fm_alloc(w->scan.ctx, w->count, sizeof *flawed);
  enum fm_status status = normal && flawed ? FM_OK : FM_MEMORY;
  struct fm_ranking ranking = {.normal_keys = normal, .flawed_keys = flawed};
  for (size_t i = 0; status == FM_OK && i < w->count; i++) {
    float value = score ? score[i] : w->scan.picture[i].high;
    if (!isfinite(value))
      status = fm_error(w->scan.ctx, FM_NUMERIC, "the score of picture %zu is not finite", i + 1);
    else if (w->scan.picture[i].flawed)
      flawed[ranking.flawed++] = (uint64_t)fm_score_key(value) << 32;
    else
      normal[ranking.normals++] = fm_score_key(value);
  }
  if (status == FM_OK) status = fm_sort_u32(w->scan.ctx, normal, ranking.normals);
  if (status == FM_OK) status = fm_sort_u64(w->scan.ctx, flawed, ranking.flawed);
  if (status == FM_OK) {
    struct fm_rank rank = fm_rank_walk(&ranking);
    out->image_auroc = rank.auroc;
    out->image_ap = rank.ap;
    out->image_f1 = rank.f1;
    out->image_f1_threshold = rank.f1_threshold;
  }
  fm_free(w->scan.ctx, normal);
  fm_free(w->scan.ctx, flawed);
  return status;
}

static size_t usual_budget(void) {
  size_t free = fm_memory_available();
  return free && free / 4 < FM_METRICS_BUDGET ? free / 4 : FM_METRICS_BUDGET;
}

/* A picture at work: its map, its regions' labels, and a mask that it has not got. */
size_t fm_metrics_bytes(struct fm_context *ctx, const struct fm_source *source, size_t all, size_t largest) {
  enum { MAP = 4, LABELS = 4, MASK = 1, LISTED = 8 };
  int lanes = fm_scan_lanes(ctx, source);
  size_t budget = usual_budget(), lists = all < budget / LISTED ? all * LISTED : budget;
  size_t runs = all < FM_SCAN_RUNS / LISTED ? all * LISTED : FM_SCAN_RUNS;
  return lists + runs + fm_ranges_overhead(lanes) + (size_t)lanes * largest * (MAP + LABELS + MASK);
}

enum fm_status fm_metrics_compute(struct fm_context *ctx, const struct fm_source *source,
                                  const float *image_score, size_t budget, struct fm_metrics *out) {
  if (!source->count) return fm_error(ctx, FM_USAGE, "there are no pictures to compute metrics from");
  struct work w = {.count = source->count, .budget = budget ? budget : usual_budget()};
  enum fm_status status = fm_bins_make(ctx, fm_scan_lanes(ctx, source), &w.bins);
  if (status == FM_OK)
    status = fm_scan_open(ctx, source, FM_SCAN_RUNS, &(struct fm_visitor){fm_bins_visit, &w.bins}, &w.scan);
  if (status == FM_OK) count_pictures(&w, out);
  if (status == FM_OK) status = image_metrics(&w, image_score, out);
  if (status == FM_OK) status = pixel_metrics(&w, out);
  fm_free(ctx, w.part);
  if (w.scan.ctx) fm_scan_close(&w.scan);
  fm_bins_free(ctx, &w.bins);
  return status;
}
