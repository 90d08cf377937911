/* PatchCore from pictures to scores and back, against the definition in double precision; what it learns, and
 * what it refuses. */
#define _XOPEN_SOURCE 700
#include "method/scorer.h"
#include "method/tiny.h"

#include "base/memory.h"
#include "base/rng.h"
#include "method/patchcore.h"
#include "net/reference.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 64, GRID = SIDE / 8, CELLS = GRID * GRID, NUMBERS = 3 * SIDE * SIDE, LEARNED = 9 };

struct trained {
  struct tiny t;
  struct fm_model model;
  unsigned char *rgb; /* [LEARNED] pictures it learned from */
};

/* keys: "features=official neighbours=3" */
static void recipe_of(struct fm_context *ctx, const char *keys, struct fm_recipe *r) {
  char copy[200];
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "patchcore", r));
  r->fine = 1; /* the definition here is without; test_patch has it with a weight */
  r->size = fm_square(SIDE);
  r->batch = 4;
  r->learn_all = false;
  snprintf(copy, sizeof copy, "%s", keys);
  for (char *key = strtok(copy, " "); key; key = strtok(NULL, " ")) {
    char *value = strchr(key, '=');
    *value = '\0';
    ASSERT_OK(ctx, fm_recipe_set(ctx, r, key, value + 1, "here"));
  }
  ASSERT_OK(ctx, fm_recipe_check(ctx, r));
}

static void train(struct fm_context *ctx, const char *keys, struct trained *m) {
  struct fm_preprocess p;
  struct fm_holdout split;
  tiny_open(ctx, &m->t);
  recipe_of(ctx, keys, &m->t.fit.recipe);
  ASSERT_OK(ctx, fm_fit_run(m->t.d, &m->t.fit, &m->model));
  ASSERT_OK(ctx, fm_recipe_preprocess(ctx, &m->t.fit.recipe, &p));
  ASSERT_OK(ctx, fm_dataset_holdout(ctx, &m->t.category, m->t.fit.recipe.hold_out, &split));
  assert_int_equal(split.learn_count, LEARNED);
  m->rgb = malloc((size_t)LEARNED * NUMBERS);
  for (size_t i = 0; i < LEARNED; i++)
    ASSERT_OK(ctx, fm_picture_load(ctx, split.learn[i].path, &p, m->rgb + i * NUMBERS, NULL));
  fm_holdout_free(ctx, &split);
}

static void done(struct trained *m) {
  fm_model_free(&m->model);
  tiny_close(&m->t);
  free(m->rgb);
}

static const float *learned(const struct fm_model *m, const char *name, size_t *count) {
  const struct fm_weight *w = fm_weights_find(&m->learned, name);
  if (count) *count = w->shape[0];
  return m->learned.value + w->offset;
}

/* ---- the definition ---- */

/* 3 x 3 means, tap 3's enlarged: [CELLS][c1 + c2]. (The official form is tests/op/test_patch.c's.) */
static double *features(const struct reference *r) {
  const struct fm_node *n[2] = {&r->graph.node[r->graph.tap[1]], &r->graph.node[r->graph.tap[2]]};
  int dims = n[0]->c + n[1]->c;
  double *f = calloc((size_t)(CELLS * dims), sizeof *f);
  for (int k = 0; k < dims; k++) {
    int t = k >= n[0]->c, c = t ? k - n[0]->c : k, h = n[t]->h;
    double mean[CELLS] = {0};
    const double *x = reference_tap(r, t + 1) + c * h * h;
    for (int q = 0; q < h * h; q++)
      for (int o = 0; o < 9; o++) {
        int y = q / h + o / 3 - 1, i = q % h + o % 3 - 1;
        if (y >= 0 && y < h && i >= 0 && i < h) mean[q] += x[y * h + i] / 9;
      }
    for (int q = 0; q < CELLS; q++) {
      double sy = fmax((q / GRID + 0.5) * h / GRID - 0.5, 0), sx = fmax((q % GRID + 0.5) * h / GRID - 0.5, 0);
      int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < h ? x0 + 1 : x0;
      double fy = sy - y0, fx = sx - x0;
      f[q * dims + k] = (1 - fy) * ((1 - fx) * mean[y0 * h + x0] + fx * mean[y0 * h + x1]) +
                        fy * ((1 - fx) * mean[y1 * h + x0] + fx * mean[y1 * h + x1]);
    }
  }
  return f;
}

static double squared(const double *f, const float *m, int dims) {
  double sum = 0;
  for (int k = 0; k < dims; k++) sum += (f[k] - (double)m[k]) * (f[k] - (double)m[k]);
  return sum;
}

static void normalise(const unsigned char *rgb, double picture[NUMBERS]) {
  static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};
  for (int i = 0; i < SIDE * SIDE; i++)
    for (int c = 0; c < 3; c++)
      picture[c * SIDE * SIDE + i] = (rgb[3 * i + c] / 255.0 - mean[c]) / deviation[c];
}

static void noise(unsigned char *rgb, size_t count, uint64_t seed) {
  struct fm_rng rng = fm_rng_stream(seed, "noise");
  for (size_t i = 0; i < count; i++) rgb[i] = (unsigned char)fm_rng_integer(&rng, 0, 256);
}

/* sum over the cells of slope * mean over their fixed neighbours of |f - m|^2 / D */
struct loss {
  struct reference *r;
  const float *bank, *slope;
  const int *index;
  int k, dims;
};

static double loss_of(const struct loss *l, const double *picture) {
  double sum = 0;
  reference_run(l->r, picture);
  double *f = features(l->r);
  for (int q = 0; q < CELLS; q++)
    for (int i = 0; i < l->k; i++)
      sum += (double)l->slope[q] / l->k / l->dims *
             squared(f + q * l->dims, l->bank + l->index[q * l->k + i] * l->dims, l->dims);
  free(f);
  return sum;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* ---- scores and the way back ---- */

/* The second of two pictures: its cells, and the slope of a loss along a random direction and along its
 * gradient. */
static void to_the_picture(void **state) {
  struct trained m;
  train(*state, "neighbours=3 coreset=0.3", &m);
  struct fm_device *d = m.t.d;
  struct fm_scorer *s;
  struct reference r;
  size_t rows;
  const float *bank = learned(&m.model, "bank", &rows);
  int dims = (int)fm_weights_find(&m.model.learned, "bank")->shape[1], index[2 * CELLS * 3];
  float e[2 * CELLS], slope[2 * CELLS] = {0};
  ASSERT_OK(m.t.ctx, fm_scorer_make(d, &m.model, 2, true, &s));
  assert_true(s->height == GRID && s->width == GRID);
  unsigned char rgb[2 * NUMBERS];
  noise(rgb, NUMBERS, 1);
  memcpy(rgb + NUMBERS, m.rgb, NUMBERS);
  noise(rgb + NUMBERS + NUMBERS / 2, NUMBERS / 2, 2); /* the upper half is a good one's */
  ASSERT_OK(m.t.ctx, fm_scorer_load(s, 2, rgb, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(m.t.ctx, fm_buffer_read(d, &s->cells, 0, e, sizeof e));
  ASSERT_OK(m.t.ctx, fm_patchcore_neighbours(s, index));
  reference_open(m.t.ctx, m.model.backbone, fm_square(SIDE), &m.model.expert.weights, &r);
  static double picture[NUMBERS], moved[NUMBERS], direction[NUMBERS];
  normalise(rgb + NUMBERS, picture);
  reference_run(&r, picture);
  double *f = features(&r), *all = malloc(rows * sizeof *all), most = 0;
  for (int q = 0; q < CELLS; q++) most = fmax(most, (double)e[CELLS + q]);
  for (int q = 0; q < CELLS; q++) {
    for (size_t i = 0; i < rows; i++) all[i] = squared(f + q * dims, bank + i * (size_t)dims, dims) / dims;
    qsort(all, rows, sizeof *all, compare);
    double want = (all[0] + all[1] + all[2]) / 3;
    if (!(fabs((double)e[CELLS + q] - want) <= 1e-4 * want + 1e-5 * most))
      fail_msg("cell %d: %.9g, should be %.9g", q, (double)e[CELLS + q], want);
  }
  struct fm_rng rng = fm_rng_stream(3, "slope");
  for (int q = 0; q < CELLS; q++) slope[CELLS + q] = fm_rng_uniform(&rng) - 0.3f;
  ASSERT_OK(m.t.ctx, fm_buffer_write(d, &s->slope, 0, slope, sizeof slope));
  fm_scorer_back(s);
  float *gradient = malloc(2 * sizeof *gradient * NUMBERS);
  ASSERT_OK(m.t.ctx, fm_acts_read(d, fm_net_input_gradient(s->net[0]), gradient));
  struct loss l = {&r, bank, slope + CELLS, index + 3 * CELLS, 3, dims};
  for (int turn = 0; turn < 2; turn++) {
    double along = 0, size = 0, norm = 0, h = 1e-5;
    for (int i = 0; i < NUMBERS; i++) {
      assert_true(gradient[i] == 0); /* the first picture is not in the loss */
      double g = (double)gradient[NUMBERS + i];
      direction[i] = turn ? g : 2 * (double)fm_rng_uniform(&rng) - 1;
      size += direction[i] * direction[i];
      along += direction[i] * g;
      norm += g * g;
    }
    for (int i = 0; i < NUMBERS; i++) moved[i] = picture[i] + h * direction[i] / sqrt(size);
    double more = loss_of(&l, moved);
    for (int i = 0; i < NUMBERS; i++) moved[i] = picture[i] - h * direction[i] / sqrt(size);
    double difference = (more - loss_of(&l, moved)) / (2 * h);
    if (!(norm > 0) || !(fabs(along / sqrt(size) - difference) <= 2e-3 * sqrt(norm)))
      fail_msg("turn %d: slope %g, differences %g, gradient %g", turn, along / sqrt(size), difference,
               sqrt(norm));
  }
  free(f);
  free(all);
  free(gradient);
  reference_close(&r);
  fm_scorer_free(s);
  done(&m);
}

/* Alone or in a batch, now or later: the same bits. The picture's score is its farthest cell's. */
static void alone(void **state) {
  struct trained m;
  train(*state, "features=official dimensions=100", &m);
  struct fm_scorer *s;
  enum { PIXELS = SIDE * SIDE };
  float *maps = malloc(4 * sizeof *maps * PIXELS), *one = malloc(sizeof *one * PIXELS), scores[4], score,
        e[CELLS];
  unsigned char *rgb = malloc(4 * NUMBERS);
  memcpy(rgb, m.rgb, 2 * NUMBERS);
  noise(rgb + 2 * NUMBERS, NUMBERS, 5);
  memcpy(rgb + 3 * NUMBERS, m.rgb, 5000);
  noise(rgb + 3 * NUMBERS + 5000, NUMBERS - 5000, 6);
  ASSERT_OK(m.t.ctx, fm_scorer_make(m.t.d, &m.model, 3, false, &s)); /* batches of 3 and 1 */
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 4, rgb, NULL, maps, scores));
  for (size_t i = 0; i < 4; i++) {
    ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb + i * NUMBERS, NULL, one, &score));
    assert_memory_equal(one, maps + i * PIXELS, sizeof *one * PIXELS);
    assert_memory_equal(&score, &scores[i], sizeof score);
    ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, e, sizeof e));
    float most = 0;
    for (int q = 0; q < CELLS; q++) most = fmaxf(most, e[q]);
    assert_true(fabsf(score - sqrtf(most)) <= 1e-6f * score && most > 0);
  }
  assert_true(scores[2] > 2 * scores[0]);
  free(maps);
  free(one);
  free(rgb);
  fm_scorer_free(s);
  done(&m);
}

/* Distances to neighbours that are kept while the picture changes. */
static void kept_neighbours(void **state) {
  struct trained m;
  train(*state, "coreset=0.5 projection=0", &m);
  struct fm_scorer *s;
  int before[CELLS], after[CELLS];
  float e[CELLS], kept[CELLS], free_again[CELLS];
  unsigned char rgb[NUMBERS];
  bool differs = false;
  noise(rgb, NUMBERS, 9);
  ASSERT_OK(m.t.ctx, fm_scorer_make(m.t.d, &m.model, 1, false, &s));
  ASSERT_OK(m.t.ctx, fm_scorer_load(s, 1, m.rgb, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(m.t.ctx, fm_patchcore_neighbours(s, before));
  ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, e, sizeof e));
  ASSERT_OK(m.t.ctx, fm_scorer_attend(s, 0, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, kept, sizeof kept));
  assert_memory_equal(e, kept, sizeof e); /* nothing changed yet */
  ASSERT_OK(m.t.ctx, fm_scorer_load(s, 1, rgb, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(m.t.ctx, fm_patchcore_neighbours(s, after));
  assert_memory_equal(before, after, sizeof before);
  ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, kept, sizeof kept));
  ASSERT_OK(m.t.ctx, fm_scorer_attend(s, -1, NULL));
  fm_scorer_cells(s);
  ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, free_again, sizeof free_again));
  for (int q = 0; q < CELLS; q++) {
    assert_true(free_again[q] <= kept[q] * 1.00001f);
    differs |= free_again[q] < kept[q];
  }
  assert_true(differs);
  fm_scorer_free(s);
  done(&m);
}

/* The paper's equation 7, from the features of the definition. */
/* A second way back gives what the first one gave: nothing of it stays in the taps. */
static void back_twice(void **state) {
  struct trained m;
  struct fm_scorer *s;
  float one[CELLS], gradient[2][NUMBERS];
  train(*state, "dimensions=64", &m);
  struct fm_context *ctx = m.t.ctx;
  ASSERT_OK(ctx, fm_scorer_make(m.t.d, &m.model, 1, true, &s));
  for (int i = 0; i < CELLS; i++) one[i] = 1 + (float)i;
  ASSERT_OK(ctx, fm_scorer_load(s, 1, m.rgb, NULL));
  for (int turn = 0; turn < 2; turn++) {
    fm_scorer_cells(s);
    ASSERT_OK(ctx, fm_buffer_write(m.t.d, &s->slope, 0, one, sizeof one));
    fm_scorer_back(s);
    ASSERT_OK(ctx, fm_acts_read(m.t.d, fm_net_input_gradient(s->net[0]), gradient[turn]));
  }
  double most = 0;
  for (int i = 0; i < NUMBERS; i++) most = fmax(most, fabs((double)gradient[0][i]));
  assert_true(most > 0);
  assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
  fm_scorer_free(s);
  done(&m);
}

/* The farthest cell of those that the mean part shows and that lie inside of the picture. */
static void only_what_is_covered(void **state) {
  struct trained m;
  train(*state, "coreset=0.3", &m);
  struct fm_standard *standard = &m.model.standard;
  struct fm_scorer *s;
  static float map[SIDE * SIDE];
  float e[CELLS], score[2], all = 0, covered = 0;
  unsigned char rgb[NUMBERS];
  /* Moved right by a quarter: what comes in on the left lies outside; a spot there is all that is unusual.
   * The lower half is not shown. */
  struct fm_adjusted a = {.placed = true, .to_own = {{1, 0, -0.25f, 0, 1, 0}}};
  memcpy(rgb, m.rgb, NUMBERS);
  for (int y = 20; y < 28; y++) noise(rgb + 3 * y * SIDE, 3 * SIDE / 8, (uint64_t)y);
  ASSERT_OK(m.t.ctx, fm_mean_part_make(m.t.ctx, &standard->part));
  memset(standard->part.shown, 1, FM_VIEW_PIXELS / 2);
  standard->poses = true;
  ASSERT_OK(m.t.ctx, fm_scorer_make(m.t.d, &m.model, 1, false, &s));
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb, &a, map, &score[0]));
  ASSERT_OK(m.t.ctx, fm_buffer_read(m.t.d, &s->cells, 0, e, sizeof e));
  for (int q = 0; q < CELLS; q++) {
    all = fmaxf(all, e[q]);
    if (q / GRID < GRID / 2 && q % GRID >= GRID / 4) covered = fmaxf(covered, e[q]);
  }
  assert_true(all > 1.2f * covered && covered > 0);
  assert_true(fabsf(score[0] - sqrtf(covered)) <= 1e-6f * score[0]);
  a.placed = false; /* as it lies: all of it is the picture */
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb, &a, map, &score[0]));
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb, NULL, map, &score[1]));
  assert_true(score[0] == score[1] && fabsf(score[0] - sqrtf(all)) <= 1e-6f * score[0]);
  a = (struct fm_adjusted){.placed = true, .to_own = {{1, 0, 2, 0, 1, 0}}}; /* nothing is left */
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb, &a, map, &score[0]));
  assert_true(score[0] == 0);
  fm_scorer_free(s);
  done(&m);
}

static void reweighted(void **state) {
  struct trained m;
  train(*state, "reweight=9 coreset=0.4", &m);
  struct fm_scorer *s;
  struct reference r;
  size_t rows;
  static float map[SIDE * SIDE];
  static double picture[NUMBERS];
  const float *bank = learned(&m.model, "bank", &rows);
  int dims = (int)fm_weights_find(&m.model.learned, "bank")->shape[1], far = 0, row = 0;
  float score;
  unsigned char rgb[NUMBERS];
  memcpy(rgb, m.rgb, NUMBERS);
  for (int i = 3000; i < 3600; i++) rgb[i] = (unsigned char)(255 - rgb[i]);
  ASSERT_OK(m.t.ctx, fm_scorer_make(m.t.d, &m.model, 1, false, &s));
  ASSERT_OK(m.t.ctx, fm_scorer_run(s, 1, rgb, NULL, map, &score));
  reference_open(m.t.ctx, m.model.backbone, fm_square(SIDE), &m.model.expert.weights, &r);
  normalise(rgb, picture);
  reference_run(&r, picture);
  double *f = features(&r), most = -1, *m_star = malloc((size_t)dims * sizeof *m_star);
  for (int q = 0; q < CELLS; q++) {
    size_t nearest = 0;
    double least = INFINITY;
    for (size_t i = 0; i < rows; i++) {
      double v = squared(f + q * dims, bank + i * (size_t)dims, dims);
      if (v < least) {
        least = v;
        nearest = i;
      }
    }
    if (least > most) {
      most = least;
      far = q;
      row = (int)nearest;
    }
  }
  /* The nine rows nearest to that row, itself among them. */
  struct near {
    double distance, to_cell;
  } *near = malloc(rows * sizeof *near);
  for (int k = 0; k < dims; k++) m_star[k] = (double)bank[row * dims + k];
  for (size_t i = 0; i < rows; i++)
    near[i] = (struct near){squared(m_star, bank + i * (size_t)dims, dims),
                            sqrt(squared(f + far * dims, bank + i * (size_t)dims, dims))};
  qsort(near, rows, sizeof *near, compare); /* by the first member */
  double sum = 0;
  for (int i = 0; i < 9; i++) sum += exp(near[i].to_cell - near[0].to_cell);
  double want = (1 - 1 / sum) * sqrt(most / dims);
  if (!(fabs((double)score - want) <= 1e-3 * want))
    fail_msg("score %.9g, should be %.9g", (double)score, want);
  free(f);
  free(m_star);
  free(near);
  reference_close(&r);
  fm_scorer_free(s);
  done(&m);
}

/* ---- what is learned ---- */

/* Rows are features of the cells they name, the same in both ways of getting them, and at every run; a
 * smaller bank is a part of it. */
static void the_bank(void **state) {
  struct trained m;
  train(*state, "coreset=0.25", &m);
  struct fm_context *ctx = m.t.ctx;
  size_t rows, few;
  const float *bank = learned(&m.model, "bank", &rows), *picture = learned(&m.model, "picture", NULL),
              *cell = learned(&m.model, "cell", NULL);
  int dims = (int)fm_weights_find(&m.model.learned, "bank")->shape[1];
  assert_int_equal(rows, LEARNED * CELLS / 4);
  bool seen[LEARNED * CELLS] = {false};
  struct reference r;
  static double normal[NUMBERS];
  reference_open(ctx, m.model.backbone, fm_square(SIDE), &m.model.expert.weights, &r);
  for (int p = 0; p < LEARNED; p++) {
    normalise(m.rgb + (size_t)p * NUMBERS, normal);
    reference_run(&r, normal);
    double *f = features(&r), norm = 0;
    for (int i = 0; i < CELLS * dims; i++) norm += f[i] * f[i] / CELLS;
    for (size_t i = 0; i < rows; i++) {
      int point = p * CELLS + (int)cell[i];
      if ((int)picture[i] != p) continue;
      assert_false(seen[point]); /* distinct */
      seen[point] = true;
      double off = squared(f + (int)cell[i] * dims, bank + i * (size_t)dims, dims);
      if (!(off <= 1e-9 * norm))
        fail_msg("row %zu is not picture %d, cell %d: %g of %g", i, p, (int)cell[i], off, norm);
    }
    free(f);
  }
  reference_close(&r);
  struct fm_holdout split;
  struct fm_weights again;
  ASSERT_OK(ctx, fm_dataset_holdout(ctx, &m.t.category, m.t.fit.recipe.hold_out, &split));
  struct fm_train t = {.recipe = m.t.fit.recipe,
                       .category = "gear",
                       .samples = split.learn,
                       .count = split.learn_count,
                       .expert = &m.model.expert};
  const size_t keep[2] = {0, (size_t)1 << 30};
  for (int i = 0; i < 2; i++) { /* looked at twice, and kept */
    ASSERT_OK(ctx, fm_patchcore_learn(m.t.d, &t, keep[i], &again));
    assert_int_equal(again.total, m.model.learned.total);
    assert_memory_equal(again.value, m.model.learned.value, again.total * sizeof(float));
    fm_weights_free(&again);
  }
  t.recipe.bank_limit = 20;
  ASSERT_OK(ctx, fm_patchcore_fit(m.t.d, &t, &again));
  const struct fm_weight *small = fm_weights_find(&again, "bank");
  few = small->shape[0];
  assert_int_equal(few, 20);
  const float *few_picture = again.value + fm_weights_find(&again, "picture")->offset,
              *few_cell = again.value + fm_weights_find(&again, "cell")->offset;
  for (size_t i = 0; i < few; i++) assert_true(seen[(int)few_picture[i] * CELLS + (int)few_cell[i]]);
  fm_weights_free(&again);
  ctx->stop = true;
  assert_int_equal(fm_patchcore_fit(m.t.d, &t, &again), FM_STOPPED);
  ctx->stop = false;
  fm_error_clear(ctx);
  fm_holdout_free(ctx, &split);
  done(&m);
}

/* Known before: 4000 pictures of 256 x 256 fit in 8 GB, and what does not is refused. */
static void memory(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  struct fm_expert expert;
  const struct fm_backbone *backbone;
  size_t bytes, less;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  struct fm_train t = {.expert = &expert, .count = 4000};
  recipe_of(ctx, "size=256", &t.recipe);
  ASSERT_OK(ctx, fm_backbone_find(ctx, t.recipe.backbone, &backbone));
  setenv("XDG_DATA_HOME", "/nonexistent", 1);
  setenv("XDG_DATA_DIRS", "/nonexistent", 1);
  ASSERT_OK(ctx, fm_expert_load(ctx, backbone, NULL, true, &expert));
  size_t most = fm_device_facts(d)->max_allocation, points = (size_t)4000 * 1024 * 128 * sizeof(float);
  if (most == 0 || points <= most) {
    ASSERT_OK(ctx, fm_patchcore_memory(d, &t, &bytes));
    assert_true(bytes > points && bytes < 8000000000u);
    t.count = 400;
    ASSERT_OK(ctx, fm_patchcore_memory(d, &t, &less));
    assert_true(less < bytes / 3);
  }
  t.count = 2000000;
  assert_int_equal(fm_patchcore_memory(d, &t, &bytes),
                   most < (size_t)1 << 40 || t.count * 1024 > INT32_MAX ? FM_MEMORY : FM_OK);
  assert_true(ctx->message[0]);
  fm_error_clear(ctx);
  fm_expert_free(&expert);
  ASSERT_OK(ctx, fm_device_close(d));
}

/* ---- what is refused ---- */

static void wrong_models(void **state) {
  struct trained m;
  train(*state, "", &m);
  struct fm_context *ctx = m.t.ctx;
  struct fm_model again;
  ASSERT_OK(ctx, fm_model_load(ctx, m.t.model, NULL, &again));
  assert_memory_equal(again.learned.value, m.model.learned.value, again.learned.total * sizeof(float));
  const struct fm_method *method = fm_method_of(&again.recipe);
  struct fm_weight *bank = &again.learned.item[0];
  float *picture = again.learned.value + again.learned.item[1].offset,
        *cell = again.learned.value + again.learned.item[2].offset;
  const struct {
    float *at, value;
  } wrong[] = {{picture, LEARNED}, {picture, -1}, {cell, CELLS}, {cell, 0.5f}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    float old = *wrong[i].at;
    *wrong[i].at = wrong[i].value;
    assert_int_equal(method->accept(&again, "x.flawmap"), FM_FORMAT);
    fm_error_clear(ctx);
    *wrong[i].at = old;
  }
  bank->shape[1]++;
  assert_int_equal(method->accept(&again, "x.flawmap"), FM_FORMAT);
  assert_non_null(strstr(ctx->message, "x.flawmap"));
  fm_error_clear(ctx);
  bank->shape[1]--;
  bank->shape[0]--;
  assert_int_equal(method->accept(&again, "x.flawmap"), FM_FORMAT);
  fm_error_clear(ctx);
  bank->shape[0]++;
  bank->name[0] = 'x';
  assert_int_equal(method->accept(&again, "x.flawmap"), FM_FORMAT);
  fm_error_clear(ctx);
  bank->name[0] = 'b';
  ASSERT_OK(ctx, method->accept(&again, "x.flawmap"));
  fm_model_free(&again);
  done(&m);
}

static void recipes(void **state) {
  static const struct {
    const char *name;
    double coreset;
  } published[] = {{"patchcore_wide_resnet50_2_1", 0.01},
                   {"patchcore_wide_resnet50_2_10", 0.1},
                   {"patchcore_wide_resnet50_2_25", 0.25}};
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  struct fm_preprocess p;
  for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
    ASSERT_OK(ctx, fm_recipe_read(ctx, published[i].name, &r));
    ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
    ASSERT_OK(ctx, fm_recipe_preprocess(ctx, &r, &p));
    assert_true(fm_size_same(p.size, fm_square(256)) && fm_size_same(p.crop, fm_square(224)) &&
                p.resize == FM_RESIZE_PIL && r.coreset == published[i].coreset);
    assert_true(fm_patchcore_official(&r) && r.dimensions == 1024 && r.projection == 128 &&
                r.neighbours == 1);
    assert_true(r.reweight == 0 && r.hold_out == 0 && !r.learn_all);
  }
  ASSERT_OK(ctx, fm_recipe_read(ctx, "patchcore_anomalib", &r));
  ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
  assert_true(!fm_patchcore_official(&r) && r.reweight == 9 && r.neighbours == 1 && !r.crop.width);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "patchcore", &r));
  ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
  assert_true(r.hold_out == 0.2 && r.learn_all && r.coreset == 0.1 && strcmp(r.features, "concat") == 0);
  strcpy(r.features, "other");
  assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
  fm_error_clear(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(recipes),        TEST(memory),          TEST(the_bank),
                                     TEST(to_the_picture), TEST(alone),           TEST(only_what_is_covered),
                                     TEST(reweighted),     TEST(kept_neighbours), TEST(back_twice),
                                     TEST(wrong_models)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
