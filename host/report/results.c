#define _POSIX_C_SOURCE 200809L
#include "report/results.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "file/tiff.h"
#include "refine/f2pad.h"
#include "report/overlay.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *name, *folder, *extension;
} kinds[FM_RESULTS] = {[FM_RESULT_MAP] = {"map", "maps", "tiff"},
                       [FM_RESULT_MASK] = {"mask", "masks", "png"},
                       [FM_RESULT_OVERLAY] = {"overlay", "overlays", "png"},
                       [FM_RESULT_REPAIRED] = {"repaired", "repaired", "png"}};

const char *fm_result_name(enum fm_result kind) {
  return kinds[kind].name;
}

enum fm_status fm_results_make(struct fm_context *ctx, const struct fm_model *model, bool refine,
                               struct fm_results *r) {
  bool known = model->has_thresholds;
  *r = (struct fm_results){.ctx = ctx, .known = known, .ignore = &model->standard.ignore};
  fm_model_thresholds(model, refine, &r->rule.image, &r->rule.pixel);
  double middle = known ? r->rule.pixel.value : NAN;
  r->heat = fm_heat_make(known ? 0 : NAN, middle, 2 * middle);
  return fm_recipe_preprocess(ctx, &model->recipe, &r->preprocess);
}

const char *fm_result_verdict(const struct fm_results *r, const struct fm_verdict *found) {
  return !r->known ? "unknown" : found->flagged ? "flawed" : "good";
}

char *fm_result_path(const struct fm_results *r, const char *name, enum fm_result kind) {
  return fm_format(r->ctx, "%s/%s/%s.%s", r->folder, kinds[kind].folder, name, kinds[kind].extension);
}

struct work { /* a picture */
  struct fm_context *ctx;
  const struct fm_results *results;
  const struct fm_score_item *item;
  const struct fm_verdict *found;
  const struct fm_image *image;
};

static void map_row(void *user, int y, float *row) {
  const struct fm_score_map *map = user;
  fm_score_map_row(map, y, row);
}

static enum fm_status write_map(const struct work *w, const char *path) {
  const struct fm_score_one *one = &w->item->one;
  return fm_tiff_write_rows(w->ctx, path, one->width, one->height, map_row, (void *)&one->map);
}

struct mask { /* that is made of a map, row by row */
  const struct fm_score_map *map;
  float *row;
  struct fm_spot_mask cut;
};

static void mask_row(void *user, int y, unsigned char *out) {
  struct mask *m = user;
  fm_score_map_row(m->map, y, m->row);
  fm_spot_mask_row(&m->cut, m->row, out);
}

/* Closed also after a failure. */
static enum fm_status mask_open(const struct work *w, struct mask *m) {
  *m = (struct mask){.map = &w->item->one.map};
  m->row = fm_alloc(w->ctx, (size_t)w->item->one.width, sizeof *m->row);
  return m->row ? fm_spot_mask_open(w->ctx, &m->cut, &w->found->spots) : FM_MEMORY;
}

static void mask_close(const struct work *w, struct mask *m) {
  fm_spot_mask_close(w->ctx, &m->cut);
  fm_free(w->ctx, m->row);
}

static enum fm_status write_mask(const struct work *w, const char *path) {
  struct mask m;
  enum fm_status status = mask_open(w, &m);
  if (status == FM_OK)
    status = fm_png_write_rows(w->ctx, path, w->item->one.width, w->item->one.height, 1, mask_row, &m);
  mask_close(w, &m);
  return status;
}

static enum fm_status draw_mask(const struct work *w, struct fm_image *out) {
  struct mask m;
  *out = (struct fm_image){.width = w->item->one.width, .height = w->item->one.height, .channels = 1};
  enum fm_status status = mask_open(w, &m);
  out->pixels = fm_alloc(w->ctx, (size_t)out->width, (size_t)out->height);
  if (!out->pixels) status = FM_MEMORY;
  for (int y = 0; status == FM_OK && y < out->height; y++)
    mask_row(&m, y, out->pixels + (size_t)y * (size_t)out->width);
  mask_close(w, &m);
  return status;
}

/* Outlines look at rows above and below, so this one is drawn whole. */
static enum fm_status draw_overlay(const struct work *w, struct fm_image *overlay) {
  struct fm_tint tint;
  struct mask m;
  *overlay = *w->image;
  overlay->pixels = NULL;
  fm_tint_make(&tint, &w->results->heat);
  enum fm_status status = mask_open(w, &m);
  size_t width = (size_t)overlay->width, pixels = width * (size_t)overlay->height;
  unsigned char *mask = fm_alloc(w->ctx, pixels, 1);
  overlay->pixels = fm_alloc(w->ctx, pixels, 3);
  if (!mask || !overlay->pixels) status = FM_MEMORY;
  if (status == FM_OK) {
    memcpy(overlay->pixels, w->image->pixels, 3 * pixels);
    for (size_t y = 0; y < (size_t)overlay->height; y++) {
      mask_row(&m, (int)y, mask + y * width);
      fm_overlay_blend(overlay->pixels + 3 * y * width, m.row, width, &tint);
    }
    fm_overlay_outline(overlay, mask);
    status = fm_overlay_hatch(w->ctx, overlay, w->results->ignore);
  }
  fm_free(w->ctx, mask);
  mask_close(w, &m);
  return status;
}

static enum fm_status draw_repaired(const struct work *w, struct fm_image *out) {
  const struct fm_score_one *one = &w->item->one;
  *out = (struct fm_image){.width = one->width, .height = one->height, .channels = 3};
  out->pixels = fm_alloc(w->ctx, (size_t)out->width * (size_t)out->height, 3);
  if (!out->pixels) return FM_MEMORY;
  return fm_repaired_enlarge(w->ctx, &w->results->preprocess, one->rgb, one->repaired, w->image->pixels,
                             out->width, out->height, out->pixels);
}

static enum fm_status (*const draw[FM_RESULTS])(const struct work *, struct fm_image *) = {
    [FM_RESULT_MASK] = draw_mask, [FM_RESULT_OVERLAY] = draw_overlay, [FM_RESULT_REPAIRED] = draw_repaired};

static enum fm_status write_drawn(const struct work *w, enum fm_result kind, const char *path) {
  struct fm_image out = {0};
  enum fm_status status = draw[kind](w, &out);
  if (status == FM_OK) status = fm_png_write(w->ctx, path, &out);
  fm_image_free(w->ctx, &out);
  return status;
}

enum fm_status fm_result_encode(struct fm_context *ctx, const struct fm_results *results,
                                const struct fm_score_item *item, const struct fm_verdict *found,
                                const struct fm_image *image, enum fm_result kind, unsigned char **bytes,
                                size_t *size) {
  const struct work w = {.ctx = ctx, .results = results, .item = item, .found = found, .image = image};
  const struct fm_score_one *one = &item->one;
  if (kind == FM_RESULT_MAP)
    return fm_tiff_encode_rows(ctx, one->width, one->height, map_row, (void *)&one->map, bytes, size);
  struct fm_image out = {0};
  enum fm_status status = draw[kind](&w, &out);
  if (status == FM_OK) status = fm_png_encode(ctx, &out, bytes, size);
  fm_image_free(ctx, &out);
  return status;
}

/* One of the files; overlays, which take longest, come before maps and masks. */
static enum fm_status write_file(void *user, size_t index) {
  const struct work *w = user;
  enum fm_result kind = (enum fm_result)(FM_RESULTS - 1 - index);
  if (!w->results->wanted[kind]) return FM_OK;
  char *path = fm_result_path(w->results, w->item->sample->name, kind);
  if (!path) return FM_MEMORY;
  char *slash = strrchr(path, '/');
  *slash = 0;
  enum fm_status status = fm_folder_make(w->ctx, path);
  *slash = '/';
  if (status == FM_OK)
    status = kind == FM_RESULT_MAP    ? write_map(w, path)
             : kind == FM_RESULT_MASK ? write_mask(w, path)
                                      : write_drawn(w, kind, path);
  fm_free(w->ctx, path);
  return status;
}

size_t fm_results_bytes(const struct fm_results *results) {
  const bool *wanted = results->wanted;
  bool picture = wanted[FM_RESULT_OVERLAY] || wanted[FM_RESULT_REPAIRED];
  size_t bytes = picture ? 3 : 0;
  if (wanted[FM_RESULT_OVERLAY]) bytes += 4; /* the drawn picture and its mask */
  if (wanted[FM_RESULT_REPAIRED]) bytes += 3;
  return bytes;
}

enum fm_status fm_results_write(struct fm_context *ctx, const struct fm_results *results,
                                const struct fm_score_item *item, const struct fm_verdict *found) {
  const bool *wanted = results->wanted;
  struct work w = {.ctx = ctx, .results = results, .item = item, .found = found};
  struct fm_image room = {0};
  enum fm_status status = FM_OK;
  if (wanted[FM_RESULT_OVERLAY] || wanted[FM_RESULT_REPAIRED])
    status = fm_score_image(ctx, item, &room, &w.image);
  if (status == FM_OK) status = fm_parallel(ctx, FM_RESULTS, write_file, &w);
  fm_image_free(ctx, &room);
  return status;
}
