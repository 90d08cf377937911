#define _POSIX_C_SOURCE 200809L
#include "task/auto_plan.h"

#include "data/tiles.h"
#include "file/image.h"

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
} rows[FM_AUTO_ROWS] = {
    {"method=patchcore size=256 fine=2.5 coreset=0.03", 0.015, 4e-5, 0.02},
    {"method=padim size=256", 0.015, 0, 0.015},
    {"method=patchcore size=256 features=official coreset=0.03", 0.02, 1e-4, 0.03},
    {"method=padim size=512", 0.05, 0, 0.045},
    {"method=patchcore size=512 fine=1 coreset=0.02", 0.04, 1.5e-4, 0.05},
    {"method=patchcore size=512 fine=2 coreset=0.02", 0.04, 1.5e-4, 0.05},
    {"method=patchcore size=768 fine=2 coreset=0.01", 0.1, 4e-4, 0.12},
    {"method=cdo size=256 steps=0", 1.6, 0, 0.02},
};
/* The one that was best on every product that could be judged. */
enum { USUAL = 4 };

/* Seconds, too: to read a picture, for each million of its pixels over a quarter, which the rows include; to
 * sharpen a flawed one, for each million pixels that the network sees. And how many times as long as to score
 * a picture it takes to look at it beside its reference. */
static const double READ = 0.015, SHARPEN = 2.8, BESIDE = 1.3;

struct run {
  struct fm_context *ctx;
  const struct fm_auto *how;
  const struct fm_auto_load *load;
  struct fm_auto_plan *plan;
  double aspect; /* width / height of the pictures; 1 where they are of several shapes */
  double tiles;  /* of a picture, that the network sees one by one; 1: all of it */
  double read;   /* seconds to read a picture, beside what the rows say */
};

/* ---- candidates ---- */

bool fm_auto_is_given(const struct fm_auto *how, int i) {
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
    if (!fm_auto_is_given(r->how, i)) continue;
    if (!fm_recipe_has(recipe, i)) return false;
    memcpy((char *)recipe + fm_fields[i].offset, (const char *)r->how->wish + fm_fields[i].offset,
           fm_fields[i].size);
  }
  if (r->how->given && fm_recipe_holds_out(r->how->given)) recipe->learn_all = false;
  if (recipe->tile) { /* light and pose are found in whole pictures */
    if (!fm_auto_is_given(r->how, fm_field_find("light")))
      snprintf(recipe->light, sizeof recipe->light, "off");
    if (!fm_auto_is_given(r->how, fm_field_find("align")))
      snprintf(recipe->align, sizeof recipe->align, "off");
    recipe->learn_all = false;
  }
  if (fm_recipe_check(r->ctx, recipe) == FM_OK) return true;
  snprintf(r->plan->refused, sizeof r->plan->refused, "%.399s", r->ctx->message);
  fm_error_clear(r->ctx);
  return false;
}

/* They differ in nothing but the share that PatchCore keeps: what is given made two rows one. */
static bool alike(const struct fm_recipe *a, const struct fm_recipe *b) {
  bool same_features = strcmp(a->features, b->features) == 0 && a->fine == b->fine;
  return strcmp(a->method, b->method) == 0 && fm_size_same(a->size, b->size) && same_features;
}

void fm_auto_name(const struct fm_recipe *r, char out[64]) {
  char size[FM_SIZE_TEXT];
  int n = snprintf(out, 64, "%s %s", r->method, fm_size_text(r->size, size));
  if (strcmp(r->method, "patchcore") == 0)
    n += snprintf(out + n, 64 - (size_t)n, " %s %g %%", r->features, 100 * r->coreset);
  if (strcmp(r->method, "patchcore") == 0 && strcmp(r->features, "concat") == 0)
    snprintf(out + n, 64 - (size_t)n, " fine %g", r->fine);
}

/* ---- time ---- */

/* A row's seconds under what is given: sizes change them, as many times as much work. */
struct cost {
  double learn, pair, score;
};

static struct cost cost_of(const struct run *r, const struct row *row, const struct fm_recipe *recipe) {
  double side = strtod(strstr(row->settings, "size=") + 5, NULL),
         times = (double)fm_size_pixels(recipe->size) / (side * side) * r->tiles;
  return (struct cost){times * row->learn + r->read, times * r->tiles * row->pair,
                       times * row->score + r->read};
}

/* PatchCore looks at pictures twice whose features take more than it keeps (method/patchcore_fit.c). */
static double time_to_learn(struct cost c, const struct fm_recipe *recipe, double n) {
  double kept = 9.5 * (double)fm_size_pixels(recipe->size) * n;
  bool twice = strcmp(recipe->method, "patchcore") == 0 && kept > 0x1p30;
  return c.learn * n * (twice ? 2 : 1) + c.pair * n * n;
}

static double time_to_try(const struct run *r, struct cost c, const struct fm_recipe *recipe) {
  return time_to_learn(c, recipe, (double)r->load->learn) +
         c.score * (1 + r->load->rounds) * (double)r->load->held;
}

/* Thresholds where each picture does without itself, or of few pictures by five models (fit.c). */
static double time_for_thresholds(struct cost c, const struct fm_recipe *recipe, double n) {
  bool folds = recipe->learn_all && n < (double)fm_method_of(recipe)->without_from;
  return c.score * (recipe->learn_all ? n : n / 5) + (folds ? 5 * time_to_learn(c, recipe, 0.8 * n) : 0);
}

/* References, three ways to look beside one at those held out, as they are and with pieces, and what it is
 * worth (refine/f2pad_fit.c, f2pad_judge.c). */
static double time_to_sharpen(const struct run *r, struct cost c, const struct fm_recipe *recipe, double n) {
  enum { REFERENCES = 48, LOOKED_AT = 256, HELD = 100, MOST_JUDGED = 40, LEAST_JUDGED = 20, WAYS = 3 };
  double pixels = (double)fm_size_pixels(recipe->size), held = fmin(n / 5, HELD),
         most = fmin(fmax(MOST_JUDGED * 0x1p18 / pixels, LEAST_JUDGED), MOST_JUDGED),
         judged = fmin(n / 5, most), flawed = r->tiles * judged * SHARPEN * pixels / 1e6;
  if (!recipe->refine) return 0;
  return c.learn * (fmin(0.8 * n, LOOKED_AT) + 2 * REFERENCES) +
         BESIDE * c.score * (2 * WAYS * held + 2 * judged + held) + flawed;
}

/* All that comes after the choice. */
static double time_to_finish(const struct run *r, struct cost c, const struct fm_recipe *recipe) {
  double n = (double)r->load->pictures;
  return time_to_learn(c, recipe, n) + time_for_thresholds(c, recipe, n) + time_to_sharpen(r, c, recipe, n);
}

static double allowed(const struct run *r) {
  return 60 * (r->how->minutes > 0 ? r->how->minutes : FM_AUTO_MINUTES);
}

/* ---- the plan ---- */

/* From the headers of some pictures. */
static enum fm_status look_at_headers(struct run *r) {
  enum { SOME = 16 };
  const struct fm_category *c = r->how->category;
  const int tile = (int)r->how->wish->tile;
  bool mixed = false;
  r->aspect = r->tiles = 1;
  for (size_t i = 0; i < SOME && c->train_count; i++) {
    int width, height;
    size_t bytes;
    FM_TRY(fm_image_size(r->ctx, c->train[i * c->train_count / SOME].path, &width, &height, &bytes));
    double aspect = (double)width / height;
    const struct fm_tiling tiling = fm_tiling_of(tile > 0 ? tile : INT_MAX, width, height);
    r->tiles = fmax(r->tiles, (double)fm_tiling_count(&tiling));
    r->read = fmax(r->read, READ * ((double)width * (double)height / 1e6 - 0.25));
    mixed |= i && fabs(aspect / r->aspect - 1) > 0.05;
    if (!mixed) r->aspect = aspect;
  }
  r->aspect = mixed ? 1 : fmin(fmax(r->aspect, 0.25), 4);
  return FM_OK;
}

/* The seconds of trials, and of what comes after them with the dearest candidate: which one is the best is
 * not known before. */
struct sum {
  double trials, finish;
};

static struct sum with(struct sum s, double trials, double finish) {
  return (struct sum){s.trials + trials, fmax(s.finish, finish)};
}

static double seconds_of(struct sum s) {
  return s.trials + s.finish;
}

/* planned: of what is tried; all: as if all rows so far were, which is what they would take. */
static void add(struct run *r, const struct row *row, const struct fm_recipe *recipe, struct sum *planned,
                struct sum *all) {
  struct fm_auto_plan *p = r->plan;
  const struct cost cost = cost_of(r, row, recipe);
  struct fm_candidate *c = &p->candidate[p->count];
  *c = (struct fm_candidate){.recipe = *recipe, .time = time_to_try(r, cost, recipe)};
  double trials = p->count ? c->time : 3 * c->time, finish = time_to_finish(r, cost, recipe);
  const struct sum more = with(*planned, trials, finish);
  *all = with(*all, trials, finish);
  if (p->count++ && seconds_of(more) > allowed(r))
    c->minutes = ceil(seconds_of(*all) / 60);
  else
    *planned = more;
}

enum fm_status fm_auto_plan(struct fm_context *ctx, const struct fm_auto *how,
                            const struct fm_auto_load *load, struct fm_auto_plan *plan) {
  struct run r = {.ctx = ctx, .how = how, .load = load, .plan = plan};
  struct sum planned = {0}, all = {0};
  *plan = (struct fm_auto_plan){0};
  FM_TRY(look_at_headers(&r));
  for (int i = 0; i < FM_AUTO_ROWS; i++) {
    struct fm_recipe recipe;
    bool known = false;
    if (!make_recipe(&r, &rows[i], &recipe)) continue;
    for (int k = 0; k < plan->count; k++)
      known |= plan->candidate[k].minutes <= 0 && alike(&plan->candidate[k].recipe, &recipe);
    if (!known) add(&r, &rows[i], &recipe, &planned, &all);
  }
  plan->seconds = planned.trials;
  return FM_OK;
}

enum fm_status fm_auto_plan_usual(struct fm_context *ctx, const struct fm_auto *how,
                                  struct fm_auto_plan *plan) {
  struct run r = {.ctx = ctx, .how = how, .plan = plan};
  *plan = (struct fm_auto_plan){0};
  FM_TRY(look_at_headers(&r));
  plan->count = make_recipe(&r, &rows[USUAL], &plan->candidate[0].recipe);
  return FM_OK;
}
