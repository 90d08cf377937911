#define _POSIX_C_SOURCE 200809L
#include "task/calibrate.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/seen.h"
#include "score/beta.h"
#include "score/odd.h"
#include "task/sharpen.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- pictures that the model learned from ---- */

/* What is left to calibrate with; all of them where the model learned from every one. */
struct fair {
  struct fm_sample *samples; /* [count]; their strings are the caller's */
  size_t count;
  bool learned;        /* the model learned from them, and they are scored all the same */
  int *number;         /* [count] among those learned from, where each is scored without itself; else NULL */
  float *score, *peak; /* [count] */
  bool *odd;           /* [count] far over the others; how many */
  size_t odd_count;
};

static enum fm_status leave_out_learned(const struct fm_model *m, const struct fm_sample *samples,
                                        size_t count, const char *what, struct fair *fair) {
  struct fm_context *ctx = m->ctx;
  bool *seen = fm_alloc(ctx, count, sizeof *seen);
  fair->samples = fm_alloc(ctx, count, sizeof *fair->samples);
  size_t found = 0;
  enum fm_status status = seen && fair->samples ? FM_OK : FM_MEMORY;
  if (status == FM_OK && !fair->learned)
    status = fm_seen_find(ctx, m->data.pictures, samples, count, seen, &found);
  fair->learned |= found && found == count;
  for (size_t i = 0; status == FM_OK && i < count; i++)
    if (fair->learned || !seen[i]) fair->samples[fair->count++] = samples[i];
  fm_free(ctx, seen);
  if (status != FM_OK || !found) return status;
  if (fair->learned)
    fm_note(ctx,
            "warning: all %zu %s are among those the model learned from, so these thresholds are too low, "
            "and more good ones will be flagged than asked for; use other good pictures",
            count, what);
  else
    fm_note(ctx,
            "warning: %zu of %zu %s are among those the model learned from, so they are left out: the "
            "thresholds come from the other %zu",
            found, count, what, fair->count);
  return FM_OK;
}

/* ---- pictures that look flawed ---- */

/* "'a.png' (5.99), 'b.png' (4.2)": the highest scores, `most` of them and three at most. */
static void name_highest(const struct fair *fair, const float *score, size_t most, char *out, size_t size) {
  size_t used = 0;
  float last = INFINITY;
  size_t at = 0; /* of the last one: among equal scores the list's order */
  for (size_t rank = 0; rank < 3 && rank < most; rank++) {
    size_t best = fair->count;
    for (size_t i = 0; i < fair->count; i++) {
      bool left = score[i] < last || (rank && score[i] == last && i > at);
      if (left && (best == fair->count || score[i] > score[best])) best = i;
    }
    if (best == fair->count) return;
    last = score[best];
    at = best;
    int n = snprintf(out + used, size - used, "%s'%.200s' (%.4g)", rank ? ", " : "", fair->samples[best].path,
                     (double)last);
    if (n < 0 || (size_t)n >= size - used) return;
    used += (size_t)n;
  }
}

/* Compares with the threshold that the model has so far. */
static void look_at_scores(const struct fm_model *m, const struct fair *fair, const float *score) {
  static const double far = 1.5, confidence = 0.95;
  const double threshold = m->image.value;
  size_t over = 0, beyond = 0;
  char names[700] = "";
  for (size_t i = 0; i < fair->count; i++) {
    over += (double)score[i] > threshold;
    beyond += threshold > 0 && (double)score[i] > far * threshold;
  }
  double low, high;
  fm_rate_interval(over, fair->count, confidence, &low, &high);
  bool too_many = low > m->image.high; /* never where no rate is known: NaN */
  if (!m->has_thresholds || (!beyond && !too_many)) return;
  name_highest(fair, score, over, names, sizeof names);
  fm_note(m->ctx,
          "warning: %zu of %zu pictures score over the threshold that the model had, %.6g, %s; the highest: "
          "%s. Flawed pictures among them raise the thresholds, and flaws pass: look at these, and calibrate "
          "without them if they are flawed",
          over, fair->count, threshold, beyond ? "some of them far" : "more than good ones should", names);
}

/* The length of the path of the folder that was listed: without the picture's name, which goes on below it.
 */
static size_t root_length(const struct fm_sample *s) {
  size_t path = strlen(s->path);
  const char *below = s->path + path;
  int levels = 1;
  for (const char *c = s->name; *c; c++) levels += *c == '/';
  while (levels && below > s->path) levels -= *--below == '/';
  return levels ? 0 : (size_t)(below - s->path);
}

/* True where the folder path[0..end) is one of several kinds of test pictures, of which one is good. */
static bool beside_good(const char *path, size_t begin) {
  char good[4200];
  if (begin < 6 || strncmp(path + begin - 5, "test/", 5) != 0 || (begin > 5 && path[begin - 6] != '/'))
    return false;
  int n = snprintf(good, sizeof good, "%.*sgood", (int)begin, path);
  return n > 0 && (size_t)n < sizeof good && fm_folder_exists(good);
}

/* The name of the sample's folder, or of one above it down from the one that was named, that is a flaw's. */
static bool flaw_folder(const struct fm_sample *s, char name[128]) {
  size_t root = root_length(s);
  for (size_t begin = 0, end; s->path[begin]; begin = end + 1) {
    end = begin + strcspn(s->path + begin, "/");
    if (!s->path[end]) return false; /* the picture */
    snprintf(name, 128, "%.*s", (int)(end - begin), s->path + begin);
    if (end >= root && fm_kind_is_flawed(name)) return true;
    if (beside_good(s->path, begin) && !fm_kind_is_good(name)) return true;
  }
  return false;
}

void fm_calibrate_look(struct fm_context *ctx, const struct fm_sample *samples, size_t count) {
  char name[128], first[128] = "";
  size_t found = 0;
  for (size_t i = 0; i < count; i++)
    if (flaw_folder(&samples[i], name) && !found++) memcpy(first, name, sizeof first);
  if (found)
    fm_note(
        ctx,
        "warning: %zu of %zu pictures lie in a folder with the name of a flaw ('%s'), but thresholds come "
        "from good pictures only",
        found, count, first);
}

/* ---- pictures that are unlike the others ---- */

static const char *what_becomes(const struct fm_model *m, const struct fair *fair) {
  bool one = fair->odd_count == 1;
  if (m->recipe.leave_out_odd) return one ? "It does not count" : "They do not count";
  if (fair->learned) return one ? "It may be flawed" : "They may be flawed";
  return one ? "It may be flawed, so it does not decide the thresholds (--leave-out-odd does without it "
               "altogether)"
             : "They may be flawed, so they do not decide the thresholds (--leave-out-odd does without them "
               "altogether)";
}

static enum fm_status look_for_odd(const struct fm_model *m, struct fair *fair, const char *what) {
  char names[700] = "";
  FM_TRY(fm_odd_find(m->ctx, fair->count, fair->score, fair->odd, &fair->odd_count));
  if (!fair->odd_count) return FM_OK;
  name_highest(fair, fair->score, fair->odd_count, names, sizeof names);
  fm_note(m->ctx, "note: %zu of %zu %s score%s far over the others: %s. %s", fair->odd_count, fair->count,
          what, fair->odd_count == 1 ? "s" : "", names, what_becomes(m, fair));
  return FM_OK;
}

/* A list of them for the caller, who may want to show them. */
static enum fm_status give_odd(struct fm_device *d, const struct fm_model *m, const struct fair *fair,
                               const struct fm_calibration *c) {
  if (!c->odd) return FM_OK;
  struct fm_sample *samples = fm_alloc(m->ctx, fair->count, sizeof *samples);
  int *number = fair->number ? fm_alloc(m->ctx, fair->count, sizeof *number) : NULL;
  struct fm_score_list list = {.samples = samples, .learned = number, .text = "odd pictures"};
  enum fm_status status = samples && (number || !fair->number) ? FM_OK : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < fair->count; i++) {
    if (!fair->odd[i]) continue;
    if (number) number[list.count] = fair->number[i];
    samples[list.count++] = fair->samples[i];
  }
  if (status == FM_OK) status = c->odd(c->user, d, m, &list);
  fm_free(m->ctx, samples);
  fm_free(m->ctx, number);
  return status;
}

/* ---- thresholds ---- */

/* From the scores, or the largest values of the maps. */
static enum fm_status choose(const struct fm_model *m, const struct fair *fair, const float *values,
                             const char *what, struct fm_threshold *t) {
  bool out = m->recipe.leave_out_odd;
  size_t count = 0;
  char whose[160];
  float *some = fm_alloc(m->ctx, fair->count, sizeof *some);
  if (!some) return FM_MEMORY;
  for (size_t i = 0; i < fair->count; i++)
    if (!out || !fair->odd[i]) some[count++] = values[i];
  int n = snprintf(whose, sizeof whose, "%.80s", what);
  if (fair->number) n += snprintf(whose + n, sizeof whose - (size_t)n, ", each scored without itself");
  if (out && fair->odd_count)
    snprintf(whose + n, sizeof whose - (size_t)n, " (%zu far over them left out)", fair->odd_count);
  enum fm_status status = fm_threshold_choose(m->ctx, count, some, m->recipe.false_alarms,
                                              out || fair->learned ? 0 : fair->odd_count, whose, t);
  fm_free(m->ctx, some);
  if (status != FM_OK || !fair->learned) return status;
  t->kept = false;
  t->promised = t->low = t->high = NAN;
  snprintf(t->origin, sizeof t->origin, "%zu %.80s that the model learned from, without a promise", count,
           what);
  return FM_OK;
}

/* The pictures to calibrate with, and room for what comes of them. */
static enum fm_status begin(const struct fm_model *m, const struct fm_calibration *c, struct fair *fair) {
  struct fm_context *ctx = m->ctx;
  bool each = c->with == FM_CALIBRATE_EACH;
  fair->learned = c->with == FM_CALIBRATE_LEARNED;
  fair->score = fm_alloc(ctx, c->count, sizeof *fair->score);
  fair->peak = fm_alloc(ctx, c->count, sizeof *fair->peak);
  fair->odd = fm_alloc(ctx, c->count, sizeof *fair->odd);
  if (!fair->score || !fair->peak || !fair->odd) return FM_MEMORY;
  if (!each) return leave_out_learned(m, c->samples, c->count, c->what, fair);
  fair->samples = fm_alloc(ctx, c->count, sizeof *fair->samples);
  fair->number = fm_alloc(ctx, c->count, sizeof *fair->number);
  if (!fair->samples || !fair->number) return FM_MEMORY;
  fair->count = c->count;
  for (size_t i = 0; i < c->count; i++) {
    fair->samples[i] = c->samples[i];
    fair->number[i] = (int)i;
  }
  return FM_OK;
}

enum fm_status fm_model_calibrate(struct fm_device *d, struct fm_model *model,
                                  const struct fm_calibration *c) {
  struct fm_context *ctx = model->ctx;
  struct fair fair = {0};
  enum fm_status status = begin(model, c, &fair);
  const struct fm_score_list list = {
      .samples = fair.samples, .count = fair.count, .text = "thresholds", .learned = fair.number};
  if (status == FM_OK)
    status = c->score ? c->score(c->score_user, fair.score, fair.peak)
                      : fm_score_set_scores(d, model, &list, fair.score, fair.peak);
  if (status == FM_OK) look_at_scores(model, &fair, fair.score);
  if (status == FM_OK) status = look_for_odd(model, &fair, c->what);
  if (status == FM_OK) status = choose(model, &fair, fair.score, c->what, &model->image);
  if (status == FM_OK) status = choose(model, &fair, fair.peak, c->what, &model->pixel);
  model->has_thresholds = status == FM_OK;
  if (status == FM_OK && !fair.number)
    status = fm_sharpen_calibrate(d, model, fair.samples, fair.count, c->what);
  if (status == FM_OK) status = give_odd(d, model, &fair, c);
  for (size_t i = 0; status == FM_OK && c->is_odd && i < c->count; i++)
    c->is_odd[i] = i < fair.count && fair.odd[i];
  fm_free(ctx, fair.samples);
  fm_free(ctx, fair.number);
  fm_free(ctx, fair.score);
  fm_free(ctx, fair.peak);
  fm_free(ctx, fair.odd);
  return status;
}
