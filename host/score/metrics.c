/* Four passes. Over the maps: extremes and counts. Over the maps again: regions, and every pixel's score as a
 * 32-bit key; those of flawed pixels with their region's area, so that the overlap needs no table of regions.
 * Then both lists are sorted and walked once. Memory besides the maps: 4 bytes a normal pixel, 8 a flawed
 * one, and 4 bytes a pixel of the pictures in work. */
#include "score/metrics.h"

#include "base/memory.h"
#include "base/thread.h"
#include "score/cdo1.h"
#include "score/radix.h"
#include "score/rank.h"
#include "score/region.h"

#include <math.h>

struct summary { /* of one picture */
  float low, high;
  size_t pixels, flawed, regions;    /* pixels: that count; flawed ones of them */
  size_t first_normal, first_flawed; /* where its pixels go */
};

struct work {
  struct fm_context *ctx;
  const struct fm_scored *picture;
  size_t count, normals, flawed, regions;
  struct summary *summary;
  uint32_t *normal_keys;
  uint64_t *flawed_keys;
  struct fm_cdo1 cdo1;
  struct fm_cdo1_part *part; /* NULL: pictures of several sizes */
};

static enum fm_status examine(void *user, size_t index) {
  struct work *w = user;
  const struct fm_scored *p = &w->picture[index];
  struct summary *s = &w->summary[index];
  size_t pixels = (size_t)p->width * (size_t)p->height;
  float low = p->map[0], high = p->map[0], sum = 0;
  for (size_t i = 0; i < pixels; i++) {
    low = p->map[i] < low ? p->map[i] : low;
    high = p->map[i] > high ? p->map[i] : high;
    sum += p->map[i] * 0; /* NaN as soon as one value is not finite */
  }
  if (sum != 0)
    return fm_error(w->ctx, FM_NUMERIC, "the map of picture %zu has a value that is not finite", index + 1);
  s->pixels = p->unmarked ? 0 : pixels;
  for (size_t i = 0; p->mask && i < s->pixels; i++) s->flawed += p->mask[i] != 0;
  s->low = low;
  s->high = high;
  return FM_OK;
}

static enum fm_status gather(void *user, size_t index) {
  struct work *w = user;
  const struct fm_scored *p = &w->picture[index];
  struct summary *s = &w->summary[index];
  uint32_t *normal = w->normal_keys + s->first_normal;
  uint64_t *flawed = w->flawed_keys + s->first_flawed;
  if (!s->pixels) return FM_OK;
  if (!s->flawed && !w->part) {
    for (size_t i = 0; i < s->pixels; i++) normal[i] = fm_score_key(p->map[i]);
    return FM_OK;
  }
  unsigned char *clean = s->flawed ? NULL : fm_alloc(w->ctx, s->pixels, 1);
  if (!s->flawed && !clean) return FM_MEMORY;
  struct fm_regions regions;
  enum fm_status status = fm_regions_find(w->ctx, p->width, p->height, clean ? clean : p->mask, &regions);
  fm_free(w->ctx, clean);
  if (status == FM_OK) {
    s->regions = regions.count;
    for (size_t i = 0; i < s->pixels; i++) {
      uint32_t key = fm_score_key(p->map[i]), label = regions.label[i];
      if (label)
        *flawed++ = (uint64_t)key << 32 | regions.region[label - 1].area;
      else
        *normal++ = key;
    }
    if (w->part) status = fm_cdo1_add(w->ctx, &w->cdo1, p->map, &regions, &w->part[index]);
  }
  fm_regions_free(w->ctx, &regions);
  return status;
}

/* Places for every picture's pixels, the arrays themselves, and what cdo1 needs. */
static enum fm_status prepare(struct work *w) {
  bool same = true;
  float low = w->summary[0].low, high = w->summary[0].high;
  for (size_t i = 0; i < w->count; i++) {
    struct summary *s = &w->summary[i];
    s->first_normal = w->normals;
    s->first_flawed = w->flawed;
    w->normals += s->pixels - s->flawed;
    w->flawed += s->flawed;
    same &= w->picture[i].width == w->picture[0].width && w->picture[i].height == w->picture[0].height;
    if (s->low < low) low = s->low;
    if (s->high > high) high = s->high;
  }
  if (w->normals >> 32 || w->flawed >> 31)
    return fm_error(
        w->ctx, FM_LIMIT,
        "%zu pixels are more than the metrics can count at once; evaluate fewer or smaller pictures",
        w->normals + w->flawed);
  if (!w->normals || !w->flawed) return FM_OK; /* no pixel metric exists */
  w->normal_keys = fm_alloc(w->ctx, w->normals, sizeof *w->normal_keys);
  w->flawed_keys = fm_alloc(w->ctx, w->flawed, sizeof *w->flawed_keys);
  if (!w->normal_keys || !w->flawed_keys) return FM_MEMORY;
  if (!same) return FM_OK;
  fm_cdo1_begin(&w->cdo1, (double)low, (double)high);
  w->part = fm_alloc(w->ctx, w->count, sizeof *w->part);
  return w->part ? FM_OK : FM_MEMORY;
}

static enum fm_status pixel_metrics(struct work *w, struct fm_metrics *out) {
  struct fm_rank rank = {NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  out->aupro_cdo1 = NAN;
  if (w->normals && w->flawed) {
    FM_TRY(fm_parallel(w->ctx, w->count, gather, w));
    for (size_t i = 0; i < w->count; i++) w->regions += w->summary[i].regions;
    FM_TRY(fm_sort_u32(w->ctx, w->normal_keys, w->normals));
    FM_TRY(fm_sort_u64(w->ctx, w->flawed_keys, w->flawed));
    rank =
        fm_rank_walk(&(struct fm_ranking){w->normals, w->flawed, w->regions, w->normal_keys, w->flawed_keys});
    if (w->part) out->aupro_cdo1 = fm_cdo1_end(w->part, w->count, w->regions, w->normals);
  }
  out->pixel_auroc = rank.auroc;
  out->pixel_ap = rank.ap;
  out->pixel_f1 = rank.f1;
  out->pixel_f1_threshold = rank.f1_threshold;
  out->pixel_iou = rank.iou;
  out->aupro_30 = rank.aupro_30;
  out->aupro_05 = rank.aupro_05;
  return FM_OK;
}

static bool is_flawed(const struct work *w, size_t i) {
  return w->picture[i].flawed || w->picture[i].unmarked || w->summary[i].flawed;
}

static void count_pictures(const struct work *w, struct fm_metrics *out) {
  *out = (struct fm_metrics){0};
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_scored *p = &w->picture[i];
    out->good += !is_flawed(w, i);
    out->flawed += is_flawed(w, i);
    out->marked += w->summary[i].flawed > 0;
    out->unmarked += p->unmarked;
    out->sizes += p->width != w->picture[0].width || p->height != w->picture[0].height;
  }
}

static enum fm_status image_metrics(struct work *w, const float *score, struct fm_metrics *out) {
  uint32_t *normal = fm_alloc(w->ctx, w->count, sizeof *normal);
  uint64_t *flawed = fm_alloc(w->ctx, w->count, sizeof *flawed);
  enum fm_status status = normal && flawed ? FM_OK : FM_MEMORY;
  struct fm_ranking ranking = {.normal_keys = normal, .flawed_keys = flawed};
  for (size_t i = 0; status == FM_OK && i < w->count; i++) {
    float value = score ? score[i] : w->summary[i].high;
    if (!isfinite(value))
      status = fm_error(w->ctx, FM_NUMERIC, "the score of picture %zu is not finite", i + 1);
    else if (is_flawed(w, i))
      flawed[ranking.flawed++] = (uint64_t)fm_score_key(value) << 32;
    else
      normal[ranking.normals++] = fm_score_key(value);
  }
  if (status == FM_OK) status = fm_sort_u32(w->ctx, normal, ranking.normals);
  if (status == FM_OK) status = fm_sort_u64(w->ctx, flawed, ranking.flawed);
  if (status == FM_OK) {
    struct fm_rank rank = fm_rank_walk(&ranking);
    out->image_auroc = rank.auroc;
    out->image_ap = rank.ap;
    out->image_f1 = rank.f1;
    out->image_f1_threshold = rank.f1_threshold;
  }
  fm_free(w->ctx, normal);
  fm_free(w->ctx, flawed);
  return status;
}

enum fm_status fm_metrics_compute(struct fm_context *ctx, size_t count, const struct fm_scored *pictures,
                                  const float *image_score, struct fm_metrics *out) {
  if (!count) return fm_error(ctx, FM_USAGE, "there are no pictures to compute metrics from");
  for (size_t i = 0; i < count; i++)
    if (pictures[i].width < 1 || pictures[i].height < 1)
      return fm_error(ctx, FM_USAGE, "the map of picture %zu has no pixels", i + 1);
  struct work w = {.ctx = ctx, .picture = pictures, .count = count};
  w.summary = fm_alloc(ctx, count, sizeof *w.summary);
  enum fm_status status = w.summary ? fm_parallel(ctx, count, examine, &w) : FM_MEMORY;
  if (status == FM_OK) count_pictures(&w, out);
  if (status == FM_OK) status = image_metrics(&w, image_score, out);
  if (status == FM_OK) status = prepare(&w);
  if (status == FM_OK) status = pixel_metrics(&w, out);
  fm_free(ctx, w.summary);
  fm_free(ctx, w.normal_keys);
  fm_free(ctx, w.flawed_keys);
  fm_free(ctx, w.part);
  return status;
}
