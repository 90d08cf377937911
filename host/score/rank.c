/* Between two distinct scores of flawed items only normal ones pass: there the ROC and the PRO curve run
 * level, recall stands still and F1 falls. So only the distinct scores of flawed items need a stop, with the
 * normal items above and at each of them counted; the curves are the same as with a stop at every distinct
 * score. */
#include "score/rank.h"

#include "score/radix.h"

#include <math.h>
#include <stdbool.h>

/* Compensated summation (Neumaier 1974): 10^8 small terms keep full precision. */
struct sum {
  double value, lost;
};

static void add(struct sum *s, double term) {
  double total = s->value + term;
  s->lost += fabs(s->value) >= fabs(term) ? (s->value - total) + term : (term - total) + s->value;
  s->value = total;
}

static double sum_of(const struct sum *s) {
  return s->value + s->lost;
}

/* The area under a curve up to x = limit, the last piece cut by linear interpolation. */
struct area {
  double limit;
  struct sum sum;
};

static void add_piece(struct area *a, double x0, double y0, double x1, double y1) {
  if (x0 >= a->limit || x1 <= x0) return;
  if (x1 > a->limit) {
    y1 = y0 + (y1 - y0) * (a->limit - x0) / (x1 - x0);
    x1 = a->limit;
  }
  add(&a->sum, (x1 - x0) * (y0 + y1) / 2);
}

struct walk {
  double x, y;        /* the PRO curve so far: false positive rate, overlap (below 1) */
  struct sum overlap; /* sum over the regions of the part found */
  struct area area_30, area_05;
  uint64_t won_twice; /* pairs with the flawed item higher, counted twice; ties once */
  struct sum ap;
  double recall;
  struct fm_rank out;
};

static void pro_step(struct walk *w, double above, double fpr, double gain, size_t regions) {
  add(&w->overlap, gain);
  double y = sum_of(&w->overlap) / (double)regions;
  if (y > 1) y = 1;
  add_piece(&w->area_30, w->x, w->y, above, w->y);
  add_piece(&w->area_05, w->x, w->y, above, w->y);
  add_piece(&w->area_30, above, w->y, fpr, y);
  add_piece(&w->area_05, above, w->y, fpr, y);
  w->x = fpr;
  w->y = y;
}

/* Precision and recall at score >= t. Written as scikit-learn computes them, to the rounding, because among
 * equal F1 the smallest threshold counts. */
static void precision_step(struct walk *w, uint64_t tp, uint64_t fp, uint64_t flawed, uint32_t key) {
  double precision = (double)tp / (double)(tp + fp), recall = (double)tp / (double)flawed;
  add(&w->ap, (recall - w->recall) * precision);
  w->recall = recall;
  double f1 = 2 * precision * recall / (precision + recall);
  if (f1 < w->out.f1) return;
  w->out.f1 = f1;
  w->out.f1_threshold = (double)fm_score_of_key(key);
  w->out.iou = (double)tp / (double)(flawed + fp);
}

struct fm_rank fm_rank_walk(const struct fm_ranking *r) {
  if (!r->normals || !r->flawed) return (struct fm_rank){NAN, NAN, NAN, NAN, NAN, NAN, NAN};
  struct walk w = {.area_30.limit = 0.3, .area_05.limit = 0.05};
  size_t lower = r->normals; /* normal items below the stop */
  for (size_t i = r->flawed; i > 0;) {
    uint32_t key = (uint32_t)(r->flawed_keys[i - 1] >> 32);
    while (lower && r->normal_keys[lower - 1] > key) lower--;
    size_t above = r->normals - lower, ties = lower;
    while (lower && r->normal_keys[lower - 1] == key) lower--;
    ties -= lower;
    size_t from = i;
    struct sum gain = {0};
    for (; i > 0 && r->flawed_keys[i - 1] >> 32 == key; i--)
      if (r->regions) add(&gain, 1 / (double)(uint32_t)r->flawed_keys[i - 1]);
    size_t fp = above + ties;
    w.won_twice += (uint64_t)(from - i) * (2 * (uint64_t)lower + ties);
    precision_step(&w, r->flawed - i, fp, r->flawed, key);
    double n = (double)r->normals;
    if (r->regions) pro_step(&w, (double)above / n, (double)fp / n, sum_of(&gain), r->regions);
  }
  if (r->regions) pro_step(&w, 1, 1, 0, r->regions);
  w.out.auroc = (double)w.won_twice / 2 / (double)r->normals / (double)r->flawed;
  w.out.ap = sum_of(&w.ap);
  w.out.aupro_30 = r->regions ? sum_of(&w.area_30.sum) / w.area_30.limit : NAN;
  w.out.aupro_05 = r->regions ? sum_of(&w.area_05.sum) / w.area_05.limit : NAN;
  return w.out;
}
