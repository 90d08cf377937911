#include "data/pose_learn.h"

#include "base/memory.h"
#include "base/sort.h"
#include "base/thread.h"
#include "data/warp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Registration to the first part, then to the mean of what that gave, and so on. */
enum { ROUNDS = 4, BYTES = FM_VIEW_PIXELS * 3 };

/* Parts that agree with the mean less than this take no part in the next mean. */
static const float least_agreement = 0.4f;

struct seen { /* a picture */
  struct fm_part part;
  struct fm_pose pose;
  float agreement;
};

struct views {
  struct fm_context *ctx;
  const unsigned char *rgb;
  size_t count;
  float aspect;
  struct seen *seen;
  const struct fm_pose_finder *finder;
};

static enum fm_status look_one(void *user, size_t i) {
  struct views *v = user;
  fm_part_look(v->rgb + i * BYTES, &v->seen[i].part);
  return FM_OK;
}

static enum fm_status find_one(void *user, size_t i) {
  struct views *v = user;
  struct seen *s = &v->seen[i];
  fm_pose_find(v->finder, &s->part, v->aspect, &s->pose, &s->agreement);
  return FM_OK;
}

static enum fm_status views_open(struct fm_context *ctx, const unsigned char *rgb, size_t count, float aspect,
                                 struct views *v) {
  *v = (struct views){.ctx = ctx, .rgb = rgb, .count = count, .aspect = aspect};
  v->seen = fm_alloc(ctx, count, sizeof *v->seen);
  return v->seen ? fm_parallel(ctx, count, look_one, v) : FM_MEMORY;
}

static enum fm_status find_all(struct views *v, const struct fm_mean_part *mean) {
  struct fm_pose_finder *finder;
  FM_TRY(fm_pose_finder_make(v->ctx, mean, &finder));
  v->finder = finder;
  enum fm_status status = fm_parallel(v->ctx, v->count, find_one, v);
  fm_pose_finder_free(v->ctx, finder);
  return status;
}

static float share_of_parts(const struct views *v) {
  size_t n = 0;
  for (size_t i = 0; i < v->count; i++) n += v->seen[i].part.there;
  return (float)n / (float)v->count;
}

/* ---- the first part ---- */

static int by_share(const void *a, const void *b) {
  const struct seen *const *x = a, *const *y = b;
  if ((*x)->part.share != (*y)->part.share) return (*x)->part.share < (*y)->part.share ? -1 : 1;
  return *x < *y ? -1 : *x > *y;
}

/* The part of middle size. */
static enum fm_status choose_first(const struct views *v, struct seen **first) {
  struct seen **order = fm_alloc(v->ctx, v->count, sizeof *order);
  size_t n = 0;
  if (!order) return FM_MEMORY;
  for (size_t i = 0; i < v->count; i++)
    if (v->seen[i].part.there) order[n++] = &v->seen[i];
  qsort(order, n, sizeof *order, by_share);
  *first = order[n / 2];
  fm_free(v->ctx, order);
  return FM_OK;
}

/* How far a part reaches to both sides along a direction, but for one of 200 pixels on each side: dirt. */
static float middle_along(const struct fm_part *p, float x, float y) {
  enum { A_PIXEL = 4, ZERO = 256, BINS = 2 * ZERO }; /* bins */
  int bin[BINS] = {0}, count = 0, low = 0, high = BINS - 1;
  for (int i = 0; i < FM_VIEW_PIXELS; i++) {
    int column = i % FM_VIEW_SIDE, row = i / FM_VIEW_SIDE;
    if (!(p->relief[i] > p->threshold)) continue;
    int at = ZERO + (int)((x * ((float)column - p->x) + y * ((float)row - p->y)) * A_PIXEL);
    bin[at < 0 ? 0 : at >= BINS ? BINS - 1 : at]++;
    count++;
  }
  for (int seen = bin[low]; 200 * seen < count; seen += bin[++low])
    ;
  for (int seen = bin[high]; 200 * seen < count; seen += bin[--high])
    ;
  return (0.5f * (float)(low + high + 1) - ZERO) / A_PIXEL;
}

/* The middle of its reach becomes the mean part's; where it is long, it lies across the picture then, so that
 * it fits. */
static struct fm_pose first_pose(const struct fm_part *p, float aspect) {
  float ux = sqrtf(aspect) / FM_VIEW_SIDE, uy = 1 / (sqrtf(aspect) * FM_VIEW_SIDE);
  struct fm_pose pose = {.scale = 1};
  float xx = p->xx * ux * ux, xy = p->xy * ux * uy, yy = p->yy * uy * uy;
  float middle = 0.5f * (xx + yy), half = sqrtf(0.25f * (xx - yy) * (xx - yy) + xy * xy);
  if (middle + half > 2 * (middle - half)) pose.angle = 0.5f * atan2f(2 * xy, xx - yy);
  /* Its axes as directions of the view: lengths along them are in pixels where the picture is square. */
  float c = cosf(pose.angle), s = sinf(pose.angle);
  float along = middle_along(p, c * ux / uy, s) * uy, aside = middle_along(p, -s * ux / uy, c) * uy;
  pose.x = (p->x + 0.5f - 0.5f * FM_VIEW_SIDE) * ux + c * along - s * aside;
  pose.y = (p->y + 0.5f - 0.5f * FM_VIEW_SIDE) * uy + s * along + c * aside;
  return pose;
}

/* ---- the mean of parts that lie alike ---- */

struct sums {
  size_t pictures;
  double relief[FM_VIEW_PIXELS], square[FM_VIEW_PIXELS], colour[FM_VIEW_PIXELS][3], ground[3];
  int shown[FM_VIEW_PIXELS];
};

static void add(const struct views *v, size_t i, float mean_aspect, struct sums *sums) {
  const struct seen *s = &v->seen[i];
  struct fm_affine to_own = fm_pose_affine(&s->pose, mean_aspect, v->aspect);
  sums->pictures++;
  for (int c = 0; c < 3; c++) sums->ground[c] += (double)s->part.ground[c];
  for (int k = 0; k < FM_VIEW_PIXELS; k++) {
    float place[2], at[2], relief, colour[3];
    fm_view_place(k, place);
    fm_affine_map(&to_own, place[0], place[1], at);
    if (!fm_sample_floats(s->part.relief, FM_VIEW_SIDE, FM_VIEW_SIDE, at[0], at[1], &relief)) continue;
    fm_sample_colour(v->rgb + i * BYTES, FM_VIEW_SIDE, FM_VIEW_SIDE, 3, at[0], at[1], colour);
    sums->shown[k]++;
    sums->relief[k] += (double)relief;
    sums->square[k] += (double)relief * (double)relief;
    for (int c = 0; c < 3; c++) sums->colour[k][c] += (double)colour[c];
  }
}

static void conclude(const struct sums *sums, bool first, struct fm_mean_part *mean) {
  for (int c = 0; c < 3; c++) mean->ground[c] = (float)(sums->ground[c] / (double)sums->pictures);
  for (int k = 0; k < FM_VIEW_PIXELS; k++) {
    double n = sums->shown[k] ? sums->shown[k] : 1, relief = sums->relief[k] / n;
    double variance = fmax(sums->square[k] / n - relief * relief, 0);
    mean->relief[k] = (float)relief;
    mean->spread[k] = first ? 3 * FM_PART_LEAST_SPREAD : fmaxf((float)sqrt(variance), FM_PART_LEAST_SPREAD);
    bool part = relief > 2 * FM_PART_LEAST_SPREAD; /* of it half of the pictures are enough */
    mean->shown[k] = 10 * (size_t)sums->shown[k] >= (part ? 5 : 9) * sums->pictures;
    for (int c = 0; c < 3; c++) {
      double v = sums->shown[k] ? sums->colour[k][c] / n : (double)mean->ground[c];
      mean->colour[3 * k + c] = (unsigned char)(v + 0.5);
    }
  }
}

/* Of the parts that were found. */
static enum fm_status average(const struct views *v, struct fm_mean_part *mean) {
  struct sums *sums = fm_alloc(v->ctx, 1, sizeof *sums);
  if (!sums) return FM_MEMORY;
  for (size_t i = 0; i < v->count; i++)
    if (v->seen[i].agreement >= least_agreement) add(v, i, mean->aspect, sums);
  if (sums->pictures) conclude(sums, false, mean);
  fm_free(v->ctx, sums);
  return FM_OK;
}

static enum fm_status begin(struct views *v, struct fm_mean_part *mean) {
  struct seen *first;
  struct sums *sums = fm_alloc(v->ctx, 1, sizeof *sums);
  enum fm_status status = sums ? choose_first(v, &first) : FM_MEMORY;
  if (status == FM_OK) {
    first->pose = first_pose(&first->part, v->aspect);
    add(v, (size_t)(first - v->seen), mean->aspect, sums);
    conclude(sums, true, mean);
  }
  fm_free(v->ctx, sums);
  return status;
}

/* Parts differ in size where the sizes of those that were found do, by more than 2 %. */
static bool sizes_differ(const struct views *v) {
  double sum = 0, square = 0, n = 0;
  for (size_t i = 0; i < v->count; i++) {
    if (v->seen[i].agreement < least_agreement) continue;
    double s = log((double)v->seen[i].pose.scale);
    sum += s;
    square += s * s;
    n++;
  }
  return n > 0 && square / n - sum / n * (sum / n) > 0.02 * 0.02;
}

/* A part counts as found where it agrees as well as nearly all good ones, with room for a flaw on a third. */
static enum fm_status choose_limit(const struct views *v, struct fm_mean_part *mean) {
  float *agreement = fm_alloc(v->ctx, v->count, sizeof *agreement);
  if (!agreement) return FM_MEMORY;
  for (size_t i = 0; i < v->count; i++) agreement[i] = v->seen[i].agreement;
  fm_sort_floats(agreement, v->count);
  mean->limit = fmaxf(0.6f * agreement[v->count / 20], 0.3f);
  fm_free(v->ctx, agreement);
  return FM_OK;
}

static enum fm_status learn_mean(struct views *v, struct fm_mean_part *mean) {
  mean->aspect = v->aspect;
  FM_TRY(begin(v, mean));
  for (int round = 0; round < ROUNDS; round++) {
    if (v->ctx->stop) return fm_error(v->ctx, FM_STOPPED, "stopped while looking at good pictures");
    mean->scales = mean->scales || round == ROUNDS - 1;
    FM_TRY(find_all(v, mean));
    if (round == ROUNDS - 1) mean->scales = sizes_differ(v);
    FM_TRY(average(v, mean));
  }
  FM_TRY(find_all(v, mean));
  FM_TRY(average(v, mean));
  return choose_limit(v, mean);
}

/* ---- whether it pays ---- */

static float share_found(const struct views *v, float limit) {
  size_t n = 0;
  for (size_t i = 0; i < v->count; i++) n += v->seen[i].agreement >= limit;
  return (float)n / (float)v->count;
}

/* Turned copies of the pictures, found again. */
static enum fm_status turn_again(struct views *v, const struct fm_mean_part *mean, float *again) {
  static const float turns[] = {0.6f, -2.1f, 2.9f}, near = 0.0524f, whole = 6.2831853f;
  enum { TURNS = 3 };
  struct views copy;
  unsigned char *rgb = fm_alloc(v->ctx, v->count, BYTES);
  size_t right = 0;
  enum fm_status status = rgb ? FM_OK : FM_MEMORY;
  for (int k = 0; k < TURNS && status == FM_OK; k++) {
    const struct fm_pose back = {.angle = -turns[k], .scale = 1};
    struct fm_affine affine = fm_pose_affine(&back, v->aspect, v->aspect);
    for (size_t i = 0; i < v->count; i++) fm_warp_view(v->rgb + i * BYTES, &affine, rgb + i * BYTES);
    status = views_open(v->ctx, rgb, v->count, v->aspect, &copy);
    if (status == FM_OK) status = find_all(&copy, mean);
    for (size_t i = 0; i < v->count && status == FM_OK; i++) {
      float off = copy.seen[i].pose.angle - v->seen[i].pose.angle - turns[k];
      off -= whole * roundf(off / whole);
      right += copy.seen[i].agreement >= mean->limit && fabsf(off) <= near;
    }
    fm_free(v->ctx, copy.seen);
  }
  fm_free(v->ctx, rgb);
  *again = (float)right / (float)(TURNS * v->count);
  return status;
}

/* The variance of the reliefs between pictures, as they lie or once they lie alike. */
static enum fm_status variance(const struct views *v, const struct fm_mean_part *mean, bool alike,
                               double *out) {
  const struct fm_pose as_it_is = {.scale = 1};
  struct sums *sums = fm_alloc(v->ctx, 1, sizeof *sums);
  struct views as = *v;
  *out = 0;
  as.seen = fm_alloc(v->ctx, v->count, sizeof *as.seen);
  enum fm_status status = sums && as.seen ? FM_OK : FM_MEMORY;
  for (size_t i = 0; i < v->count && status == FM_OK; i++) {
    as.seen[i] = v->seen[i];
    if (!alike) as.seen[i].pose = as_it_is;
    if (v->seen[i].agreement >= mean->limit) add(&as, i, v->aspect, sums);
  }
  for (int k = 0; k < FM_VIEW_PIXELS && status == FM_OK; k++) {
    double n = sums->shown[k] ? sums->shown[k] : 1, m = sums->relief[k] / n;
    *out += fmax(sums->square[k] / n - m * m, 0);
  }
  fm_free(v->ctx, sums);
  fm_free(v->ctx, as.seen);
  return status;
}

static enum fm_status try_mean(struct views *v, const struct fm_mean_part *mean,
                               struct fm_pose_trial *trial) {
  double before, after;
  FM_TRY(find_all(v, mean));
  trial->found = share_found(v, mean->limit);
  FM_TRY(turn_again(v, mean, &trial->again));
  FM_TRY(variance(v, mean, false, &before));
  FM_TRY(variance(v, mean, true, &after));
  trial->left = before > 0 ? (float)(after / before) : 1;
  trial->pays = trial->found >= 0.9f && trial->again >= 0.9f && trial->left <= 0.5f;
  return FM_OK;
}

enum fm_status fm_mean_part_learn(struct fm_context *ctx, const unsigned char *learn, size_t learn_count,
                                  const unsigned char *held, size_t held_count, float aspect,
                                  struct fm_mean_part *mean, struct fm_pose_trial *trial) {
  struct views from = {0}, others = {0};
  *trial = (struct fm_pose_trial){.left = 1};
  enum fm_status status = fm_mean_part_make(ctx, mean);
  if (status == FM_OK) status = views_open(ctx, learn, learn_count, aspect, &from);
  if (status == FM_OK) trial->parts = share_of_parts(&from);
  bool enough = trial->parts >= 0.9f;
  if (status == FM_OK && enough) status = learn_mean(&from, mean);
  if (status == FM_OK && enough) status = views_open(ctx, held, held_count, aspect, &others);
  if (status == FM_OK && enough) status = try_mean(&others, mean, trial);
  fm_free(ctx, from.seen);
  fm_free(ctx, others.seen);
  return status;
}
