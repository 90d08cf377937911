#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "score/metrics.h"
#include "score/radix.h"
#include "score/ranges.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 6, SIDE = 48 };

struct set {
  size_t count;
  struct fm_scored picture[MOST];
  float map[MOST][SIDE * SIDE];
  unsigned char mask[MOST][SIDE * SIDE];
};

/* Maps of random bytes, raised in the second picture and in the flaws, cut to steps; flaws: a ring, a dot in
 * every second ring, and a scratch that touches itself at corners only. */
static struct set *make(struct fm_context *ctx, uint64_t seed, size_t count, const int (*size)[2], int step) {
  struct set *set = fm_alloc(ctx, 1, sizeof *set);
  assert_non_null(set);
  set->count = count;
  for (size_t i = 0; i < count; i++) {
    char stream[32];
    snprintf(stream, sizeof stream, "map.%zu", i);
    struct fm_rng rng = fm_rng_stream(seed, stream);
    int w = size[i][0], h = size[i][1];
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) {
        int at = y * w + x, v = (int)(fm_rng_next(&rng) >> 56), cx = x - w / 3, cy = y - h / 2,
            d = cx * cx + cy * cy;
        bool flaw = (d <= 60 && d >= 20) || (d <= 2 && i % 2) || (x == y + w / 2 && y < h / 2);
        flaw = flaw && i >= 2;
        v += 64 * flaw + (i == 1 ? 60 : 0);
        set->map[i][at] = (float)(v / step * step) / 64 - 1;
        set->mask[i][at] = (unsigned char)(flaw ? 1 + at % 255 : 0);
      }
    set->picture[i] =
        (struct fm_scored){.width = w, .height = h, .map = set->map[i], .mask = i ? set->mask[i] : NULL};
  }
  return set;
}

static const int same[][2] = {{40, 32}, {40, 32}, {40, 32}, {40, 32}, {40, 32}, {40, 32}};
static const int mixed[][2] = {{30, 33}, {41, 28}, {36, 36}, {29, 40}};

/* Of pictures in memory. */
static enum fm_status compute(struct fm_context *ctx, size_t count, const struct fm_scored *pictures,
                              const float *score, struct fm_metrics *out) {
  const struct fm_source source = fm_source_of(pictures, count);
  return fm_metrics_compute(ctx, &source, score, 0, out);
}

static void near(double got, double want, double within, const char *key) {
  if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= within))
    fail_msg("%s: %.17g, not %.17g", key, got, want);
}

/* The same maps scored in Python with scikit-learn 1.9 (roc_auc_score, average_precision_score,
 * precision_recall_curve), scikit-image 0.26 (regionprops) and SciPy 1.17 (label), in double precision. */
static void python_values(void **state) {
  struct fm_context *ctx = *state;
  static const struct fm_metrics want[] = {
      {0.875, 0.95, 0.888888888888889, 3.890625, 0.6824002498443346, 0.17815356747303845, 0.258252427184466,
       3.0, 0.14827201783723523, 0.29975356207083254, 0.12997665673458628, 0.3123242843980502, .sizes = 0},
      {0.75, 0.8, 0.888888888888889, 3.75, 0.6761568211693378, 0.1647568169591434, 0.27108433734939763, 3.0,
       0.156794425087108, 0.29272975445704386, 0.10771175248259712, 0.3064094547246582, .sizes = 0},
      {0.75, 0.6666666666666666, 0.8, 3.875, 0.6589171260094859, 0.11426567726508133, 0.19122257053291536,
       3.0, 0.10571923743500866, 0.26197611530954157, 0.07390709272649555, NAN, .sizes = 0}};
  for (size_t c = 0; c < 3; c++) {
    static const int step[] = {1, 16, 8};
    struct set *set = make(ctx, c + 1, c == 2 ? 4 : 6, c == 2 ? mixed : same, step[c]);
    struct fm_metrics got;
    ASSERT_OK(ctx, compute(ctx, set->count, set->picture, NULL, &got));
#define NEAR(field, key) near(got.field, want[c].field, 1e-12, key);
    FM_METRICS_LIST(NEAR)
#undef NEAR
    fm_free(ctx, set);
  }
}

/* The definitions word by word, one threshold after the other, over all pixels. */
static void slow_reference(const struct set *set, struct fm_metrics *out) {
  double positives = 0, negatives = 0, tp_before = 0, fp_before = 0, auroc = 0, ap = 0;
  *out = (struct fm_metrics){0};
  for (size_t i = 0; i < set->count; i++)
    for (int p = 0; p < set->picture[i].width * set->picture[i].height; p++) {
      bool flaw = set->picture[i].mask && set->mask[i][p];
      positives += flaw;
      negatives += !flaw;
    }
  for (int level = 400; level >= 0; level--) { /* every map value is level / 64 - 1 */
    float t = (float)level / 64 - 1;
    double tp = 0, fp = 0;
    for (size_t i = 0; i < set->count; i++)
      for (int p = 0; p < set->picture[i].width * set->picture[i].height; p++) {
        if (set->map[i][p] < t) continue;
        if (set->picture[i].mask && set->mask[i][p])
          tp++;
        else
          fp++;
      }
    if (tp == tp_before && fp == fp_before) continue;
    auroc += (fp - fp_before) * (tp + tp_before) / 2;
    ap += (tp - tp_before) / positives * tp / (tp + fp);
    double f1 = 2 * tp / (positives + tp + fp);
    if (f1 >= out->pixel_f1) {
      out->pixel_f1 = f1;
      out->pixel_f1_threshold = (double)t;
      out->pixel_iou = tp / (positives + fp);
    }
    tp_before = tp;
    fp_before = fp;
  }
  out->pixel_auroc = auroc / positives / negatives;
  out->pixel_ap = ap;
}

static void slow_reference_agrees(void **state) {
  struct fm_context *ctx = *state;
  for (uint64_t seed = 10; seed < 16; seed++) {
    struct set *set = make(ctx, seed, 4, mixed, 1 + (int)(seed % 3) * 7);
    struct fm_metrics got, want;
    slow_reference(set, &want);
    ASSERT_OK(ctx, compute(ctx, set->count, set->picture, NULL, &got));
    near(got.pixel_auroc, want.pixel_auroc, 1e-12, "auroc");
    near(got.pixel_ap, want.pixel_ap, 1e-12, "ap");
    near(got.pixel_f1, want.pixel_f1, 1e-12, "f1");
    near(got.pixel_f1_threshold, want.pixel_f1_threshold, 0, "f1 threshold");
    near(got.pixel_iou, want.pixel_iou, 1e-12, "iou");
    fm_free(ctx, set);
  }
}

/* The area under the points of the PRO curve is AUPRO, but for what happens between two of them. */
static void pro_curve(void **state) {
  struct fm_context *ctx = *state;
  struct set *set = make(ctx, 5, 6, same, 1);
  struct fm_metrics m;
  double area = 0;
  ASSERT_OK(ctx, compute(ctx, 6, set->picture, NULL, &m));
  assert_true(m.pro[0] >= 0 && m.pro[FM_PRO_POINTS - 1] <= 1 && fm_pro_rate(FM_PRO_POINTS - 1) == 0.3);
  for (int i = 1; i < FM_PRO_POINTS; i++) {
    assert_true(m.pro[i] >= m.pro[i - 1]);
    area += (fm_pro_rate(i) - fm_pro_rate(i - 1)) * (m.pro[i] + m.pro[i - 1]) / 2;
  }
  near(area / 0.3, m.aupro_30, 2e-3, "area under the curve");
  fm_free(ctx, set);
}

/* The same numbers, to the last bit, on one thread and on four. */
static void threads_do_not_matter(void **state) {
  struct fm_context *ctx = *state;
  struct set *set = make(ctx, 4, 6, same, 1);
  struct fm_metrics one, four;
  ctx->threads = 1;
  ASSERT_OK(ctx, compute(ctx, 6, set->picture, NULL, &one));
  ctx->threads = 4;
  ASSERT_OK(ctx, compute(ctx, 6, set->picture, NULL, &four));
  assert_memory_equal(&one, &four, sizeof one);
  fm_free(ctx, set);
}

/* Two thresholds reach the F1 of 2/3; the smaller one counts. */
static void smallest_threshold_of_the_best_f1(void **state) {
  struct fm_context *ctx = *state;
  const float map[] = {8, 7, 6, 5, 4, 3};
  const unsigned char mask[] = {1, 0, 1, 0, 0, 0}; /* t = 8: p 1, r 1/2; t = 6: p 2/3, r 1 -> 0.8 */
  const unsigned char tie[] = {1, 0, 0, 1, 0, 0};  /* t = 8: 2/3; t = 5: p 2/4, r 1 -> 2/3 */
  struct fm_scored p = {.width = 6, .height = 1, .map = map, .mask = mask};
  struct fm_metrics m;
  ASSERT_OK(ctx, compute(ctx, 1, &p, NULL, &m));
  near(m.pixel_f1, 0.8, 1e-15, "f1");
  assert_true(m.pixel_f1_threshold == 6);
  p.mask = tie;
  ASSERT_OK(ctx, compute(ctx, 1, &p, NULL, &m));
  near(m.pixel_f1, 2.0 / 3, 1e-15, "f1");
  assert_true(m.pixel_f1_threshold == 5);
  assert_true(isnan(m.image_auroc) && isnan(m.image_ap) && isnan(m.image_f1)); /* one picture, one class */
}

static void one_class_has_no_metric(void **state) {
  struct fm_context *ctx = *state;
  const float map[] = {1, 2, 3, 4};
  const unsigned char all[] = {9, 9, 9, 9}, none[] = {0, 0, 0, 0};
  const unsigned char *masks[] = {all, none, NULL};
  for (int i = 0; i < 3; i++) {
    struct fm_scored p = {.width = 2, .height = 2, .map = map, .mask = masks[i]};
    struct fm_metrics m;
    ASSERT_OK(ctx, compute(ctx, 1, &p, NULL, &m));
#define IS_NAN(field, key) assert_true(isnan(m.field));
    FM_METRICS_LIST(IS_NAN)
#undef IS_NAN
  }
  /* Constant maps: everything ties; cdo1 has no two different rates. */
  const float flat[] = {-0.0f, 0, 0, -0.0f};
  const unsigned char half[] = {1, 1, 0, 0};
  struct fm_scored p[] = {{.width = 2, .height = 2, .map = flat, .mask = half},
                          {.width = 2, .height = 2, .map = flat, .mask = NULL}};
  struct fm_metrics m;
  ASSERT_OK(ctx, compute(ctx, 2, p, NULL, &m));
  assert_true(m.pixel_auroc == 0.5 && m.image_auroc == 0.5 && m.pixel_ap == 0.25 && isnan(m.aupro_cdo1));
  near(m.aupro_30, 0.15, 1e-15, "aupro");
}

static void own_image_scores(void **state) {
  struct fm_context *ctx = *state;
  const float map[] = {1, 2}, score[] = {0.5f, 0.25f, 0.75f};
  const unsigned char mask[] = {0, 1};
  struct fm_scored p[] = {{.width = 2, .height = 1, .map = map, .mask = mask},
                          {.width = 2, .height = 1, .map = map, .mask = NULL},
                          {.width = 2, .height = 1, .map = map, .mask = NULL}};
  struct fm_metrics m;
  ASSERT_OK(ctx, compute(ctx, 3, p, score, &m));
  assert_true(m.image_auroc == 0.5 && m.image_f1_threshold == 0.5);
}

static void refusals(void **state) {
  struct fm_context *ctx = *state;
  float map[] = {1, 2};
  const unsigned char mask[] = {0, 1};
  struct fm_scored p[] = {{.width = 2, .height = 1, .map = map, .mask = mask},
                          {.width = 2, .height = 1, .map = map, .mask = NULL}};
  struct fm_metrics m;
  assert_int_equal(compute(ctx, 0, p, NULL, &m), FM_USAGE);
  p[1].height = 0;
  assert_int_equal(compute(ctx, 2, p, NULL, &m), FM_USAGE);
  p[1].height = 1;
  map[1] = INFINITY;
  assert_int_equal(compute(ctx, 2, p, NULL, &m), FM_NUMERIC);
  map[1] = NAN;
  assert_int_equal(compute(ctx, 2, p, NULL, &m), FM_NUMERIC);
}

/* ---- bounded memory ---- */

struct made { /* maps that are made row by row */
  const struct set *set;
  atomic_long opened, masks;
};

static void made_row(const struct fm_scored *p, int y, float *row) {
  const float *map = p->room;
  memcpy(row, map + (size_t)y * (size_t)p->width, (size_t)p->width * sizeof *row);
}

static enum fm_status open_made(void *user, size_t i, bool mask, struct fm_scored *p) {
  struct made *made = user;
  *p = made->set->picture[i];
  p->room = (void *)(uintptr_t)made->set->map[i];
  p->map = NULL;
  p->row = made_row;
  if (!mask) p->mask = NULL;
  made->opened++;
  made->masks += mask;
  return FM_OK;
}

/* Few bytes mean many ranges, sixteen bits split score by score, areas counted of a single score; always the
 * same numbers, to the last bit. */
static void budget_does_not_matter(void **state) {
  struct fm_context *ctx = *state;
  static const int steps[] = {1, 16, 256}; /* few and many ties; 256: two scores at most in a picture */
  for (size_t k = 0; k < 3; k++) {
    struct set *set = make(ctx, 20 + k, 6, same, steps[k]);
    struct made made = {.set = set};
    const struct fm_source source = {.count = 6, .open = open_made, .user = &made};
    struct fm_metrics all, few;
    ASSERT_OK(ctx, compute(ctx, 6, set->picture, NULL, &all));
    long passes = 0, most = 0;
    for (size_t budget = 1 << 24; budget; budget /= 3) {
      made.opened = made.masks = 0;
      ASSERT_OK(ctx, fm_metrics_compute(ctx, &source, NULL, budget, &few));
      assert_memory_equal(&all, &few, sizeof all);
      assert_true(made.opened >= passes && made.masks <= 12); /* of which six for CDO's script */
      passes = made.opened;
      most = passes > most ? passes : most;
    }
    assert_true(most >= (k == 2 ? 6 : 8) * 6); /* in passes of six pictures */
    fm_free(ctx, set);
  }
}

struct seen {
  double sum[2];
  size_t pixels[2];
};

static void see(void *user, int lane, const float *scores, size_t n, uint32_t area) {
  struct seen *seen = (struct seen *)user + lane;
  for (size_t i = 0; i < n; i++) seen->sum[area > 0] += (double)scores[i] * (area ? area : 1);
  seen->pixels[area > 0] += n;
}

/* Masks whose runs are too many to keep are asked for again: every pass sees the same pixels. */
static void masks_are_read_again(void **state) {
  struct fm_context *ctx = *state;
  struct set *set = make(ctx, 30, 6, same, 1);
  struct made made = {.set = set};
  const struct fm_source source = {.count = 6, .open = open_made, .user = &made};
  ctx->threads = 1;
  for (int kept = 0; kept < 2; kept++) {
    struct seen first = {0}, again = {0};
    struct fm_scan scan;
    made.masks = 0;
    ASSERT_OK(
        ctx, fm_scan_open(ctx, &source, kept ? FM_SCAN_RUNS : 100, &(struct fm_visitor){see, &first}, &scan));
    ASSERT_OK(ctx, fm_scan_again(&scan, &(struct fm_visitor){see, &again}));
    assert_int_equal(made.masks, kept ? 6 : 10); /* two pictures have no flaw */
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(first.pixels[1] == scan.flaws && scan.flaws && first.pixels[0] == scan.normals);
    fm_scan_close(&scan);
  }
  fm_free(ctx, set);
}

static enum fm_status open_changing(void *user, size_t i, bool mask, struct fm_scored *p) {
  struct made *made = user;
  FM_TRY(open_made(user, i, mask, p));
  static float far[SIDE * SIDE];
  for (int k = 0; !i && k < SIDE * SIDE; k++) far[k] = 1000;
  if (made->opened > 6) p->room = far;
  return FM_OK;
}

/* Maps that are spread otherwise in a later pass are an error, and nothing is written beyond a list. */
static void changes_are_seen(void **state) {
  struct fm_context *ctx = *state;
  struct set *set = make(ctx, 31, 6, same, 1);
  struct made made = {.set = set};
  const struct fm_source source = {.count = 6, .open = open_changing, .user = &made};
  struct fm_metrics m;
  ctx->threads = 1;
  for (size_t budget = 1 << 20; budget > 8; budget /= 8) {
    made.opened = 0;
    assert_int_equal(fm_metrics_compute(ctx, &source, NULL, budget, &m), FM_IO);
    assert_non_null(strstr(ctx->message, "changed while"));
    fm_error_clear(ctx);
  }
  fm_free(ctx, set);
}

/* 10^10 pixels: pairs of them need more than 64 bits. */
static void many_pixels(void **state) {
  (void)state;
  const uint64_t n = 10000000000, f = 3000000000;
  struct fm_walk w;
  fm_walk_begin(&w, n, f, 0);
  fm_walk_stop(&w, fm_score_key(2), n / 4, 0, f, 0);
  struct fm_rank rank = fm_walk_end(&w);
  near(rank.auroc, 0.75, 1e-15, "auroc");
  near(rank.ap, 3.0 / 5.5, 1e-15, "ap");
}

/* Each allocation fails, once or with all that follow; in one range, in several, score by score: no crash, no
 * leak (the end of the test looks), the right status. */
static void allocation_failures(void **state) {
  struct fm_context *ctx = *state;
  struct set *set = make(ctx, 4, 6, same, 256); /* many ties: of one score more than fit */
  struct made made = {.set = set};
  const struct fm_source source = {.count = 6, .open = open_made, .user = &made};
  static const size_t budgets[] = {0, 8000, 50};
  struct fm_fault *fault = &ctx->fault[FM_FAULT_ALLOC];
  struct fm_metrics undisturbed, m;
  long before = 0;
  ctx->threads = 1;
  ASSERT_OK(ctx, compute(ctx, 6, set->picture, NULL, &undisturbed));
  for (int k = 0; k < 6; k++) {
    enum fm_status status = FM_MEMORY;
    for (long n = 1; status == FM_MEMORY; n++) {
      *fault = (struct fm_fault){.fail_at = n, .once = k % 2};
      status = fm_metrics_compute(ctx, &source, NULL, budgets[k / 2], &m);
      assert_true(status != FM_OK || fault->count < n);
      fm_error_clear(ctx);
    }
    ASSERT_OK(ctx, status);
    assert_memory_equal(&undisturbed, &m, sizeof m);
    assert_true(fault->count > (k < 2 ? 20 : before));
    if (k % 2) before = fault->count; /* a smaller budget takes more passes */
  }
  *fault = (struct fm_fault){0};
  fm_free(ctx, set);
}

/* A flawed picture whose flaws nobody marked counts as a picture, and none of its pixels counts; a mask that
 * became empty on the way does not make its picture a good one. */
static void pictures_without_marks(void **state) {
  struct fm_context *ctx = *state;
  const float a[] = {1, 9}, b[] = {3, 2}, c[] = {8, 7};
  const unsigned char mask[] = {0, 1}, empty[] = {0, 0};
  struct fm_scored p[] = {{.width = 2, .height = 1, .map = a, .mask = mask},
                          {.width = 2, .height = 1, .map = b},
                          {.width = 2, .height = 1, .map = c, .flawed = true, .unmarked = true}};
  struct fm_metrics with, without;
  ASSERT_OK(ctx, compute(ctx, 3, p, NULL, &with));
  ASSERT_OK(ctx, compute(ctx, 2, p, NULL, &without));
  assert_true(with.good == 1 && with.flawed == 2 && with.marked == 1 && with.unmarked == 1 && !with.sizes);
  assert_true(with.image_auroc == 1 && with.pixel_auroc == 1 && with.pixel_ap == without.pixel_ap);
  assert_true(with.aupro_30 == without.aupro_30);
  p[2].unmarked = false;
  p[2].mask = empty;
  ASSERT_OK(ctx, compute(ctx, 3, p, NULL, &with));
  assert_true(with.flawed == 2 && with.image_auroc == 1);
  assert_true(with.pixel_ap == without.pixel_ap && with.pixel_auroc == 1);
  ASSERT_OK(ctx, compute(ctx, 1, p + 1, NULL, &with));
  assert_true(with.flawed == 0 && isnan(with.image_auroc) && isnan(with.pixel_auroc));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(python_values),
                                     TEST(slow_reference_agrees),
                                     TEST(pro_curve),
                                     TEST(threads_do_not_matter),
                                     TEST(smallest_threshold_of_the_best_f1),
                                     TEST(pictures_without_marks),
                                     TEST(one_class_has_no_metric),
                                     TEST(own_image_scores),
                                     TEST(refusals),
                                     TEST(allocation_failures),
                                     TEST(budget_does_not_matter),
                                     TEST(masks_are_read_again),
                                     TEST(changes_are_seen),
                                     TEST(many_pixels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
