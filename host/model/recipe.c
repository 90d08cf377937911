#define _POSIX_C_SOURCE 200809L
#include "model/recipe.h"

#include "base/embedded.h"
#include "base/memory.h"
#include "base/text.h"
#include "file/ini.h"
#include "model/method.h"
#include "net/backbone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct fm_recipe, field), sizeof(((struct fm_recipe *)0)->field)

/* clang-format off */
#define GRADIENT (FM_CDO | FM_CFLOW)
const struct fm_field fm_fields[] = {
    {"method", FM_FIELD_TEXT, FM_EVERY, AT(method), 0, 0, "M", "cdo, padim, patchcore or cflow (--method M --help)", "0.1.0", NULL, false},
    {"backbone", FM_FIELD_TEXT, FM_EVERY, AT(backbone), 0, 0, "B", "the network, such as resnet18 or hrnet32", "0.1.0", NULL, false},
    {"size", FM_FIELD_SIZE, FM_EVERY, AT(size), 32, 4096, "N|WxH", "resize pictures to N x N or width x height, multiples of 32", "0.1.0", NULL, false},
    {"crop", FM_FIELD_SIZE, FM_EVERY, AT(crop), 0, 4096, "N|WxH", "then use only their middle (0: all)", "0.1.0", "0", false},
    {"tile", FM_FIELD_INT, FM_EVERY, AT(tile), 0, 4096, "N", "look at overlapping tiles of N x N of the picture's own pixels", "0.1.0", "0", true},
    {"resize", FM_FIELD_TEXT, FM_EVERY, AT(resize), 0, 0, "cv2|pil|lanczos", "resize as OpenCV or Pillow does", "0.1.0", NULL, false},
    {"light", FM_FIELD_TEXT, FM_EVERY, AT(light), 0, 0, "auto|off|gain|colour", "bring pictures to one light", "0.1.0", "off", true},
    {"align", FM_FIELD_TEXT, FM_EVERY, AT(align), 0, 0, "auto|off", "bring parts to one pose (auto: where that pays)", "0.1.0", "off", true},
    {"batch", FM_FIELD_INT, FM_EVERY, AT(batch), 1, 4096, "N", "pictures per step", "0.1.0", NULL, false},
    {"seed", FM_FIELD_INT, FM_EVERY, AT(seed), 0, 9e15, "N", "seed of all random numbers", "0.1.0", NULL, false},
    {"shots", FM_FIELD_INT, FM_EVERY, AT(shots), 0, 1e6, "N", "learn from N good pictures only (0: all)", "0.1.0", "0", false},
    {"hold-out", FM_FIELD_NUMBER, FM_EVERY, AT(hold_out), 0, 0.9, "P", "share of the training pictures held out for thresholds", "0.1.0", NULL, false},
    {"learn-all", FM_FIELD_FLAG, FM_PADIM | FM_PATCHCORE, AT(learn_all), 0, 0, NULL, "learn from all; thresholds from each, scored as if not learned", "0.1.0", "no", true},
    {"false-alarms", FM_FIELD_NUMBER, FM_EVERY, AT(false_alarms), 1e-6, 0.5, "P", "share of good pictures that may be flagged", "0.1.0", NULL, false},
    {"leave-out-odd", FM_FIELD_FLAG, FM_EVERY, AT(leave_out_odd), 0, 0, NULL, NULL, "0.1.0", "no", true},
    {"refine", FM_FIELD_FLAG, FM_EVERY, AT(refine), 0, 0, NULL, "also learn what 'predict --refine' needs", "0.1.0", "no", false},
    {"epochs", FM_FIELD_INT, GRADIENT, AT(epochs), 1, 1000000, "N", "passes over the training pictures", "0.1.0", NULL, false},
    {"steps", FM_FIELD_INT, FM_CDO, AT(steps), 0, 1e7, "N", "at least so many steps, by more passes; ends early where pieces gain no more (0: neither)", "0.1.0", "0", true},
    {"lr", FM_FIELD_NUMBER, GRADIENT, AT(lr), 1e-12, 1e6, "X", "learning rate", "0.1.0", NULL, false},
    {"lr-decay", FM_FIELD_NUMBER, FM_CDO, AT(lr_decay), 1e-6, 1e3, "X", NULL, "0.1.0", NULL, false},
    {"lr-drop", FM_FIELD_INT, FM_CDO, AT(lr_drop), 0, 1000000, "N", NULL, "0.1.0", "0", false},
    {"weight-decay", FM_FIELD_NUMBER, FM_CDO, AT(weight_decay), 0, 1e3, "X", NULL, "0.1.0", NULL, false},
    {"beta1", FM_FIELD_NUMBER, GRADIENT, AT(beta1), 0, 0.9999999, "X", NULL, "0.1.0", NULL, false},
    {"beta2", FM_FIELD_NUMBER, GRADIENT, AT(beta2), 0, 0.9999999, "X", NULL, "0.1.0", NULL, false},
    {"epsilon", FM_FIELD_NUMBER, GRADIENT, AT(epsilon), 1e-30, 1, "X", NULL, "0.1.0", NULL, false},
    {"clip", FM_FIELD_NUMBER, FM_CDO, AT(clip), 0, 1e9, "X", NULL, "0.1.0", "0", false},
    {"variant", FM_FIELD_TEXT, FM_CDO, AT(variant), 0, 0, "2023|2025", NULL, "0.1.0", "2023", false},
    {"gamma", FM_FIELD_NUMBER, FM_CDO, AT(gamma), 0, 100, "X", NULL, "0.1.0", NULL, false},
    {"mom", FM_FIELD_FLAG, FM_CDO, AT(mom), 0, 0, NULL, "train with synthetic anomalies (margin)", "0.1.0", NULL, false},
    {"oom", FM_FIELD_FLAG, FM_CDO, AT(oom), 0, 0, NULL, "weight positions by their overlap", "0.1.0", NULL, false},
    {"skip-background", FM_FIELD_SWITCH, FM_CDO, AT(skip_background), 0, 0, NULL, "no synthetic anomalies on plain background", "0.1.0", NULL, false},
    {"patches", FM_FIELD_INT, FM_CDO, AT(patches), 0, 1000, "N", NULL, "0.1.0", NULL, false},
    {"patch-smallest", FM_FIELD_INT, FM_CDO, AT(patch_smallest), 1, 4096, "N", NULL, "0.1.0", NULL, false},
    {"patch-largest", FM_FIELD_INT, FM_CDO, AT(patch_largest), 1, 4096, "N", NULL, "0.1.0", NULL, false},
    {"patch-canvas", FM_FIELD_INT, FM_CDO, AT(patch_canvas), 0, 4096, "N", NULL, "0.1.0", "0", false},
    {"redraws", FM_FIELD_INT, FM_CDO, AT(redraws), 0, 1e6, "N", NULL, "0.1.0", NULL, false},
    {"momentum", FM_FIELD_NUMBER, FM_CDO, AT(momentum), 1e-6, 1, "X", NULL, "0.1.0", NULL, false},
    {"reestimate", FM_FIELD_FLAG, FM_CDO, AT(reestimate), 0, 0, NULL, NULL, "0.1.0", NULL, false},
    {"real-anomalies", FM_FIELD_INT, FM_CDO, AT(real_anomalies), 0, 1e6, "N", "also learn from N flawed test pictures", "0.1.0", "0", false},
    {"channels", FM_FIELD_INT, FM_PADIM, AT(channels), 0, 4096, "N", "number of channels, drawn at random (0: all)", "0.1.0", NULL, false},
    {"channel-list", FM_FIELD_TEXT, FM_PADIM, AT(channel_list), 0, 0, "NAME", "a published choice of channels", "0.1.0", NULL, false},
    {"regulariser", FM_FIELD_NUMBER, FM_PADIM, AT(regulariser), 1e-12, 1e6, "X", "added to the covariance's diagonal", "0.1.0", NULL, false},
    {"floor", FM_FIELD_NUMBER, FM_PADIM, AT(floor), 0, 1e6, "P", "also added: this share of the mean variance", "0.1.0", "0", true},
    {"features", FM_FIELD_TEXT, FM_PATCHCORE, AT(features), 0, 0, "concat|official", "of a cell (official: pooled to --dimensions)", "0.1.0", NULL, false},
    {"fine", FM_FIELD_NUMBER, FM_PATCHCORE, AT(fine), 1e-3, 1e3, "X", "weight of concat's finer half", "0.1.0", "1", true},
    {"dimensions", FM_FIELD_INT, FM_PATCHCORE, AT(dimensions), 2, 4096, "N", NULL, "0.1.0", NULL, false},
    {"coreset", FM_FIELD_NUMBER, FM_PATCHCORE, AT(coreset), 1e-6, 1, "P", "share of the features to keep", "0.1.0", NULL, false},
    {"projection", FM_FIELD_INT, FM_PATCHCORE, AT(projection), 0, 4096, "N", "dimensions used to choose them (0: all)", "0.1.0", NULL, false},
    {"bank-limit", FM_FIELD_INT, FM_PATCHCORE, AT(bank_limit), 0, 100000000, "N", "keep at most so many features (0: no limit)", "0.1.0", NULL, false},
    {"neighbours", FM_FIELD_INT, FM_PATCHCORE, AT(neighbours), 1, 64, "N", "nearest neighbours to average", "0.1.0", NULL, false},
    {"reweight", FM_FIELD_INT, FM_PATCHCORE, AT(reweight), 0, 64, "N", "neighbours that weight the picture's score (0: off)", "0.1.0", NULL, false},
    {"blocks", FM_FIELD_INT, FM_CFLOW, AT(blocks), 1, 64, "N", "coupling blocks per flow", "0.1.0", NULL, false},
    {"condition", FM_FIELD_INT, FM_CFLOW, AT(condition), 4, 1024, "N", NULL, "0.1.0", NULL, false},
    {"fibres", FM_FIELD_INT, FM_CFLOW, AT(fibres), 1, 65536, "N", "feature vectors per step", "0.1.0", NULL, false},
    {"passes", FM_FIELD_INT, FM_CFLOW, AT(passes), 1, 1000, "N", "passes over the pictures per epoch", "0.1.0", NULL, false},
    {"warmup", FM_FIELD_INT, FM_CFLOW, AT(warmup), 0, 1000, "N", NULL, "0.1.0", NULL, false},
    {"lr-first", FM_FIELD_NUMBER, FM_CFLOW, AT(lr_first), 0, 1e6, "X", NULL, "0.1.0", NULL, false},
    {"lr-last", FM_FIELD_NUMBER, FM_CFLOW, AT(lr_last), 0, 1e6, "X", NULL, "0.1.0", NULL, false},
    {"clamp", FM_FIELD_NUMBER, FM_CFLOW, AT(clamp), 1e-3, 100, "X", NULL, "0.1.0", NULL, false},
    {"rotate", FM_FIELD_NUMBER, FM_CFLOW, AT(rotate), 0, 180, "X", "largest rotation of training pictures in degrees", "0.1.0", NULL, false},
    {"normal-share", FM_FIELD_NUMBER, FM_CFLOW, AT(normal_share), 0, 1, "P", NULL, "0.1.0", "1", false},
    {"mixing", FM_FIELD_TEXT, FM_CFLOW, AT(mixing), 0, 0, "orthogonal|permutation", "between blocks", "0.1.0", NULL, false},
    {"padding", FM_FIELD_TEXT, FM_CFLOW, AT(padding), 0, 0, "P", "of the network's convolutions: zero or reflect", "0.1.0", NULL, false},
};
/* clang-format on */
_Static_assert(sizeof fm_fields / sizeof *fm_fields == FM_FIELDS, "FM_FIELDS is the number of rows");

void fm_recipe_default(struct fm_recipe *r) {
  *r = (struct fm_recipe){.method = "cdo",
                          .backbone = "efficientnet_lite0",
                          .resize = "cv2",
                          .light = "off",
                          .align = "off",
                          .size = {256, 256},
                          .batch = 16,
                          .seed = 111,
                          .hold_out = 0.2,
                          .false_alarms = 0.01,
                          .epochs = 50,
                          .lr = 4e-4,
                          .lr_decay = 0.95,
                          .weight_decay = 1e-4,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .variant = "2023",
                          .gamma = 2,
                          .momentum = 0.1,
                          .mom = true,
                          .oom = true,
                          .reestimate = true,
                          .patches = 4,
                          .patch_smallest = 40,
                          .patch_largest = 10,
                          .redraws = 200};
}

bool fm_recipe_automatic(const struct fm_recipe *recipe) {
  return strcmp(recipe->method, FM_METHOD_AUTO) == 0;
}

enum fm_status fm_recipe_begin(struct fm_context *ctx, const char *method, struct fm_recipe *recipe) {
  const struct fm_method *m;
  FM_TRY(fm_method_find(ctx, method, &m));
  fm_recipe_default(recipe);
  snprintf(recipe->method, sizeof recipe->method, "%s", m->name);
  if (m->defaults) m->defaults(recipe);
  return FM_OK;
}

bool fm_recipe_has(const struct fm_recipe *recipe, int i) {
  const struct fm_method *m = fm_method_of(recipe);
  return !m || (fm_fields[i].methods & m->bit) != 0;
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
    return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s'; it must be a %s from %g to %g", where, f->key, value,
                    f->kind == FM_FIELD_INT ? "whole number" : "number", f->low, f->high);
  if (f->kind == FM_FIELD_INT)
    *(long *)at = (long)v;
  else
    *(double *)at = v;
  return FM_OK;
}

static enum fm_status set_size(struct fm_context *ctx, const struct fm_field *f, struct fm_size *at,
                               const char *value, const char *where) {
  struct fm_size s;
  int low = (int)f->low, high = (int)f->high;
  bool fits =
      fm_size_parse(value, &s) && s.width >= low && s.height >= low && s.width <= high && s.height <= high;
  if (!fits)
    return fm_error(ctx, FM_USAGE,
                    "%s: %s is '%.40s'; it must be a whole number from %d to %d, or width x height, such as "
                    "512x384",
                    where, f->key, value, low, high);
  *at = s;
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
      return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s'; it must be yes or no", where, key, value);
    *(bool *)at = yes;
    return FM_OK;
  case FM_FIELD_SWITCH:
    if (!yes && !no && !automatic)
      return fm_error(ctx, FM_USAGE, "%s: %s is '%.40s'; it must be yes, no or auto", where, key, value);
    *(enum fm_switch *)at = yes ? FM_YES : no ? FM_NO : FM_AUTO;
    return FM_OK;
  case FM_FIELD_TEXT:
    if (strlen(value) >= f->size)
      return fm_error(ctx, FM_USAGE, "%s: there is no %s '%.60s'", where, key, value);
    memset(at, 0, f->size);
    memcpy(at, value, strlen(value));
    return FM_OK;
  case FM_FIELD_SIZE:
    return set_size(ctx, f, at, value, where);
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
  case FM_FIELD_SIZE: {
    char text[FM_SIZE_TEXT];
    snprintf(out, FM_FIELD_VALUE, "%s", fm_size_text(*(const struct fm_size *)at, text));
    break;
  }
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
                                struct fm_recipe *recipe) {
  bool steps = false;
  for (size_t i = 0; i < ini->count; i++) {
    const struct fm_ini_entry *e = &ini->entries[i];
    char place[160];
    snprintf(place, sizeof place, "%.120s, line %d", where, e->line);
    FM_TRY(fm_recipe_set(ctx, recipe, e->key, e->value, place));
    steps |= strcmp(e->key, "steps") == 0;
    if (!steps && strcmp(e->key, "epochs") == 0) recipe->steps = 0; /* whoever names epochs means them */
    if (!fm_recipe_has(recipe, fm_field_find(e->key)))
      return fm_error(ctx, FM_USAGE, "%s: %s has no effect with the method %s; remove it", place, e->key,
                      recipe->method);
  }
  return FM_OK;
}

bool fm_recipe_holds_out(const bool *given) {
  return given[fm_field_find("hold-out")] && !given[fm_field_find("learn-all")];
}

/* The method comes first, whatever line it is on: it decides on the defaults. */
static enum fm_status begin_ini(struct fm_context *ctx, const struct fm_ini *ini, struct fm_recipe *recipe) {
  const char *method = "cdo";
  bool given[FM_FIELDS] = {0};
  for (size_t i = 0; i < ini->count; i++) {
    int field = fm_field_find(ini->entries[i].key);
    if (strcmp(ini->entries[i].key, "method") == 0) method = ini->entries[i].value;
    if (field >= 0) given[field] = true;
  }
  FM_TRY(fm_recipe_begin(ctx, method, recipe));
  if (fm_recipe_holds_out(given)) recipe->learn_all = false;
  return FM_OK;
}

const struct fm_embedded *fm_recipe_next(const struct fm_embedded *last) {
  for (const struct fm_embedded *e = last ? last + 1 : fm_embedded_models; e->name; e++) {
    size_t n = strlen(e->name);
    if (n > 4 && strcmp(e->name + n - 4, ".ini") == 0) return e;
  }
  return NULL;
}

/* A recipe's file begins with a comment that says whose it is: "; CDO as published: Cao, Xu, ...". */
void fm_recipe_about(const struct fm_embedded *recipe, char name[64], char about[160]) {
  const char *text = (const char *)recipe->bytes;
  size_t begin = strspn(text, "; "), length = strcspn(text + begin, ":\n");
  snprintf(name, 64, "%.*s", (int)strlen(recipe->name) - 4, recipe->name);
  snprintf(about, 160, "%.*s", (int)length, text + begin);
}

static enum fm_status no_such_recipe(struct fm_context *ctx, const char *name) {
  return fm_error(
      ctx, FM_USAGE,
      "there is no recipe '%s'; 'flawmap train --recipe list' shows those there are; a file of your "
      "own ends in .ini",
      name);
}

enum fm_status fm_recipe_read(struct fm_context *ctx, const char *name, struct fm_recipe *recipe) {
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
  enum fm_status status = begin_ini(ctx, &ini, recipe);
  if (status == FM_OK) status = apply_ini(ctx, &ini, where, recipe);
  fm_ini_free(ctx, &ini);
  return status;
}

/* What would need the whole picture. */
static enum fm_status check_tile(struct fm_context *ctx, const struct fm_recipe *r) {
  const struct fm_standard_wish wish = fm_recipe_wish(r);
  if (!r->tile) return FM_OK;
  if (r->tile < 32)
    return fm_error(ctx, FM_USAGE,
                    "--tile %ld is too small; it must be from 32 to 4096, or 0 for the whole picture",
                    r->tile);
  if (r->crop.width)
    return fm_error(ctx, FM_USAGE,
                    "--crop does not go with --tile, which looks at all of the picture; leave one out");
  if (fm_standard_wish_none(&wish)) return FM_OK;
  return fm_error(
      ctx, FM_USAGE,
      "light and pose are found in whole pictures, so they do not go with --tile; add --light off and "
      "--align off, or leave --tile out");
}

enum fm_status fm_recipe_check(struct fm_context *ctx, const struct fm_recipe *r) {
  const struct fm_backbone *backbone;
  const struct fm_method *method;
  struct fm_preprocess preprocess;
  FM_TRY(fm_method_find(ctx, r->method, &method));
  FM_TRY(fm_backbone_find(ctx, r->backbone, &backbone));
  FM_TRY(fm_recipe_preprocess(ctx, r, &preprocess));
  FM_TRY(fm_preprocess_check(ctx, &preprocess));
  FM_TRY(check_tile(ctx, r));
  const struct fm_standard_wish wish = fm_recipe_wish(r);
  FM_TRY(fm_standard_wish_check(ctx, &wish));
  const struct fm_size size = fm_preprocess_size(&preprocess);
  char text[FM_SIZE_TEXT];
  if (size.width % 32 || size.height % 32)
    return fm_error(ctx, FM_USAGE, "the size is %s; it must be a multiple of 32 from 32 to 4096",
                    fm_size_text(size, text));
  return method->check ? method->check(ctx, r) : FM_OK;
}

enum fm_status fm_recipe_save(const struct fm_recipe *recipe, struct fm_safetensors_out *out) {
  for (int i = 0; i < FM_FIELDS; i++) {
    char key[48], value[FM_FIELD_VALUE];
    if (!fm_recipe_has(recipe, i)) continue;
    snprintf(key, sizeof key, "recipe.%s", fm_fields[i].key);
    fm_recipe_get(recipe, i, value);
    if (fm_fields[i].quiet && strcmp(value, fm_fields[i].before) == 0) continue;
    FM_TRY(fm_safetensors_out_meta(out, key, value));
  }
  return FM_OK;
}

/* "1.10.2" as a number to compare; 0 for what is no version. */
static long version_number(const char *text) {
  long number = 0;
  for (int part = 0; text && part < 3; part++) {
    char *end;
    if (*text < '0' || *text > '9') return 0;
    long n = strtol(text, &end, 10);
    if (n >= 10000 || *end != (part < 2 ? '.' : 0)) return 0;
    number = number * 10000 + n;
    text = end + 1;
  }
  return number;
}

/* The value that a file lacks: what programs did before the constant was there, where the file can be as old.
 */
static const char *value_before(const struct fm_safetensors *file, const struct fm_field *f) {
  if (f->quiet) return f->before;
  long wrote = version_number(fm_safetensors_meta(file, FM_RECIPE_PROGRAM));
  return wrote <= version_number(f->since) ? f->before : NULL;
}

/* A constant that only a newer program knows would be left out of what is computed. */
static enum fm_status refuse_unknown(struct fm_context *ctx, const struct fm_safetensors *file) {
  static const char prefix[] = "recipe.";
  const char *key;
  for (size_t i = 0; (key = fm_safetensors_meta_key(file, i)); i++)
    if (strncmp(key, prefix, sizeof prefix - 1) == 0 && fm_field_find(key + sizeof prefix - 1) < 0)
      return fm_error(ctx, FM_FORMAT, "'%s' has a constant '%s' that this flawmap (%s) does not know",
                      fm_safetensors_path(file), key + sizeof prefix - 1, fm_version());
  return FM_OK;
}

enum fm_status fm_recipe_load(struct fm_context *ctx, const struct fm_safetensors *file,
                              struct fm_recipe *recipe) {
  char where[300];
  snprintf(where, sizeof where, "'%.200s' is damaged or not flawmap's", fm_safetensors_path(file));
  const char *method = fm_safetensors_meta(file, "recipe.method");
  if (!method) return fm_error(ctx, FM_FORMAT, "%s: its metadata has no 'recipe.method'", where);
  if (fm_recipe_begin(ctx, method, recipe) != FM_OK) return FM_FORMAT;
  for (int i = 0; i < FM_FIELDS; i++) {
    char key[48];
    if (!fm_recipe_has(recipe, i)) continue;
    snprintf(key, sizeof key, "recipe.%s", fm_fields[i].key);
    const char *value = fm_safetensors_meta(file, key);
    if (!value) value = value_before(file, &fm_fields[i]);
    if (!value) return fm_error(ctx, FM_FORMAT, "%s: its metadata has no '%s'", where, key);
    if (fm_recipe_set(ctx, recipe, fm_fields[i].key, value, where) != FM_OK) return FM_FORMAT;
  }
  FM_TRY(refuse_unknown(ctx, file));
  return fm_recipe_check(ctx, recipe) == FM_OK ? FM_OK : FM_FORMAT;
}

enum fm_status fm_recipe_name_version(struct fm_context *ctx, const struct fm_safetensors *file,
                                      enum fm_status status) {
  const char *wrote = fm_safetensors_meta(file, FM_RECIPE_PROGRAM);
  if (status != FM_FORMAT || !wrote) return status;
  char message[sizeof ctx->message];
  memcpy(message, ctx->message, sizeof message);
  fm_error_clear(ctx);
  bool newer = version_number(wrote) > version_number(fm_version());
  return fm_error(ctx, status, "%.800s (flawmap %.20s wrote it%s%s%s)", message, wrote,
                  newer ? ", which is newer than this one, " : "", newer ? fm_version() : "",
                  newer ? ": use that one" : "");
}

enum fm_status fm_recipe_preprocess(struct fm_context *ctx, const struct fm_recipe *recipe,
                                    struct fm_preprocess *out) {
  *out = (struct fm_preprocess){.size = recipe->size, .crop = recipe->crop, .tile = (int)recipe->tile};
  return fm_resize_parse(ctx, recipe->resize, &out->resize);
}

struct fm_standard_wish fm_recipe_wish(const struct fm_recipe *recipe) {
  return (struct fm_standard_wish){.light = recipe->light, .align = recipe->align};
}

struct fm_synthetic fm_recipe_synthetic(const struct fm_recipe *r, const char *category) {
  struct fm_synthetic s = fm_synthetic_cdo(category);
  s.kind = r->mom ? FM_SYNTHETIC_CDO : FM_SYNTHETIC_NONE;
  s.most = (int)r->patches;
  s.smallest = (int)r->patch_smallest;
  s.largest = (int)r->patch_largest;
  s.redraws = (int)r->redraws;
  s.canvas = (int)r->patch_canvas;
  if (r->skip_background != FM_AUTO) s.skip_background = r->skip_background == FM_YES;
  return s;
}

long fm_recipe_epochs(const struct fm_recipe *r, size_t pictures) {
  long batches = (long)((pictures + (size_t)r->batch - 1) / (size_t)r->batch);
  long epochs = batches ? (r->steps + batches - 1) / batches : 0;
  return epochs > r->epochs ? epochs : r->epochs;
}

bool fm_recipe_2025(const struct fm_recipe *r) {
  return strcmp(r->variant, "2025") == 0;
}

struct fm_adam fm_recipe_adam(const struct fm_recipe *r) {
  return (struct fm_adam){
      .lr = r->lr, .beta1 = r->beta1, .beta2 = r->beta2, .eps = r->epsilon, .decay = r->weight_decay};
}
