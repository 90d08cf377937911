/* PaDiM (Defard, Setkov, Loesch, Audigier, ICPR workshops 2021): a Gaussian of features at every cell; the
 * score is the Mahalanobis distance. docs/math/padim.md.
 *
 * A model has padim.channels [d] (ascending), padim.mean [d][h][w] and padim.factor [triangle][h][w]; where
 * it is by rows (op/mahalanobis.h) also padim.rows [pictures][d][h][w]; where its recipe has a floor also
 * padim.floor [1], what that added to the covariance's diagonal besides the regulariser. */
#define _POSIX_C_SOURCE 200809L
#include "method/channels.h"
#include "method/methods.h"
#include "method/taps.h"

#include "base/log.h"
#include "base/memory.h"
#include "op/mahalanobis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void defaults(struct fm_recipe *r) {
  snprintf(r->resize, sizeof r->resize, "pil");
  r->channels = 100;
  r->regulariser = 0.01;
  r->floor = 0.3;
  r->learn_all = true;
}

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  int count, *channel;
  enum fm_status status = fm_channels_choose(ctx, r, &count, &channel);
  fm_free(ctx, channel);
  return status;
}

/* ---- learning ---- */

static void taps_of(const struct fm_net *net, const struct fm_acts *tap[FM_TAPS]) {
  for (int t = 0; t < FM_TAPS; t++) tap[t] = fm_net_tap(net, t);
}

struct fit {
  struct fm_device *d;
  const struct fm_train *t;
  struct fm_gauss gauss;
};

static enum fm_status begin_fit(struct fit *f) {
  const struct fm_recipe *recipe = &f->t->recipe;
  struct fm_context *ctx = fm_device_context(f->d);
  struct fm_acts tap[FM_TAPS];
  size_t all = f->t->count + (f->t->on ? f->t->on->data.learned : 0);
  int count, *channel;
  if (all < 2)
    return fm_error(ctx, FM_USAGE,
                    "PaDiM learns a covariance and needs at least two good pictures; '%s' has %zu",
                    f->t->category, f->t->count);
  FM_TRY(fm_taps_shapes(ctx, recipe, tap));
  enum fm_status status = fm_channels_choose(ctx, recipe, &count, &channel);
  size_t pictures = fm_gauss_by_rows(all, (size_t)count) ? all : 0;
  if (status == FM_OK)
    status = fm_gauss_make(f->d, (const struct fm_acts *const[]){&tap[0], &tap[1], &tap[2]}, count, channel,
                           pictures, fm_taps_batch(f->t), FM_GAUSS_LEARN, &f->gauss);
  fm_free(ctx, channel);
  return status;
}

static enum fm_status take(void *user, const struct fm_taps *taps) {
  struct fit *f = user;
  const struct fm_acts *tap[FM_TAPS];
  taps_of(taps->net, tap);
  fm_gauss_learn(f->d, &f->gauss, tap, taps->count);
  return fm_device_status(f->d);
}

static enum fm_status shape_learned(const struct fm_gauss *g, double floor, struct fm_weights *learned) {
  size_t d = (size_t)g->count, n = (size_t)g->pictures, h = (size_t)g->h, w = (size_t)g->w;
  FM_TRY(fm_weights_add(learned, "channels", 1, &d, false));
  FM_TRY(fm_weights_add(learned, "mean", 3, (size_t[]){d, h, w}, false));
  FM_TRY(fm_weights_add(learned, "factor", 3, (size_t[]){fm_triangle(n ? n : d), h, w}, false));
  if (n) FM_TRY(fm_weights_add(learned, "rows", 4, (size_t[]){n, d, h, w}, false));
  if (floor > 0) FM_TRY(fm_weights_add(learned, "floor", 1, (size_t[]){1}, false));
  return fm_weights_allocate(learned);
}

static float *values(const struct fm_weights *w, const char *name) {
  const struct fm_weight *item = fm_weights_find(w, name);
  return item ? w->value + item->offset : NULL;
}

/* What is added to the diagonal in all. The floor keeps cells that hardly vary from calling everything a
 * flaw: it is a share of what features vary by over all cells. */
static double ridge(const struct fm_recipe *r, const struct fm_weights *learned) {
  const float *floor = values(learned, "floor");
  return r->regulariser + (floor ? (double)*floor : 0);
}

/* The sums as they were when the model was made. */
static enum fm_status go_on(struct fit *f) {
  const struct fm_model *on = f->t->on;
  if (!on) return FM_OK;
  return fm_gauss_resume(f->d, &f->gauss, on->data.learned, ridge(&on->recipe, &on->learned),
                         values(&on->learned, "mean"), values(&on->learned, "rows"),
                         values(&on->learned, "factor"));
}

static enum fm_status keep(struct fit *f, struct fm_weights *learned) {
  const struct fm_recipe *recipe = &f->t->recipe;
  int count, *channel;
  FM_TRY(shape_learned(&f->gauss, recipe->floor, learned));
  FM_TRY(fm_channels_choose(learned->ctx, recipe, &count, &channel));
  for (int i = 0; i < count; i++) values(learned, "channels")[i] = (float)channel[i];
  fm_free(learned->ctx, channel);
  if (recipe->floor > 0) {
    double variance;
    FM_TRY(fm_gauss_variance(f->d, &f->gauss, &variance));
    *values(learned, "floor") = (float)(recipe->floor * variance);
    fm_note(learned->ctx, "padim: features vary by %.4g on average; %.4g is added to every variance",
            variance, recipe->floor * variance);
  }
  FM_TRY(fm_gauss_finish(f->d, &f->gauss, ridge(recipe, learned), values(learned, "mean"),
                         values(learned, "rows"), values(learned, "factor")));
  for (size_t i = 0; i < learned->total; i++)
    if (!isfinite(learned->value[i]))
      return fm_error(learned->ctx, FM_NUMERIC,
                      "the covariance of the features cannot be inverted; use a --regulariser larger than %g",
                      recipe->regulariser);
  return FM_OK;
}

static enum fm_status fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned) {
  struct fit f = {.d = d, .t = t};
  *learned = (struct fm_weights){.ctx = fm_device_context(d)};
  FM_TRY(begin_fit(&f));
  enum fm_status status = go_on(&f);
  if (status == FM_OK) status = fm_taps_run(d, t, "features", take, &f);
  if (status == FM_OK) status = keep(&f, learned);
  fm_gauss_free(d, &f.gauss);
  if (status != FM_OK) fm_weights_free(learned);
  return status;
}

/* The network and the sums; at the end the sums and what becomes of them on the host. */
static enum fm_status memory(struct fm_device *d, const struct fm_train *t, size_t *bytes) {
  struct fm_context *ctx = fm_device_context(d);
  struct fit f = {.d = d, .t = t};
  size_t before = fm_device_live(d).bytes;
  FM_TRY(fm_taps_bytes(d, t, bytes));
  fm_device_rehearse(d, true);
  enum fm_status status = begin_fit(&f);
  size_t sums = fm_device_live(d).bytes - before;
  const struct fm_gauss *g = &f.gauss;
  size_t n = (size_t)g->pictures, c = (size_t)g->count, cells = (size_t)g->h * (size_t)g->w,
         numbers = n ? n * c + fm_triangle(n) : fm_triangle(c), kept = (numbers + c) * cells * sizeof(float);
  if (status == FM_OK)
    fm_note(ctx, "padim: %zu channels at %d x %d cells, %zu numbers a cell%s", c, g->h, g->w, numbers,
            n ? " (kept as the pictures' features, which are fewer numbers than a covariance)" : "");
  fm_gauss_free(d, &f.gauss);
  fm_device_rehearse(d, false);
  *bytes = sums + (*bytes > kept ? *bytes : kept);
  return status;
}

/* ---- scoring ---- */

static enum fm_status refuse(const struct fm_model *m, const char *path, const char *name) {
  return fm_error(m->ctx, FM_FORMAT,
                  "'%s' is damaged: PaDiM's tensor 'padim.%s' is missing, or its shape or content is wrong; "
                  "train it again",
                  path, name);
}

/* Of dims dimensions, the last two the grid's. */
static bool is_map(const struct fm_weight *w, int dims, const struct fm_acts *tap) {
  return w && w->dims == dims && w->shape[dims - 2] == (size_t)tap->h && w->shape[dims - 1] == (size_t)tap->w;
}

static bool ascend(const float *v, size_t count, int all) {
  for (size_t i = 0; i < count; i++)
    if (!(v[i] >= 0 && v[i] < (float)all && v[i] == floorf(v[i]) && (!i || v[i] > v[i - 1]))) return false;
  return count > 0;
}

static enum fm_status accept(const struct fm_model *m, const char *path) {
  const struct fm_weights *w = &m->learned;
  const struct fm_weight *channels = fm_weights_find(w, "channels"), *mean = fm_weights_find(w, "mean"),
                         *factor = fm_weights_find(w, "factor"), *rows = fm_weights_find(w, "rows");
  struct fm_acts tap[FM_TAPS];
  FM_TRY(fm_taps_shapes(m->ctx, &m->recipe, tap));
  if (!channels || channels->dims != 1 ||
      !ascend(w->value + channels->offset, channels->count, tap[0].c + tap[1].c + tap[2].c))
    return refuse(m, path, "channels");
  size_t d = channels->count;
  const struct fm_weight *floor = fm_weights_find(w, "floor");
  if ((floor != NULL) != (m->recipe.floor > 0) ||
      (floor && (floor->dims != 1 || floor->count != 1 || !(w->value[floor->offset] >= 0))))
    return refuse(m, path, "floor");
  if (!is_map(mean, 3, &tap[0]) || mean->shape[0] != d) return refuse(m, path, "mean");
  if (rows && (!is_map(rows, 4, &tap[0]) || rows->shape[1] != d || rows->shape[0] != fm_model_samples(m) ||
               rows->shape[0] < 2 || !fm_gauss_by_rows(rows->shape[0], d)))
    return refuse(m, path, "rows");
  if (!is_map(factor, 3, &tap[0]) || factor->shape[0] != fm_triangle(rows ? rows->shape[0] : d))
    return refuse(m, path, "factor");
  return FM_OK;
}

static enum fm_status begin_gauss(struct fm_scorer *s, struct fm_gauss *g, const int *channel) {
  const struct fm_weights *w = &s->model->learned;
  const struct fm_weight *channels = fm_weights_find(w, "channels"), *rows = fm_weights_find(w, "rows");
  const struct fm_acts *tap[FM_TAPS];
  taps_of(s->net[0], tap);
  FM_TRY(fm_gauss_make(s->d, tap, (int)channels->count, channel, rows ? rows->shape[0] : 0, s->batch,
                       s->gradient ? FM_GAUSS_GRADIENT : FM_GAUSS_SCORE, g));
  return fm_gauss_write(s->d, g, values(w, "mean"), values(w, "rows"), values(w, "factor"));
}

struct own {
  struct fm_gauss gauss;
  float *cells; /* of a batch, on the host: where pictures are scored as if they had not been learned from */
};

static enum fm_status begin(struct fm_scorer *s) {
  struct fm_context *ctx = fm_device_context(s->d);
  const struct fm_weights *w = &s->model->learned;
  size_t count = fm_weights_find(w, "channels")->count;
  struct own *own = s->own = fm_alloc(ctx, 1, sizeof *own);
  if (!own) return FM_MEMORY;
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  int *channel = fm_alloc(ctx, count, sizeof *channel);
  if (!channel) return FM_MEMORY;
  for (size_t i = 0; i < count; i++) channel[i] = (int)values(w, "channels")[i];
  enum fm_status status = begin_gauss(s, &own->gauss, channel);
  fm_free(ctx, channel);
  return status;
}

static void end(struct fm_scorer *s) {
  struct own *own = s->own;
  if (!own) return;
  fm_gauss_free(s->d, &own->gauss);
  fm_free(fm_device_context(s->d), own->cells);
  fm_free(fm_device_context(s->d), own);
}

static size_t cells_at_hand(const struct fm_scorer *s) {
  return (size_t)s->n * (size_t)s->height * (size_t)s->width;
}

static enum fm_status without(struct fm_scorer *s) {
  struct own *own = s->own;
  struct fm_context *ctx = fm_device_context(s->d);
  if (s->model->data.learned < 3)
    return fm_error(ctx, FM_USAGE, "two pictures are too few to do without one of them");
  if (!own->cells)
    own->cells = fm_alloc(ctx, (size_t)s->batch * (size_t)s->height * (size_t)s->width, sizeof *own->cells);
  return own->cells ? FM_OK : FM_MEMORY;
}

/* Distances to the Gaussian of all pictures become those to the Gaussian of all but the one at hand, which
 * takes a term that is known from the covariance (Sherman and Morrison): docs/math/padim.md, section 8. */
static void leave_one_out(struct fm_scorer *s) {
  static const double least = 1e-6; /* where rounding is all that is left */
  struct own *own = s->own;
  const double n = (double)s->model->data.learned, all = n * n / ((n - 1) * (n - 1)),
               channels = (double)own->gauss.count;
  size_t count = cells_at_hand(s), bytes = count * sizeof *own->cells;
  if (fm_buffer_read(s->d, &s->cells, 0, own->cells, bytes) != FM_OK) return; /* it sticks to the device */
  for (size_t i = 0; i < count; i++) {
    double e = (double)own->cells[i], share = e * channels * all / n;
    own->cells[i] = (float)(e * all / (1 - share > least ? 1 - share : least));
  }
  (void)fm_buffer_write(s->d, &s->cells, 0, own->cells, bytes);
}

static void cells(struct fm_scorer *s) {
  struct own *own = s->own;
  const struct fm_acts *tap[FM_TAPS];
  taps_of(s->net[0], tap);
  fm_gauss_score(s->d, &own->gauss, ridge(&s->model->recipe, &s->model->learned), tap, s->n, &s->cells);
  if (s->without >= 0) leave_one_out(s);
}

static void back(struct fm_scorer *s) {
  const struct fm_acts *gradient[FM_TAPS];
  for (int t = 0; t < FM_TAPS; t++) gradient[t] = fm_net_tap_gradient(s->net[0], t);
  struct own *own = s->own;
  fm_gauss_back(s->d, &own->gauss, &s->slope, gradient);
}

const struct fm_method fm_method_padim = {.name = "padim",
                                          .about = "a Gaussian of features at every place",
                                          .prefix = "padim.",
                                          .bit = FM_PADIM,
                                          .root = true,
                                          .defaults = defaults,
                                          .check = check,
                                          .memory = memory,
                                          .fit = fit,
                                          .accept = accept,
                                          .begin = begin,
                                          .end = end,
                                          .cells = cells,
                                          .back = back,
                                          .without = without};
