/* Between two distinct scores of flawed items only normal ones pass: there the ROC and the PRO curve run
 * level, recall stands still and F1 falls. So only the distinct scores of flawed items need a stop, with the
 * normal items above and at each of them counted; the curves are the same as with a stop at every distinct
 * score. */
#include "score/rank.h"

#include "score/radix.h"

#include <math.h>
#include <stdbool.h>

void fm_sum_add(struct fm_sum *s, double term) {
  double total = s->value + term;
  s->lost += fabs(s->value) >= fabs(term) ? (s->value - total) + term : (term - total) + s->value;
  s->value = total;
}

double fm_sum_value(const struct fm_sum *s) {
  return s->value + s->lost;
}

static void add_piece(struct fm_area *a, double x0, double y0, double x1, double y1) {
  if (x0 >= a->limit || x1 <= x0) return;
  if (x1 > a->limit) {
    y1 = y0 + (y1 - y0) * (a->limit - x0) / (x1 - x0);
    x1 = a->limit;
  }
  fm_sum_add(&a->sum, (x1 - x0) * (y0 + y1) / 2);
}

double fm_pro_rate(int point) {
  double at = (double)point / (FM_PRO_POINTS - 1);
  return 0.3 * at * at;
}

/* The points of the curve that a piece of it passes. */
static void add_points(struct fm_walk *w, double x0, double y0, double x1, double y1) {
  for (; w->pro_points < FM_PRO_POINTS && fm_pro_rate(w->pro_points) <= x1; w->pro_points++) {
    double x = fm_pro_rate(w->pro_points);
    w->out.pro[w->pro_points] = x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
  }
}

static void pro_step(struct fm_walk *w, double above, double fpr, double gain) {
  fm_sum_add(&w->overlap, gain);
  double y = fm_sum_value(&w->overlap) / (double)w->regions;
  if (y > 1) y = 1;
  add_piece(&w->area_30, w->x, w->y, above, w->y);
  add_piece(&w->area_05, w->x, w->y, above, w->y);
  add_piece(&w->area_30, above, w->y, fpr, y);
  add_piece(&w->area_05, above, w->y, fpr, y);
  add_points(w, w->x, w->y, above, w->y);
  add_points(w, above, w->y, fpr, y);
  w->x = fpr;
  w->y = y;
}

/* Precision and recall at score >= t. Written as scikit-learn computes them, to the rounding, because among
 * equal F1 the smallest threshold counts. */
static void precision_step(struct fm_walk *w, uint64_t fp, uint32_t key) {
  uint64_t tp = w->found;
  double precision = (double)tp / (double)(tp + fp), recall = (double)tp / (double)w->flawed;
  fm_sum_add(&w->ap, (recall - w->recall) * precision);
  w->recall = recall;
  double f1 = 2 * precision * recall / (precision + recall);
  if (f1 < w->out.f1) return;
  w->out.f1 = f1;
  w->out.f1_threshold = (double)fm_score_of_key(key);
  w->out.iou = (double)tp / (double)(w->flawed + fp);
}

/* sum += a * b, in 128 bits: 10^10 pixels make 10^20 pairs. */
static void add_product(uint64_t sum[2], uint64_t a, uint64_t b) {
  const uint64_t half = UINT32_MAX;
  uint64_t low = (a & half) * (b & half), middle = (a >> 32) * (b & half) + (low >> 32);
  uint64_t other = (a & half) * (b >> 32) + (middle & half);
  uint64_t product = other << 32 | (low & half);
  sum[1] += (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32);
  sum[0] += product;
  sum[1] += sum[0] < product;
}

void fm_walk_begin(struct fm_walk *w, uint64_t normals, uint64_t flawed, uint64_t regions) {
  *w = (struct fm_walk){.normals = normals,
                        .flawed = flawed,
                        .regions = regions,
                        .lower = normals,
                        .area_30.limit = 0.3,
                        .area_05.limit = 0.05};
}

void fm_walk_stop(struct fm_walk *w, uint32_t key, uint64_t over, uint64_t ties, uint64_t flawed,
                  double gain) {
  w->lower -= over;
  uint64_t above = w->normals - w->lower;
  w->lower -= ties;
  w->found += flawed;
  add_product(w->won_twice, flawed, 2 * w->lower + ties);
  precision_step(w, above + ties, key);
  double n = (double)w->normals;
  if (w->regions) pro_step(w, (double)above / n, (double)(above + ties) / n, gain);
}

struct fm_rank fm_walk_end(struct fm_walk *w) {
  if (!w->normals || !w->flawed) return (struct fm_rank){NAN, NAN, NAN, NAN, NAN, NAN, NAN, {0}};
  if (w->regions) pro_step(w, 1, 1, 0);
  double won = ldexp((double)w->won_twice[1], 64) + (double)w->won_twice[0];
  w->out.auroc = won / 2 / (double)w->normals / (double)w->flawed;
  w->out.ap = fm_sum_value(&w->ap);
  w->out.aupro_30 = w->regions ? fm_sum_value(&w->area_30.sum) / w->area_30.limit : NAN;
  w->out.aupro_05 = w->regions ? fm_sum_value(&w->area_05.sum) / w->area_05.limit : NAN;
  return w->out;
}

uint64_t fm_rank_take(const uint64_t *flawed_keys, size_t *count, uint32_t *key, double *gain) {
  struct fm_sum sum = {0};
  size_t i = *count;
  *key = (uint32_t)(flawed_keys[i - 1] >> 32);
  for (; i > 0 && flawed_keys[i - 1] >> 32 == *key; i--) {
    uint32_t area = (uint32_t)flawed_keys[i - 1];
    if (area) fm_sum_add(&sum, 1 / (double)area);
  }
  uint64_t taken = *count - i;
  *count = i;
  *gain = fm_sum_value(&sum);
  return taken;
}

struct fm_rank fm_rank_walk(const struct fm_ranking *r) {
  struct fm_walk w;
  fm_walk_begin(&w, r->normals, r->flawed, r->regions);
  for (size_t left = r->flawed, lower = r->normals; left && r->normals;) {
    uint32_t key;
    double gain;
    uint64_t flawed = fm_rank_take(r->flawed_keys, &left, &key, &gain);
    size_t before = lower;
    while (lower && r->normal_keys[lower - 1] > key) lower--;
    size_t at = lower;
    while (lower && r->normal_keys[lower - 1] == key) lower--;
    fm_walk_stop(&w, key, before - at, at - lower, flawed, gain);
  }
  return fm_walk_end(&w);
}
