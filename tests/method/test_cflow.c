/* CFLOW-AD: its training learns, repeats and goes on where it was stopped; a picture's map is the same alone
 * and in any batch; the way back to the picture agrees with differences; a hostile file is refused. */
#define _XOPEN_SOURCE 700
#include "method/scorer.h"
#include "method/tiny.h"

#include "base/memory.h"
#include "base/rng.h"
#include "method/cflow.h"

#include <math.h>
#include <string.h>

/* Little flows: 2 blocks, 16 numbers of condition. 9 pictures learn, in batches of 4: two a pass, one left
 * over. */
static void prepare(struct fm_context *ctx, struct tiny *t) {
  tiny_open(ctx, t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "cflow", &t->fit.recipe));
  t->fit.recipe.size = fm_square(64);
  t->fit.recipe.batch = 4;
  t->fit.recipe.epochs = 2;
  t->fit.recipe.passes = 2;
  t->fit.recipe.blocks = 2;
  t->fit.recipe.condition = 16;
  t->fit.recipe.fibres = 100;
}

static void learns(void **state) {
  struct tiny t;
  struct fm_model m;
  double first, last;
  prepare(*state, &t);
  t.fit.recipe.epochs = 4;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  first = logged_loss(t.ctx, t.log, 1);
  last = logged_loss(t.ctx, t.log, 4);
  if (!(last < 0.95 * first)) fail_msg("loss %g at first, %g at last", first, last);
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  const float *maxima = fm_cflow_maxima(&m.learned);
  for (int i = 0; i < FM_TAPS; i++) assert_true(isfinite(maxima[i]) && fabsf(maxima[i]) > 0);
  assert_true(m.image.value > 0 && m.image.value < FM_TAPS);
  fm_model_free(&m);
  tiny_close(&t);
}

/* ctx->stop set before the start stops after each batch of pictures. */
static void resumes(struct tiny *t) {
  char whole[512];
  ASSERT_OK(t->ctx, tiny_fit(t));
  memcpy(whole, t->model, sizeof whole);
  tiny_name(t, "cut.flawmap");
  t->fit.resume = true;
  for (int cut = 0; cut < 8; cut++) {
    t->ctx->stop = true;
    assert_int_equal(tiny_fit(t), FM_STOPPED);
    fm_error_clear(t->ctx);
    t->ctx->stop = false;
    assert_true(fm_file_exists(t->checkpoint));
  }
  ASSERT_OK(t->ctx, tiny_fit(t));
  assert_same_file(t->ctx, whole, t->model);
}

static void resumes_anywhere(void **state) {
  struct tiny t;
  prepare(*state, &t);
  resumes(&t);
  tiny_close(&t);
}

static void resumes_with_rotation(void **state) {
  struct tiny t;
  prepare(*state, &t);
  t.fit.recipe.rotate = 10;
  snprintf(t.fit.recipe.mixing, sizeof t.fit.recipe.mixing, "permutation");
  resumes(&t);
  tiny_close(&t);
}

static void mixing_is_a_rotation(void **state) {
  struct tiny t;
  struct fm_weights w;
  prepare(*state, &t);
  ASSERT_OK(t.ctx, fm_cflow_weights(t.ctx, &t.fit.recipe, &w));
  ASSERT_OK(t.ctx, fm_cflow_init(&t.fit.recipe, &w));
  const struct fm_weight *item = fm_weights_find(&w, "tap1.block2.mixing");
  const float *r = w.value + item->offset;
  size_t n = item->shape[0];
  double a[64 * 64], det = 1;
  assert_int_equal(n, 24);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      double dot = 0;
      for (size_t k = 0; k < n; k++) dot += (double)r[i * n + k] * (double)r[j * n + k];
      assert_true(fabs(dot - (i == j)) < 1e-6);
      a[i * n + j] = (double)r[i * n + j];
    }
  for (size_t c = 0; c < n; c++) {
    size_t p = c;
    for (size_t i = c + 1; i < n; i++)
      if (fabs(a[i * n + c]) > fabs(a[p * n + c])) p = i;
    if (p != c) det = -det;
    for (size_t k = 0; k < n; k++) {
      double swap = a[c * n + k];
      a[c * n + k] = a[p * n + k];
      a[p * n + k] = swap;
    }
    det *= a[c * n + c];
    for (size_t i = c + 1; i < n; i++)
      for (size_t k = n; k-- > c;) a[i * n + k] -= a[i * n + c] / a[c * n + c] * a[c * n + k];
  }
  assert_true(fabs(det - 1) < 1e-5);
  fm_weights_free(&w);
  tiny_close(&t);
}

/* ---- scores ---- */

enum { SIDE = 64, PIXELS = SIDE * SIDE };

static void draw(unsigned char *rgb, int n) {
  struct fm_rng rng = fm_rng_stream(9, "pictures");
  for (int i = 0; i < n * PIXELS * 3; i++) rgb[i] = (unsigned char)(fm_rng_next(&rng) >> 56);
}

static void alone_and_in_a_batch(void **state) {
  struct tiny t;
  struct fm_model m;
  struct fm_scorer *s;
  static unsigned char rgb[5 * PIXELS * 3];
  static float together[5 * PIXELS], alone[PIXELS];
  prepare(*state, &t);
  t.fit.recipe.epochs = 1;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  draw(rgb, 5);
  ASSERT_OK(t.ctx, fm_scorer_make(t.d, &m, 5, false, &s));
  ASSERT_OK(t.ctx, fm_scorer_run(s, 5, rgb, NULL, together, NULL));
  fm_scorer_free(s);
  ASSERT_OK(t.ctx, fm_scorer_make(t.d, &m, 2, true, &s));
  for (int i = 0; i < 5; i++) {
    ASSERT_OK(t.ctx, fm_scorer_run(s, 1, rgb + i * PIXELS * 3, NULL, alone, NULL));
    assert_memory_equal(alone, together + i * PIXELS, sizeof alone);
  }
  fm_scorer_free(s);
  fm_model_free(&m);
  tiny_close(&t);
}

/* The sum of slope * e over the cells after the taps were moved by `step` along `direction`. */
struct moved {
  struct fm_scorer *s;
  float *tap[FM_TAPS], *direction[FM_TAPS];
  size_t count[FM_TAPS], cells;
  float *slope;
};

static double sum_of_cells(struct tiny *t, struct moved *m, double step) {
  for (int i = 0; i < FM_TAPS; i++) {
    float *at = fm_alloc(t->ctx, m->count[i], sizeof *at);
    for (size_t k = 0; k < m->count[i]; k++) at[k] = m->tap[i][k] + (float)step * m->direction[i][k];
    ASSERT_OK(t->ctx, fm_acts_write(t->d, fm_net_tap(m->s->net[0], i), at));
    fm_free(t->ctx, at);
  }
  float *e = fm_alloc(t->ctx, m->cells, sizeof *e);
  m->s->method->cells(m->s);
  ASSERT_OK(t->ctx, fm_buffer_read(t->d, &m->s->cells, 0, e, m->cells * sizeof *e));
  double sum = 0;
  for (size_t k = 0; k < m->cells; k++) sum += (double)e[k] * (double)m->slope[k];
  fm_free(t->ctx, e);
  return sum;
}

/* back against differences of cells, in a direction that mixes all taps: the resize, the hinge and the flows.
 */
static void back_agrees(void **state) {
  struct tiny t;
  struct fm_model model;
  struct moved m = {0};
  static unsigned char rgb[2 * PIXELS * 3];
  prepare(*state, &t);
  t.fit.recipe.epochs = 1;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &model));
  draw(rgb, 2);
  ASSERT_OK(t.ctx, fm_scorer_make(t.d, &model, 2, true, &m.s));
  ASSERT_OK(t.ctx, fm_scorer_load(m.s, 2, rgb, NULL));
  fm_scorer_cells(m.s);
  struct fm_rng rng = fm_rng_stream(4, "back");
  m.cells = (size_t)(2 * m.s->height * m.s->width);
  m.slope = fm_alloc(t.ctx, m.cells, sizeof *m.slope);
  for (size_t k = 0; k < m.cells; k++) m.slope[k] = fm_rng_uniform(&rng);
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *tap = fm_net_tap(m.s->net[0], i);
    m.count[i] = (size_t)(tap->n * tap->c * tap->h * tap->w);
    m.tap[i] = fm_alloc(t.ctx, m.count[i], sizeof(float));
    m.direction[i] = fm_alloc(t.ctx, m.count[i], sizeof(float));
    ASSERT_OK(t.ctx, fm_acts_read(t.d, tap, m.tap[i]));
  }
  ASSERT_OK(t.ctx, fm_buffer_write(t.d, &m.s->slope, 0, m.slope, m.cells * sizeof(float)));
  m.s->method->back(m.s);
  double want = 0; /* |gradient|^2: the steepest direction, where rounding matters least */
  for (int i = 0; i < FM_TAPS; i++) {
    ASSERT_OK(t.ctx, fm_acts_read(t.d, fm_net_tap_gradient(m.s->net[0], i), m.direction[i]));
    double part = 0;
    for (size_t k = 0; k < m.count[i]; k++) part += pow((double)m.direction[i][k], 2);
    assert_true(part > 0);
    want += part;
  }
  double step = 0.01 / want, got = (sum_of_cells(&t, &m, step) - sum_of_cells(&t, &m, -step)) / (2 * step);
  if (!(fabs(got - want) < 3e-3 * fabs(want))) fail_msg("back says %.9g, differences %.9g", want, got);
  for (int i = 0; i < FM_TAPS; i++) {
    fm_free(t.ctx, m.tap[i]);
    fm_free(t.ctx, m.direction[i]);
  }
  fm_free(t.ctx, m.slope);
  fm_scorer_free(m.s);
  fm_model_free(&model);
  tiny_close(&t);
}

/* ---- what is refused ---- */

static void hostile_permutation(void **state) {
  struct tiny t;
  struct fm_model m;
  prepare(*state, &t);
  t.fit.recipe.epochs = t.fit.recipe.passes = 1;
  snprintf(t.fit.recipe.mixing, sizeof t.fit.recipe.mixing, "permutation");
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  const struct fm_weight *item = fm_weights_find(&m.learned, "tap2.block1.mixing");
  float *v = m.learned.value + item->offset, old = v[3];
  const float bad[] = {40, -1, 1e9f, 2.5f, v[0]};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct fm_model again;
    v[3] = bad[i];
    ASSERT_OK(t.ctx, fm_model_save(&m, t.model, false));
    assert_int_equal(fm_model_load(t.ctx, t.model, NULL, &again), FM_FORMAT);
    assert_non_null(strstr(t.ctx->message, "tap2.block1.mixing"));
    fm_error_clear(t.ctx);
  }
  v[3] = old;
  fm_model_free(&m);
  tiny_close(&t);
}

static void recipes(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r;
  static const char *const bad[][2] = {
      {"mixing", "mild"}, {"padding", "none"}, {"condition", "10"}, {"warmup", "999"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ASSERT_OK(ctx, fm_recipe_begin(ctx, "cflow", &r));
    ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
    ASSERT_OK(ctx, fm_recipe_set(ctx, &r, bad[i][0], bad[i][1], "here"));
    assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
    assert_non_null(strstr(ctx->message, bad[i][0]));
    fm_error_clear(ctx);
  }
}

static void explosion_stops(void **state) {
  struct tiny t;
  prepare(*state, &t);
  t.fit.recipe.lr = t.fit.recipe.lr_first = 1e4;
  assert_int_equal(tiny_fit(&t), FM_NUMERIC);
  assert_non_null(strstr(t.ctx->message, "--lr"));
  fm_error_clear(t.ctx);
  assert_false(fm_file_exists(t.model));
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(recipes),          TEST(mixing_is_a_rotation),  TEST(learns),
      TEST(resumes_anywhere), TEST(resumes_with_rotation), TEST(alone_and_in_a_batch),
      TEST(back_agrees),      TEST(hostile_permutation),   TEST(explosion_stops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
