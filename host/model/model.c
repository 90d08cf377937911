#define _POSIX_C_SOURCE 200809L
#include "model/model.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "file/pth.h"
#include "model/method.h"
#include "model/real.h"
#include "model/seen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CHOICE = 1 << 14 }; /* bytes */

static enum fm_status refuse(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                             const char *value) {
  if (!value)
    return fm_error(ctx, FM_FORMAT, "'%s' is not a usable model: its metadata has no '%s'",
                    fm_safetensors_path(file), key);
  return fm_error(ctx, FM_FORMAT, "'%s' is not a usable model: in its metadata '%s' is '%.80s'",
                  fm_safetensors_path(file), key, value);
}

/* ---- metadata: texts and numbers of known size ---- */

static enum fm_status get_text(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                               size_t room, char *out) {
  const char *value = fm_safetensors_meta(file, key);
  if (!value || strlen(value) >= room) return refuse(ctx, file, key, value);
  memcpy(out, value, strlen(value) + 1);
  return FM_OK;
}

static enum fm_status get_number(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                                 double low, double high, bool none, double *out) {
  const char *value = fm_safetensors_meta(file, key);
  if (value && none && strcmp(value, "none") == 0) {
    *out = NAN;
    return FM_OK;
  }
  char *end = NULL;
  *out = value ? strtod(value, &end) : 0;
  return value && end != value && !*end && *out >= low && *out <= high ? FM_OK
                                                                       : refuse(ctx, file, key, value);
}

static enum fm_status get_count(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                                size_t *out) {
  double v;
  FM_TRY(get_number(ctx, file, key, 0, 9e15, false, &v));
  *out = (size_t)v;
  return FM_OK;
}

static enum fm_status get_flag(struct fm_context *ctx, const struct fm_safetensors *file, const char *key,
                               bool *out) {
  const char *value = fm_safetensors_meta(file, key);
  *out = value && strcmp(value, "yes") == 0;
  return value && (*out || strcmp(value, "no") == 0) ? FM_OK : refuse(ctx, file, key, value);
}

static enum fm_status put_number(struct fm_safetensors_out *out, const char *key, double v) {
  char text[40];
  snprintf(text, sizeof text, "%.17g", v);
  return fm_safetensors_out_meta(out, key, isfinite(v) ? text : "none");
}

static enum fm_status put_flag(struct fm_safetensors_out *out, const char *key, bool v) {
  return fm_safetensors_out_meta(out, key, v ? "yes" : "no");
}

/* ---- thresholds ---- */

/* "threshold.image.value" */
static const char *key_of(char out[64], const char *which, const char *field) {
  snprintf(out, 64, "threshold.%s.%s", which, field);
  return out;
}

static enum fm_status put_threshold(struct fm_safetensors_out *out, const char *which,
                                    const struct fm_threshold *t) {
  char key[64];
  FM_TRY(put_number(out, key_of(key, which, "value"), t->value));
  FM_TRY(put_number(out, key_of(key, which, "alpha"), t->alpha));
  FM_TRY(put_number(out, key_of(key, which, "n"), (double)t->n));
  FM_TRY(put_number(out, key_of(key, which, "k"), (double)t->k));
  FM_TRY(put_flag(out, key_of(key, which, "kept"), t->kept));
  FM_TRY(put_number(out, key_of(key, which, "promised"), t->promised));
  FM_TRY(put_number(out, key_of(key, which, "low"), t->low));
  FM_TRY(put_number(out, key_of(key, which, "high"), t->high));
  return fm_safetensors_out_meta(out, key_of(key, which, "origin"), t->origin);
}

static enum fm_status get_threshold(struct fm_context *ctx, const struct fm_safetensors *file,
                                    const char *which, struct fm_threshold *t) {
  char key[64];
  FM_TRY(get_number(ctx, file, key_of(key, which, "value"), -1e30, 1e30, false, &t->value));
  FM_TRY(get_number(ctx, file, key_of(key, which, "alpha"), 0, 1, false, &t->alpha));
  FM_TRY(get_count(ctx, file, key_of(key, which, "n"), &t->n));
  FM_TRY(get_count(ctx, file, key_of(key, which, "k"), &t->k));
  FM_TRY(get_flag(ctx, file, key_of(key, which, "kept"), &t->kept));
  FM_TRY(get_number(ctx, file, key_of(key, which, "promised"), 0, 1, true, &t->promised));
  FM_TRY(get_number(ctx, file, key_of(key, which, "low"), 0, 1, true, &t->low));
  FM_TRY(get_number(ctx, file, key_of(key, which, "high"), 0, 1, true, &t->high));
  return get_text(ctx, file, key_of(key, which, "origin"), sizeof t->origin, t->origin);
}

/* ---- saving ---- */

static enum fm_status put_all(const struct fm_model *m, struct fm_safetensors_out *out, bool thin) {
  FM_TRY(fm_safetensors_out_meta(out, "flawmap.model", FM_MODEL_VERSION));
  FM_TRY(fm_safetensors_out_meta(out, FM_RECIPE_PROGRAM, fm_version()));
  FM_TRY(fm_recipe_save(&m->recipe, out));
  FM_TRY(fm_safetensors_out_meta(out, "data.category", m->data.category));
  FM_TRY(fm_safetensors_out_meta(out, "data.hash", m->data.hash));
  FM_TRY(put_number(out, "data.learned", (double)m->data.learned));
  if (m->data.tiles) FM_TRY(put_number(out, "data.tiles", (double)m->data.tiles));
  FM_TRY(put_number(out, "data.held", (double)m->data.held));
  if (m->data.joined) FM_TRY(put_number(out, "data.joined", (double)m->data.joined));
  if (m->data.pictures) FM_TRY(fm_safetensors_out_meta(out, "data.pictures", m->data.pictures));
  if (m->data.real) FM_TRY(fm_safetensors_out_meta(out, "data.real", m->data.real));
  if (m->data.choice) FM_TRY(fm_safetensors_out_meta(out, "choice", m->data.choice));
  FM_TRY(fm_safetensors_out_meta(out, "device", m->device));
  FM_TRY(put_flag(out, "expert.trained", m->expert.trained));
  FM_TRY(fm_safetensors_out_meta(out, "expert.hash", m->expert.hash));
  FM_TRY(fm_safetensors_out_meta(out, "expert.file", m->expert.file));
  FM_TRY(put_flag(out, "expert.inside", !thin));
  FM_TRY(put_flag(out, "threshold", m->has_thresholds));
  if (m->has_thresholds) {
    FM_TRY(put_threshold(out, "image", &m->image));
    FM_TRY(put_threshold(out, "pixel", &m->pixel));
  }
  if (!thin) FM_TRY(fm_weights_save(&m->expert.weights, out, "expert."));
  FM_TRY(fm_weights_save(&m->learned, out, fm_method_of(&m->recipe)->prefix));
  FM_TRY(fm_standard_save(&m->standard, out));
  if (m->refinement.there) FM_TRY(put_threshold(out, "refined", &m->refinement.threshold));
  if (m->refinement.scores) FM_TRY(put_threshold(out, "refined-image", &m->refinement.image));
  return fm_refinement_save(&m->refinement, out);
}

enum fm_status fm_model_save(const struct fm_model *model, const char *path, bool thin) {
  struct fm_safetensors_out *out;
  FM_TRY(fm_safetensors_out_open(model->ctx, &out));
  enum fm_status status = put_all(model, out, thin);
  if (status == FM_OK) status = fm_safetensors_out_write(out, path);
  fm_safetensors_out_free(out);
  return status;
}

size_t fm_model_samples(const struct fm_model *m) {
  return m->data.tiles ? m->data.tiles : m->data.learned;
}

/* ---- loading ---- */

static enum fm_status get_head(struct fm_context *ctx, const struct fm_safetensors *file,
                               struct fm_model *m) {
  const char *version = fm_safetensors_meta(file, "flawmap.model");
  if (!version)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' is not a flawmap model; 'flawmap train' and 'flawmap convert' make one",
                    fm_safetensors_path(file));
  if (strcmp(version, FM_MODEL_VERSION) != 0)
    return fm_error(ctx, FM_FORMAT,
                    "'%s' has the format '%.20s'; this flawmap (%s) reads format " FM_MODEL_VERSION,
                    fm_safetensors_path(file), version, fm_version());
  FM_TRY(fm_recipe_load(ctx, file, &m->recipe));
  FM_TRY(fm_backbone_find(ctx, m->recipe.backbone, &m->backbone));
  FM_TRY(get_text(ctx, file, "data.category", sizeof m->data.category, m->data.category));
  FM_TRY(get_text(ctx, file, "data.hash", sizeof m->data.hash, m->data.hash));
  FM_TRY(get_count(ctx, file, "data.learned", &m->data.learned));
  FM_TRY(get_count(ctx, file, "data.held", &m->data.held));
  if (fm_safetensors_meta(file, "data.joined")) FM_TRY(get_count(ctx, file, "data.joined", &m->data.joined));
  if (m->recipe.tile) FM_TRY(get_count(ctx, file, "data.tiles", &m->data.tiles));
  const char *pictures = fm_safetensors_meta(file, "data.pictures"); /* older models have none */
  if (pictures && !fm_seen_valid(pictures)) return refuse(ctx, file, "data.pictures", pictures);
  if (pictures && !(m->data.pictures = fm_strdup(ctx, pictures))) return FM_MEMORY;
  const char *real = fm_safetensors_meta(file, "data.real");
  if (real && !fm_real_valid(real)) return refuse(ctx, file, "data.real", real);
  if (real && !(m->data.real = fm_strdup(ctx, real))) return FM_MEMORY;
  const char *choice = fm_safetensors_meta(file, "choice");
  if (choice && strlen(choice) > MOST_CHOICE) return refuse(ctx, file, "choice", "a very long text");
  if (choice && !(m->data.choice = fm_strdup(ctx, choice))) return FM_MEMORY;
  FM_TRY(get_text(ctx, file, "device", sizeof m->device, m->device));
  FM_TRY(get_flag(ctx, file, "expert.trained", &m->expert.trained));
  FM_TRY(get_text(ctx, file, "expert.hash", sizeof m->expert.hash, m->expert.hash));
  FM_TRY(get_text(ctx, file, "expert.file", sizeof m->expert.file, m->expert.file));
  FM_TRY(get_flag(ctx, file, "threshold", &m->has_thresholds));
  if (m->has_thresholds) {
    FM_TRY(get_threshold(ctx, file, "image", &m->image));
    FM_TRY(get_threshold(ctx, file, "pixel", &m->pixel));
  }
  return FM_OK;
}

static enum fm_status get_network(struct fm_model *m, const struct fm_safetensors *file, const char *prefix,
                                  struct fm_weights *w) {
  FM_TRY(fm_backbone_weights(m->ctx, m->backbone, w));
  FM_TRY(fm_weights_load(w, file, prefix));
  return fm_weights_check(w, fm_safetensors_path(file), prefix);
}

/* What the method learned: of shapes that the recipe decides on, or of any that the method accepts. */
static enum fm_status get_learned(struct fm_model *m, const struct fm_safetensors *file, const char *path) {
  const struct fm_method *method = fm_method_of(&m->recipe);
  if (method->shape) {
    FM_TRY(method->shape(m->ctx, &m->recipe, &m->learned));
    FM_TRY(fm_weights_load(&m->learned, file, method->prefix));
  } else {
    FM_TRY(fm_weights_take(m->ctx, file, method->prefix, &m->learned));
  }
  FM_TRY(fm_weights_check(&m->learned, path, method->prefix));
  return method->accept ? method->accept(m, path) : FM_OK;
}

/* The expert of a thin model: found elsewhere, and checked to be the one it was trained with. */
static enum fm_status get_expert_elsewhere(struct fm_model *m, const char *path, const char *weights) {
  struct fm_expert found;
  FM_TRY(fm_expert_load(m->ctx, m->backbone, weights, !m->expert.trained && !weights, &found));
  if (strcmp(found.hash, m->expert.hash) != 0) {
    enum fm_status status = fm_error(
        m->ctx, FM_FORMAT,
        "the model '%s' is thin and was trained with other expert weights%s%s than '%s'; name "
        "the right file with --weights",
        path, m->expert.file[0] ? ", " : "", m->expert.file, found.trained ? found.file : "untrained ones");
    fm_expert_free(&found);
    return status;
  }
  m->expert = found;
  return FM_OK;
}

static enum fm_status load(struct fm_model *m, const struct fm_safetensors *file, const char *path,
                           const char *weights) {
  bool inside;
  FM_TRY(get_head(m->ctx, file, m));
  FM_TRY(get_flag(m->ctx, file, "expert.inside", &inside));
  m->thin = !inside;
  struct fm_preprocess preprocess;
  const struct fm_standard_wish wish = fm_recipe_wish(&m->recipe);
  FM_TRY(fm_standard_load(m->ctx, file, !fm_standard_wish_none(&wish), &m->standard));
  FM_TRY(get_learned(m, file, path));
  FM_TRY(fm_recipe_preprocess(m->ctx, &m->recipe, &preprocess));
  FM_TRY(fm_refinement_load(m->ctx, file, fm_preprocess_size(&preprocess), &m->refinement));
  if (m->refinement.there) FM_TRY(get_threshold(m->ctx, file, "refined", &m->refinement.threshold));
  if (m->refinement.scores) FM_TRY(get_threshold(m->ctx, file, "refined-image", &m->refinement.image));
  if (inside) return get_network(m, file, "expert.", &m->expert.weights);
  return get_expert_elsewhere(m, path, weights);
}

/* file is freed here. */
static enum fm_status take_file(struct fm_context *ctx, struct fm_safetensors *file, const char *path,
                                const char *weights, struct fm_model *model) {
  enum fm_status status = fm_recipe_name_version(ctx, file, load(model, file, path, weights));
  fm_safetensors_free(ctx, file);
  if (status != FM_OK) fm_model_free(model);
  return status;
}

enum fm_status fm_model_load(struct fm_context *ctx, const char *path, const char *weights,
                             struct fm_model *model) {
  *model = (struct fm_model){.ctx = ctx};
  struct fm_safetensors *file;
  FM_TRY(fm_safetensors_read(ctx, path, &file));
  return take_file(ctx, file, path, weights, model);
}

enum fm_status fm_model_parse(struct fm_context *ctx, const char *name, const void *bytes, size_t size,
                              const char *weights, struct fm_model *model) {
  *model = (struct fm_model){.ctx = ctx};
  struct fm_safetensors *file;
  if (size > FM_SAFETENSORS_MAX)
    return fm_error(ctx, FM_LIMIT, "'%s' has %zu bytes; a model has at most %zu", name, size,
                    (size_t)FM_SAFETENSORS_MAX);
  unsigned char *copy = fm_alloc(ctx, size + 1, 1); /* a zero behind them, as a file has that was read */
  if (!copy) return FM_MEMORY;
  memcpy(copy, bytes, size);
  FM_TRY(fm_safetensors_parse(ctx, name, copy, size, &file));
  return take_file(ctx, file, name, weights, model);
}

void fm_model_free(struct fm_model *model) {
  fm_expert_free(&model->expert);
  fm_weights_free(&model->learned);
  if (!model->ctx) return;
  fm_refinement_free(model->ctx, &model->refinement);
  fm_standard_free(model->ctx, &model->standard);
  fm_free(model->ctx, model->data.pictures);
  fm_free(model->ctx, model->data.real);
  fm_free(model->ctx, model->data.choice);
  model->data.pictures = model->data.real = model->data.choice = NULL;
}

enum fm_status fm_model_preprocess(const struct fm_model *m, struct fm_preprocess *out) {
  FM_TRY(fm_recipe_preprocess(m->ctx, &m->recipe, out));
  out->standard = fm_standard_none(&m->standard) ? NULL : &m->standard;
  return FM_OK;
}

enum fm_status fm_model_check_trained(const struct fm_model *m, const char *path, bool untrained) {
  if (m->expert.trained || untrained) return FM_OK;
  return fm_error(m->ctx, FM_USAGE,
                  "the model '%s' was trained on an untrained expert (random weights), so its verdicts mean "
                  "little; train it again with pretrained weights ('flawmap fetch %s'), or, only to see that "
                  "everything runs, add --untrained",
                  path, m->backbone->name);
}

enum fm_status fm_model_join(struct fm_context *ctx, const struct fm_recipe *recipe, const char *expert,
                             const char *apprentice, struct fm_model *m) {
  *m = (struct fm_model){.ctx = ctx, .recipe = *recipe};
  FM_TRY(fm_recipe_check(ctx, recipe));
  FM_TRY(fm_backbone_find(ctx, recipe->backbone, &m->backbone));
  struct fm_safetensors *file;
  FM_TRY(fm_tensors_read(ctx, apprentice, &file));
  enum fm_status status = get_network(m, file, "", &m->learned);
  fm_safetensors_free(ctx, file);
  if (status == FM_OK) status = fm_expert_load(ctx, m->backbone, expert, false, &m->expert);
  snprintf(m->data.category, sizeof m->data.category, "unknown");
  snprintf(m->device, sizeof m->device, "trained elsewhere");
  if (status != FM_OK) fm_model_free(m);
  return status;
}

void fm_model_thresholds(const struct fm_model *model, bool refine, struct fm_threshold *image,
                         struct fm_threshold *pixel) {
  static const struct fm_threshold none = {.value = INFINITY,
                                           .alpha = NAN,
                                           .promised = NAN,
                                           .low = NAN,
                                           .high = NAN,
                                           .origin = "the model has no threshold"};
  *image = model->has_thresholds ? model->image : none;
  *pixel = model->has_thresholds ? model->pixel : none;
  if (!refine) return;
  *pixel = model->refinement.threshold;
  if (!model->refinement.scores) return;
  *image = model->refinement.image;
}

bool fm_refine_pays(const struct fm_model *model, enum fm_switch wish) {
  char sentence[400];
  if (wish == FM_AUTO) return model->refinement.there;
  if (wish == FM_NO || !model->refinement.off) return wish == FM_YES;
  fm_refinement_sentence(&model->refinement, sentence);
  fm_note(model->ctx, "note: the maps are the detector's own: %s", sentence);
  return false;
}
