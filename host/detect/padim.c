/* PaDiM (Defard, Setkov, Loesch, Audigier, ICPR workshops 2021): a Gaussian of features at every cell; the
 * score is the Mahalanobis distance. docs/math/padim.md. */
#define _POSIX_C_SOURCE 200809L
#include "detect/methods.h"
#include "detect/taps.h"

#include "base/memory.h"
#include "base/rng.h"
#include "op/mahalanobis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void defaults(struct fm_recipe *r) {
  snprintf(r->resize, sizeof r->resize, "pil");
  r->channels = 100;
  r->regulariser = 0.01;
  r->refine = true;
}

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  if (r->channel_list[0])
    return fm_error(ctx, FM_USAGE, "there is no channel list '%s' in this program", r->channel_list);
  return FM_OK;
}

/* ---- learning ---- */

static void taps_of(const struct fm_net *net, bool gradient, const struct fm_acts *tap[3]) {
  for (int t = 0; t < 3; t++) tap[t] = gradient ? fm_net_tap_gradient(net, t) : fm_net_tap(net, t);
}

/* The first d of a permutation of all channels, in ascending order; 0: every channel. */
static enum fm_status choose(struct fm_context *ctx, const struct fm_recipe *recipe, uint32_t all, int *count,
                             int **channel) {
  uint32_t *order = fm_alloc(ctx, all, sizeof *order);
  bool *chosen = fm_alloc(ctx, all, sizeof *chosen);
  *count = recipe->channels && recipe->channels < (long)all ? (int)recipe->channels : (int)all;
  *channel = fm_alloc(ctx, (size_t)*count, sizeof **channel);
  enum fm_status status = order && chosen && *channel ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    struct fm_rng rng = fm_rng_stream((uint64_t)recipe->seed, "padim.channels");
    fm_rng_permutation(&rng, order, all);
    for (int i = 0; i < *count; i++) chosen[order[i]] = true;
    int n = 0;
    for (uint32_t c = 0; c < all; c++)
      if (chosen[c]) (*channel)[n++] = (int)c;
  }
  fm_free(ctx, order);
  fm_free(ctx, chosen);
  return status;
}

struct fit {
  struct fm_device *d;
  const struct fm_train *t;
  struct fm_gauss gauss;
  int count, *channel;
};

static enum fm_status begin_fit(struct fit *f, const struct fm_net *net) {
  const struct fm_acts *tap[3];
  taps_of(net, false, tap);
  FM_TRY(choose(fm_device_context(f->d), &f->t->recipe, (uint32_t)(tap[0]->c + tap[1]->c + tap[2]->c),
                &f->count, &f->channel));
  return fm_gauss_make(f->d, tap, f->count, f->channel, fm_net_batch(net), FM_GAUSS_LEARN, &f->gauss);
}

static enum fm_status take(void *user, struct fm_net *net, size_t first, int count) {
  struct fit *f = user;
  const struct fm_acts *tap[3];
  if (!f->channel) FM_TRY(begin_fit(f, net));
  taps_of(net, false, tap);
  fm_gauss_choose(f->d, &f->gauss, tap);
  fm_gauss_add(f->d, &f->gauss, count, first == 0);
  return fm_device_status(f->d);
}

static enum fm_status keep(struct fit *f, struct fm_weights *learned) {
  size_t d = (size_t)f->count, h = (size_t)f->gauss.h, w = (size_t)f->gauss.w, triangle = d * (d + 1) / 2;
  *learned = (struct fm_weights){.ctx = fm_device_context(f->d)};
  FM_TRY(fm_weights_add(learned, "channels", 1, &d, false));
  FM_TRY(fm_weights_add(learned, "mean", 3, (size_t[]){d, h, w}, false));
  FM_TRY(fm_weights_add(learned, "factor", 3, (size_t[]){triangle, h, w}, false));
  FM_TRY(fm_weights_allocate(learned));
  for (size_t i = 0; i < d; i++) learned->value[i] = (float)f->channel[i];
  float *mean = learned->value + d, *factor = mean + d * h * w;
  FM_TRY(fm_gauss_read(f->d, &f->gauss, mean, factor));
  for (size_t i = 0; i < learned->total; i++)
    if (!isfinite(learned->value[i]))
      return fm_error(learned->ctx, FM_NUMERIC,
                      "the covariance of the features has no factor; use a larger --regulariser than %g",
                      f->t->recipe.regulariser);
  return FM_OK;
}

static enum fm_status fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned) {
  struct fit f = {.d = d, .t = t};
  *learned = (struct fm_weights){0};
  if (t->count < 2)
    return fm_error(fm_device_context(d), FM_USAGE,
                    "PaDiM learns a covariance and needs two good pictures at least; '%s' has %zu",
                    t->category, t->count);
  enum fm_status status = fm_taps_run(d, t, "features", take, &f);
  if (status == FM_OK) {
    fm_gauss_finish(d, &f.gauss, t->count, t->recipe.regulariser);
    status = keep(&f, learned);
  }
  fm_gauss_free(d, &f.gauss);
  fm_free(fm_device_context(d), f.channel);
  if (status != FM_OK) fm_weights_free(learned);
  return status;
}

/* What the fit takes: the network, the sums in pairs, and the factor once more on the host. */
static enum fm_status memory(struct fm_device *d, const struct fm_train *t, size_t *bytes) {
  const struct fm_backbone *backbone;
  struct fm_preprocess p;
  struct fm_graph g;
  struct fm_context *ctx = fm_device_context(d);
  FM_TRY(fm_backbone_find(ctx, t->recipe.backbone, &backbone));
  FM_TRY(fm_recipe_preprocess(ctx, &t->recipe, &p));
  FM_TRY(fm_backbone_build(ctx, backbone, fm_preprocess_side(&p), &g));
  size_t all = 0, cells = (size_t)g.node[g.tap[0]].h * (size_t)g.node[g.tap[0]].w;
  for (int i = 0; i < FM_TAPS; i++) all += (size_t)g.node[g.tap[i]].c;
  fm_graph_free(&g);
  size_t n = t->recipe.channels && (size_t)t->recipe.channels < all ? (size_t)t->recipe.channels : all;
  size_t triangle = n * (n + 1) / 2;
  FM_TRY(fm_taps_bytes(d, t, bytes));
  *bytes += cells * (3 * triangle + n * (size_t)(4 + fm_taps_batch(t))) * sizeof(float);
  return FM_OK;
}

/* ---- scoring ---- */

static enum fm_status refuse(const struct fm_model *m, const char *path, const char *name) {
  return fm_error(m->ctx, FM_FORMAT,
                  "'%s' is no PaDiM model that can be used: its tensor 'padim.%s' is missing or of a wrong "
                  "shape or content",
                  path, name);
}

static enum fm_status accept(const struct fm_model *m, const char *path) {
  const struct fm_weights *w = &m->learned;
  const struct fm_weight *channels = fm_weights_find(w, "channels"), *mean = fm_weights_find(w, "mean"),
                         *factor = fm_weights_find(w, "factor");
  struct fm_preprocess p;
  struct fm_graph g;
  FM_TRY(fm_recipe_preprocess(m->ctx, &m->recipe, &p));
  FM_TRY(fm_backbone_build(m->ctx, m->backbone, fm_preprocess_side(&p), &g));
  size_t all = 0, h = (size_t)g.node[g.tap[0]].h, width = (size_t)g.node[g.tap[0]].w;
  for (int i = 0; i < FM_TAPS; i++) all += (size_t)g.node[g.tap[i]].c;
  fm_graph_free(&g);
  if (!channels || channels->dims != 1 || !channels->count || channels->count > all)
    return refuse(m, path, "channels");
  const float *v = w->value + channels->offset;
  for (size_t i = 0; i < channels->count; i++)
    if (!(v[i] >= 0 && v[i] < (float)all && v[i] == floorf(v[i]) && (!i || v[i] > v[i - 1])))
      return refuse(m, path, "channels");
  size_t d = channels->count;
  if (!mean || mean->dims != 3 || mean->shape[0] != d || mean->shape[1] != h || mean->shape[2] != width)
    return refuse(m, path, "mean");
  if (!factor || factor->dims != 3 || factor->shape[0] != d * (d + 1) / 2 || factor->shape[1] != h ||
      factor->shape[2] != width)
    return refuse(m, path, "factor");
  return FM_OK;
}

static enum fm_status begin(struct fm_scorer *s) {
  struct fm_context *ctx = fm_device_context(s->d);
  const struct fm_weights *w = &s->model->learned;
  const struct fm_weight *channels = fm_weights_find(w, "channels");
  const struct fm_acts *tap[3];
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  struct fm_gauss *g = s->own = fm_alloc(ctx, 1, sizeof *g);
  int *channel = fm_alloc(ctx, channels->count, sizeof *channel);
  if (!g || !channel) {
    fm_free(ctx, channel);
    return FM_MEMORY;
  }
  for (size_t i = 0; i < channels->count; i++) channel[i] = (int)w->value[channels->offset + i];
  taps_of(s->net[0], false, tap);
  enum fm_status status = fm_gauss_make(s->d, tap, (int)channels->count, channel, s->batch,
                                        s->gradient ? FM_GAUSS_GRADIENT : FM_GAUSS_SCORE, g);
  if (status == FM_OK)
    status = fm_gauss_write(s->d, g, w->value + fm_weights_find(w, "mean")->offset,
                            w->value + fm_weights_find(w, "factor")->offset);
  fm_free(ctx, channel);
  return status;
}

static void end(struct fm_scorer *s) {
  if (s->own) fm_gauss_free(s->d, s->own);
  fm_free(fm_device_context(s->d), s->own);
}

static void cells(struct fm_scorer *s) {
  const struct fm_acts *tap[3];
  taps_of(s->net[0], false, tap);
  fm_gauss_choose(s->d, s->own, tap);
  fm_gauss_score(s->d, s->own, s->n, &s->cells);
}

static void back(struct fm_scorer *s) {
  const struct fm_acts *gradient[3];
  taps_of(s->net[0], true, gradient);
  fm_gauss_back(s->d, s->own, s->n, &s->slope, gradient);
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
                                          .back = back};
