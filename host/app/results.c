#define _POSIX_C_SOURCE 200809L
#include "app/results.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "file/tiff.h"
#include "refine/f2pad.h"
#include "report/overlay.h"

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

char *fm_result_path(const struct fm_results *r, const char *name, enum fm_result kind) {
  return fm_format(r->ctx, "%s/%s/%s.%s", r->folder, kinds[kind].folder, name, kinds[kind].extension);
}

struct work { /* a picture */
  struct fm_context *ctx;
  const struct fm_results *results;
  const struct fm_score_item *item;
  const struct fm_image *image;
  float *map;
};

static enum fm_status write_map(const struct work *w, const char *path) {
  return fm_tiff_write(w->ctx, path, w->item->one.width, w->item->one.height, w->map);
}

static enum fm_status write_mask(const struct work *w, const char *path) {
  struct fm_image mask = {.width = w->item->one.width, .height = w->item->one.height, .channels = 1};
  FM_TRY(fm_mask_from_map(w->ctx, w->map, mask.width, mask.height, w->results->threshold, &mask.pixels));
  enum fm_status status = fm_png_write(w->ctx, path, &mask);
  fm_free(w->ctx, mask.pixels);
  return status;
}

static enum fm_status write_overlay(const struct work *w, const char *path) {
  struct fm_image overlay = {0};
  unsigned char *mask;
  FM_TRY(fm_mask_from_map(w->ctx, w->map, w->image->width, w->image->height, w->results->threshold, &mask));
  enum fm_status status = fm_overlay_draw(w->ctx, w->image, w->map, mask, NULL, &w->results->heat, &overlay);
  if (status == FM_OK) status = fm_png_write(w->ctx, path, &overlay);
  fm_image_free(w->ctx, &overlay);
  fm_free(w->ctx, mask);
  return status;
}

static enum fm_status write_repaired(const struct work *w, const char *path) {
  const struct fm_score_one *one = &w->item->one;
  struct fm_image out = {.width = one->width, .height = one->height, .channels = 3};
  out.pixels = fm_alloc(w->ctx, (size_t)out.width * (size_t)out.height, 3);
  if (!out.pixels) return FM_MEMORY;
  enum fm_status status = fm_repaired_enlarge(w->ctx, &w->results->preprocess, one->rgb, one->repaired,
                                              w->image->pixels, out.width, out.height, out.pixels);
  if (status == FM_OK) status = fm_png_write(w->ctx, path, &out);
  fm_image_free(w->ctx, &out);
  return status;
}

/* One of the files; overlays, which take longest, come before maps and masks. */
static enum fm_status write_file(void *user, size_t index) {
  static enum fm_status (*const write[FM_RESULTS])(const struct work *, const char *) = {
      write_map, write_mask, write_overlay, write_repaired};
  const struct work *w = user;
  enum fm_result kind = (enum fm_result)(FM_RESULTS - 1 - index);
  if (!w->results->wanted[kind]) return FM_OK;
  char *path = fm_result_path(w->results, w->item->sample->name, kind);
  if (!path) return FM_MEMORY;
  char *slash = strrchr(path, '/');
  *slash = 0;
  enum fm_status status = fm_folder_make(w->ctx, path);
  *slash = '/';
  if (status == FM_OK) status = write[kind](w, path);
  fm_free(w->ctx, path);
  return status;
}

enum fm_status fm_results_write(struct fm_context *ctx, const struct fm_results *results,
                                const struct fm_score_item *item) {
  const bool *wanted = results->wanted;
  const struct fm_score_one *one = &item->one;
  struct work w = {.ctx = ctx, .results = results, .item = item};
  struct fm_image room = {0};
  enum fm_status status = FM_OK;
  if (wanted[FM_RESULT_OVERLAY] || wanted[FM_RESULT_REPAIRED])
    status = fm_score_image(ctx, item, &room, &w.image);
  if (wanted[FM_RESULT_MAP] || wanted[FM_RESULT_MASK] || wanted[FM_RESULT_OVERLAY]) {
    w.map = fm_alloc(ctx, (size_t)one->width * (size_t)one->height, sizeof *w.map);
    if (!w.map) status = FM_MEMORY;
    for (int y = 0; y < one->height && w.map; y++)
      fm_score_map_row(&one->map, y, w.map + (size_t)y * (size_t)one->width);
  }
  if (status == FM_OK) status = fm_parallel(ctx, FM_RESULTS, write_file, &w);
  fm_image_free(ctx, &room);
  fm_free(ctx, w.map);
  return status;
}
