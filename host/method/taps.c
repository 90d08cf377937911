#include "method/taps.h"

#include "base/log.h"
#include "base/memory.h"
#include "op/simple.h"

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  struct fm_loader *loader;
  struct fm_net *net;
  struct fm_buffer rgb;
  size_t pixels;
  struct fm_progress progress;
  enum fm_status (*take)(void *user, const struct fm_taps *taps);
  void *user;
};

/* Features do not depend on the batch. */
int fm_taps_batch(const struct fm_train *t) {
  const struct fm_recipe *r = &t->recipe;
  enum { MOST_BATCH = 16 };
  int batch = fm_size_at_once(r->size, r->batch < MOST_BATCH ? (int)r->batch : MOST_BATCH);
  return (size_t)batch < t->count ? batch : (int)t->count;
}

static enum fm_status make(struct run *r, const struct fm_train *t) {
  const struct fm_backbone *backbone;
  struct fm_preprocess preprocess;
  FM_TRY(fm_backbone_find(r->ctx, t->recipe.backbone, &backbone));
  FM_TRY(fm_recipe_preprocess(r->ctx, &t->recipe, &preprocess));
  struct fm_size size = fm_preprocess_size(&preprocess);
  int batch = fm_taps_batch(t);
  r->pixels = fm_size_pixels(size);
  FM_TRY(fm_net_make(r->d, backbone, FM_NET_INFER, batch, size, &t->expert->weights, &r->net));
  return fm_buffer_make(r->d, (size_t)batch * r->pixels * 3 + 16, &r->rgb);
}

static void unmake(struct run *r) {
  fm_net_free(r->net);
  fm_buffer_free(r->d, &r->rgb);
}

static enum fm_status go_through(struct run *r) {
  for (size_t first = 0;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    fm_net_set_batch(r->net, (int)batch.count);
    FM_TRY(fm_buffer_write(r->d, &r->rgb, 0, batch.rgb, batch.count * r->pixels * 3));
    fm_picture(r->d, &r->rgb, fm_net_input(r->net));
    fm_net_forward(r->net);
    const struct fm_taps taps = {r->net, first, (int)batch.count, batch.adjusted};
    FM_TRY(r->take(r->user, &taps));
    FM_TRY(fm_device_finish(r->d));
    first += batch.count;
    fm_progress_step(&r->progress, (long)batch.count);
    if (r->ctx->stop) return fm_error(r->ctx, FM_STOPPED, "stopped while reading the training pictures");
  }
}

enum fm_status fm_taps_run(struct fm_device *d, const struct fm_train *t, const char *text,
                           enum fm_status (*take)(void *user, const struct fm_taps *taps), void *user) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .take = take, .user = user};
  struct fm_loader_options o = {.samples = t->samples, .count = t->count, .batch = fm_taps_batch(t)};
  FM_TRY(fm_train_preprocess(r.ctx, t, &o.preprocess));
  enum fm_status status = make(&r, t);
  if (status == FM_OK) status = fm_loader_open(r.ctx, &o, &r.loader);
  if (status == FM_OK) {
    fm_progress_begin(&r.progress, r.ctx, text, 0, (long)t->count);
    status = go_through(&r);
    fm_progress_end(&r.progress);
  }
  fm_loader_close(r.loader);
  unmake(&r);
  return status;
}

enum fm_status fm_taps_bytes(struct fm_device *d, const struct fm_train *t, size_t *bytes) {
  struct run r = {.d = d, .ctx = fm_device_context(d)};
  size_t before = fm_device_live(d).bytes;
  fm_device_rehearse(d, true);
  enum fm_status status = make(&r, t);
  *bytes = fm_device_live(d).bytes - before;
  unmake(&r);
  fm_device_rehearse(d, false);
  return status;
}

enum fm_status fm_taps_shapes(struct fm_context *ctx, const struct fm_recipe *recipe,
                              struct fm_acts tap[FM_TAPS]) {
  const struct fm_backbone *backbone;
  struct fm_preprocess p;
  struct fm_graph g;
  FM_TRY(fm_backbone_find(ctx, recipe->backbone, &backbone));
  FM_TRY(fm_recipe_preprocess(ctx, recipe, &p));
  FM_TRY(fm_backbone_build(ctx, backbone, fm_preprocess_size(&p), &g));
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_node *n = &g.node[g.tap[i]];
    tap[i] = (struct fm_acts){.c = n->c, .h = n->h, .w = n->w};
  }
  fm_graph_free(&g);
  return FM_OK;
}
