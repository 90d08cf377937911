#define _POSIX_C_SOURCE 200809L
#include "detect/recipe.h"

#include "base/embedded.h"
#include "base/memory.h"
#include "base/text.h"
#include "file/ini.h"
#include "net/backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct fm_recipe, field), sizeof(((struct fm_recipe *)0)->field)

/* clang-format off */
const struct fm_field fm_fields[FM_FIELDS] = {
    {"method", FM_FIELD_TEXT, AT(method), 0, 0, "M", "the detector: cdo"},
    {"backbone", FM_FIELD_TEXT, AT(backbone), 0, 0, "B", "the network: resnet18, hrnet32, efficientnet_lite0, ..."},
    {"size", FM_FIELD_INT, AT(size), 32, 4096, "N", "pictures become N x N, a multiple of 32"},
    {"resize", FM_FIELD_TEXT, AT(resize), 0, 0, "R", "as OpenCV (cv2) or Pillow (pil) does it"},
    {"epochs", FM_FIELD_INT, AT(epochs), 1, 1e6, "N", "passes over the training pictures"},
    {"batch", FM_FIELD_INT, AT(batch), 1, 4096, "N", "pictures a step"},
    {"seed", FM_FIELD_INT, AT(seed), 0, 9e15, "N", "of every random number"},
    {"lr", FM_FIELD_NUMBER, AT(lr), 1e-12, 1e6, "X", "learning rate"},
    {"lr-decay", FM_FIELD_NUMBER, AT(lr_decay), 1e-6, 1e3, "X", "its factor after each epoch"},
    {"weight-decay", FM_FIELD_NUMBER, AT(weight_decay), 0, 1e3, "X", "of AdamW"},
    {"beta1", FM_FIELD_NUMBER, AT(beta1), 0, 0.9999999, "X", NULL},
    {"beta2", FM_FIELD_NUMBER, AT(beta2), 0, 0.9999999, "X", NULL},
    {"epsilon", FM_FIELD_NUMBER, AT(epsilon), 1e-30, 1, "X", NULL},
    {"gamma", FM_FIELD_NUMBER, AT(gamma), 0, 100, "X", "exponent of the overlap's weights"},
    {"mom", FM_FIELD_FLAG, AT(mom), 0, 0, NULL, "margin: synthetic anomalies (--no-mom: none)"},
    {"oom", FM_FIELD_FLAG, AT(oom), 0, 0, NULL, "overlap: weights of the positions (--no-oom: all 1)"},
    {"skip-background", FM_FIELD_SWITCH, AT(skip_background), 0, 0, NULL, "no synthetic anomalies on a plain background"},
    {"patches", FM_FIELD_INT, AT(patches), 0, 1000, "N", NULL},
    {"patch-smallest", FM_FIELD_INT, AT(patch_smallest), 1, 4096, "N", NULL},
    {"patch-largest", FM_FIELD_INT, AT(patch_largest), 1, 4096, "N", NULL},
    {"redraws", FM_FIELD_INT, AT(redraws), 0, 1e6, "N", NULL},
    {"momentum", FM_FIELD_NUMBER, AT(momentum), 1e-6, 1, "X", NULL},
    {"reestimate", FM_FIELD_FLAG, AT(reestimate), 0, 0, NULL, "norm statistics anew at the end (--no-reestimate)"},
    {"hold-out", FM_FIELD_NUMBER, AT(hold_out), 0, 0.9, "P", "share of the training pictures kept for thresholds"},
    {"false-alarms", FM_FIELD_NUMBER, AT(false_alarms), 1e-6, 0.5, "P", "share of good pictures that may be flagged"},
};
/* clang-format on */

void fm_recipe_default(struct fm_recipe *r) {
  *r = (struct fm_recipe){.method = "cdo",
                          .backbone = "efficientnet_lite0",
                          .resize = "cv2",
                          .size = 256,
                          .epochs = 50,
                          .batch = 16,
                          .seed = 111,
                          .lr = 4e-4,
                          .lr_decay = 0.95,
                          .weight_decay = 1e-4,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .gamma = 2,
                          .momentum = 0.1,
                          .mom = true,
                          .oom = true,
                          .reestimate = true,
                          .patches = 4,
                          .patch_smallest = 40,
                          .patch_largest = 10,
                          .redraws = 200,
                          .hold_out = 0.2,
                          .false_alarms = 0.01};
}

int fm_field_find(const char *key) {
  for (int i = 0; i < FM_FIELDS; i++)
    if (strcmp(fm_fields[i].key, key) == 0) return i;
  return -1;
}

static enum fm_status set_number(struct fm_context *ctx, const struct fm_field *f, void *at,
                                 const char *value, const char *where) {
  char *end;
  double v = strtod(value, &end);
  if (*end == '%' && end != value && f->kind == FM_FIELD_NUMBER) {
    v /= 100;
    end++;
  }
  bool whole = f->kind == FM_FIELD_NUMBER || (v > -9.1e15 && v < 9.1e15 && v == (double)(long)v);
  if (end == value || *end || !(v >= f->low && v <= f->high) || !whole)
    return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s'; it should be a %s from %g to %g", where, f->key, value,
                    f->kind == FM_FIELD_INT ? "whole number" : "number", f->low, f->high);
  if (f->kind == FM_FIELD_INT)
    *(long *)at = (long)v;
  else
    *(double *)at = v;
  return FM_OK;
}

enum fm_status fm_recipe_set(struct fm_context *ctx, struct fm_recipe *recipe, const char *key,
                             const char *value, const char *where) {
  int i = fm_field_find(key);
  if (i < 0) return fm_error(ctx, FM_USAGE, "%s: there is no constant '%.40s'", where, key);
  const struct fm_field *f = &fm_fields[i];
  void *at = (char *)recipe + f->offset;
  bool yes = strcmp(value, "yes") == 0, no = strcmp(value, "no") == 0, automatic = strcmp(value, "auto") == 0;
  switch (f->kind) {
  case FM_FIELD_FLAG:
    if (!yes && !no)
      return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s', neither yes nor no", where, key, value);
    *(bool *)at = yes;
    return FM_OK;
  case FM_FIELD_SWITCH:
    if (!yes && !no && !automatic)
      return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s', none of yes, no and auto", where, key, value);
    *(enum fm_switch *)at = yes ? FM_YES : no ? FM_NO : FM_AUTO;
    return FM_OK;
  case FM_FIELD_TEXT:
    if (strlen(value) >= f->size)
      return fm_error(ctx, FM_USAGE, "%s: there is no %s '%.60s'", where, key, value);
    memset(at, 0, f->size);
    memcpy(at, value, strlen(value));
    return FM_OK;
  case FM_FIELD_INT:
  case FM_FIELD_NUMBER:
    return set_number(ctx, f, at, value, where);
  }
  return FM_OK;
}

void fm_recipe_get(const struct fm_recipe *recipe, int i, char out[FM_FIELD_VALUE]) {
  const struct fm_field *f = &fm_fields[i];
  const void *at = (const char *)recipe + f->offset;
  static const char *const switches[] = {"auto", "yes", "no"};
  switch (f->kind) {
  case FM_FIELD_FLAG:
    snprintf(out, FM_FIELD_VALUE, "%s", *(const bool *)at ? "yes" : "no");
    break;
  case FM_FIELD_SWITCH:
    snprintf(out, FM_FIELD_VALUE, "%s", switches[*(const enum fm_switch *)at]);
    break;
  case FM_FIELD_TEXT:
    snprintf(out, FM_FIELD_VALUE, "%s", (const char *)at);
    break;
  case FM_FIELD_INT:
    snprintf(out, FM_FIELD_VALUE, "%ld", *(const long *)at);
    break;
  case FM_FIELD_NUMBER: /* the shorter of two that read back exactly */
    snprintf(out, FM_FIELD_VALUE, "%.15g", *(const double *)at);
    if (strtod(out, NULL) != *(const double *)at) snprintf(out, FM_FIELD_VALUE, "%.17g", *(const double *)at);
    break;
  }
}

static enum fm_status apply_ini(struct fm_context *ctx, const struct fm_ini *ini, const char *where,
                                const bool *keep, struct fm_recipe *recipe) {
  for (size_t i = 0; i < ini->count; i++) {
    const struct fm_ini_entry *e = &ini->entries[i];
    int field = fm_field_find(e->key);
    if (field >= 0 && keep && keep[field]) continue;
    char place[160];
    snprintf(place, sizeof place, "%.120s, line %d", where, e->line);
    FM_TRY(fm_recipe_set(ctx, recipe, e->key, e->value, place));
  }
  return FM_OK;
}

static enum fm_status no_such_recipe(struct fm_context *ctx, const char *name) {
  char names[400] = "";
  for (const struct fm_embedded *e = fm_embedded_models; e->name; e++) {
    size_t n = strlen(e->name), used = strlen(names);
    if (n > 4 && strcmp(e->name + n - 4, ".ini") == 0)
      snprintf(names + used, sizeof names - used, "%s%.*s", used ? ", " : "", (int)n - 4, e->name);
  }
  return fm_error(ctx, FM_USAGE, "there is no recipe '%s'; there are: %s; or name a file that ends in .ini",
                  name, names);
}

enum fm_status fm_recipe_read(struct fm_context *ctx, const char *name, const bool *keep,
                              struct fm_recipe *recipe) {
  struct fm_ini ini;
  size_t n = strlen(name);
  if (n > 4 && strcmp(name + n - 4, ".ini") == 0) {
    FM_TRY(fm_ini_read(ctx, name, &ini));
  } else {
    char file[64];
    snprintf(file, sizeof file, "%.58s.ini", name);
    const struct fm_embedded *e = fm_embedded_find(fm_embedded_models, file);
    if (!e || n > 58) return no_such_recipe(ctx, name);
    FM_TRY(fm_ini_parse(ctx, file, e->bytes, e->size, &ini));
  }
  char where[140];
  snprintf(where, sizeof where, "recipe %.120s", name);
  enum fm_status status = apply_ini(ctx, &ini, where, keep, recipe);
  fm_ini_free(ctx, &ini);
  return status;
}

enum fm_status fm_recipe_check(struct fm_context *ctx, const struct fm_recipe *r) {
  const struct fm_backbone *backbone;
  struct fm_preprocess preprocess;
  if (strcmp(r->method, "cdo") != 0)
    return fm_error(ctx, FM_USAGE, "there is no method '%s'; there is: cdo", r->method);
  FM_TRY(fm_backbone_find(ctx, r->backbone, &backbone));
  if (r->size % 32)
    return fm_error(ctx, FM_USAGE,
                    "the size %ld is not possible: it must be a multiple of 32 from 32 to 4096", r->size);
  if (r->patch_smallest < r->patch_largest)
    return fm_error(ctx, FM_USAGE,
                    "patch-smallest and patch-largest divide the picture's side: %ld should not be below %ld",
                    r->patch_smallest, r->patch_largest);
  return fm_recipe_preprocess(ctx, r, &preprocess);
}

enum fm_status fm_recipe_save(const struct fm_recipe *recipe, struct fm_safetensors_out *out) {
  for (int i = 0; i < FM_FIELDS; i++) {
    char key[48], value[FM_FIELD_VALUE];
    snprintf(key, sizeof key, "recipe.%s", fm_fields[i].key);
    fm_recipe_get(recipe, i, value);
    FM_TRY(fm_safetensors_out_meta(out, key, value));
  }
  return FM_OK;
}

enum fm_status fm_recipe_load(struct fm_context *ctx, const struct fm_safetensors *file,
                              struct fm_recipe *recipe) {
  char where[300];
  snprintf(where, sizeof where, "'%.200s' is damaged or not flawmap's", fm_safetensors_path(file));
  memset(recipe, 0, sizeof *recipe);
  for (int i = 0; i < FM_FIELDS; i++) {
    char key[48];
    snprintf(key, sizeof key, "recipe.%s", fm_fields[i].key);
    const char *value = fm_safetensors_meta(file, key);
    if (!value) return fm_error(ctx, FM_FORMAT, "%s: its metadata lack '%s'", where, key);
    if (fm_recipe_set(ctx, recipe, fm_fields[i].key, value, where) != FM_OK) return FM_FORMAT;
  }
  return fm_recipe_check(ctx, recipe) == FM_OK ? FM_OK : FM_FORMAT;
}

enum fm_status fm_recipe_preprocess(struct fm_context *ctx, const struct fm_recipe *recipe,
                                    struct fm_preprocess *out) {
  *out = (struct fm_preprocess){.size = (int)recipe->size};
  return fm_resize_parse(ctx, recipe->resize, &out->resize);
}

struct fm_synthetic fm_recipe_synthetic(const struct fm_recipe *r, const char *category) {
  struct fm_synthetic s = fm_synthetic_cdo(category);
  s.kind = r->mom ? FM_SYNTHETIC_CDO : FM_SYNTHETIC_NONE;
  s.most = (int)r->patches;
  s.smallest = (int)r->patch_smallest;
  s.largest = (int)r->patch_largest;
  s.redraws = (int)r->redraws;
  if (r->skip_background != FM_AUTO) s.skip_background = r->skip_background == FM_YES;
  return s;
}

struct fm_adam fm_recipe_adam(const struct fm_recipe *r) {
  return (struct fm_adam){
      .lr = r->lr, .beta1 = r->beta1, .beta2 = r->beta2, .eps = r->epsilon, .decay = r->weight_decay};
}
