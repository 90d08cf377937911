/* The whole chain of every detector, from the scores of cells back to the pixels of the picture, against
 * differences of the same chain in double precision: the network node by node, then the detector's own
 * definition. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "base/memory.h"
#include "base/rng.h"
#include "method/cflow.h"
#include "method/scorer.h"
#include "model/method.h"
#include "net/reference.h"
#include "op/flow_reference.h"

#include <string.h>

enum { WIDE = 96, HIGH = 32, PIXELS = 3 * WIDE * HIGH };

/* What a definition in double precision gets: the taps of one picture, from the expert and, for CDO, the
 * apprentice. */
struct view {
  const struct fm_model *model;
  const struct reference *net[2];
  int height, width; /* of the detector's grid */
};

struct row {
  const char *method;
  void (*set)(struct fm_recipe *recipe);          /* constants of the tiny training; NULL: none */
  void (*cells)(const struct view *v, double *e); /* e [height][width] */
};

/* One channel [h][w] of a tap at cell q of the detector's grid, bilinear with aligned corners. */
static double at_grid(const double *x, int h, int w, const struct view *v, int q) {
  double sy = v->height > 1 ? (double)(q / v->width) * (h - 1) / (v->height - 1) : 0,
         sx = v->width > 1 ? (double)(q % v->width) * (w - 1) / (v->width - 1) : 0;
  int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
  return (1 - sy + y0) * ((1 - sx + x0) * x[y0 * w + x0] + (sx - x0) * x[y0 * w + x1]) +
         (sy - y0) * ((1 - sx + x0) * x[y1 * w + x0] + (sx - x0) * x[y1 * w + x1]);
}

static void cells_cdo(const struct view *v, double *e) {
  memset(e, 0, (size_t)(v->height * v->width) * sizeof *e);
  for (int t = 0; t < FM_TAPS; t++) {
    const struct fm_node *n = &v->net[0]->graph.node[v->net[0]->graph.tap[t]];
    for (int q = 0; q < v->height * v->width; q++) {
      double sum[2] = {0}, cross = 0;
      for (int c = 0; c < n->c; c++) {
        double f[2];
        for (int k = 0; k < 2; k++) {
          f[k] = at_grid(reference_tap(v->net[k], t) + c * n->h * n->w, n->h, n->w, v, q);
          sum[k] += f[k] * f[k];
        }
        cross += f[0] * f[1];
      }
      e[q] += 2 - 2 * cross / sqrt(sum[0] * sum[1]);
    }
  }
}

/* ---- PaDiM: channels, mean and factor, or rows, as the model has them ---- */

static const float *tensor(const struct fm_model *m, const char *name, size_t *first) {
  const struct fm_weight *w = fm_weights_find(&m->learned, name);
  if (w && first) *first = w->shape[0];
  return w ? m->learned.value + w->offset : NULL;
}

/* Chosen channel c of the concatenated taps at cell q of a grid of w columns. */
static double feature(const struct view *v, int c, int q) {
  int t = 0;
  const struct fm_graph *g = &v->net[0]->graph;
  while (c >= g->node[g->tap[t]].c) c -= g->node[g->tap[t++]].c;
  const struct fm_node *n = &g->node[g->tap[t]];
  return reference_tap(v->net[0], t)[(c * n->h + (q / v->width >> t)) * n->w + (q % v->width >> t)];
}

/* Woodbury's identity: (|x|^2 - t' K^-1 t) / ridge, K = ridge (n - 1) I + X X', t = X x; by elimination. */
static double by_rows(const float *rows, size_t n, size_t d, size_t cells, size_t q, const double *x,
                      double ridge) {
  double k[16][17], square = 0;
  assert_true(n <= 16);
  for (size_t i = 0; i < d; i++) square += x[i] * x[i];
  for (size_t a = 0; a < n; a++) {
    for (size_t b = 0; b <= n; b++) {
      k[a][b] = a == b ? ridge * ((double)n - 1) : 0;
      for (size_t i = 0; i < d; i++)
        k[a][b] +=
            (double)rows[(a * d + i) * cells + q] * (b < n ? (double)rows[(b * d + i) * cells + q] : x[i]);
    }
  }
  double t[16];
  for (size_t a = 0; a < n; a++) t[a] = k[a][n];
  for (size_t p = 0; p < n; p++)
    for (size_t a = 0; a < n; a++)
      for (size_t b = n + 1; b-- > p && a != p;) k[a][b] -= k[a][p] / k[p][p] * k[p][b];
  for (size_t a = 0; a < n; a++) square -= t[a] * k[a][n] / k[a][a];
  return square / ridge;
}

static void cells_padim(const struct view *v, double *e) {
  size_t d = 0, n = 0, cells = (size_t)(v->height * v->width);
  const float *channel = tensor(v->model, "channels", &d), *mean = tensor(v->model, "mean", NULL),
              *factor = tensor(v->model, "factor", NULL), *rows = tensor(v->model, "rows", &n);
  double *x = calloc(d, sizeof *x);
  for (size_t q = 0; q < cells; q++) {
    for (size_t i = 0; i < d; i++) x[i] = feature(v, (int)channel[i], (int)q) - (double)mean[i * cells + q];
    e[q] = 0;
    for (size_t i = 0, at = 0; i < d && !rows; i++) {
      double t = 0;
      for (size_t j = 0; j <= i; j++) t += (double)factor[at++ * cells + q] * x[j];
      e[q] += t * t / (double)d;
    }
    if (rows) e[q] = by_rows(rows, n, d, cells, q, x, v->model->recipe.regulariser) / (double)d;
  }
  free(x);
}

/* ---- CFLOW-AD: sum over the taps of max(0, M - l), l in double precision ---- */

static struct host flow_of(const struct fm_model *m, int tap, const struct fm_flow_shape *shape) {
  struct host h = host_make(shape);
  for (int k = 0; k < shape->blocks; k++) {
    const struct fm_flow_block b = fm_cflow_block(&m->learned, tap, k);
    const float *const kinds[KINDS] = {b.w1, b.b1, b.w2, b.b2, b.scale, b.offset};
    for (int kind = 0; kind < KINDS; kind++)
      for (int i = 0; i < h.count[kind]; i++) kind_at(&h, h.values, k, kind)[i] = (double)kinds[kind][i];
    for (int i = 0; i < shape->channels * (shape->mixing ? shape->channels : 1); i++)
      mixing_at(&h, k)[i] = (double)b.mixing[i];
  }
  return h;
}

static void cells_cflow(const struct view *v, double *e) {
  struct fm_flow_shape shape[FM_TAPS];
  assert_int_equal(fm_cflow_shapes(v->model->ctx, &v->model->recipe, shape), FM_OK);
  memset(e, 0, (size_t)(v->height * v->width) * sizeof *e);
  for (int t = 0; t < FM_TAPS; t++) {
    struct host h = flow_of(v->model, t, &shape[t]);
    int n = shape[t].width, cells = n * shape[t].height, channels = shape[t].channels;
    double *x = calloc((size_t)channels, sizeof *x), *excess = calloc((size_t)cells, sizeof *excess);
    for (int q = 0; q < cells; q++) {
      for (int c = 0; c < channels; c++) x[c] = reference_tap(v->net[0], t)[c * cells + q];
      double l = host_score(&h, x, q % n, q / n, NULL);
      excess[q] = fmax(0, (double)fm_cflow_maxima(&v->model->learned)[t] - l);
    }
    for (int q = 0; q < v->height * v->width; q++) e[q] += at_grid(excess, shape[t].height, n, v, q);
    free(x);
    free(excess);
    host_free(&h);
  }
}

static void few_channels(struct fm_recipe *recipe) {
  recipe->channels = 7;
}

static void short_warmup(struct fm_recipe *recipe) {
  recipe->warmup = 0;
  recipe->blocks = 3;
}

static const struct row rows[] = {{"cdo", NULL, cells_cdo},
                                  {"padim", NULL, cells_padim},
                                  {"padim", few_channels, cells_padim},
                                  {"cflow", short_warmup, cells_cflow}};

struct chain {
  struct view view;
  struct reference net[2];
  double *e;
  const float *weight; /* of the cells in the loss */
};

static double loss(struct chain *c, const double *picture) {
  double sum = 0;
  for (int k = 0; k < 2; k++)
    if (c->view.net[k]) reference_run(&c->net[k], picture);
  for (const struct row *r = rows; r < rows + sizeof rows / sizeof *rows; r++)
    if (strcmp(r->method, c->view.model->recipe.method) == 0) {
      r->cells(&c->view, c->e);
      break;
    }
  for (int i = 0; i < c->view.height * c->view.width; i++) sum += c->e[i] * (double)c->weight[i];
  return sum;
}

static void compare(struct tiny *t, const struct fm_model *model, const struct row *row) {
  struct fm_scorer *s;
  struct chain c = {.view.model = model};
  ASSERT_OK(t->ctx, fm_scorer_make(t->d, model, 2, true, &s));
  int cells = s->height * s->width;
  float *pictures = fm_alloc(t->ctx, 2 * PIXELS, sizeof *pictures),
        *gradient = fm_alloc(t->ctx, 2 * PIXELS, sizeof *gradient),
        *slope = fm_alloc(t->ctx, (size_t)(2 * cells), sizeof *slope),
        *e = fm_alloc(t->ctx, (size_t)(2 * cells), sizeof *e),
        *part = fm_alloc(t->ctx, 2 * PIXELS, sizeof *part);
  struct fm_rng rng = fm_rng_stream(9, row->method);
  for (int i = 0; i < 2 * PIXELS; i++) pictures[i] = 4 * fm_rng_uniform(&rng) - 2;
  for (int i = cells; i < 2 * cells; i++) slope[i] = fm_rng_uniform(&rng) / (float)cells;
  for (int k = 0; k < 2; k++) {
    if (!s->net[k]) continue;
    ASSERT_OK(t->ctx, fm_acts_write(t->d, fm_net_input(s->net[k]), pictures));
    reference_open(t->ctx, model->backbone, (struct fm_size){WIDE, HIGH},
                   k ? &model->learned : &model->expert.weights, &c.net[k]);
    c.view.net[k] = &c.net[k];
  }
  c.view.height = s->height;
  c.view.width = s->width;
  c.weight = slope + cells;
  c.e = calloc((size_t)cells, sizeof *c.e);
  fm_scorer_cells(s);
  ASSERT_OK(t->ctx, fm_buffer_read(t->d, &s->cells, 0, e, (size_t)(2 * cells) * sizeof *e));
  ASSERT_OK(t->ctx, fm_buffer_write(t->d, &s->slope, 0, slope, (size_t)(2 * cells) * sizeof *slope));
  fm_scorer_back(s);
  for (int k = 0; k < 2; k++) {
    if (!s->net[k]) continue;
    ASSERT_OK(t->ctx, fm_acts_read(t->d, fm_net_input_gradient(s->net[k]), part));
    for (int i = 0; i < 2 * PIXELS; i++) gradient[i] += part[i];
  }
  double *picture = calloc(2 * PIXELS, sizeof *picture), *moved = picture + PIXELS;
  for (int i = 0; i < PIXELS; i++) {
    picture[i] = (double)pictures[PIXELS + i];
    assert_true(gradient[i] == 0); /* the first picture is not in the loss */
  }
  loss(&c, picture);
  double most = 0;
  for (int i = 0; i < cells; i++) most = fmax(most, c.e[i]);
  for (int i = 0; i < cells; i++)
    if (!(fabs((double)e[cells + i] - c.e[i]) <= 1e-4 * most))
      fail_msg("%s: cell %d is %g, should be %g", row->method, i, (double)e[cells + i], c.e[i]);
  for (int turn = 0; turn < 2; turn++) {
    double want = 0, norm = 0, size = 0, h = 1e-6, direction[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
      direction[i] = turn ? (double)gradient[PIXELS + i] : 2 * (double)fm_rng_uniform(&rng) - 1;
      size += direction[i] * direction[i];
      norm += (double)gradient[PIXELS + i] * (double)gradient[PIXELS + i];
    }
    assert_true(size > 0);
    for (int i = 0; i < PIXELS; i++) want += direction[i] / sqrt(size) * (double)gradient[PIXELS + i];
    for (int i = 0; i < PIXELS; i++) moved[i] = picture[i] + h * direction[i] / sqrt(size);
    double more = loss(&c, moved);
    for (int i = 0; i < PIXELS; i++) moved[i] = picture[i] - h * direction[i] / sqrt(size);
    double difference = (more - loss(&c, moved)) / (2 * h);
    if (!(fabs(want - difference) <= 3e-3 * sqrt(norm)))
      fail_msg("%s, turn %d: slope %g, differences %g, gradient %g", row->method, turn, want, difference,
               sqrt(norm));
  }
  for (int k = 0; k < 2; k++)
    if (c.view.net[k]) reference_close(&c.net[k]);
  float *const own[] = {pictures, gradient, slope, e, part};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(t->ctx, own[i]);
  free(picture);
  free(c.e);
  fm_scorer_free(s);
}

static void to_the_pixels(void **state) {
  for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
    struct tiny t;
    struct fm_model model;
    tiny_open(*state, &t);
    ASSERT_OK(t.ctx, fm_recipe_begin(t.ctx, row->method, &t.fit.recipe));
    t.fit.recipe.size = (struct fm_size){WIDE, HIGH};
    t.fit.recipe.batch = 4;
    t.fit.recipe.epochs = 1;
    t.fit.recipe.steps = 0;
    t.fit.recipe.refine = false;
    if (row->set) row->set(&t.fit.recipe);
    ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &model));
    compare(&t, &model, row);
    fm_model_free(&model);
    tiny_close(&t);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(to_the_pixels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
