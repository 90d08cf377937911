#define _POSIX_C_SOURCE 200809L
#include "task/update.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/sort.h"
#include "file/sha256.h"
#include "model/seen.h"
#include "refine/f2pad.h"
#include "task/calibrate.h"

#include <stdio.h>
#include <string.h>

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  struct fm_model *m;
  const struct fm_update *u;
  struct fm_category fresh; /* the new pictures; its list is made here */
  struct fm_holdout split;  /* of them */
  struct fm_sample *judge;  /* held-out new ones, then old ones: what thresholds come from */
  size_t judges;
  float *before, *after; /* their scores */
};

/* ---- which pictures ---- */

static enum fm_status leave_out_known(struct run *r) {
  const struct fm_category *good = r->u->good;
  size_t found, n = good->train_count;
  bool *seen = fm_alloc(r->ctx, n, sizeof *seen);
  r->fresh = *good;
  r->fresh.train_count = 0;
  r->fresh.train = fm_alloc(r->ctx, n, sizeof *r->fresh.train);
  enum fm_status status = seen && r->fresh.train
                              ? fm_seen_find(r->ctx, r->m->data.pictures, good->train, n, seen, &found)
                              : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < n; i++)
    if (!seen[i]) r->fresh.train[r->fresh.train_count++] = good->train[i];
  fm_free(r->ctx, seen);
  FM_TRY(status);
  if (found == n)
    return fm_error(r->ctx, FM_USAGE,
                    "the model learned from all %zu pictures already, so there is nothing to add", n);
  if (found)
    fm_note(r->ctx, "note: %zu of %zu pictures are among those the model learned from, and are left out",
            found, n);
  return FM_OK;
}

static enum fm_status split(struct run *r) {
  double share = r->m->recipe.hold_out > 0 ? r->m->recipe.hold_out : 0.2;
  FM_TRY(fm_dataset_holdout(r->ctx, &r->fresh, share, &r->split));
  size_t held = r->split.held_count;
  r->judges = held + r->u->old_count;
  r->judge = fm_alloc(r->ctx, r->judges + 1, sizeof *r->judge);
  r->before = fm_alloc(r->ctx, r->judges + 1, sizeof *r->before);
  r->after = fm_alloc(r->ctx, r->judges + 1, sizeof *r->after);
  if (!r->judge || !r->before || !r->after) return FM_MEMORY;
  for (size_t i = 0; i < r->judges; i++) r->judge[i] = i < held ? r->split.held[i] : r->u->old[i - held];
  return FM_OK;
}

/* ---- before and after ---- */

static enum fm_status score(struct run *r, const struct fm_sample *samples, size_t count, const char *text,
                            float *scores) {
  const struct fm_score_list list = {.samples = samples, .count = count, .text = text};
  return fm_score_set_scores(r->d, r->m, &list, scores, NULL);
}

/* Flawed pictures that are learned from are normal from then on. */
static enum fm_status look_at_new(struct run *r) {
  const struct fm_holdout *s = &r->split;
  size_t over = 0, highest = 0;
  if (!r->m->has_thresholds) return FM_OK;
  float *scores = fm_alloc(r->ctx, s->learn_count, sizeof *scores);
  enum fm_status status =
      scores ? score(r, s->learn, s->learn_count, "looking at the new pictures", scores) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < s->learn_count; i++) {
    over += (double)scores[i] > r->m->image.value;
    if (scores[i] > scores[highest]) highest = i;
  }
  if (over)
    fm_note(r->ctx,
            "note: the model so far calls %zu of %zu new pictures flawed, most of all '%s' (%.4g, over "
            "%.4g); from now on they are normal, so look at them first",
            over, s->learn_count, s->learn[highest].path, (double)scores[highest], r->m->image.value);
  fm_free(r->ctx, scores);
  return status;
}

static enum fm_status median(struct fm_context *ctx, const float *scores, size_t count, double *middle,
                             double *most) {
  float *sorted = fm_alloc(ctx, count, sizeof *sorted);
  if (!sorted) return FM_MEMORY;
  memcpy(sorted, scores, count * sizeof *sorted);
  fm_sort_floats(sorted, count);
  *middle = ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]) / 2;
  *most = (double)sorted[count - 1];
  fm_free(ctx, sorted);
  return FM_OK;
}

static enum fm_status tell(struct run *r, size_t first, size_t count, const char *which) {
  double was, is, most_was, most_is;
  if (!count) return FM_OK;
  FM_TRY(median(r->ctx, r->before + first, count, &was, &most_was));
  FM_TRY(median(r->ctx, r->after + first, count, &is, &most_is));
  fm_note(r->ctx, "scores of %zu held-out %s pictures: median %.4g, it was %.4g; largest %.4g, it was %.4g",
          count, which, is, was, most_is, most_was);
  return FM_OK;
}

/* ---- learning ---- */

static enum fm_status steps(struct run *r, const struct fm_method *method, struct fm_train *t) {
  if (!method->go_on && r->u->epochs)
    return fm_error(r->ctx, FM_USAGE, "--epochs has no effect with the method %s; leave it out",
                    method->name);
  if (!method->go_on) return FM_OK;
  method->go_on(&t->recipe, t->count);
  if (r->u->epochs) t->recipe.epochs = r->u->epochs;
  fm_note(r->ctx,
          "note: %ld epochs of steps with %zu new pictures only; what the old ones looked like can fade, so "
          "put some of them among the new ones where both go on being made",
          t->recipe.epochs, t->count);
  return FM_OK;
}

static struct fm_train train_of(const struct run *r) {
  struct fm_train t = fm_train_of(r->m, r->split.learn, r->split.learn_count);
  t.on = r->m;
  return t;
}

static enum fm_status learn(struct run *r) {
  struct fm_model *m = r->m;
  const struct fm_method *method = fm_method_of(&m->recipe);
  struct fm_weights learned;
  struct fm_train t = train_of(r);
  char what[80];
  size_t bytes;
  FM_TRY(steps(r, method, &t));
  if (method->memory) {
    FM_TRY(method->memory(r->d, &t, &bytes));
    snprintf(what, sizeof what, "add %zu pictures to %s", t.count, method->name);
    FM_TRY(fm_memory_check(r->d, what, bytes, "add fewer pictures at a time"));
  }
  FM_TRY(method->fit(r->d, &t, &learned));
  fm_weights_free(&m->learned);
  m->learned = learned;
  return FM_OK;
}

/* What the model says about its pictures. Its list is another one than either of the two. */
static enum fm_status remember(struct run *r) {
  struct fm_model_data *data = &r->m->data;
  char *fresh, *all, fresh_hash[17], both[40], hex[65];
  FM_TRY(fm_seen_make(r->ctx, r->split.learn, r->split.learn_count, &fresh));
  enum fm_status status = fm_seen_join(r->ctx, data->pictures, fresh, &all);
  fm_free(r->ctx, fresh);
  FM_TRY(status);
  fm_free(r->ctx, data->pictures);
  data->pictures = all;
  fm_category_hash(&r->fresh, fresh_hash);
  snprintf(both, sizeof both, "%.16s %.16s", data->hash, fresh_hash);
  FM_TRY(fm_sha256_bytes(r->ctx, both, strlen(both), hex));
  snprintf(data->hash, sizeof data->hash, "%.16s", hex);
  data->learned += r->split.learn_count;
  data->held += r->split.held_count;
  data->joined += r->split.learn_count;
  return FM_OK;
}

/* Limits of two pictures would be no limits. */
enum { LEAST_TO_SHARPEN = 3 };

static enum fm_status join_references(struct run *r) {
  if (!r->m->refinement.there) return FM_OK;
  if (r->judges < LEAST_TO_SHARPEN) {
    fm_note(r->ctx,
            "note: %zu held-out pictures are too few to say what is normal, so what sharpens its maps "
            "(--refine) is still that of the pictures before",
            r->judges);
    return FM_OK;
  }
  struct fm_train t = train_of(r);
  return fm_f2pad_join(r->d, r->m, &t, r->judge, r->judges, r->u->old_count > 0);
}

/* ---- thresholds ---- */

/* One that somebody named stays. One from pictures that are not at hand only rises. */
static void hold(const struct run *r, const struct fm_threshold *was, struct fm_threshold *is) {
  bool higher = is->value >= was->value;
  if (fm_threshold_is_by_hand(was) || (!r->u->old_count && !higher)) *is = *was;
  if (fm_threshold_is_by_hand(was) || r->u->old_count || higher || strstr(was->origin, "before more")) return;
  size_t used = strlen(is->origin);
  snprintf(is->origin + used, sizeof is->origin - used, ", before more pictures joined");
}

static enum fm_status thresholds(struct run *r) {
  struct fm_model *m = r->m;
  const struct fm_threshold image = m->image, pixel = m->pixel, sharpened = m->refinement.image;
  bool had = m->has_thresholds;
  if (!r->judges) {
    fm_note(r->ctx,
            "note: %zu new pictures are so few that none was held out; the thresholds stay as they were",
            r->split.learn_count);
    return FM_OK;
  }
  struct fm_calibration with = {.samples = r->judge,
                                .count = r->judges,
                                .what = r->u->old_count ? "held-out good pictures, old and new"
                                                        : "held-out new good pictures"};
  FM_TRY(fm_model_calibrate(r->d, m, &with));
  if (!had) return FM_OK;
  double chosen = m->image.value;
  hold(r, &image, &m->image);
  hold(r, &pixel, &m->pixel);
  if (m->refinement.scores) hold(r, &sharpened, &m->refinement.image);
  if (m->image.value > chosen && !fm_threshold_is_by_hand(&m->image))
    fm_note(r->ctx,
            "note: the threshold stays as it was, %.6g; %zu held-out new pictures alone would lower it to "
            "%.6g, but the old ones must pass, too (--old DIR lets them take part)",
            m->image.value, r->split.held_count, chosen);
  return FM_OK;
}

static enum fm_status update(struct run *r) {
  size_t held;
  FM_TRY(leave_out_known(r));
  FM_TRY(split(r));
  held = r->split.held_count;
  FM_TRY(look_at_new(r));
  if (r->judges) FM_TRY(score(r, r->judge, r->judges, "scores before", r->before));
  FM_TRY(learn(r));
  FM_TRY(remember(r));
  if (r->judges) FM_TRY(score(r, r->judge, r->judges, "scores now", r->after));
  FM_TRY(tell(r, 0, held, "new"));
  FM_TRY(tell(r, held, r->u->old_count, "old"));
  FM_TRY(join_references(r));
  return thresholds(r);
}

enum fm_status fm_model_update(struct fm_device *d, struct fm_model *model, const struct fm_update *u) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .m = model, .u = u};
  if (model->recipe.tile)
    return fm_error(
        r.ctx, FM_USAGE,
        "a model that looks at tiles (--tile %ld) cannot learn on; train it again with the old and the new "
        "pictures",
        model->recipe.tile);
  enum fm_status status = update(&r);
  fm_holdout_free(r.ctx, &r.split);
  void *const own[] = {r.fresh.train, r.judge, r.before, r.after};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(r.ctx, own[i]);
  return status;
}
