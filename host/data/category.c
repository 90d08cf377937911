#define _POSIX_C_SOURCE 200809L
#include "base/log.h"
#include "base/memory.h"
#include "data/layout.h"
#include "file/sniff.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "bottle, cable, ..." as much as fits. */
static void list_names(const struct fm_names *names, char *out, size_t size) {
  size_t used = 0;
  out[0] = 0;
  for (size_t i = 0; i < names->count; i++) {
    int n = snprintf(out + used, size - used, "%s%s", i ? ", " : "", names->name[i]);
    if (n < 0 || (size_t)n >= size - used) {
      if (size > 4) memcpy(out + size - 4, "...", 4);
      return;
    }
    used += (size_t)n;
  }
}

static enum fm_status choose(struct fm_context *ctx, const struct fm_dataset *set, const char *name,
                             const char **chosen) {
  char all[512];
  if (!name && set->categories.count == 1) name = set->categories.name[0];
  for (size_t i = 0; name && i < set->categories.count; i++) {
    if (strcmp(set->categories.name[i], name) != 0) continue;
    *chosen = set->categories.name[i];
    return FM_OK;
  }
  list_names(&set->categories, all, sizeof all);
  if (!name)
    return fm_error(ctx, FM_USAGE, "'%s' has %zu categories; name one of: %s", set->path,
                    set->categories.count, all);
  return fm_error(ctx, FM_USAGE, "'%s' has no category '%s'; there %s: %s", set->path, name,
                  set->categories.count == 1 ? "is" : "are", all);
}

static const struct {
  enum fm_status (*list)(struct fm_context *, const struct fm_dataset *, const char *, struct fm_samples *,
                         struct fm_samples *);
  const char *place; /* of the training pictures */
} layouts[FM_LAYOUTS] = {
    [FM_LAYOUT_MVTEC] = {fm_layout_mvtec, "train/good"},
    [FM_LAYOUT_MVTEC3D] = {fm_layout_mvtec3d, "train/good/rgb"},
    [FM_LAYOUT_VISA] = {fm_layout_visa, "the rows 'train' of split_csv/1cls.csv"},
    [FM_LAYOUT_FOLDER] = {fm_layout_folder, "the folder"},
};

static enum fm_status overlooked_error(struct fm_context *ctx, const char *name,
                                       const struct fm_overlooked *o) {
  if (!o->count) return FM_OK;
  return fm_error(
      ctx, FM_FORMAT,
      "category '%s': %zu picture%s cannot be read or assigned ('%s'%s): mend what the notes above name, or "
      "move it away",
      name, o->count, o->count == 1 ? "" : "s", o->first, o->count == 1 ? "" : ", ...");
}

enum fm_status fm_category_complete(struct fm_context *ctx, const struct fm_category *category, bool test) {
  return overlooked_error(ctx, category->name,
                          test ? &category->test_overlooked : &category->train_overlooked);
}

/* In a plain folder a subfolder may hold anything, flawed parts too. */
static void note_subfolders(struct fm_context *ctx, const struct fm_category *c) {
  size_t deeper = 0;
  const char *first = NULL;
  for (size_t i = 0; i < c->train_count; i++) {
    if (!strchr(c->train[i].name, '/')) continue;
    if (!deeper++) first = c->train[i].path;
  }
  if (deeper)
    fm_note(ctx, "note: %zu of %zu pictures lie in subfolders ('%s'%s); all count as good", deeper,
            c->train_count, first, deeper == 1 ? "" : ", ...");
}

enum fm_status fm_category_open(struct fm_context *ctx, const struct fm_dataset *set, const char *name,
                                struct fm_category *category) {
  *category = (struct fm_category){.layout = set->layout};
  const char *chosen = NULL;
  FM_TRY(choose(ctx, set, name, &chosen));
  struct fm_samples train = {0}, test = {0};
  enum fm_status status = layouts[set->layout].list(ctx, set, chosen, &train, &test);
  if (status == FM_OK) status = fm_samples_settle(ctx, &train);
  if (status == FM_OK) status = fm_samples_settle(ctx, &test);
  category->train_overlooked = train.overlooked;
  category->test_overlooked = test.overlooked;
  category->train = train.item;
  category->train_count = train.count;
  category->test = test.item;
  category->test_count = test.count;
  category->stray_mask = test.stray;
  category->stray_masks = test.strays;
  fm_free(ctx, train.stray); /* good pictures have no masks */
  if (status == FM_OK && !train.count && !test.count)
    status = overlooked_error(ctx, chosen, &train.overlooked);
  if (status == FM_OK && !train.count && !test.count)
    status = fm_error(ctx, FM_FORMAT, "'%s', category '%s': no good pictures (" FM_PICTURE_NAMES ") in %s",
                      set->path, chosen, layouts[set->layout].place);
  if (status == FM_OK && !(category->name = fm_strdup(ctx, chosen))) status = FM_MEMORY;
  if (status != FM_OK) {
    fm_category_close(ctx, category);
    return status;
  }
  if (category->layout == FM_LAYOUT_FOLDER) note_subfolders(ctx, category);
  return FM_OK;
}

static void free_samples(struct fm_context *ctx, struct fm_sample *samples, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fm_free(ctx, samples[i].path);
    fm_free(ctx, samples[i].name);
    fm_free(ctx, samples[i].kind);
    fm_free(ctx, samples[i].mask);
  }
  fm_free(ctx, samples);
}

void fm_category_close(struct fm_context *ctx, struct fm_category *category) {
  free_samples(ctx, category->train, category->train_count);
  free_samples(ctx, category->test, category->test_count);
  fm_free(ctx, category->train_overlooked.first);
  fm_free(ctx, category->test_overlooked.first);
  fm_free(ctx, category->name);
  fm_free(ctx, category->stray_mask);
  *category = (struct fm_category){0};
}

enum fm_status fm_category_needs_training(struct fm_context *ctx, const struct fm_category *category) {
  if (category->train_count) return FM_OK;
  return fm_error(ctx, FM_FORMAT,
                  "category '%s' has no good pictures to learn from; they are looked for in %s",
                  category->name, layouts[category->layout].place);
}

enum fm_status fm_category_needs_masks(struct fm_context *ctx, const struct fm_category *category) {
  const struct fm_sample *first = NULL;
  size_t missing = 0;
  for (size_t i = 0; i < category->test_count; i++) {
    const struct fm_sample *s = &category->test[i];
    if (!s->flawed || s->mask) continue;
    if (!first) first = s;
    missing++;
  }
  if (!first) return FM_OK;
  return fm_error(ctx, FM_FORMAT,
                  "category '%s': the flawed picture '%s' has no mask (%zu such in all); "
                  "metrics of pixels need one for each",
                  category->name, first->path, missing);
}

void fm_category_hash(const struct fm_category *category, char out[17]) {
  uint64_t h = 0xCBF29CE484222325u;
  for (size_t i = 0; i < category->train_count; i++) {
    const unsigned char *c = (const unsigned char *)fm_path_name(category->train[i].path);
    do h = (h ^ (*c ? *c : '\n')) * 0x100000001B3u;
    while (*c++);
  }
  snprintf(out, 17, "%016" PRIx64, h);
}

/* How many of the first n pictures are held out; the small number keeps 5 * 0.2 from falling under 1. */
static size_t held_before(size_t n, double fraction) {
  return (size_t)floor((double)n * fraction + 1e-9);
}

enum fm_status fm_dataset_holdout(struct fm_context *ctx, const struct fm_category *category, double fraction,
                                  struct fm_holdout *out) {
  *out = (struct fm_holdout){0};
  if (!(fraction >= 0 && fraction <= 0.9))
    return fm_error(ctx, FM_USAGE, "--hold-out is %g %%; it must be from 0 to 90 %%", 100 * fraction);
  size_t n = category->train_count;
  out->learn = fm_alloc(ctx, n, sizeof *out->learn);
  out->held = fm_alloc(ctx, n, sizeof *out->held);
  if (!out->learn || !out->held) {
    fm_holdout_free(ctx, out);
    return FM_MEMORY;
  }
  bool few = fraction > 0 && held_before(n, fraction) == 0; /* then the last one */
  for (size_t i = 0; i < n; i++) {
    bool held = n > 2 && (held_before(i + 1, fraction) > held_before(i, fraction) || (few && i + 1 == n));
    if (held)
      out->held[out->held_count++] = category->train[i];
    else
      out->learn[out->learn_count++] = category->train[i];
  }
  return FM_OK;
}

void fm_holdout_free(struct fm_context *ctx, struct fm_holdout *holdout) {
  fm_free(ctx, holdout->learn);
  fm_free(ctx, holdout->held);
  *holdout = (struct fm_holdout){0};
}
