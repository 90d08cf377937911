/* CDO's recipe of 2025: its constants, its map and scores, the way back, and a step of training, against
 * plain loops in double precision over the taps. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "base/memory.h"
#include "base/rng.h"
#include "method/cdo.h"
#include "method/scorer.h"

#include <math.h>
#include <stdlib.h>

enum { SIDE = 64, GRID = SIDE / 4, COUNT = 2 };

/* ---- constants ---- */

static void constants_of_2025(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  struct fm_preprocess p;
  ASSERT_OK(ctx, fm_recipe_read(ctx, "cdo2025", &r));
  ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
  ASSERT_OK(ctx, fm_recipe_preprocess(ctx, &r, &p));
  struct fm_adam adam = fm_recipe_adam(&r);
  struct fm_synthetic s = fm_recipe_synthetic(&r, "bottle");
  assert_true(fm_recipe_2025(&r));
  assert_string_equal(r.backbone, "hrnet32");
  assert_true(fm_size_same(p.size, fm_square(256)) && !p.crop.width && p.resize == FM_RESIZE_PIL);
  assert_true(adam.lr == 1e-3 && adam.beta1 == 0.5 && adam.beta2 == 0.999 && adam.eps == 1e-8);
  assert_true(adam.decay == 0);
  assert_true(r.clip == 5 && r.lr_decay == 1 && r.lr_drop == 80);
  assert_true(r.epochs == 100 && r.batch == 32 && r.seed == 42 && r.gamma == 2 && r.momentum == 0.1);
  assert_true(r.mom && r.oom && !r.reestimate && r.hold_out == 0);
  assert_true(s.kind == FM_SYNTHETIC_CDO && s.canvas == 1024 && !s.skip_background);
  assert_true(s.most == 4 && s.smallest == 40 && s.largest == 10);
  assert_true(r.real_anomalies == 0 && r.shots == 0);
  ASSERT_OK(ctx, fm_recipe_read(ctx, "cdo", &r));
  assert_true(!fm_recipe_2025(&r) && r.clip == 0 && r.lr_drop == 0 && r.patch_canvas == 0);
}

static void wrong_constants(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  fm_recipe_default(&r);
  ASSERT_OK(ctx, fm_recipe_set(ctx, &r, "variant", "2024", "here"));
  assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
  assert_non_null(strstr(ctx->message, "2024"));
  fm_error_clear(ctx);
  fm_recipe_default(&r);
  ASSERT_OK(ctx, fm_recipe_set(ctx, &r, "patch-canvas", "128", "here"));
  assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
  assert_non_null(strstr(ctx->message, "patch-canvas 128"));
  fm_error_clear(ctx);
}

/* ---- taps and what is computed from them ---- */

struct tap {
  int c, h, w;
  double *v[2]; /* expert, apprentice: [COUNT][c][h][w] */
};

static double *read_tap(struct fm_device *d, const struct fm_acts *a) {
  size_t n = (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w;
  float *floats = malloc(n * sizeof *floats);
  double *values = malloc(n * sizeof *values);
  ASSERT_OK(fm_device_context(d), fm_acts_read(d, a, floats));
  for (size_t i = 0; i < n; i++) values[i] = (double)floats[i];
  free(floats);
  return values;
}

static void read_taps(struct fm_device *d, struct fm_net *expert, struct fm_net *apprentice,
                      struct tap t[FM_TAPS]) {
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *a = fm_net_tap(expert, i);
    t[i] = (struct tap){a->c, a->h, a->w, {read_tap(d, a), read_tap(d, fm_net_tap(apprentice, i))}};
  }
}

static void free_taps(struct tap t[FM_TAPS]) {
  for (int i = 0; i < FM_TAPS; i++)
    for (int k = 0; k < 2; k++) free(t[i].v[k]);
}

static double length(const double *v, int c, size_t stride) {
  double sum = 0;
  for (int k = 0; k < c; k++) sum += v[(size_t)k * stride] * v[(size_t)k * stride];
  return sqrt(sum);
}

/* 1 - cos at a position of a tap. */
static double apart(const struct tap *t, int n, int y, int x) {
  size_t stride = (size_t)t->h * (size_t)t->w,
         at = (size_t)n * (size_t)t->c * stride + (size_t)y * (size_t)t->w + (size_t)x;
  double dot = 0;
  for (int k = 0; k < t->c; k++) dot += t->v[0][at + (size_t)k * stride] * t->v[1][at + (size_t)k * stride];
  return 1 - dot / length(t->v[0] + at, t->c, stride) / length(t->v[1] + at, t->c, stride);
}

/* 1 - cos resized with aligned corners to side x side, at one place of it. */
static double apart_at(const struct tap *t, int n, int side, int y, int x) {
  double sy = (double)y * (t->h - 1) / (side - 1), sx = (double)x * (t->w - 1) / (side - 1), sum = 0;
  for (int i = (int)sy; i <= (int)sy + 1 && i < t->h; i++)
    for (int k = (int)sx; k <= (int)sx + 1 && k < t->w; k++)
      sum += (1 - fabs(sy - i)) * (1 - fabs(sx - k)) * apart(t, n, i, k);
  return sum;
}

static double cell_of(const struct tap t[FM_TAPS], int n, int y, int x) {
  double sum = 0;
  for (int i = 0; i < FM_TAPS; i++) sum += apart_at(&t[i], n, GRID, y, x);
  return sum;
}

/* The smoothed map of picture n. */
static void map_of(const struct tap t[FM_TAPS], int n, double *map) {
  static double a[SIDE * SIDE], weight[17];
  double total = 0;
  for (int k = -16; k <= 16; k++) total += weight[abs(k)] = exp(-k * k / 32.0);
  for (int p = 0; p < SIDE * SIDE; p++) {
    map[p] = 0;
    for (int i = 0; i < FM_TAPS; i++) map[p] += apart_at(&t[i], n, SIDE, p / SIDE, p % SIDE) / FM_TAPS;
  }
  for (int pass = 0; pass < 2; pass++) {
    memcpy(a, map, sizeof a);
    for (int p = 0; p < SIDE * SIDE; p++) {
      map[p] = 0;
      for (int k = -16; k <= 16; k++) {
        int at = (pass ? p / SIDE : p % SIDE) + k;
        at = at < 0 ? -1 - at : at >= SIDE ? 2 * SIDE - 1 - at : at;
        map[p] += weight[abs(k)] / total * a[pass ? at * SIDE + p % SIDE : p / SIDE * SIDE + at];
      }
    }
  }
}

/* ---- a model of random weights ---- */

struct fixture {
  struct fm_context *ctx;
  struct folder folder;
  struct fm_device *d;
  struct fm_model model;
  unsigned char rgb[COUNT * SIDE * SIDE * 3];
};

static void fixture_open(struct fm_context *ctx, struct fixture *f) {
  *f = (struct fixture){.ctx = ctx, .folder = folder_make()};
  struct fm_model *m = &f->model;
  setenv("XDG_DATA_HOME", f->folder.path, 1);
  setenv("XDG_DATA_DIRS", f->folder.path, 1);
  m->ctx = ctx;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &f->d));
  fm_recipe_default(&m->recipe);
  m->recipe.size = fm_square(SIDE);
  ASSERT_OK(ctx, fm_recipe_set(ctx, &m->recipe, "variant", "2025", "here"));
  ASSERT_OK(ctx, fm_backbone_find(ctx, m->recipe.backbone, &m->backbone));
  ASSERT_OK(ctx, fm_expert_load(ctx, m->backbone, NULL, true, &m->expert));
  ASSERT_OK(ctx, fm_backbone_weights(ctx, m->backbone, &m->learned));
  fm_weights_init(&m->learned, m->backbone->init, 5);
  struct fm_rng rng = fm_rng_stream(1, "pictures");
  for (size_t i = 0; i < sizeof f->rgb; i++) f->rgb[i] = (unsigned char)(fm_rng_next(&rng) >> 56);
}

static void fixture_close(struct fixture *f) {
  fm_model_free(&f->model);
  ASSERT_OK(f->ctx, fm_device_close(f->d));
  folder_remove(&f->folder);
}

static void near(const char *what, double got, double want, double scale) {
  if (!(fabs(got - want) <= 1e-4 * scale)) fail_msg("%s: %.8g, should be %.8g", what, got, want);
}

static int falling(const void *a, const void *b) {
  double x = *(const float *)a, y = *(const float *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* The mean over the taps at their own sizes, the score of the largest 1 %; with the variant of 2023 no score.
 */
static void map_and_scores(void **state) {
  static struct fixture f;
  static float maps[COUNT * SIDE * SIDE];
  static double want[SIDE * SIDE];
  float scores[COUNT], cells[COUNT * GRID * GRID];
  struct fm_scorer *s;
  struct tap taps[FM_TAPS];
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_scorer_make(f.d, &f.model, COUNT, false, &s));
  ASSERT_OK(f.ctx, fm_scorer_run(s, COUNT, f.rgb, NULL, maps, scores));
  read_taps(f.d, s->net[0], s->net[1], taps);
  ASSERT_OK(f.ctx, fm_buffer_read(f.d, &s->cells, 0, cells, sizeof cells));
  for (int n = 0; n < COUNT; n++) {
    double sum = 0;
    for (int p = 0; p < GRID * GRID; p++)
      near("cell", (double)cells[n * GRID * GRID + p], cell_of(taps, n, p / GRID, p % GRID), 1);
    map_of(taps, n, want);
    for (int p = 0; p < SIDE * SIDE; p++) near("map", (double)maps[n * SIDE * SIDE + p], want[p], 1);
    qsort(maps + n * SIDE * SIDE, SIDE * SIDE, sizeof *maps, falling);
    for (int k = 0; k < SIDE * SIDE / 100; k++) sum += (double)maps[n * SIDE * SIDE + k];
    near("score", (double)scores[n], sum / (SIDE * SIDE / 100), 0.01);
  }
  /* One picture alone is the same to the bit. */
  float alone, own;
  memcpy(maps, maps + 1, sizeof *maps);
  ASSERT_OK(f.ctx, fm_scorer_run(s, COUNT, f.rgb, NULL, maps, scores));
  own = maps[SIDE * SIDE + 77];
  ASSERT_OK(f.ctx, fm_scorer_run(s, 1, f.rgb + SIDE * SIDE * 3, NULL, maps, &alone));
  assert_true(alone == scores[1] && maps[77] == own);
  free_taps(taps);
  fm_scorer_free(s);
  ASSERT_OK(f.ctx, fm_recipe_set(f.ctx, &f.model.recipe, "variant", "2023", "here"));
  ASSERT_OK(f.ctx, fm_scorer_make(f.d, &f.model, COUNT, false, &s));
  ASSERT_OK(f.ctx, fm_scorer_run(s, COUNT, f.rgb, NULL, maps, scores));
  assert_true(isnan(scores[0]) && isnan(scores[1]));
  fm_scorer_free(s);
  fixture_close(&f);
}

/* The score of 2025 is of the pixels that lie inside of the picture. */
static void only_what_is_covered(void **state) {
  static struct fixture f;
  static float maps[COUNT * SIDE * SIDE], inside[SIDE * SIDE];
  float scores[COUNT];
  int count = 0;
  double sum = 0;
  struct fm_scorer *s;
  fixture_open(*state, &f);
  struct fm_standard *standard = &f.model.standard;
  struct fm_adjusted a[COUNT] = {{0}};
  a[1] = (struct fm_adjusted){.placed = true, .to_own = {{1, 0, 0, 0, 1, -0.5f}}}; /* the lower half */
  ASSERT_OK(f.ctx, fm_mean_part_make(f.ctx, &standard->part));
  memset(standard->part.shown, 1, FM_VIEW_PIXELS);
  standard->poses = true;
  ASSERT_OK(f.ctx, fm_scorer_make(f.d, &f.model, COUNT, false, &s));
  ASSERT_OK(f.ctx, fm_scorer_run(s, COUNT, f.rgb, a, maps, scores));
  for (int p = SIDE * SIDE / 2; p < SIDE * SIDE; p++) inside[count++] = maps[SIDE * SIDE + p];
  qsort(inside, (size_t)count, sizeof *inside, falling);
  for (int k = 0; k < count / 100; k++) sum += (double)inside[k];
  near("score", (double)scores[1], sum / (count / 100), 0.01);
  fm_scorer_free(s);
  fixture_close(&f);
}

/* d sum of slope * cells / d taps, of both networks, against differences. */
static void way_back(void **state) {
  static struct fixture f;
  float slope[COUNT * GRID * GRID];
  struct fm_scorer *s;
  struct tap taps[FM_TAPS];
  fixture_open(*state, &f);
  ASSERT_OK(f.ctx, fm_scorer_make(f.d, &f.model, COUNT, true, &s));
  ASSERT_OK(f.ctx, fm_scorer_load(s, COUNT, f.rgb, NULL));
  struct fm_rng rng = fm_rng_stream(1, "slope");
  for (int i = 0; i < COUNT * GRID * GRID; i++) slope[i] = fm_rng_uniform(&rng) - 0.3f;
  ASSERT_OK(f.ctx, fm_buffer_write(f.d, &s->slope, 0, slope, sizeof slope));
  fm_scorer_cells(s);
  read_taps(f.d, s->net[0], s->net[1], taps);
  s->method->back(s);
  for (int i = 0; i < FM_TAPS; i++)
    for (int which = 0; which < 2; which++) {
      size_t n = (size_t)COUNT * (size_t)taps[i].c * (size_t)taps[i].h * (size_t)taps[i].w;
      double *gradient = read_tap(f.d, fm_net_tap_gradient(s->net[which], i)), scale = 0, size = 0;
      for (size_t k = 0; k < n; k++) {
        scale = fmax(scale, fabs(gradient[k]));
        size += fabs(taps[i].v[which][k]) / (double)n;
      }
      for (int at = 0; at < 5; at++) {
        size_t k = (size_t)fm_rng_integer(&rng, 0, (int64_t)n);
        double old = taps[i].v[which][k], h = 1e-4 * size, value[2];
        for (int side = 0; side < 2; side++) {
          taps[i].v[which][k] = side ? old + h : old - h;
          value[side] = 0;
          for (int p = 0; p < COUNT * GRID * GRID; p++)
            value[side] += (double)slope[p] * cell_of(taps, p / (GRID * GRID), p / GRID % GRID, p % GRID);
        }
        taps[i].v[which][k] = old;
        near("gradient", gradient[k], (value[1] - value[0]) / (2 * h), 5 * scale);
      }
      free(gradient);
    }
  free_taps(taps);
  fm_scorer_free(s);
  fixture_close(&f);
}

/* ---- training ---- */

/* d of features normalised, resized and normalised again, on tap 1's grid. */
static double twice(const struct tap *t, int n, int y, int x) {
  size_t stride = (size_t)t->h * (size_t)t->w;
  double sy = (double)y * (t->h - 1) / (GRID - 1), sx = (double)x * (t->w - 1) / (GRID - 1), d = 0;
  double *r[2];
  for (int k = 0; k < 2; k++) {
    r[k] = calloc((size_t)t->c, sizeof *r[k]);
    for (int i = (int)sy; i <= (int)sy + 1 && i < t->h; i++)
      for (int j = (int)sx; j <= (int)sx + 1 && j < t->w; j++) {
        const double *v = t->v[k] + (size_t)n * (size_t)t->c * stride + (size_t)i * (size_t)t->w + (size_t)j;
        for (int c = 0; c < t->c; c++)
          r[k][c] +=
              (1 - fabs(sy - i)) * (1 - fabs(sx - j)) * v[(size_t)c * stride] / length(v, t->c, stride);
      }
  }
  double e = length(r[0], t->c, 1), a = length(r[1], t->c, 1);
  for (int c = 0; c < t->c; c++) d += (r[0][c] / e - r[1][c] / a) * (r[0][c] / e - r[1][c] / a);
  free(r[0]);
  free(r[1]);
  return d;
}

/* The means that a step reports are those of the doubly normalised features; a smaller batch than there is
 * room for. */
static void step_of_training(void **state) {
  static struct fixture f;
  struct fm_cdo_trainer *t;
  struct fm_cdo_loss loss;
  struct tap taps[FM_TAPS];
  double norm;
  fixture_open(*state, &f);
  struct fm_cdo_options o = {.backbone = f.model.backbone,
                             .batch = COUNT + 1,
                             .size = fm_square(SIDE),
                             .gamma = 2,
                             .overlap = true,
                             .twice = true,
                             .adam = fm_recipe_adam(&f.model.recipe)};
  unsigned char *mask = calloc(COUNT * SIDE, SIDE);
  memset(mask, 1, SIDE * SIDE / 2);
  ASSERT_OK(f.ctx, fm_cdo_trainer_make(f.d, &o, &f.model.expert.weights, &f.model.learned, &t));
  ASSERT_OK(f.ctx, fm_cdo_trainer_load(t, COUNT, f.rgb, mask));
  fm_cdo_trainer_gradient(t, 0);
  ASSERT_OK(f.ctx, fm_cdo_trainer_loaded(t));
  ASSERT_OK(f.ctx, fm_cdo_trainer_outcome(t, &loss, &norm));
  read_taps(f.d, fm_cdo_trainer_expert(t), fm_cdo_trainer_apprentice(t), taps);
  for (int i = 0; i < FM_TAPS; i++) {
    double normal = 0, synthetic = 0;
    for (int p = 0; p < COUNT * GRID * GRID; p++)
      *(p < GRID * GRID / 2 ? &synthetic : &normal) +=
          twice(&taps[i], p / (GRID * GRID), p / GRID % GRID, p % GRID);
    near("mean of normal positions", (double)loss.part[i][1], normal / (1.5 * GRID * GRID), 1);
    near("mean of synthetic positions", (double)loss.part[i][2], synthetic / (0.5 * GRID * GRID), 1);
  }
  assert_true(norm > 0);
  free_taps(taps);
  free(mask);
  fm_cdo_trainer_free(t);
  fixture_close(&f);
}

static void tiny_2025(struct fm_context *ctx, struct tiny *t) {
  tiny_open(ctx, t);
  struct fm_recipe *r = &t->fit.recipe;
  ASSERT_OK(ctx, fm_recipe_set(ctx, r, "variant", "2025", "here"));
  ASSERT_OK(ctx, fm_recipe_set(ctx, r, "resize", "pil", "here"));
  r->patch_canvas = 256;
  r->lr = 1e-3;
  r->lr_decay = 1;
  r->weight_decay = 0;
  r->beta1 = 0.5;
  r->clip = 5;
  r->reestimate = false;
  r->skip_background = FM_NO;
}

/* The rates of the first epochs in the log. */
static void logged_rates(struct tiny *t, double rate[3]) {
  size_t size;
  unsigned char *bytes;
  ASSERT_OK(t->ctx, fm_file_read(t->ctx, t->log, 1 << 20, &bytes, &size));
  char *line = strchr((char *)bytes, '\n') + 1;
  for (int i = 0; i < 3; i++, line = strchr(line, '\n') + 1)
    assert_int_equal(sscanf(line, "%*d,%*d,%lf", &rate[i]), 1);
  fm_free(t->ctx, bytes);
}

/* It learns, its rate drops after the second epoch, and the model scores as one of its kind. */
static void learns_with_a_drop(void **state) {
  struct tiny t;
  struct fm_model m;
  double rate[3];
  tiny_2025(*state, &t);
  t.fit.recipe.epochs = 3;
  t.fit.recipe.lr_drop = 2;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  logged_rates(&t, rate);
  assert_true(rate[0] == 1e-3 && rate[1] == 1e-3 && fabs(rate[2] - 1e-4) < 1e-12);
  assert_true(m.image.value > 0 && m.image.value < m.pixel.value); /* a mean is below the largest */
  fm_model_free(&m);
  tiny_close(&t);
}

static double moved(const struct fm_model *a, const struct fm_model *b) {
  double most = 0;
  for (size_t i = 0; i < a->learned.count; i++) {
    const struct fm_weight *w = &a->learned.item[i];
    for (size_t k = 0; k < w->count && w->trained; k++)
      most = fmax(most, fabs((double)(a->learned.value[w->offset + k] - b->learned.value[w->offset + k])));
  }
  return most;
}

/* A limit that no gradient reaches changes nothing; one far below epsilon all but stops the weights. */
static void clipping(void **state) {
  static const double clip[4] = {0, 1e9, 1e-13, 1e-15};
  struct tiny t;
  struct fm_model m[4];
  tiny_2025(*state, &t);
  t.fit.recipe.epochs = 1;
  for (int i = 0; i < 4; i++) {
    t.fit.recipe.clip = clip[i];
    ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m[i]));
  }
  assert_true(moved(&m[0], &m[1]) == 0);
  assert_true(moved(&m[0], &m[2]) > 1e-4);
  assert_true(moved(&m[2], &m[3]) < 1e-6);
  for (int i = 0; i < 4; i++) fm_model_free(&m[i]);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(constants_of_2025), TEST(wrong_constants),  TEST(map_and_scores),     TEST(only_what_is_covered),
      TEST(way_back),          TEST(step_of_training), TEST(learns_with_a_drop), TEST(clipping)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
