#define _POSIX_C_SOURCE 200809L
#include "task/fit.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "model/real.h"
#include "model/seen.h"
#include "task/auto.h"
#include "task/gain.h"
#include "task/hint.h"
#include "task/learn.h"
#include "task/sharpen.h"

#include <stdio.h>
#include <string.h>

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_fit *fit;
  struct fm_recipe recipe; /* the checkpoint's, when resuming */
  char *checkpoint, *log;
  char hash[17];
  struct fm_holdout split;
  char *real;                /* names of the flawed pictures to learn from; NULL: none */
  struct fm_sample *samples; /* the good and then the flawed ones to learn from */
  size_t good, count;        /* the good ones; all of them */
  size_t dropped;            /* good ones that are odd and no longer among them */
  struct fm_checkpoint from;
  bool resumed, finished;
  struct fm_chosen chosen; /* by the method auto */
  /* What sharpens maps is learned beside a model that did not learn from the pictures held out. Where one was
   * made on the way, by the method auto or for thresholds, this is it, of so many pictures; 0: none was. */
  struct fm_weights rest;
  size_t rest_count;
};

static bool same_list(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The flawed pictures that the command asks for; those of a training to resume are its own. */
static enum fm_status ask_real(struct run *r) {
  const struct fm_fit *fit = r->fit;
  if (fit->real_list) {
    if (!fm_recipe_has(&r->recipe, fm_field_find("real-anomalies")))
      return fm_error(r->ctx, FM_USAGE, "--real-list has no effect with the method %s; leave it out",
                      r->recipe.method);
    FM_TRY(fm_real_read(r->ctx, fit->category, fit->real_list, &r->real));
    r->recipe.real_anomalies = (long)fm_real_count(r->real);
    if (r->recipe.real_anomalies) return FM_OK;
    return fm_error(r->ctx, FM_USAGE, "'%s' names no picture", fit->real_list);
  }
  if (!r->recipe.real_anomalies) return FM_OK;
  return fm_real_draw(r->ctx, fit->category, (uint64_t)r->recipe.seed, (size_t)r->recipe.real_anomalies,
                      &r->real);
}

/* A list that was asked for must be the one that the training at hand began with; without one that is used.
 */
static enum fm_status agree_real(struct run *r, const char *path, const char *began) {
  if (r->fit->real_list && !same_list(r->real, began))
    return fm_error(r->ctx, FM_USAGE,
                    "'%s' began with other flawed pictures than '%s' names; leave --real-list out, or start "
                    "again without --resume",
                    path, r->fit->real_list);
  fm_free(r->ctx, r->real);
  r->real = began ? fm_strdup(r->ctx, began) : NULL;
  return began && !r->real ? FM_MEMORY : FM_OK;
}

/* The given fields must agree with what the run at hand was started with. */
static enum fm_status resume_from(struct run *r) {
  const struct fm_fit *fit = r->fit;
  FM_TRY(fm_checkpoint_read(r->ctx, r->checkpoint, &r->from));
  r->resumed = true;
  FM_TRY(fm_checkpoint_agrees(r->ctx, &r->from, r->checkpoint, &fit->recipe, fit->given));
  if (strcmp(r->from.data_hash, r->hash) != 0)
    return fm_error(r->ctx, FM_USAGE,
                    "the training to resume ('%s') began with other pictures than '%s' has now; start again "
                    "without --resume",
                    r->checkpoint, fit->category->name);
  FM_TRY(agree_real(r, r->checkpoint, r->from.real));
  r->recipe = r->from.recipe;
  fm_note(r->ctx, "continuing after %ld steps, in epoch %ld", r->from.step, r->from.epoch + 1);
  return FM_OK;
}

/* A model that is there already is the end of this training where recipe and pictures are the same. */
static enum fm_status look_for_model(struct run *r, struct fm_model *model) {
  const struct fm_fit *fit = r->fit;
  FM_TRY(fm_model_load(r->ctx, fit->path, fit->weights, model));
  struct fm_checkpoint as_if = {.recipe = model->recipe};
  enum fm_status status = fm_checkpoint_agrees(r->ctx, &as_if, fit->path, &fit->recipe, fit->given);
  if (status == FM_OK && strcmp(model->data.hash, r->hash) != 0)
    status = fm_error(
        r->ctx, FM_USAGE,
        "there is nothing to resume: '%s' was trained with other pictures; start again without --resume",
        fit->path);
  if (status == FM_OK) status = agree_real(r, fit->path, model->data.real);
  if (status != FM_OK) {
    fm_model_free(model);
    return status;
  }
  r->finished = true;
  fm_note(r->ctx, "'%s' is finished already", fit->path);
  if (model->recipe.refine && !model->refinement.there && !model->refinement.off)
    fm_note(r->ctx,
            "warning: '%s' lacks what sharpens its maps (--refine), which could not be learned then; to have "
            "it, train again without --resume",
            fit->path);
  return FM_OK;
}

/* What would only fail after hours: the place of the model. */
static enum fm_status check_place(struct run *r) {
  const char *path = r->fit->path, *slash = strrchr(path, '/');
  if (fm_folder_exists(path))
    return fm_error(r->ctx, FM_USAGE, "'%s' is a folder; name the model's file, for example %s/%s.flawmap",
                    path, path, r->fit->category->name);
  FM_TRY(fm_writer_check(r->ctx, path));
  if (fm_file_exists(path) && !r->fit->resume)
    fm_note(r->ctx, "note: '%s' exists already; it is replaced when the training is done", path);
  if (!slash || slash == path) return FM_OK;
  char *folder = fm_format(r->ctx, "%.*s", (int)(slash - path), path);
  enum fm_status status = folder ? fm_folder_make(r->ctx, folder) : FM_MEMORY;
  fm_free(r->ctx, folder);
  return status;
}

static enum fm_status look_around(struct run *r, struct fm_model *model) {
  bool unfinished = fm_file_exists(r->checkpoint);
  if (!r->fit->resume) {
    if (unfinished)
      fm_note(r->ctx,
              "note: starting from the beginning and deleting an unfinished training ('%s'); --resume would "
              "have continued it",
              r->checkpoint);
    return FM_OK;
  }
  if (unfinished) return resume_from(r);
  if (fm_file_exists(r->fit->path)) return look_for_model(r, model);
  fm_note(r->ctx, "note: there is no checkpoint '%s' yet: starting from the beginning", r->checkpoint);
  return FM_OK;
}

/* With few pictures all of them are needed to learn from. */
static enum fm_status few(struct run *r) {
  const struct fm_category *c = r->fit->category;
  size_t shots = (size_t)r->recipe.shots;
  if (shots > c->train_count)
    return fm_error(r->ctx, FM_USAGE, "--shots %zu is too many: '%s' has %zu good training pictures", shots,
                    c->name, c->train_count);
  uint32_t *order = fm_alloc(r->ctx, c->train_count, sizeof *order);
  r->split.learn = fm_alloc(r->ctx, shots, sizeof *r->split.learn);
  if (!order || !r->split.learn) {
    fm_free(r->ctx, order);
    return FM_MEMORY;
  }
  struct fm_rng rng = fm_rng_stream((uint64_t)r->recipe.seed, "shots");
  fm_rng_permutation(&rng, order, (uint32_t)c->train_count);
  for (size_t i = 0; i < shots; i++) r->split.learn[i] = c->train[order[i]];
  r->split.learn_count = shots;
  fm_free(r->ctx, order);
  return FM_OK;
}

/* What was held out decides, and is learned from after that. */
static bool learns_all(const struct run *r) {
  return r->recipe.learn_all && !r->recipe.shots;
}

static enum fm_status gather(struct run *r) {
  const struct fm_category *c = r->fit->category;
  const struct fm_sample *good = learns_all(r) ? c->train : r->split.learn;
  struct fm_sample *flawed;
  size_t count;
  r->good = learns_all(r) ? c->train_count : r->split.learn_count;
  FM_TRY(fm_real_samples(r->ctx, c, r->real, &flawed, &count));
  r->count = r->good + count;
  r->samples = fm_alloc(r->ctx, r->count, sizeof *r->samples);
  if (r->samples) {
    memcpy(r->samples, good, r->good * sizeof *r->samples);
    if (count) memcpy(r->samples + r->good, flawed, count * sizeof *r->samples);
  }
  fm_free(r->ctx, flawed);
  return r->samples ? FM_OK : FM_MEMORY;
}

static enum fm_status split(struct run *r) {
  if (r->recipe.shots)
    FM_TRY(few(r));
  else
    FM_TRY(fm_dataset_holdout(r->ctx, r->fit->category, r->recipe.hold_out, &r->split));
  if (!r->recipe.shots && !r->recipe.learn_all && r->recipe.hold_out > 0 && !r->split.held_count)
    fm_note(
        r->ctx,
        "note: %zu good pictures are so few that all are learned from and none is held out for thresholds",
        r->split.learn_count);
  return gather(r);
}

static enum fm_status describe(struct run *r, struct fm_model *m) {
  const struct fm_facts *f = fm_device_facts(r->d);
  *m = (struct fm_model){.ctx = r->ctx, .recipe = r->recipe};
  snprintf(m->data.category, sizeof m->data.category, "%.127s", r->fit->category->name);
  snprintf(m->data.hash, sizeof m->data.hash, "%s", r->hash);
  m->data.learned = r->good;
  m->data.held = learns_all(r) ? 0 : r->split.held_count;
  if (r->real && !(m->data.real = fm_strdup(r->ctx, r->real))) return FM_MEMORY;
  m->data.choice = r->chosen.table;
  r->chosen.table = NULL;
  snprintf(m->device, sizeof m->device, "%.100s, driver %.100s", f->name, f->driver);
  FM_TRY(fm_backbone_find(r->ctx, r->recipe.backbone, &m->backbone));
  FM_TRY(fm_expert_load(r->ctx, m->backbone, r->fit->weights, r->fit->untrained, &m->expert));
  if (r->resumed && strcmp(r->from.expert_hash, m->expert.hash) != 0)
    return fm_error(r->ctx, FM_USAGE,
                    "the training to resume ('%s') began with other expert weights; name the same file with "
                    "--weights, or start again without --resume",
                    r->checkpoint);
  return FM_OK;
}

/* ---- models that learned from a part of the pictures ---- */

/* The pictures are all of those that the hold-out leaves. */
static bool is_rest(const struct run *r, const struct fm_sample *samples, size_t count) {
  if (count != r->split.learn_count) return false;
  for (size_t i = 0; i < count; i++)
    if (samples[i].path != r->split.learn[i].path) return false;
  return true;
}

/* As m, with what another one learned; to read only. */
static struct fm_model with_learned(const struct fm_model *m, const struct fm_weights *learned,
                                    size_t count) {
  struct fm_model part = *m;
  part.learned = *learned;
  part.refinement = (struct fm_refinement){0};
  part.data.learned = count;
  return part;
}

/* From t's pictures only. What is learned is the run's where it is `rest`, else the caller's (free_part). */
static enum fm_status fit_part(struct run *r, const struct fm_model *m, const struct fm_train *t,
                               struct fm_model *part) {
  bool rest = is_rest(r, t->samples, t->count);
  *part = with_learned(m, rest ? &r->rest : &(struct fm_weights){0}, t->count);
  if (rest && r->rest_count == t->count) return FM_OK;
  part->learned = (struct fm_weights){0};
  FM_TRY(fm_learn(r->d, t, part));
  if (!rest) return FM_OK;
  fm_weights_free(&r->rest);
  r->rest = part->learned;
  r->rest_count = t->count;
  return FM_OK;
}

static void free_part(const struct run *r, struct fm_model *part) {
  if (part->learned.value != r->rest.value) fm_weights_free(&part->learned);
}

/* ---- thresholds ---- */

/* Thresholds of few pictures: each is scored by a model that learned from four fifths of the others. A method
 * that thins out what it keeps (PatchCore) misses more without a picture than if it had never been there. */
struct folds {
  struct run *r;
  const struct fm_model *m;
  const struct fm_train *t;
};

static enum fm_status score_fold(const struct folds *f, size_t fold, size_t folds, struct fm_sample *room,
                                 float *values, float *score, float *peak) {
  struct run *r = f->r;
  struct fm_train t = *f->t;
  struct fm_model part = {0};
  size_t learned = 0, held = 0;
  for (size_t i = 0; i < r->good; i++)
    if (i % folds != fold) room[learned++] = r->samples[i];
  for (size_t i = fold; i < r->good; i += folds) room[learned + held++] = r->samples[i];
  t.samples = room;
  t.count = learned;
  bool quiet = r->ctx->quiet;
  r->ctx->quiet = true;
  enum fm_status status = fit_part(r, f->m, &t, &part);
  r->ctx->quiet = quiet;
  const struct fm_score_list list = {.samples = room + learned, .count = held, .text = "thresholds"};
  if (status == FM_OK) status = fm_score_set_scores(r->d, &part, &list, values, values + held);
  for (size_t i = 0; status == FM_OK && i < held; i++) {
    score[fold + i * folds] = values[i];
    peak[fold + i * folds] = values[held + i];
  }
  free_part(r, &part);
  return status;
}

static enum fm_status score_folds(void *user, float *score, float *peak) {
  enum { FOLDS = 5 };
  const struct folds *f = user;
  struct run *r = f->r;
  size_t folds = r->good < FOLDS ? r->good : FOLDS;
  struct fm_sample *room = fm_alloc(r->ctx, r->good, sizeof *room);
  float *values = fm_alloc(r->ctx, r->good, 2 * sizeof *values);
  enum fm_status status = room && values ? FM_OK : FM_MEMORY;
  for (size_t k = 0; status == FM_OK && k < folds; k++)
    status = score_fold(f, k, folds, room, values, score, peak);
  fm_free(r->ctx, room);
  fm_free(r->ctx, values);
  return status;
}

/* Pictures that took no part in the training, if need be because they are scored as if they had not. */
static enum fm_status calibrate_honestly(struct run *r, struct fm_model *m, const struct fm_train *t,
                                         bool *is_odd) {
  const struct fm_fit *fit = r->fit;
  char others[80];
  struct folds folds = {r, m, t};
  struct fm_calibration c = {.odd = r->dropped ? NULL : fit->odd, .user = fit->user, .is_odd = is_odd};
  if (fit->calibrate) {
    c.samples = fit->calibrate;
    c.count = fit->calibrate_count;
    c.what = "good pictures for calibration";
  } else if (m->recipe.learn_all) {
    c.samples = r->samples;
    c.count = r->good;
    c.what = "good pictures";
    c.with = FM_CALIBRATE_EACH;
    if (r->good < fm_method_of(&m->recipe)->without_from) c.score = score_folds;
    c.score_user = &folds;
    snprintf(others, sizeof others, "good pictures (%zu far over them left out)", r->dropped);
    if (r->dropped) c.what = others;
  } else {
    c.samples = r->split.held;
    c.count = r->split.held_count;
    c.what = "held-out good pictures";
  }
  return fm_model_calibrate(r->d, m, &c);
}

static bool has_others(const struct run *r) {
  enum { FEWEST = 3 }; /* of which one does without itself */
  return r->fit->calibrate || (r->recipe.learn_all ? r->good >= FEWEST : r->split.held_count > 0);
}

/* is_odd [r->good]: with learn-all those that score far over the others; else it stays as it is. */
static enum fm_status calibrate(struct run *r, struct fm_model *m, const struct fm_train *t, bool *is_odd) {
  if (has_others(r)) {
    enum fm_status status =
        calibrate_honestly(r, m, t, r->recipe.learn_all && !r->fit->calibrate ? is_odd : NULL);
    if (status != FM_USAGE || !r->recipe.learn_all) return status;
    fm_note(r->ctx, "note: the pictures cannot be scored without themselves: %s", r->ctx->message);
    fm_error_clear(r->ctx);
  }
  fm_note(r->ctx,
          "note: the thresholds come from the training pictures themselves, so more good pictures will be "
          "flagged than asked for; use --hold-out 20%% or --calibrate DIR for honest thresholds");
  return fm_model_calibrate(
      r->d, m,
      &(struct fm_calibration){
          .samples = r->samples, .count = r->good, .what = "pictures", .with = FM_CALIBRATE_LEARNED});
}

/* ---- what sharpens maps ---- */

static enum fm_status refine_with(struct run *r, struct fm_model *m, const struct fm_train *learned) {
  const struct fm_fit *fit = r->fit;
  const struct fm_sample *samples = fit->calibrate ? fit->calibrate : r->split.held;
  size_t count = fit->calibrate ? fit->calibrate_count : r->split.held_count;
  struct fm_train t = *learned; /* its references are good pictures */
  t.count = r->good;
  if (!learns_all(r) || fit->calibrate) return fm_sharpen_fit(r->d, m, &t, samples, count);
  t.samples = r->split.learn;
  t.count = r->split.learn_count;
  struct fm_model part = with_learned(m, &r->rest, r->rest_count);
  if (!r->rest_count) FM_TRY(fit_part(r, m, &t, &part));
  enum fm_status status = fm_sharpen_fit(r->d, &part, &t, samples, count);
  if (status == FM_OK) m->refinement = part.refinement;
  if (status != FM_OK) fm_refinement_free(r->ctx, &part.refinement);
  free_part(r, &part);
  return status;
}

static enum fm_status refine(struct run *r, struct fm_model *m, const struct fm_train *learned) {
  if (!r->recipe.refine) return FM_OK;
  if (r->fit->calibrate || r->split.held_count) {
    enum fm_status status = refine_with(r, m, learned);
    if (status == FM_OK || !fm_status_is_local(status)) return status;
    /* An extra must not cost the model, which is learned by now. */
    fm_note(r->ctx, "warning: the model is made, but it cannot sharpen its maps (--refine): %s",
            r->ctx->message);
    fm_error_clear(r->ctx);
    return FM_OK;
  }
  fm_note(r->ctx, "note: there are no held-out good pictures, so this model cannot sharpen its maps "
                  "(--refine); --hold-out 20%% or --calibrate DIR provides some");
  return FM_OK;
}

/* ---- learning ---- */

/* Before everything that looks at pictures. The same pictures give the same standard, so a training that goes
 * on after a stop goes on with the same. */
static enum fm_status standardise(struct run *r, struct fm_model *m) {
  struct fm_standard_wish wish = fm_recipe_wish(&r->recipe);
  struct fm_preprocess preprocess;
  wish.ignore = r->fit->ignore;
  if (fm_standard_wish_none(&wish)) return FM_OK;
  FM_TRY(fm_recipe_preprocess(r->ctx, &r->recipe, &preprocess));
  return fm_standard_learn(r->ctx, &wish, &preprocess, &r->split, &m->standard);
}

/* The method, where that is left to us; a training that goes on has chosen already. */
static enum fm_status choose(struct run *r) {
  const struct fm_fit *fit = r->fit;
  if (!fm_recipe_automatic(&r->recipe)) return FM_OK;
  struct fm_auto how = {.category = fit->category,
                        .wish = &fit->recipe,
                        .ignore = fit->ignore,
                        .given = fit->given,
                        .minutes = fit->minutes,
                        .weights = fit->weights,
                        .untrained = fit->untrained};
  FM_TRY(fm_auto_choose(r->d, &how, &r->chosen));
  r->recipe = r->chosen.recipe;
  if (r->recipe.shots || r->recipe.hold_out != FM_AUTO_HOLD_OUT) return FM_OK; /* it held out others */
  r->rest = r->chosen.learned;
  r->rest_count = r->chosen.pictures;
  r->chosen.learned = (struct fm_weights){0};
  return FM_OK;
}

static enum fm_status fit_and_calibrate(struct run *r, struct fm_model *m, const struct fm_train *t,
                                        bool *is_odd) {
  m->data.learned = r->good;
  FM_TRY(fm_learn(r->d, t, m));
  FM_TRY(fm_seen_make(r->ctx, r->samples, r->count, &m->data.pictures));
  return calibrate(r, m, t, is_odd);
}

/* Those that are odd are not to be learned from either. Only their order is kept. */
static void drop_odd(struct run *r, const bool *is_odd) {
  size_t kept = 0;
  for (size_t i = 0; i < r->count; i++)
    if (i >= r->good || !is_odd[i]) r->samples[kept++] = r->samples[i];
  r->dropped = r->count - kept;
  r->good -= r->dropped;
  r->count = kept;
}

static enum fm_status fit_twice(struct run *r, struct fm_model *m, struct fm_train *t, bool *is_odd) {
  FM_TRY(fit_and_calibrate(r, m, t, is_odd));
  if (!r->recipe.leave_out_odd) return FM_OK;
  drop_odd(r, is_odd);
  if (!r->dropped) return FM_OK;
  fm_note(r->ctx, "learning again from the other %zu good pictures", r->good);
  t->count = r->count;
  fm_weights_free(&m->learned);
  fm_free(r->ctx, m->data.pictures);
  m->data.pictures = NULL;
  m->has_thresholds = false;
  memset(is_odd, 0, r->good * sizeof *is_odd);
  return fit_and_calibrate(r, m, t, is_odd);
}

static enum fm_status learn(struct run *r, struct fm_model *m) {
  const struct fm_fit *fit = r->fit;
  FM_TRY(describe(r, m));
  FM_TRY(standardise(r, m));
  struct fm_train t = {.recipe = r->recipe,
                       .category = fit->category->name,
                       .samples = r->samples,
                       .count = r->count,
                       .real = r->real,
                       .data_hash = r->hash,
                       .expert = &m->expert,
                       .standard = fm_standard_none(&m->standard) ? NULL : &m->standard,
                       .checkpoint = r->checkpoint,
                       .log = r->log,
                       .resume = r->resumed ? &r->from : NULL};
  const struct fm_gain gain = {r->d, m, fit->calibrate ? fit->calibrate : r->split.held,
                               fit->calibrate  ? fit->calibrate_count
                               : learns_all(r) ? 0
                                               : r->split.held_count};
  t.judge = gain.count ? fm_gain_judge : NULL;
  t.judge_user = (void *)&gain;
  bool *is_odd = fm_alloc(r->ctx, r->good, sizeof *is_odd);
  enum fm_status status = is_odd ? fit_twice(r, m, &t, is_odd) : FM_MEMORY;
  fm_free(r->ctx, is_odd);
  FM_TRY(status);
  FM_TRY(refine(r, m, &t));
  FM_TRY(fm_model_save(m, fit->path, fit->thin));
  fm_size_hint(r->ctx, &r->recipe, r->split.learn, r->split.learn_count);
  return fm_file_exists(r->checkpoint) ? fm_file_remove(r->ctx, r->checkpoint) : FM_OK;
}

enum fm_status fm_fit_run(struct fm_device *d, const struct fm_fit *fit, struct fm_model *model) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .fit = fit, .recipe = fit->recipe};
  *model = (struct fm_model){.ctx = r.ctx};
  r.checkpoint = fm_format(r.ctx, "%s.checkpoint", fit->path);
  r.log = fm_format(r.ctx, "%s.csv", fit->path);
  enum fm_status status = r.checkpoint && r.log ? FM_OK : FM_MEMORY;
  fm_category_hash(fit->category, r.hash);
  if (fit->ignore) fm_ignore_hash(fit->ignore, r.hash);
  if (status == FM_OK) status = check_place(&r);
  if (status == FM_OK) status = ask_real(&r);
  if (status == FM_OK) status = look_around(&r, model);
  if (status == FM_OK && !r.finished) status = choose(&r);
  if (r.recipe.tile) r.recipe.learn_all = false; /* a picture cannot do without its own tiles */
  if (status == FM_OK && !r.finished) {
    status = split(&r);
    if (status == FM_OK) status = learn(&r, model);
    fm_holdout_free(r.ctx, &r.split);
  }
  if (r.resumed) fm_checkpoint_free(r.ctx, &r.from);
  fm_chosen_free(r.ctx, &r.chosen);
  fm_weights_free(&r.rest);
  fm_free(r.ctx, r.real);
  fm_free(r.ctx, r.samples);
  fm_free(r.ctx, r.checkpoint);
  fm_free(r.ctx, r.log);
  if (status != FM_OK) fm_model_free(model);
  return status;
}
