#include "check/golden.h"

#include "base/memory.h"
#include "base/rng.h"
#include "check/golden_internal.h"
#include "method/cdo.h"
#include "method/scorer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number of the metadata in a range. */
static enum fm_status number(struct fm_golden *g, const char *key, double low, double high, double *value) {
  const char *text = fm_safetensors_meta(g->file, key);
  char *end = NULL;
  *value = text ? strtod(text, &end) : 0;
  if (!text || *end || !(*value >= low && *value <= high))
    return fm_error(g->ctx, FM_FORMAT,
                    "'%s' is not a usable golden: its metadata '%s' is %s instead of a number from %g to %g",
                    fm_safetensors_path(g->file), key, text ? text : "missing", low, high);
  return FM_OK;
}

static enum fm_status read_metadata(struct fm_golden *g) {
  const char *kind = fm_safetensors_meta(g->file, "flawmap_golden"),
             *name = fm_safetensors_meta(g->file, "backbone");
  if (!kind || !name)
    return fm_error(g->ctx, FM_FORMAT,
                    "'%s' is not a golden file: the metadata 'flawmap_golden' or 'backbone' is missing",
                    fm_safetensors_path(g->file));
  FM_TRY(fm_backbone_find(g->ctx, name, &g->backbone));
  double batch, size, seed, samples;
  FM_TRY(number(g, "batch", 1, 64, &batch));
  FM_TRY(number(g, "size", 32, 1024, &size));
  FM_TRY(number(g, "seed", 0, 9e15, &seed));
  FM_TRY(number(g, "samples", 1, 1 << 20, &samples));
  FM_TRY(number(g, "gamma", 0, 100, &g->gamma));
  FM_TRY(number(g, "lr", 0, 10, &g->lr));
  FM_TRY(number(g, "weight_decay", 0, 10, &g->decay));
  g->batch = (int)batch;
  g->size = (int)size;
  g->seed = (uint64_t)seed;
  g->samples = (int)samples;
  struct fm_golden_result *r = g->result;
  snprintf(r->backbone, sizeof r->backbone, "%s", name);
  r->batch = g->batch;
  r->size = g->size;
  r->seed = g->seed;
  return FM_OK;
}

/* Coarse blocks of 8x8 and fine noise, about unit variance; one rectangle a mask. Both as the golden's maker
 * has them. */
static enum fm_status make_inputs(struct fm_golden *g) {
  size_t n = (size_t)g->batch, s = (size_t)g->size, c = s / 8;
  g->pictures = fm_alloc(g->ctx, n * 3 * s * s, sizeof *g->pictures);
  g->masks = fm_alloc(g->ctx, n * s * s, 1);
  if (!g->pictures || !g->masks) return FM_MEMORY;
  struct fm_rng coarse = fm_rng_stream(g->seed, "image.coarse"), fine = fm_rng_stream(g->seed, "image.fine");
  for (size_t p = 0; p < n * 3; p++)
    for (size_t y = 0; y < s; y++)
      for (size_t x = 0; x < s; x++) {
        double u = (double)fm_rng_uniform_at(&coarse, (p * c + y / 8) * c + x / 8);
        double v = (double)fm_rng_uniform_at(&fine, (p * s + y) * s + x);
        g->pictures[(p * s + y) * s + x] = (float)((2 * u - 1) * 1.5 + (2 * v - 1) * 0.5);
      }
  struct fm_rng mask = fm_rng_stream(g->seed, "mask");
  for (size_t b = 0; b < n; b++) {
    double u[4];
    for (size_t i = 0; i < 4; i++) u[i] = (double)fm_rng_uniform_at(&mask, b * 4 + i);
    size_t most = s / 4;
    size_t h = 8 + (size_t)(u[0] * (double)most), w = 8 + (size_t)(u[1] * (double)most);
    size_t y0 = (size_t)(u[2] * (double)(s - h)), x0 = (size_t)(u[3] * (double)(s - w));
    for (size_t y = y0; y < y0 + h; y++) memset(g->masks + (b * s + y) * s + x0, 1, w);
  }
  return FM_OK;
}

static void fill_weights(struct fm_golden *g) {
  fm_weights_fill(&g->expert, g->seed, "expert.");
  fm_weights_fill(&g->apprentice, g->seed, "apprentice.");
}

static enum fm_status make_weights(struct fm_golden *g) {
  struct fm_graph graph;
  FM_TRY(fm_backbone_build(g->ctx, g->backbone, fm_square(g->size), &graph));
  enum fm_status status = fm_weights_make(&graph, &g->expert);
  if (status == FM_OK) status = fm_weights_make(&graph, &g->apprentice);
  fm_graph_free(&graph);
  FM_TRY(status);
  fill_weights(g);
  return FM_OK;
}

/* Room for the own samples, which are a part of the golden's. */
static enum fm_status make_room(struct fm_golden *g) {
  size_t samples = 1;
  for (size_t i = 0; i < fm_safetensors_count(g->file); i++) samples += fm_safetensors_at(g->file, i)->count;
  g->own.value = fm_alloc(g->ctx, samples, sizeof *g->own.value);
  g->errors = fm_alloc(g->ctx, (size_t)FM_GOLDEN_GROUPS * FM_GOLDEN_TENSORS, sizeof *g->errors);
  return g->own.value && g->errors ? FM_OK : FM_MEMORY;
}

static enum fm_status compare_acts(struct fm_golden *g, const char *name, const struct fm_acts *a) {
  size_t count = (size_t)a->n * (size_t)a->c * (size_t)a->h * (size_t)a->w;
  float *values = fm_alloc(g->ctx, count, sizeof *values);
  if (!values) return FM_MEMORY;
  enum fm_status status = fm_acts_read(g->d, a, values);
  if (status == FM_OK) status = fm_golden_compare(g, name, values, count);
  fm_free(g->ctx, values);
  return status;
}

static enum fm_status compare_taps(struct fm_golden *g, const char *prefix, const struct fm_net *net) {
  for (int i = 0; i < FM_TAPS; i++) {
    char name[64];
    snprintf(name, sizeof name, "%s.tap%d", prefix, i);
    FM_TRY(compare_acts(g, name, fm_net_tap(net, i)));
  }
  return FM_OK;
}

static enum fm_status verify_maps(struct fm_golden *g) {
  struct fm_scorer *s;
  struct fm_model model = {
      .ctx = g->ctx, .backbone = g->backbone, .expert.weights = g->expert, .learned = g->apprentice};
  fm_recipe_default(&model.recipe);
  model.recipe.size = fm_square(g->size);
  FM_TRY(fm_scorer_make(g->d, &model, g->batch, false, &s));
  size_t count = (size_t)g->batch * (size_t)g->size * (size_t)g->size;
  float *map = fm_alloc(g->ctx, count, sizeof *map);
  enum fm_status status = map ? FM_OK : FM_MEMORY;
  for (int i = 0; i < 2 && status == FM_OK; i++)
    status = fm_acts_write(g->d, fm_net_input(s->net[i]), g->pictures);
  if (status == FM_OK) {
    fm_scorer_cells(s);
    fm_scorer_map(s);
    status = compare_taps(g, "expert", s->net[0]);
  }
  if (status == FM_OK) status = compare_taps(g, "apprentice.eval", s->net[1]);
  if (status == FM_OK) status = fm_scorer_read(s, g->batch, map, NULL);
  if (status == FM_OK) status = fm_golden_compare(g, "map", map, count);
  fm_free(g->ctx, map);
  fm_scorer_free(s);
  return status;
}

/* Every named tensor of `w` under prefix; trained: those with gradients, else the running statistics. */
static enum fm_status compare_weights(struct fm_golden *g, const char *prefix, const struct fm_weights *w,
                                      bool trained) {
  for (size_t i = 0; i < w->count; i++) {
    char name[256];
    if (w->item[i].trained != trained) continue;
    snprintf(name, sizeof name, "%s%s", prefix, w->item[i].name);
    FM_TRY(fm_golden_compare(g, name, w->value + w->item[i].offset, w->item[i].count));
    if (strcmp(prefix, "grad.") != 0) continue;
    double sum = 0;
    for (size_t k = 0; k < w->item[i].count; k++) sum += pow((double)w->value[w->item[i].offset + k], 2);
    float norm = (float)sqrt(sum);
    snprintf(name, sizeof name, "gradnorm.%s", w->item[i].name);
    FM_TRY(fm_golden_compare(g, name, &norm, 1));
  }
  return FM_OK;
}

/* A loss or a gradient without end: the step goes no further, and its loss is called wrong. */
static enum fm_status not_finite(struct fm_golden *g) {
  const float loss = NAN;
  fm_error_clear(g->ctx);
  return fm_golden_compare(g, "loss", &loss, 1);
}

static enum fm_status verify_step(struct fm_golden *g, struct fm_cdo_trainer *t) {
  struct fm_net *net = fm_cdo_trainer_apprentice(t);
  struct fm_cdo_loss loss;
  double norm;
  unsigned char *rgb = fm_alloc(g->ctx, (size_t)g->batch * (size_t)g->size * (size_t)g->size * 3, 1);
  if (!rgb) return FM_MEMORY;
  enum fm_status status = fm_cdo_trainer_load(t, g->batch, rgb, g->masks); /* for the masks */
  fm_cdo_trainer_loaded(t);
  fm_free(g->ctx, rgb);
  FM_TRY(status);
  FM_TRY(fm_acts_write(g->d, fm_net_input(fm_cdo_trainer_expert(t)), g->pictures));
  FM_TRY(fm_acts_write(g->d, fm_net_input(net), g->pictures));
  fm_net_forward(net); /* the backward pass reuses the taps' memory: look at them first, then begin again */
  FM_TRY(compare_taps(g, "apprentice.train", net));
  FM_TRY(fm_net_write_weights(net, &g->apprentice));
  FM_TRY(fm_acts_write(g->d, fm_net_input(net), g->pictures));
  fm_cdo_trainer_gradient(t, 0);
  status = fm_cdo_trainer_outcome(t, &loss, &norm);
  if (status == FM_NUMERIC) return not_finite(g);
  FM_TRY(status);
  FM_TRY(fm_golden_compare(g, "loss", &loss.total, 1));
  FM_TRY(fm_golden_compare(g, "loss.parts", &loss.part[0][0], 3 * FM_TAPS));
  const struct fm_net_vectors *v = fm_net_vectors(net);
  float *packed = fm_alloc(g->ctx, v->count, sizeof *packed);
  if (!packed) return FM_MEMORY;
  status = fm_buffer_read(g->d, &v->gradient, 0, packed, v->count * sizeof *packed);
  if (status == FM_OK) {
    fm_net_unpack(net, packed, &g->apprentice);
    status = compare_weights(g, "grad.", &g->apprentice, true);
  }
  fm_free(g->ctx, packed);
  FM_TRY(status);
  fm_cdo_trainer_update(t, 1, g->lr);
  FM_TRY(fm_net_read_weights(net, &g->apprentice));
  FM_TRY(compare_weights(g, "stepped.", &g->apprentice, true));
  return compare_weights(g, "running.", &g->apprentice, false);
}

enum fm_status fm_golden_step(struct fm_golden *g) {
  struct fm_cdo_options o = {.backbone = g->backbone,
                             .batch = g->batch,
                             .size = fm_square(g->size),
                             .gamma = (float)g->gamma,
                             .overlap = true,
                             .adam = {g->lr, 0.9, 0.999, 1e-8, g->decay}};
  struct fm_cdo_trainer *t;
  fill_weights(g);
  FM_TRY(fm_cdo_trainer_make(g->d, &o, &g->expert, &g->apprentice, &t));
  enum fm_status status = verify_step(g, t);
  fm_cdo_trainer_free(t);
  return status;
}

enum fm_status fm_golden_verify(struct fm_device *d, const struct fm_safetensors *file,
                                struct fm_golden_result *result) {
  struct fm_context *ctx = fm_device_context(d);
  *result = (struct fm_golden_result){0};
  struct fm_golden g = {.d = d, .ctx = ctx, .file = file, .result = result};
  enum fm_status status = read_metadata(&g);
  if (status == FM_OK) status = make_room(&g);
  if (status == FM_OK) status = make_inputs(&g);
  if (status == FM_OK) status = make_weights(&g);
  if (status == FM_OK) status = verify_maps(&g);
  if (status == FM_OK) status = fm_golden_step(&g);
  if (status == FM_OK) fm_golden_judge(&g);
  if (status == FM_OK && !result->good) status = fm_golden_again(&g);
  fm_weights_free(&g.expert);
  fm_weights_free(&g.apprentice);
  fm_free(ctx, g.errors);
  fm_free(ctx, g.own.value);
  fm_free(ctx, g.pictures);
  fm_free(ctx, g.masks);
  return status;
}

const struct fm_embedded *fm_golden_next(const struct fm_embedded *last) {
  static const char end[] = ".safetensors";
  for (const struct fm_embedded *e = last ? last + 1 : fm_embedded_models; e->name; e++) {
    size_t n = strlen(e->name);
    if (n >= sizeof end && strcmp(e->name + n - (sizeof end - 1), end) == 0) return e;
  }
  return NULL;
}

enum fm_status fm_golden_open(struct fm_context *ctx, const struct fm_embedded *golden,
                              struct fm_safetensors **file) {
  unsigned char *copy = fm_alloc(ctx, golden->size, 1);
  if (!copy) return FM_MEMORY;
  memcpy(copy, golden->bytes, golden->size);
  return fm_safetensors_parse(ctx, golden->name, copy, golden->size, file);
}
