#define _POSIX_C_SOURCE 200809L
#include "model/checkpoint.h"

#include "base/memory.h"
#include "model/method.h"
#include "model/real.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"

static const char *const moment_prefix[2] = {"moment1.", "moment2."};

enum fm_status fm_checkpoint_make(struct fm_context *ctx, const struct fm_recipe *recipe,
                                  struct fm_checkpoint *c) {
  const struct fm_method *method;
  *c = (struct fm_checkpoint){.recipe = *recipe};
  enum fm_status status = fm_method_find(ctx, recipe->method, &method);
  if (status == FM_OK && !method->resumes)
    status = fm_error(ctx, FM_FORMAT, "the method %s has no checkpoints", method->name);
  struct fm_weights *const sets[] = {&c->weights, &c->moment[0], &c->moment[1]};
  for (int i = 0; i < 3 && status == FM_OK; i++) status = method->shape(ctx, recipe, sets[i]);
  if (status == FM_OK && !(c->log = fm_strdup(ctx, ""))) status = FM_MEMORY;
  if (status != FM_OK) fm_checkpoint_free(ctx, c);
  return status;
}

void fm_checkpoint_free(struct fm_context *ctx, struct fm_checkpoint *c) {
  fm_weights_free(&c->weights);
  for (int i = 0; i < 2; i++) fm_weights_free(&c->moment[i]);
  fm_free(ctx, c->log);
  fm_free(ctx, c->real);
  c->log = c->real = NULL;
}

static enum fm_status put_number(struct fm_safetensors_out *out, const char *key, double v) {
  char text[40];
  snprintf(text, sizeof text, "%.17g", v);
  return fm_safetensors_out_meta(out, key, text);
}

/* Running statistics have no moments. */
static enum fm_status put_moment(const struct fm_weights *w, struct fm_safetensors_out *out,
                                 const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char name[FM_NAME + 32];
    snprintf(name, sizeof name, "%s%s", prefix, item->name);
    if (item->trained)
      FM_TRY(fm_safetensors_out_tensor(out, name, FM_F32, item->dims, item->shape, w->value + item->offset));
  }
  return FM_OK;
}

static enum fm_status get_moment(struct fm_weights *w, const struct fm_safetensors *file,
                                 const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char name[FM_NAME + 32];
    snprintf(name, sizeof name, "%s%s", prefix, item->name);
    if (item->trained)
      FM_TRY(fm_safetensors_floats(w->ctx, file, name, item->dims, item->shape, w->value + item->offset));
  }
  return fm_weights_check(w, fm_safetensors_path(file), prefix);
}

/* The numbers of a checkpoint under their keys. */
struct entry {
  const char *key;
  long *whole;
  double *number;
};
enum { ENTRIES = 10 };

/* How many there are: the last two only where steps decide when a training ends. */
static int list_entries(struct fm_checkpoint *c, struct entry entry[ENTRIES]) {
  const struct entry all[ENTRIES] = {{"epoch", &c->epoch, NULL},      {"batch", &c->batch, NULL},
                                     {"step", &c->step, NULL},        {"sum.loss", NULL, &c->sums[0]},
                                     {"sum.tap1", NULL, &c->sums[1]}, {"sum.tap2", NULL, &c->sums[2]},
                                     {"sum.tap3", NULL, &c->sums[3]}, {"seconds", NULL, &c->seconds},
                                     {"judged.best", NULL, &c->best}, {"judged.idle", &c->idle, NULL}};
  memcpy(entry, all, sizeof all);
  return c->recipe.steps > 0 ? ENTRIES : ENTRIES - 2;
}

static enum fm_status put_all(const struct fm_checkpoint *c, struct fm_safetensors_out *out) {
  struct fm_checkpoint copy = *c;
  struct entry entry[ENTRIES];
  int entries = list_entries(&copy, entry);
  FM_TRY(fm_safetensors_out_meta(out, "flawmap.checkpoint", VERSION));
  FM_TRY(fm_safetensors_out_meta(out, FM_RECIPE_PROGRAM, fm_version()));
  FM_TRY(fm_recipe_save(&c->recipe, out));
  FM_TRY(fm_safetensors_out_meta(out, "data.hash", c->data_hash));
  FM_TRY(fm_safetensors_out_meta(out, "expert.hash", c->expert_hash));
  FM_TRY(fm_safetensors_out_meta(out, "log", c->log));
  if (c->real) FM_TRY(fm_safetensors_out_meta(out, "data.real", c->real));
  for (int i = 0; i < entries; i++)
    FM_TRY(put_number(out, entry[i].key, entry[i].whole ? (double)*entry[i].whole : *entry[i].number));
  FM_TRY(fm_weights_save(&c->weights, out, fm_method_of(&c->recipe)->prefix));
  for (int i = 0; i < 2; i++) FM_TRY(put_moment(&c->moment[i], out, moment_prefix[i]));
  return FM_OK;
}

enum fm_status fm_checkpoint_write(struct fm_context *ctx, const struct fm_checkpoint *c, const char *path) {
  struct fm_safetensors_out *out;
  FM_TRY(fm_safetensors_out_open(ctx, &out));
  enum fm_status status = put_all(c, out);
  if (status == FM_OK) status = fm_safetensors_out_write(out, path);
  fm_safetensors_out_free(out);
  return status;
}

static enum fm_status damaged(struct fm_context *ctx, const struct fm_safetensors *file, const char *key) {
  return fm_error(ctx, FM_FORMAT,
                  "'%s' is not a usable checkpoint: '%s' in its metadata is missing or wrong; remove the "
                  "file to start from the beginning",
                  fm_safetensors_path(file), key);
}

static enum fm_status get_entries(struct fm_context *ctx, const struct fm_safetensors *file,
                                  struct fm_checkpoint *c) {
  struct entry entry[ENTRIES];
  int entries = list_entries(c, entry);
  for (int i = 0; i < entries; i++) {
    const char *text = fm_safetensors_meta(file, entry[i].key);
    char *end = NULL;
    double v = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !isfinite(v)) return damaged(ctx, file, entry[i].key);
    if (entry[i].whole && !(v >= 0 && v < 1e15)) return damaged(ctx, file, entry[i].key);
    if (entry[i].whole)
      *entry[i].whole = (long)v;
    else
      *entry[i].number = v;
  }
  long most = c->recipe.epochs > c->recipe.steps ? c->recipe.epochs : c->recipe.steps; /* a step an epoch */
  return c->epoch <= most ? FM_OK : damaged(ctx, file, "epoch");
}

static enum fm_status get_text(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                               size_t length, char *out) {
  const char *value = fm_safetensors_meta(file, key);
  if (!value || strlen(value) != length) return damaged(ctx, file, key);
  memcpy(out, value, length + 1);
  return FM_OK;
}

static enum fm_status get_all(struct fm_context *ctx, const struct fm_safetensors *file,
                              struct fm_checkpoint *c) {
  FM_TRY(get_text(ctx, file, "data.hash", 16, c->data_hash));
  FM_TRY(get_text(ctx, file, "expert.hash", 64, c->expert_hash));
  FM_TRY(get_entries(ctx, file, c));
  const char *log = fm_safetensors_meta(file, "log");
  if (!log) return damaged(ctx, file, "log");
  char *copy = fm_strdup(ctx, log);
  if (!copy) return FM_MEMORY;
  fm_free(ctx, c->log);
  c->log = copy;
  const char *real = fm_safetensors_meta(file, "data.real");
  if (real && !fm_real_valid(real)) return damaged(ctx, file, "data.real");
  if (real && !(c->real = fm_strdup(ctx, real))) return FM_MEMORY;
  const char *prefix = fm_method_of(&c->recipe)->prefix;
  FM_TRY(fm_weights_load(&c->weights, file, prefix));
  FM_TRY(fm_weights_check(&c->weights, fm_safetensors_path(file), prefix));
  for (int i = 0; i < 2; i++) FM_TRY(get_moment(&c->moment[i], file, moment_prefix[i]));
  return FM_OK;
}

enum fm_status fm_checkpoint_read(struct fm_context *ctx, const char *path, struct fm_checkpoint *c) {
  struct fm_safetensors *file;
  struct fm_recipe recipe;
  *c = (struct fm_checkpoint){0};
  FM_TRY(fm_safetensors_read(ctx, path, &file));
  const char *version = fm_safetensors_meta(file, "flawmap.checkpoint");
  enum fm_status status =
      version && strcmp(version, VERSION) == 0 ? FM_OK : damaged(ctx, file, "flawmap.checkpoint");
  if (status == FM_OK) status = fm_recipe_load(ctx, file, &recipe);
  if (status == FM_OK) status = fm_checkpoint_make(ctx, &recipe, c);
  if (status == FM_OK) status = get_all(ctx, file, c);
  status = fm_recipe_name_version(ctx, file, status);
  fm_safetensors_free(ctx, file);
  if (status != FM_OK) fm_checkpoint_free(ctx, c);
  return status;
}

enum fm_status fm_checkpoint_agrees(struct fm_context *ctx, const struct fm_checkpoint *c, const char *path,
                                    const struct fm_recipe *recipe, const bool *given) {
  for (int i = 0; i < FM_FIELDS && given; i++) {
    if (!fm_recipe_has(recipe, i)) continue;
    char here[FM_FIELD_VALUE], there[FM_FIELD_VALUE];
    fm_recipe_get(recipe, i, here);
    fm_recipe_get(&c->recipe, i, there);
    if (given[i] && strcmp(here, there) != 0)
      return fm_error(ctx, FM_USAGE,
                      "--%s is %s, but the training to resume ('%s') began with %s; leave the option out, or "
                      "start again without --resume",
                      fm_fields[i].key, here, path, there);
  }
  return FM_OK;
}
