#include "check/bench_detector.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/make.h"
#include "file/image.h"
#include "refine/f2pad.h"

#include <stdio.h>
#include <stdlib.h>

struct bench {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_bench_detector *what;
  const struct fm_method *method;
  char *folder;
  struct fm_sample *sample; /* those to learn from, then the held ones */
  size_t count;
  struct fm_image flawed;
  struct fm_train train;
  struct fm_model model;
  struct fm_f2pad *f2pad;
  float *map, score;
};

static enum fm_status draw(struct bench *b, const char *kind, int index, struct fm_image *image) {
  const struct fm_make_options o = {.size = b->what->size};
  const size_t pixels = (size_t)o.size * (size_t)o.size;
  *image = (struct fm_image){.width = o.size, .height = o.size, .channels = 3};
  image->pixels = fm_alloc(b->ctx, pixels, 3);
  unsigned char *mask = fm_alloc(b->ctx, pixels, 1);
  enum fm_status status = image->pixels && mask ? FM_OK : FM_MEMORY;
  if (status == FM_OK)
    status = fm_make_picture(b->ctx, "gear", "train", kind, index, &o, image->pixels, mask);
  fm_free(b->ctx, mask);
  return status;
}

static enum fm_status put_picture(struct bench *b, size_t i) {
  struct fm_sample *s = &b->sample[i];
  struct fm_image image;
  char name[32];
  snprintf(name, sizeof name, "%04zu.png", i);
  s->path = fm_path_join(b->ctx, b->folder, name);
  enum fm_status status = s->path ? draw(b, "good", (int)i, &image) : FM_MEMORY;
  if (status == FM_OK) status = fm_png_write(b->ctx, s->path, &image);
  if (s->path) fm_image_free(b->ctx, &image);
  return status;
}

static enum fm_status put_pictures(struct bench *b) {
  const char *wish = getenv("TMPDIR");
  char *prefix = fm_path_join(b->ctx, wish && *wish ? wish : "/tmp", "flawmap-bench-");
  b->count = (size_t)(b->what->pictures + (b->what->pictures + 3) / 4);
  b->sample = fm_alloc(b->ctx, b->count, sizeof *b->sample);
  enum fm_status status = prefix && b->sample ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_folder_make_temporary(b->ctx, prefix, &b->folder);
  fm_free(b->ctx, prefix);
  for (size_t i = 0; status == FM_OK && i < b->count; i++) status = put_picture(b, i);
  return status == FM_OK ? draw(b, "dent", 0, &b->flawed) : status;
}

/* A model that knows everything but what it is to learn. */
static enum fm_status make_model(struct bench *b) {
  struct fm_model *m = &b->model;
  struct fm_graph graph;
  m->ctx = b->ctx;
  FM_TRY(fm_recipe_begin(b->ctx, "patchcore", &m->recipe));
  m->recipe.size = fm_square(b->what->size);
  snprintf(m->recipe.backbone, sizeof m->recipe.backbone, "%s", b->what->backbone);
  b->method = fm_method_of(&m->recipe);
  FM_TRY(fm_backbone_find(b->ctx, b->what->backbone, &m->backbone));
  FM_TRY(fm_backbone_build(b->ctx, m->backbone, fm_square(b->what->size), &graph));
  enum fm_status status = fm_weights_make(&graph, &m->expert.weights);
  fm_graph_free(&graph);
  FM_TRY(status);
  fm_weights_fill(&m->expert.weights, 1, "expert.");
  b->train = (struct fm_train){.recipe = m->recipe,
                               .category = "gear",
                               .samples = b->sample,
                               .count = (size_t)b->what->pictures,
                               .data_hash = "0000000000000000",
                               .expert = &m->expert};
  return FM_OK;
}

static enum fm_status fit(void *arg) {
  struct bench *b = arg;
  fm_weights_free(&b->model.learned);
  return b->method->fit(b->d, &b->train, &b->model.learned);
}

static enum fm_status refine(void *arg) {
  struct bench *b = arg;
  return fm_f2pad_run(b->f2pad, 1, b->flawed.pixels, NULL, b->map, &b->score, NULL, NULL);
}

static enum fm_status measure(struct bench *b, struct fm_timing *fitted, struct fm_timing *refined) {
  const struct fm_bench_detector *w = b->what;
  const size_t learned = b->train.count;
  FM_TRY(fm_timing_run(b->ctx, fit, b, w->runs, w->seconds, fitted));
  w->next(w->arg);
  FM_TRY(fm_f2pad_fit(b->d, &b->model, &b->train, b->sample + learned, b->count - learned));
  b->map = fm_alloc(b->ctx, (size_t)w->size * (size_t)w->size, sizeof *b->map);
  if (!b->map) return FM_MEMORY;
  FM_TRY(fm_f2pad_make(b->d, &b->model, 1, &b->f2pad));
  return fm_timing_run(b->ctx, refine, b, w->runs, w->seconds, refined);
}

static enum fm_status clean_up(struct bench *b) {
  struct fm_context *ctx = b->ctx;
  for (size_t i = 0; b->sample && i < b->count; i++) fm_free(ctx, b->sample[i].path);
  fm_f2pad_free(b->f2pad);
  fm_model_free(&b->model);
  fm_image_free(ctx, &b->flawed);
  fm_free(ctx, b->map);
  fm_free(ctx, b->sample);
  enum fm_status status = b->folder ? fm_folder_remove(ctx, b->folder) : FM_OK;
  fm_free(ctx, b->folder);
  return status;
}

enum fm_status fm_bench_detector_run(struct fm_device *d, const struct fm_bench_detector *what,
                                     struct fm_timing *fitted, struct fm_timing *refined) {
  struct bench b = {.d = d, .ctx = fm_device_context(d), .what = what};
  const bool quiet = b.ctx->quiet;
  b.ctx->quiet = true; /* a fit has a progress of its own */
  b.model.ctx = b.ctx;
  enum fm_status status = put_pictures(&b);
  if (status == FM_OK) status = make_model(&b);
  if (status == FM_OK) status = measure(&b, fitted, refined);
  enum fm_status cleaned = clean_up(&b);
  b.ctx->quiet = quiet;
  return status != FM_OK ? status : cleaned;
}
