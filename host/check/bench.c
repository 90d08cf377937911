#include "check/bench_internal.h"

#include "base/memory.h"
#include "base/rng.h"

/* Two nets forward; training adds the gradients to weights and inputs, twice a forward pass, but for the
 * input of a convolution that reads the picture. */
static enum fm_status count_flops(struct fm_context *ctx, const struct fm_bench_pass *p, double *flops) {
  struct fm_graph g;
  FM_TRY(fm_backbone_build(ctx, p->backbone, fm_square(p->size), &g));
  double macs = fm_graph_macs(&g), units = p->train ? 4 * macs : 2 * macs;
  for (int i = 0; i < g.count && p->train; i++) {
    const struct fm_node *n = &g.node[i];
    if (n->kind != FM_NODE_CONV || g.node[n->in].kind != FM_NODE_INPUT) continue;
    units -= (double)n->conv.cin * n->conv.cout * n->conv.k * n->conv.k * n->h * n->w;
  }
  fm_graph_free(&g);
  *flops = 2 * units * p->batch;
  return FM_OK;
}

static enum fm_status make_weights(struct fm_bench *b) {
  struct fm_graph graph;
  FM_TRY(fm_backbone_build(fm_device_context(b->d), b->pass->backbone, fm_square(b->pass->size), &graph));
  enum fm_status status = fm_weights_make(&graph, &b->model.expert.weights);
  if (status == FM_OK) status = fm_weights_make(&graph, &b->model.learned);
  fm_graph_free(&graph);
  FM_TRY(status);
  fm_weights_fill(&b->model.expert.weights, 1, "expert.");
  fm_weights_fill(&b->model.learned, 1, "apprentice.");
  return FM_OK;
}

/* Noise as pictures, and one square of synthetic anomaly in each. */
static enum fm_status make_pictures(struct fm_bench *b, unsigned char **rgb) {
  struct fm_context *ctx = fm_device_context(b->d);
  size_t s = (size_t)b->pass->size, pixels = (size_t)b->pass->batch * s * s;
  *rgb = fm_alloc(ctx, pixels, 3);
  b->mask = fm_alloc(ctx, pixels, 1);
  if (!*rgb || !b->mask) return FM_MEMORY;
  struct fm_rng rng = fm_rng_stream(1, "bench");
  for (size_t i = 0; i < pixels * 3; i++) (*rgb)[i] = (unsigned char)(fm_rng_at(&rng, i) >> 56);
  for (size_t i = 0; i < pixels; i++) b->mask[i] = i % s < s / 8 && i / s % s < s / 8;
  return FM_OK;
}

static enum fm_status infer(void *arg) {
  struct fm_bench *b = arg;
  fm_scorer_cells(b->scorer);
  fm_scorer_map(b->scorer);
  return fm_scorer_read(b->scorer, b->pass->batch, b->maps, NULL);
}

static enum fm_status train(void *arg) {
  struct fm_bench *b = arg;
  struct fm_cdo_loss loss;
  double norm;
  fm_cdo_trainer_gradient(b->trainer, 0);
  fm_cdo_trainer_update(b->trainer, ++b->step, 4e-4);
  FM_TRY(fm_device_finish(b->d));
  return fm_cdo_trainer_outcome(b->trainer, &loss, &norm);
}

static enum fm_status prepare(struct fm_bench *b) {
  const struct fm_bench_pass *p = b->pass;
  struct fm_context *ctx = fm_device_context(b->d);
  unsigned char *rgb = NULL;
  FM_TRY(make_weights(b));
  enum fm_status status = make_pictures(b, &rgb);
  if (status == FM_OK && p->train) {
    struct fm_cdo_options o = {.backbone = p->backbone,
                               .batch = p->batch,
                               .size = fm_square(p->size),
                               .gamma = 2,
                               .overlap = true,
                               .adam = {4e-4, 0.9, 0.999, 1e-8, 1e-4}};
    status = fm_cdo_trainer_make(b->d, &o, &b->model.expert.weights, &b->model.learned, &b->trainer);
    if (status == FM_OK) status = fm_cdo_trainer_load(b->trainer, p->batch, rgb, b->mask);
    if (status == FM_OK) status = fm_cdo_trainer_loaded(b->trainer);
  } else if (status == FM_OK) {
    status = fm_scorer_make(b->d, &b->model, p->batch, false, &b->scorer);
    b->maps = fm_alloc(ctx, (size_t)p->batch * (size_t)p->size * (size_t)p->size, sizeof *b->maps);
    if (!b->maps) status = FM_MEMORY;
    /* this leaves the pictures in the nets' inputs */
    if (status == FM_OK) status = fm_scorer_run(b->scorer, p->batch, rgb, NULL, b->maps, NULL);
  }
  fm_free(ctx, rgb);
  return status;
}

enum fm_status fm_bench_open(struct fm_device *d, const struct fm_bench_pass *pass, struct fm_bench *b) {
  *b = (struct fm_bench){.d = d, .pass = pass, .model.backbone = pass->backbone};
  fm_recipe_default(&b->model.recipe);
  b->model.recipe.size = fm_square(pass->size);
  return prepare(b);
}

void fm_bench_close(struct fm_bench *b) {
  struct fm_context *ctx = fm_device_context(b->d);
  fm_scorer_free(b->scorer);
  fm_cdo_trainer_free(b->trainer);
  fm_weights_free(&b->model.expert.weights);
  fm_weights_free(&b->model.learned);
  fm_free(ctx, b->maps);
  fm_free(ctx, b->mask);
}

enum fm_status fm_bench_pass_run(struct fm_device *d, const struct fm_bench_pass *pass, int runs,
                                 double seconds, struct fm_bench_result *result) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_bench b;
  *result = (struct fm_bench_result){0};
  FM_TRY(count_flops(ctx, pass, &result->flops));
  enum fm_status status = fm_bench_open(d, pass, &b);
  if (status == FM_OK) {
    result->bytes = fm_device_live(d).bytes;
    status = fm_timing_run(ctx, pass->train ? train : infer, &b, runs, seconds, &result->time);
    struct fm_device_live before = fm_device_live(d);
    if (status == FM_OK) status = (pass->train ? train : infer)(&b);
    result->launches = fm_device_live(d).launches - before.launches;
    result->waits = fm_device_live(d).waits - before.waits;
  }
  fm_bench_close(&b);
  return status;
}
