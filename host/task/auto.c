#define _POSIX_C_SOURCE 200809L
#include "task/auto.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/tiles.h"
#include "file/image.h"
#include "task/judge.h"
#include "task/learn.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is tried, the cheaper one first. Seconds on two CPU cores with efficientnet_lite0 for a picture to
 * learn from, for a pair of those where the work grows with their square, and for a picture to score.
 * CFLOW-AD is not among them: it takes as long as CDO and was best on no product. */
static const struct row {
  const char *settings;
  double learn, pair, score;
} rows[] = {
    {"method=patchcore size=256 fine=2.5 coreset=0.03", 0.015, 4e-5, 0.02},
    {"method=padim size=256", 0.015, 0, 0.015},
    {"method=patchcore size=256 features=official coreset=0.03", 0.02, 1e-4, 0.03},
    {"method=padim size=512", 0.05, 0, 0.045},
    {"method=patchcore size=512 fine=1 coreset=0.02", 0.04, 1.5e-4, 0.05},
    {"method=patchcore size=512 fine=2 coreset=0.02", 0.04, 1.5e-4, 0.05},
    {"method=patchcore size=768 fine=1 coreset=0.01", 0.1, 4e-4, 0.12},
    {"method=cdo size=256 steps=0", 1.6, 0, 0.02},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Of a trial: more would cost time and say little more. */
enum { MOST_LEARN = 120, MOST_HELD = 40, ROUNDS = 2 };

/* A light or pose that changes little is left on: what is to come may lie and be lit as no picture here. And
 * what takes more time must be worth it. */
static const double WORTH = 0.01, CLEARLY = 0.003;

/* Of the minutes, for trials; the rest is for the training itself, of which sharpening is not reckoned. */
static const double FOR_TRIALS = 0.4, FOR_TRAINING = 0.4;

struct trial {
  struct fm_recipe recipe;
  double time; /* seconds, as reckoned */
  struct fm_judgement result;
  double value;
};

struct run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct fm_auto *how;
  struct fm_holdout split; /* cut down to what trials use */
  double aspect;           /* width / height of the pictures; 1 where they are of several shapes */
  double tiles;            /* of a picture, that the network sees one by one; 1: all of it */
  const struct fm_backbone *backbone;
  struct fm_expert expert;
  struct fm_text table;
  struct trial plan[ROWS], trial[ROWS + 1]; /* what is to be tried; what was */
  int planned, count;
  size_t pictures;             /* that the model will learn from */
  double done, to_do;          /* seconds, as reckoned */
  struct fm_progress progress; /* in percent */
  char refused[400];           /* why the last candidate that cannot have what is given cannot; "" */
};

/* ---- candidates ---- */

static bool is_given(const struct fm_auto *how, int i) {
  return how->given && how->given[i] && i != fm_field_find("method");
}

/* As many pixels in the pictures' own shape, where that is not nearly square. */
static void shape(const struct run *r, struct fm_recipe *recipe) {
  enum { STEP = 32 };
  if (r->how->wish->tile || (r->aspect > 0.8 && r->aspect < 1.25)) return; /* tiles are squares */
  double side = recipe->size.width, wide = side * sqrt(r->aspect) / STEP,
         high = side / sqrt(r->aspect) / STEP;
  recipe->size = (struct fm_size){STEP * (int)fmax(1, round(wide)), STEP * (int)fmax(1, round(high))};
}

/* A row's settings under what is given; false where its method does not know a field that is, or cannot have
 * the value. */
static bool make_recipe(struct run *r, const struct row *row, struct fm_recipe *recipe) {
  char text[160], *rest = NULL;
  snprintf(text, sizeof text, "%s", row->settings);
  bool begun = false;
  for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    char *value = strchr(word, '=');
    *value++ = 0;
    enum fm_status status =
        begun ? fm_recipe_set(r->ctx, recipe, word, value, "auto") : fm_recipe_begin(r->ctx, value, recipe);
    begun = true;
    if (status != FM_OK) return false;
  }
  shape(r, recipe);
  recipe->refine = true;
  snprintf(recipe->light, sizeof recipe->light, "auto");
  snprintf(recipe->align, sizeof recipe->align, "auto");
  for (int i = 0; i < FM_FIELDS; i++) {
    if (!is_given(r->how, i)) continue;
    if (!fm_recipe_has(recipe, i)) return false;
    memcpy((char *)recipe + fm_fields[i].offset, (const char *)r->how->wish + fm_fields[i].offset,
           fm_fields[i].size);
  }
  if (r->how->given && fm_recipe_holds_out(r->how->given)) recipe->learn_all = false;
  if (recipe->tile) { /* light and pose are found in whole pictures */
    if (!is_given(r->how, fm_field_find("light"))) snprintf(recipe->light, sizeof recipe->light, "off");
    if (!is_given(r->how, fm_field_find("align"))) snprintf(recipe->align, sizeof recipe->align, "off");
    recipe->learn_all = false;
  }
  if (fm_recipe_check(r->ctx, recipe) == FM_OK) return true;
  snprintf(r->refused, sizeof r->refused, "%.399s", r->ctx->message);
  fm_error_clear(r->ctx);
  return false;
}

/* They differ in nothing but the share that PatchCore keeps: what is given made two rows one. */
static bool alike(const struct fm_recipe *a, const struct fm_recipe *b) {
  bool same_features = strcmp(a->features, b->features) == 0 && a->fine == b->fine;
  return strcmp(a->method, b->method) == 0 && fm_size_same(a->size, b->size) && same_features;
}

/* Sizes that are given change the row's figures: as many times as much work. */
static double times_the_row(const struct row *row, const struct fm_recipe *recipe) {
  double side = strtod(strstr(row->settings, "size=") + 5, NULL);
  return (double)fm_size_pixels(recipe->size) / (side * side);
}

/* Seconds, as reckoned. */
static double time_to_learn(const struct run *r, const struct row *row, const struct fm_recipe *recipe,
                            size_t pictures) {
  double area = times_the_row(row, recipe), n = r->tiles * (double)pictures;
  return area * (row->learn * n + row->pair * n * n);
}

static double time_to_try(const struct run *r, const struct row *row, const struct fm_recipe *recipe) {
  double area = times_the_row(row, recipe);
  return time_to_learn(r, row, recipe, r->split.learn_count) +
         area * row->score * (1 + ROUNDS) * r->tiles * (double)r->split.held_count;
}

static double allowed(const struct run *r) {
  return 60 * (r->how->minutes > 0 ? r->how->minutes : FM_AUTO_MINUTES);
}

/* "patchcore 512 concat 2 % fine 2" */
static void name_of(const struct fm_recipe *r, char out[64]) {
  char size[FM_SIZE_TEXT];
  int n = snprintf(out, 64, "%s %s", r->method, fm_size_text(r->size, size));
  if (strcmp(r->method, "patchcore") == 0)
    n += snprintf(out + n, 64 - (size_t)n, " %s %g %%", r->features, 100 * r->coreset);
  if (strcmp(r->method, "patchcore") == 0 && strcmp(r->features, "concat") == 0)
    snprintf(out + n, 64 - (size_t)n, " fine %g", r->fine);
}

/* ---- a trial ---- */

static void add_up(struct trial *t) {
  const struct fm_metrics *m = &t->result.metrics;
  t->value = (m->image_auroc + m->aupro_30 + m->pixel_ap) / 3;
}

static enum fm_status fit_and_judge(struct run *r, struct trial *t, struct fm_standard *standard) {
  struct fm_model m = {.ctx = r->ctx,
                       .backbone = r->backbone,
                       .recipe = t->recipe,
                       .expert = r->expert,
                       .standard = *standard};
  struct fm_train train = {.recipe = t->recipe,
                           .category = r->how->category->name,
                           .samples = r->split.learn,
                           .count = r->split.learn_count,
                           .data_hash = "",
                           .expert = &r->expert,
                           .standard = fm_standard_none(&m.standard) ? NULL : &m.standard};
  enum fm_status status = fm_learn(r->d, &train, &m);
  if (status == FM_OK)
    status = fm_judge(r->d, &m, r->split.held, r->split.held_count, ROUNDS, "judging", &t->result);
  fm_weights_free(&m.learned);
  return status;
}

static enum fm_status learn_standard(struct run *r, const struct fm_recipe *recipe,
                                     struct fm_standard *standard) {
  const struct fm_standard_wish wish = fm_recipe_wish(recipe);
  struct fm_preprocess preprocess;
  *standard = (struct fm_standard){0};
  if (fm_standard_wish_none(&wish)) return FM_OK;
  FM_TRY(fm_recipe_preprocess(r->ctx, recipe, &preprocess));
  return fm_standard_learn(r->ctx, &wish, &preprocess, &r->split, standard);
}

/* Said at once, and kept for the model. */
static void put(struct run *r, const char *line) {
  fm_note(r->ctx, "%s", line);
  fm_text_printf(&r->table, "%s\n", line);
}

static void put_row(struct run *r, const struct trial *t) {
  const struct fm_metrics *m = &t->result.metrics;
  char name[64], line[200];
  name_of(&t->recipe, name);
  snprintf(line, sizeof line, "  %-32s %-5s %-5s %8.1f %8.1f %8.1f %8.1f", name, t->recipe.light,
           t->recipe.align, 100 * m->image_auroc, 100 * m->aupro_30, 100 * m->pixel_ap, 100 * t->value);
  put(r, line);
}

static void put_left_out(struct run *r, const struct fm_recipe *recipe, const char *why) {
  char name[64], line[1200];
  name_of(recipe, name);
  snprintf(line, sizeof line, "  %-32s left out: %.1000s", name, why);
  put(r, line);
}

static void step(struct run *r, double time) {
  r->done += time;
  fm_progress_step(&r->progress, lrint(100 * r->done / r->to_do) - r->progress.done);
}

/* Its own notes and progress would drown the table: it is silent. What does not fit into memory is no
 * candidate. keep: the standard, the caller's then; NULL: not wanted. */
static enum fm_status try_it(struct run *r, const struct fm_recipe *recipe, double time,
                             struct fm_standard *keep) {
  struct trial *t = &r->trial[r->count];
  struct fm_standard standard;
  bool quiet = r->ctx->quiet;
  *t = (struct trial){.recipe = *recipe, .time = time};
  r->ctx->quiet = true;
  enum fm_status status = learn_standard(r, recipe, &standard);
  if (status == FM_OK) status = fit_and_judge(r, t, &standard);
  r->ctx->quiet = quiet;
  if (keep && status == FM_OK)
    *keep = standard;
  else
    fm_standard_free(r->ctx, &standard);
  step(r, time);
  if (status == FM_LIMIT || status == FM_MEMORY) {
    put_left_out(r, recipe, r->ctx->message);
    fm_error_clear(r->ctx);
    return FM_OK;
  }
  FM_TRY(status);
  add_up(t);
  put_row(r, t);
  r->count++;
  return FM_OK;
}

/* Light and pose that change little stay on, and so does what is cheaper. */
static const struct trial *best_of(const struct run *r) {
  const struct trial *best = NULL;
  for (int i = 0; i < r->count; i++)
    if (!best || r->trial[i].value > best->value + CLEARLY) best = &r->trial[i];
  return best;
}

/* ---- all of it ---- */

/* What can be had under what is given and in the minutes there are. The first candidate is tried in any case;
 * it decides on light and pose, too, so it may be tried three times. */
static void make_plan(struct run *r) {
  for (int i = 0; i < ROWS; i++) {
    struct trial t = {0};
    bool known = false;
    if (!make_recipe(r, &rows[i], &t.recipe)) continue;
    for (int k = 0; k < r->planned; k++) known |= alike(&r->plan[k].recipe, &t.recipe);
    if (known) continue;
    t.time = time_to_try(r, &rows[i], &t.recipe);
    double try = r->planned ? t.time : 3 * t.time, learn = time_to_learn(r, &rows[i], &t.recipe, r->pictures);
    double minutes = fmax((r->to_do + try) / FOR_TRIALS, learn / FOR_TRAINING) / 60;
    if (r->planned && 60 * minutes > allowed(r)) {
      char why[80];
      snprintf(why, sizeof why, "--minutes %.0f would allow it", ceil(minutes));
      put_left_out(r, &t.recipe, why);
      continue;
    }
    r->to_do += try;
    r->plan[r->planned++] = t;
  }
}

/* Light and pose as the first candidate likes them: each off only where that is clearly better. */
static enum fm_status choose_standard(struct run *r, struct trial *first) {
  struct fm_standard standard = {0};
  FM_TRY(try_it(r, &first->recipe, first->time, &standard));
  bool lit = standard.light.mode != FM_LIGHT_OFF, poses = standard.poses;
  fm_standard_free(r->ctx, &standard);
  if (!r->count) return FM_OK;
  const struct {
    const char *key;
    bool on;
  } parts[] = {{"align", poses}, {"light", lit}};
  for (int k = 0; k < 2; k++) {
    struct fm_recipe without = first->recipe;
    bool compare = parts[k].on && !is_given(r->how, fm_field_find(parts[k].key));
    int before = r->count;
    if (!compare) { /* where it changes nothing there is nothing to compare */
      step(r, first->time);
      continue;
    }
    FM_TRY(fm_recipe_set(r->ctx, &without, parts[k].key, "off", "auto"));
    FM_TRY(try_it(r, &without, first->time, NULL));
    if (r->count == before) continue;
    r->count = before; /* seen; one of both remains a candidate */
    if (r->trial[before].value < r->trial[0].value + WORTH) continue;
    r->trial[0] = r->trial[before];
    first->recipe = without;
  }
  return FM_OK;
}

static enum fm_status try_all(struct run *r) {
  for (int i = 0; i < r->planned; i++) {
    struct trial *t = &r->plan[i];
    if (i == 0) {
      FM_TRY(choose_standard(r, t));
      continue;
    }
    memcpy(t->recipe.light, r->plan[0].recipe.light, sizeof t->recipe.light);
    memcpy(t->recipe.align, r->plan[0].recipe.align, sizeof t->recipe.align);
    FM_TRY(try_it(r, &t->recipe, t->time, NULL));
  }
  return FM_OK;
}

/* From the headers of some pictures. */
static enum fm_status find_aspect(struct run *r) {
  enum { SOME = 16 };
  const struct fm_category *c = r->how->category;
  const int tile = (int)r->how->wish->tile;
  r->aspect = r->tiles = 1;
  for (size_t i = 0; i < SOME && c->train_count; i++) {
    int width, height;
    size_t bytes;
    FM_TRY(fm_image_size(r->ctx, c->train[i * c->train_count / SOME].path, &width, &height, &bytes));
    double aspect = (double)width / height;
    const struct fm_tiling tiling = fm_tiling_of(tile > 0 ? tile : INT_MAX, width, height);
    r->tiles = fmax(r->tiles, (double)fm_tiling_count(&tiling));
    if (i && fabs(aspect / r->aspect - 1) > 0.05) {
      r->aspect = 1;
      return FM_OK;
    }
    r->aspect = aspect;
  }
  r->aspect = fmin(fmax(r->aspect, 0.25), 4);
  return FM_OK;
}

/* Evenly chosen ones of a list, in its order. */
static void thin_out(struct fm_sample *samples, size_t *count, size_t most) {
  if (*count <= most) return;
  for (size_t i = 0; i < most; i++) samples[i] = samples[i * *count / most];
  *count = most;
}

static void put_head(struct run *r) {
  char line[200];
  snprintf(line, sizeof line,
           "choosing by pieces drawn on %zu good pictures, after learning from %zu others, within about %g "
           "minutes:",
           r->split.held_count, r->split.learn_count, allowed(r) / 60);
  put(r, line);
  snprintf(line, sizeof line, "  %-32s %-5s %-5s %8s %8s %8s %8s", "percent", "light", "pose", "AUROC",
           "AUPRO", "AP", "mean");
  put(r, line);
}

static void put_choice(struct run *r, const struct trial *best) {
  char name[64], line[160];
  name_of(&best->recipe, name);
  snprintf(line, sizeof line, "chosen: %s%s", name,
           r->count > 1 ? ", whose mean is the best, or so near to it that it is better to be cheap"
                        : ", the only one that could be tried");
  put(r, line);
}

static enum fm_status none_can(struct run *r) {
  if (r->refused[0]) return fm_error(r->ctx, FM_USAGE, "%s", r->refused);
  return fm_error(r->ctx, FM_USAGE, "no method can be tried with these options; name one (--method)");
}

/* Without pictures to judge with: what was best on every product that could be judged. */
static enum fm_status choose_blindly(struct run *r, struct fm_recipe *chosen) {
  enum { USUAL = 4 }; /* its row */
  if (!make_recipe(r, &rows[USUAL], chosen)) return none_can(r);
  char name[64], line[160];
  name_of(chosen, name);
  snprintf(line, sizeof line, "too few good pictures to choose a method by: %s, which is mostly the best",
           name);
  put(r, line);
  return FM_OK;
}

static enum fm_status choose(struct run *r, struct fm_recipe *chosen) {
  FM_TRY(fm_dataset_holdout(r->ctx, r->how->category, 0.2, &r->split));
  r->pictures = r->split.learn_count + r->split.held_count;
  FM_TRY(find_aspect(r));
  if (!r->split.held_count) return choose_blindly(r, chosen);
  thin_out(r->split.learn, &r->split.learn_count, MOST_LEARN);
  thin_out(r->split.held, &r->split.held_count, MOST_HELD);
  FM_TRY(fm_backbone_find(r->ctx, r->how->wish->backbone, &r->backbone));
  FM_TRY(fm_expert_load(r->ctx, r->backbone, r->how->weights, r->how->untrained, &r->expert));
  put_head(r);
  make_plan(r);
  fm_progress_begin(&r->progress, r->ctx, "choosing a method, percent", 0, 100);
  enum fm_status status = try_all(r);
  fm_progress_end(&r->progress);
  FM_TRY(status);
  const struct trial *best = best_of(r);
  if (!best) return none_can(r);
  *chosen = best->recipe;
  put_choice(r, best);
  return FM_OK;
}

enum fm_status fm_auto_choose(struct fm_device *d, const struct fm_auto *how, struct fm_recipe *chosen,
                              char **table) {
  struct run r = {.ctx = fm_device_context(d), .d = d, .how = how};
  *table = NULL;
  fm_text_begin(&r.table, r.ctx);
  enum fm_status status = choose(&r, chosen);
  if (status == FM_OK) status = fm_text_take(&r.table, table, NULL);
  fm_text_free(&r.table);
  fm_holdout_free(r.ctx, &r.split);
  fm_expert_free(&r.expert);
  return status;
}
