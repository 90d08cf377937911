#define _POSIX_C_SOURCE 200809L
#include "app/evaluate.h"

#include "app/full_size.h"
#include "base/available.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/real.h"
#include "refine/f2pad.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct run {
  struct fm_context *ctx;
  const struct fm_model *model;
  const struct fm_category *category;
  struct fm_preprocess preprocess;
  struct fm_full_size full; /* the pictures at their own size */
  struct fm_source source;  /* of those, for the metrics */
  struct fm_scored *small;  /* [count] at the network's; this owns maps and masks */
  unsigned char **reduced;  /* [count] those masks */
  struct fm_scored *base; /* [count] the detector's own maps, where they were sharpened; masks are small's */
  unsigned char **repaired; /* [count] the repaired pictures, as large as small */
  struct fm_heat base_heat;
  float *score, *base_score;    /* [count]; base_score: the detector's own */
  struct fm_adjusted *adjusted; /* [count] */
  size_t count, min_area;
  bool masks, refine, own_score; /* own_score: a picture's score is not its map's largest value */
};

static float *copy_map(struct fm_context *ctx, const float *map, int width, int height) {
  size_t n = (size_t)width * (size_t)height;
  float *copy = fm_alloc(ctx, n, sizeof *copy);
  if (copy) memcpy(copy, map, n * sizeof *copy);
  return copy;
}

static enum fm_status keep(void *user, const struct fm_score_item *item) {
  struct run *r = user;
  const struct fm_score_one *one = &item->one;
  const size_t i = item->index;
  struct fm_scored *small = &r->small[i];
  *small = (struct fm_scored){.width = one->size.width, .height = one->size.height};
  r->score[i] = one->score;
  r->base_score[i] = one->own_score;
  r->adjusted[i] = *item->adjusted;
  if (one->score != one->peak) r->own_score = true;
  small->map = copy_map(r->ctx, one->small, one->size.width, one->size.height);
  if (!small->map) return FM_MEMORY;
  r->full.picture[i] =
      (struct fm_full_picture){.width = one->width, .height = one->height, .small = small->map};
  if (!r->refine) return FM_OK;
  size_t pixels = fm_size_pixels(one->size);
  r->base[i] = *small;
  r->base[i].map = copy_map(r->ctx, one->base, one->size.width, one->size.height);
  r->repaired[i] = fm_alloc(r->ctx, pixels, 6);
  if (!r->base[i].map || !r->repaired[i]) return FM_MEMORY;
  memcpy(r->repaired[i], one->repaired, pixels * 3);
  memcpy(r->repaired[i] + pixels * 3, one->rgb, pixels * 3);
  return FM_OK;
}

/* Masks at both sizes. A flawed picture without one, or with an empty one, counts as flawed among the
 * pictures, and its pixels do not count. */
static enum fm_status load_masks(struct run *r) {
  enum fm_status status = fm_full_size_masks(&r->full, r->reduced);
  for (size_t i = 0; i < r->count; i++) {
    r->small[i].mask = r->reduced[i];
    r->small[i].flawed = r->category->test[i].flawed;
    r->small[i].unmarked = r->small[i].flawed && !r->full.picture[i].mask.set;
  }
  return status;
}

static enum fm_status look_for_masks(struct run *r) {
  const struct fm_category *c = r->category;
  const struct fm_sample *odd = NULL;
  for (size_t i = 0; i < r->count; i++) {
    const char *mask = c->test[i].mask;
    r->masks |= mask != NULL;
    if (mask && !odd && (fm_folder_exists(mask) || strstr(fm_path_name(mask), "_gt."))) odd = &c->test[i];
  }
  if (odd)
    fm_note(r->ctx, "note: the mask of '%s' is '%s'; the others are found in the same way", odd->path,
            odd->mask);
  if (c->stray_masks)
    fm_note(r->ctx,
            "warning: %zu masks of '%s' belong to no picture, or to one that has a mask already; the first "
            "is '%s'. Masks are called NAME.png, NAME_mask.png or NAME_gt.png, or are a folder NAME",
            c->stray_masks, c->name, c->stray_mask);
  return r->masks ? fm_category_needs_masks(r->ctx, c) : FM_OK;
}

/* Masks as they are written, against the true ones. */
static struct fm_fixed measure_fixed(const struct run *r, const struct fm_scored *maps, const float *score,
                                     double image, const struct fm_threshold *pixel) {
  double both = 0, either = 0, flagged = 0, good = 0;
  for (size_t i = 0; i < r->count; i++) {
    size_t n = (size_t)maps[i].width * (size_t)maps[i].height;
    bool flawed = r->category->test[i].flawed;
    if (maps[i].unmarked) continue;
    double threshold = fm_threshold_outline_of(pixel, (double)score[i] > image, maps[i].map, n);
    good += flawed ? 0 : (double)n;
    for (size_t k = 0; k < n; k++) {
      bool found = (double)maps[i].map[k] > threshold, truth = maps[i].mask && maps[i].mask[k];
      both += found && truth;
      either += found || truth;
      flagged += found && !flawed;
    }
  }
  return (struct fm_fixed){either > 0 ? both / either : NAN, good > 0 ? flagged / good : NAN};
}

static enum fm_status measure(struct run *r, struct fm_evaluation *out) {
  FM_TRY(load_masks(r));
  const float *score = r->own_score ? r->score : NULL;
  const struct fm_source small = fm_source_of(r->small, r->count);
  FM_TRY(fm_metrics_compute(r->ctx, &r->source, score, 0, &out->official));
  FM_TRY(fm_metrics_compute(r->ctx, &small, score, 0, &out->cdo1));
  if (!r->refine || !r->masks) return FM_OK;
  for (size_t i = 0; i < r->count; i++) {
    const float *map = r->base[i].map;
    r->base[i] = r->small[i];
    r->base[i].map = map;
  }
  const struct fm_source base = fm_source_of(r->base, r->count);
  FM_TRY(fm_metrics_compute(r->ctx, &base, r->base_score, 0, &out->base));
  struct fm_threshold image, pixel, own, unused;
  fm_model_thresholds(r->model, true, &image, &pixel);
  fm_model_thresholds(r->model, false, &own, &unused);
  out->fixed = measure_fixed(r, r->small, r->score, image.value, &pixel);
  out->base_fixed = measure_fixed(r, r->base, r->base_score, own.value,
                                  &(struct fm_threshold){.value = r->model->refinement.base});
  return FM_OK;
}

static enum fm_status repair(struct run *r, size_t i, const struct fm_image *image, struct fm_image *out) {
  size_t pixels = (size_t)r->small[i].width * (size_t)r->small[i].height;
  out->pixels = fm_alloc(r->ctx, (size_t)image->width * (size_t)image->height, 3);
  if (!out->pixels) return FM_MEMORY;
  return fm_repaired_enlarge(r->ctx, &r->preprocess, r->repaired[i] + pixels * 3, r->repaired[i],
                             image->pixels, image->width, image->height, out->pixels);
}

static enum fm_status add_picture(struct run *r, struct fm_report *report, size_t i) {
  const struct fm_sample *s = &r->category->test[i];
  const struct fm_full_picture *own = &r->full.picture[i];
  struct fm_image image;
  unsigned char *room = NULL;
  float *map = NULL;
  FM_TRY(fm_image_read(r->ctx, s->path, &image));
  enum fm_status status = fm_image_to_rgb(r->ctx, &image);
  if (status == FM_OK && (image.width != own->width || image.height != own->height))
    status = fm_error(r->ctx, FM_IO, "'%s' changed while it was being evaluated", s->path);
  struct fm_report_picture p = {.kind = s->kind,
                                .name = s->name,
                                .image = &image,
                                .flawed = s->flawed,
                                .score = (double)r->score[i],
                                .adjusted = &r->adjusted[i]};
  struct fm_image repaired = {.width = image.width, .height = image.height, .channels = 3};
  if (status == FM_OK && r->refine) status = repair(r, i, &image, &repaired);
  if (r->refine) {
    p.base = r->base[i].map;
    p.base_width = r->base[i].width;
    p.base_height = r->base[i].height;
    p.base_heat = &r->base_heat;
    p.repaired = &repaired;
  }
  if (status == FM_OK) status = fm_full_size_mask(&r->full, i, &room, &p.truth);
  if (status == FM_OK && !(map = fm_full_size_map(&r->full, i))) status = FM_MEMORY;
  p.map = map;
  if (status == FM_OK) status = fm_report_add(report, &p);
  fm_free(r->ctx, room);
  fm_free(r->ctx, map);
  fm_image_free(r->ctx, &image);
  fm_free(r->ctx, repaired.pixels);
  return status;
}

static struct fm_heat find_heat(const struct run *r, const struct fm_scored *maps, double threshold) {
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < r->count; i++) {
    size_t n = (size_t)maps[i].width * (size_t)maps[i].height;
    for (size_t k = 0; k < n; k++) {
      low = fmin(low, (double)maps[i].map[k]);
      high = fmax(high, (double)maps[i].map[k]);
    }
  }
  return fm_heat_make(low, threshold, high);
}

static enum fm_status report_all(struct run *r, const struct fm_model *model, struct fm_report *report,
                                 struct fm_evaluation *out) {
  struct fm_model_facts facts;
  char size[64];
  fm_model_facts(model, &facts);
  snprintf(size, sizeof size, "%d x %d", model->recipe.size.width, model->recipe.size.height);
  struct fm_report_category c = {.name = r->category->name,
                                 .pictures = r->count,
                                 .facts = facts.fact,
                                 .fact_count = facts.count,
                                 .ignore = &model->standard.ignore,
                                 .size_official = "the pictures' own size",
                                 .size_cdo1 = size};
  if (!model->expert.trained) c.warning = FM_UNTRAINED;
  fm_model_thresholds(model, r->refine, &c.rule.image, &c.rule.pixel);
  c.rule.min_area = r->min_area;
  c.heat = find_heat(r, r->small, c.rule.pixel.value);
  if (r->refine) r->base_heat = find_heat(r, r->base, model->pixel.value);
  FM_TRY(fm_report_category_begin(report, &c));
  struct fm_progress progress;
  fm_progress_begin(&progress, r->ctx, "report", 0, (long)r->count);
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < r->count && status == FM_OK; i++) {
    status = add_picture(r, report, i);
    fm_progress_step(&progress, 1);
    if (status == FM_OK && r->ctx->stop)
      status = fm_error(r->ctx, FM_STOPPED, "stopped while writing the report");
  }
  fm_progress_end(&progress);
  FM_TRY(status);
  FM_TRY(fm_report_category_end(report, &out->official, &out->cdo1));
  out->tally = fm_report_tally(report);
  return FM_OK;
}

/* What the metrics and the report take at most, however many pictures there are: the small maps of all of
 * them, and lists of pixels, or one picture of the report. A header that cannot be read is no matter here. */
static void say_memory(struct run *r) {
  enum { REPORT = 40, MIB = 20 }; /* a picture of the report: itself, its map and masks, the files */
  size_t free = fm_memory_available(), all = 0, largest = 0, small = fm_size_pixels(r->model->recipe.size);
  for (size_t i = 0; i < r->count; i++) {
    struct fm_context branch;
    int width = 0, height = 0;
    size_t bytes;
    fm_context_branch(&branch, r->ctx);
    if (fm_image_size(&branch, r->category->test[i].path, &width, &height, &bytes) == FM_OK) {
      size_t pixels = (size_t)width * (size_t)height;
      all += pixels;
      if (pixels > largest) largest = pixels;
    }
    fm_context_free(&branch);
  }
  size_t bytes = fm_full_size_bytes(&r->full, &r->source, all, largest);
  if (bytes < largest * REPORT) bytes = largest * REPORT;
  bytes += r->count * small * (r->refine ? 15 : 5);
  bool scarce = free && bytes > free;
  if (bytes >> MIB < 256 && !scarce) return;
  fm_note(r->ctx,
          "memory: the metrics and the report of %zu pictures take %zu MiB, and the whole program up to %zu "
          "MiB; %zu MiB are free%s",
          r->count, bytes >> MIB, (bytes + fm_memory_resident()) >> MIB, free >> MIB,
          scarce ? ", which may not be enough: evaluate fewer or smaller pictures at a time" : "");
}

enum fm_status fm_evaluate(struct fm_device *d, const struct fm_model *model, bool refine, size_t min_area,
                           const struct fm_category *category, struct fm_report *report,
                           struct fm_evaluation *out) {
  struct run r = {.ctx = fm_device_context(d),
                  .model = model,
                  .category = category,
                  .count = category->test_count,
                  .refine = refine,
                  .min_area = min_area,
                  .own_score = refine};
  *out = (struct fm_evaluation){.pictures = r.count, .refined = refine};
  if (!r.count)
    return fm_error(r.ctx, FM_USAGE,
                    "the category '%s' has no test pictures to evaluate with; 'flawmap predict' scores "
                    "pictures without knowing what they are",
                    category->name);
  FM_TRY(look_for_masks(&r));
  FM_TRY(fm_recipe_preprocess(r.ctx, &model->recipe, &r.preprocess));
  enum fm_status status = fm_full_size_open(r.ctx, &r.preprocess, category->test, r.count, r.masks, &r.full);
  r.source = fm_full_size_source(&r.full);
  if (status == FM_OK) say_memory(&r);
  r.small = fm_alloc(r.ctx, r.count, sizeof *r.small);
  r.reduced = fm_alloc(r.ctx, r.count, sizeof *r.reduced);
  r.score = fm_alloc(r.ctx, r.count, sizeof *r.score);
  r.base_score = fm_alloc(r.ctx, r.count, sizeof *r.base_score);
  r.adjusted = fm_alloc(r.ctx, r.count, sizeof *r.adjusted);
  if (!r.small || !r.reduced || !r.score || !r.base_score || !r.adjusted) status = FM_MEMORY;
  if (status == FM_OK && refine) {
    r.base = fm_alloc(r.ctx, r.count, sizeof *r.base);
    r.repaired = fm_alloc(r.ctx, r.count, sizeof *r.repaired);
    if (!r.base || !r.repaired) status = FM_MEMORY;
  }
  char text[160];
  snprintf(text, sizeof text, "scoring %.128s", category->name);
  const struct fm_score_list list = {
      .samples = category->test, .count = r.count, .text = text, .refine = refine, .take = keep, .user = &r};
  if (status == FM_OK) status = fm_score_set(d, model, &list);
  if (status == FM_OK) status = measure(&r, out);
  if (status == FM_OK) out->reported = true;
  if (status == FM_OK) status = report_all(&r, model, report, out);
  for (size_t i = 0; i < r.count && r.small; i++) fm_free(r.ctx, (void *)r.small[i].map);
  for (size_t i = 0; i < r.count && r.reduced; i++) fm_free(r.ctx, r.reduced[i]);
  for (size_t i = 0; i < r.count && r.base; i++) fm_free(r.ctx, (void *)r.base[i].map);
  for (size_t i = 0; i < r.count && r.repaired; i++) fm_free(r.ctx, r.repaired[i]);
  fm_free(r.ctx, r.base);
  fm_free(r.ctx, r.repaired);
  fm_free(r.ctx, r.small);
  fm_free(r.ctx, r.score);
  fm_free(r.ctx, r.base_score);
  fm_free(r.ctx, r.adjusted);
  fm_free(r.ctx, r.reduced);
  fm_full_size_close(&r.full);
  return status;
}

static void __attribute__((format(printf, 3, 4)))
add(struct fm_model_facts *f, const char *name, const char *format, ...) {
  if (f->count == FM_MODEL_FACTS) return;
  va_list args;
  va_start(args, format);
  vsnprintf(f->room[f->count], sizeof f->room[0], format, args);
  va_end(args);
  f->fact[f->count] = (struct fm_fact){name, f->room[f->count]};
  f->count++;
}

void fm_model_facts(const struct fm_model *m, struct fm_model_facts *f) {
  const struct fm_recipe *r = &m->recipe;
  f->count = 0;
  add(f, "method", "%s", r->method);
  add(f, "backbone", "%s", r->backbone);
  add(f, "size", "%d x %d, %s", r->size.width, r->size.height, r->resize);
  if (r->tile) add(f, "tiles", "%ld x %ld of the picture's own pixels", r->tile, r->tile);
  if (strcmp(r->light, "off") != 0)
    add(f, "light", "%s%s", fm_light_names[m->standard.light.mode],
        strcmp(r->light, "auto") == 0 ? ", chosen by held-out pictures" : "");
  if (strcmp(r->align, "off") != 0)
    add(f, "pose", "%s, chosen by held-out pictures",
        m->standard.poses ? "parts are brought to one" : "parts are left as they lie");
  if (!fm_ignore_none(&m->standard.ignore))
    add(f, "not looked at", "%.3g %% of each picture", 100 * fm_ignore_share(&m->standard.ignore));
  add(f, "learned from", "%s, %zu good pictures (list %s), %zu held out, seed %ld", m->data.category,
      m->data.learned, m->data.hash, m->data.held, r->seed);
  if (m->data.joined) add(f, "of which", "%zu joined later (update)", m->data.joined);
  if (m->data.real)
    add(f, "and from", "%zu flawed test pictures, which therefore do not test it",
        fm_real_count(m->data.real));
  for (int i = 0; i < FM_FIELDS; i++) {
    char value[FM_FIELD_VALUE];
    if ((fm_fields[i].methods & FM_EVERY) == FM_EVERY || !fm_recipe_has(r, i) || !fm_fields[i].help) continue;
    fm_recipe_get(r, i, value);
    add(f, fm_fields[i].key, "%s", value);
  }
  if (m->expert.trained)
    add(f, "expert", "%s, SHA-256 of its values %.16s...", m->expert.file, m->expert.hash);
  else
    add(f, "expert", "%s", FM_UNTRAINED);
  add(f, "trained on", "%s", m->device);
}

enum fm_status fm_refine_parse(struct fm_context *ctx, const char *text, enum fm_switch *wish) {
  *wish = !text ? FM_AUTO : strcmp(text, "off") == 0 ? FM_NO : FM_YES;
  if (*wish != FM_YES || strcmp(text, "f2pad") == 0) return FM_OK;
  return fm_error(ctx, FM_USAGE, "--refine %.40s is not known; there are f2pad and off", text);
}
