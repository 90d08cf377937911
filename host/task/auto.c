#include "task/auto.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "task/auto_plan.h"
#include "task/judge.h"
#include "task/learn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of a trial: more would cost time and say little more. */
enum { MOST_LEARN = 120, MOST_HELD = 40, ROUNDS = 2 };

/* Pictures with pieces at least, by more rounds where few pictures are held out. */
enum { LEAST_FLAWED = 20 };

/* A light or pose that changes little is left on: what is to come may lie and be lit as no picture here. And
 * what takes DEARER times the time must be worth it; what takes about as long has to be clearly better. */
static const double WORTH = 0.01, CLEARLY = 0.003, DEARER = 1.5;

struct trial {
  struct fm_recipe recipe;
  struct fm_judgement result;
  double value, time;        /* seconds, as reckoned */
  struct fm_weights learned; /* of the best one so far; else freed */
};

/* Learned once for every size and wish. */
struct known {
  struct fm_recipe recipe;
  struct fm_standard standard;
};

struct run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct fm_auto *how;
  struct fm_holdout split;                             /* of all good pictures */
  struct fm_sample learn[MOST_LEARN], held[MOST_HELD]; /* those that trials use */
  struct fm_auto_load load;                            /* how many */
  const struct fm_backbone *backbone;
  struct fm_expert expert;
  struct fm_text table;
  struct fm_auto_plan plan;
  struct trial trial[FM_AUTO_ROWS + 1];
  int count;
  struct known known[FM_AUTO_ROWS + 2];
  int knowns;
  double done;                 /* seconds, as reckoned */
  struct fm_progress progress; /* in percent */
};

/* ---- what is said ---- */

/* Said at once, and kept for the model. */
static void put(struct run *r, const char *line) {
  fm_note(r->ctx, "%s", line);
  fm_text_printf(&r->table, "%s\n", line);
}

static void put_head(struct run *r) {
  char line[200];
  double minutes = r->how->minutes > 0 ? r->how->minutes : FM_AUTO_MINUTES;
  snprintf(line, sizeof line,
           "choosing by pieces drawn on %zu good picture%s, after learning from %zu other%s, within about %g "
           "minute%s:",
           r->load.held, r->load.held == 1 ? "" : "s", r->load.learn, r->load.learn == 1 ? "" : "s", minutes,
           minutes == 1 ? "" : "s");
  put(r, line);
  snprintf(line, sizeof line, "  %-32s %-5s %-5s %8s %8s %8s %8s", "percent", "light", "pose", "AUROC",
           "AUPRO", "AP", "value");
  put(r, line);
}

static void put_row(struct run *r, const struct trial *t) {
  const struct fm_metrics *m = &t->result.metrics;
  char name[64], line[200];
  fm_auto_name(&t->recipe, name);
  snprintf(line, sizeof line, "  %-32s %-5s %-5s %8.1f %8.1f %8.1f %8.1f", name, t->recipe.light,
           t->recipe.align, 100 * m->image_auroc, 100 * m->aupro_30, 100 * m->pixel_ap, 100 * t->value);
  put(r, line);
}

static void put_left_out(struct run *r, const struct fm_recipe *recipe, const char *why) {
  char name[64], line[1200];
  fm_auto_name(recipe, name);
  snprintf(line, sizeof line, "  %-32s left out: %.1000s", name, why);
  put(r, line);
}

static void put_choice(struct run *r, const struct trial *best) {
  char name[64], line[160];
  fm_auto_name(&best->recipe, name);
  snprintf(line, sizeof line, "chosen: %s%s", name,
           r->count > 1 ? ", whose value is the best, or so near to it that it is better to be cheap"
                        : ", the only one that could be tried");
  put(r, line);
}

/* ---- a trial ---- */

/* The pixels' AP counts most: it orders candidates on pieces as on real flaws, where the others are near 100
 * for all that are any good and differ by chance (docs/results.md). They keep what misses whole flaws from
 * being chosen. */
static void add_up(struct trial *t) {
  const struct fm_metrics *m = &t->result.metrics;
  t->value = 0.75 * m->pixel_ap + 0.125 * (m->image_auroc + m->aupro_30);
}

static enum fm_status fit_and_judge(struct run *r, struct trial *t, const struct fm_standard *standard) {
  struct fm_model m = {.ctx = r->ctx,
                       .backbone = r->backbone,
                       .recipe = t->recipe,
                       .expert = r->expert,
                       .standard = *standard};
  struct fm_train train = {.recipe = t->recipe,
                           .category = r->how->category->name,
                           .samples = r->learn,
                           .count = r->load.learn,
                           .data_hash = "",
                           .expert = &r->expert,
                           .standard = fm_standard_none(standard) ? NULL : standard};
  enum fm_status status = fm_learn(r->d, &train, &m);
  if (status == FM_OK)
    status = fm_judge(r->d, &m, r->held, r->load.held, r->load.rounds, "judging", &t->result);
  t->learned = m.learned;
  return status;
}

/* What pictures are brought to, the run's; from all of them, as the training will learn it, which can go on
 * with what the trial learned then. */
static enum fm_status standard_of(struct run *r, const struct fm_recipe *recipe,
                                  struct fm_standard **standard) {
  struct fm_standard_wish wish = fm_recipe_wish(recipe);
  struct fm_preprocess preprocess;
  wish.ignore = r->how->ignore;
  for (int i = 0; i < r->knowns; i++) {
    struct known *k = &r->known[i];
    *standard = &k->standard;
    if (fm_size_same(k->recipe.size, recipe->size) && strcmp(k->recipe.light, recipe->light) == 0 &&
        strcmp(k->recipe.align, recipe->align) == 0 && strcmp(k->recipe.resize, recipe->resize) == 0)
      return FM_OK;
  }
  struct known *k = &r->known[r->knowns++];
  *standard = &k->standard;
  k->recipe = *recipe;
  if (fm_standard_wish_none(&wish)) return FM_OK;
  enum fm_status status = fm_recipe_preprocess(r->ctx, recipe, &preprocess);
  if (status == FM_OK) status = fm_standard_learn(r->ctx, &wish, &preprocess, &r->split, &k->standard);
  if (status == FM_OK) return FM_OK;
  fm_standard_free(r->ctx, &k->standard);
  r->knowns--;
  return status;
}

static void step(struct run *r, double time) {
  r->done += time;
  fm_progress_step(&r->progress, lrint(100 * r->done / r->plan.seconds) - r->progress.done);
}

/* Light and pose that change little stay on, and so does what is cheaper. */
static struct trial *best_of(struct run *r) {
  struct trial *best = NULL;
  for (int i = 0; i < r->count; i++) {
    struct trial *t = &r->trial[i];
    double more = best && t->time > DEARER * best->time ? WORTH : CLEARLY;
    if (!best || t->value > best->value + more) best = t;
  }
  return best;
}

/* Its own notes and progress would drown the table: it is silent. What does not fit into memory is no
 * candidate. */
static enum fm_status try_it(struct run *r, const struct fm_recipe *recipe, double time) {
  struct trial *t = &r->trial[r->count];
  struct fm_standard *standard;
  bool quiet = r->ctx->quiet;
  *t = (struct trial){.recipe = *recipe, .time = time};
  r->ctx->quiet = true;
  enum fm_status status = standard_of(r, recipe, &standard);
  if (status == FM_OK) status = fit_and_judge(r, t, standard);
  r->ctx->quiet = quiet;
  step(r, time);
  if (status != FM_OK) fm_weights_free(&t->learned);
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

/* ---- all of it ---- */

/* The first trial, and again without a part of the standard, which remains where that is clearly better. */
static enum fm_status try_without(struct run *r, const char *key, double time) {
  struct fm_recipe without = r->trial[0].recipe;
  FM_TRY(fm_recipe_set(r->ctx, &without, key, "off", "auto"));
  FM_TRY(try_it(r, &without, time));
  if (r->count < 2) return FM_OK;
  bool better = r->trial[1].value >= r->trial[0].value + WORTH;
  fm_weights_free(&r->trial[better ? 0 : 1].learned);
  if (better) r->trial[0] = r->trial[1];
  r->count = 1;
  return FM_OK;
}

/* Light and pose as the first candidate likes them: each off only where that is clearly better. */
static enum fm_status choose_standard(struct run *r, const struct fm_candidate *first) {
  struct fm_standard *standard;
  FM_TRY(try_it(r, &first->recipe, first->time));
  if (!r->count) return FM_OK;
  FM_TRY(standard_of(r, &first->recipe, &standard));
  const struct {
    const char *key;
    bool on;
  } parts[] = {{"align", standard->poses}, {"light", standard->light.mode != FM_LIGHT_OFF}};
  for (int k = 0; k < 2; k++)
    if (!parts[k].on || fm_auto_is_given(r->how, fm_field_find(parts[k].key)))
      step(r, first->time); /* where it changes nothing there is nothing to compare */
    else
      FM_TRY(try_without(r, parts[k].key, first->time));
  return FM_OK;
}

static enum fm_status try_all(struct run *r) {
  FM_TRY(choose_standard(r, &r->plan.candidate[0]));
  const struct fm_recipe first = r->count ? r->trial[0].recipe : r->plan.candidate[0].recipe;
  for (int i = 1; i < r->plan.count; i++) {
    struct fm_candidate *c = &r->plan.candidate[i];
    if (c->minutes > 0) continue;
    memcpy(c->recipe.light, first.light, sizeof first.light);
    memcpy(c->recipe.align, first.align, sizeof first.align);
    FM_TRY(try_it(r, &c->recipe, c->time));
    const struct trial *best = best_of(r);
    for (int k = 0; k < r->count; k++)
      if (&r->trial[k] != best) fm_weights_free(&r->trial[k].learned);
  }
  return FM_OK;
}

/* Evenly chosen ones of a list, in its order. */
static size_t thin_out(const struct fm_sample *samples, size_t count, struct fm_sample *out, size_t most) {
  size_t some = count < most ? count : most;
  for (size_t i = 0; i < some; i++) out[i] = samples[i * count / some];
  return some;
}

static enum fm_status none_can(struct run *r) {
  if (r->plan.refused[0]) return fm_error(r->ctx, FM_USAGE, "%s", r->plan.refused);
  return fm_error(r->ctx, FM_USAGE, "no method can be tried with these options; name one (--method)");
}

/* Without pictures to judge with: what was best on every product that could be judged. */
static enum fm_status choose_blindly(struct run *r, struct fm_recipe *chosen) {
  char name[64], line[160];
  FM_TRY(fm_auto_plan_usual(r->ctx, r->how, &r->plan));
  if (!r->plan.count) return none_can(r);
  *chosen = r->plan.candidate[0].recipe;
  fm_auto_name(chosen, name);
  snprintf(line, sizeof line, "too few good pictures to choose a method by: %s, which is mostly the best",
           name);
  put(r, line);
  return FM_OK;
}

/* The trial's model is the caller's then. */
static void take(struct run *r, struct trial *best, struct fm_chosen *chosen) {
  chosen->recipe = best->recipe;
  chosen->learned = best->learned;
  chosen->pictures = r->load.learn;
  best->learned = (struct fm_weights){0};
  put_choice(r, best);
}

static void put_plan(struct run *r) {
  for (int i = 0; i < r->plan.count; i++) {
    const struct fm_candidate *c = &r->plan.candidate[i];
    char why[80];
    if (c->minutes <= 0) continue;
    snprintf(why, sizeof why, "--minutes %.0f would allow it", c->minutes);
    put_left_out(r, &c->recipe, why);
  }
}

static enum fm_status choose(struct run *r, struct fm_chosen *chosen) {
  const struct fm_holdout *all = &r->split;
  FM_TRY(fm_dataset_holdout(r->ctx, r->how->category, FM_AUTO_HOLD_OUT, &r->split));
  if (!all->held_count) return choose_blindly(r, &chosen->recipe);
  r->load = (struct fm_auto_load){.pictures = all->learn_count + all->held_count,
                                  .learn = thin_out(all->learn, all->learn_count, r->learn, MOST_LEARN),
                                  .held = thin_out(all->held, all->held_count, r->held, MOST_HELD)};
  r->load.rounds = (int)((LEAST_FLAWED + r->load.held - 1) / r->load.held);
  if (r->load.rounds < ROUNDS) r->load.rounds = ROUNDS;
  FM_TRY(fm_auto_plan(r->ctx, r->how, &r->load, &r->plan));
  FM_TRY(fm_backbone_find(r->ctx, r->how->wish->backbone, &r->backbone));
  FM_TRY(fm_expert_load(r->ctx, r->backbone, r->how->weights, r->how->untrained, &r->expert));
  put_head(r);
  put_plan(r);
  if (!r->plan.count) return none_can(r);
  fm_progress_begin(&r->progress, r->ctx, "choosing a method, percent", 0, 100);
  enum fm_status status = try_all(r);
  fm_progress_end(&r->progress);
  FM_TRY(status);
  struct trial *best = best_of(r);
  if (!best) return none_can(r);
  take(r, best, chosen);
  return FM_OK;
}

enum fm_status fm_auto_choose(struct fm_device *d, const struct fm_auto *how, struct fm_chosen *chosen) {
  struct fm_context *ctx = fm_device_context(d);
  struct run *r = fm_alloc(ctx, 1, sizeof *r);
  *chosen = (struct fm_chosen){0};
  if (!r) return FM_MEMORY;
  *r = (struct run){.ctx = ctx, .d = d, .how = how};
  fm_text_begin(&r->table, ctx);
  enum fm_status status = choose(r, chosen);
  if (status == FM_OK) status = fm_text_take(&r->table, &chosen->table, NULL);
  if (status != FM_OK) fm_chosen_free(ctx, chosen);
  for (int i = 0; i < r->knowns; i++) fm_standard_free(ctx, &r->known[i].standard);
  for (int i = 0; i < r->count; i++) fm_weights_free(&r->trial[i].learned);
  fm_text_free(&r->table);
  fm_holdout_free(ctx, &r->split);
  fm_expert_free(&r->expert);
  fm_free(ctx, r);
  return status;
}

void fm_chosen_free(struct fm_context *ctx, struct fm_chosen *chosen) {
  fm_free(ctx, chosen->table);
  fm_weights_free(&chosen->learned);
  *chosen = (struct fm_chosen){0};
}
