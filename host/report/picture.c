/* One picture of a report: its files at its own size, and the small pictures of the page. */
#include "report/record.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/thread.h"
#include "file/jpeg_encode.h"
#include "file/tiff.h"
#include "report/html.h"
#include "report/overlay.h"

#include <math.h>
#include <string.h>

enum { QUALITY = 85, QUALITY_WHOLE = 90 };

const char *const fm_tile_names[FM_TILES] = {"picture", "map", "found", "truth", "own-map", "repaired"};

struct work {
  const struct fm_page_place *place;
  struct fm_context *ctx;
  const struct fm_report_picture *picture;
  unsigned char *mask;
};

/* FOLDER/KIND/NAME.EXTENSION in the category's folder, whose folder is made; a new string. */
static enum fm_status picture_path(const struct work *w, const char *folder, const char *extension,
                                   char **path) {
  const struct fm_report_picture *p = w->picture;
  *path = fm_format(w->ctx, "%s/%s/%s%s%s.%s", w->place->folder, folder, p->kind, *p->kind ? "/" : "",
                    p->name, extension);
  if (!*path) return FM_MEMORY;
  char *slash = strrchr(*path, '/');
  *slash = 0;
  enum fm_status status = fm_folder_make(w->ctx, *path);
  *slash = '/';
  return status;
}

/* ---- at the picture's own size ---- */

static enum fm_status write_map(const struct work *w, const char *path) {
  const struct fm_image *image = w->picture->image;
  return fm_tiff_write(w->ctx, path, image->width, image->height, w->picture->map);
}

static enum fm_status write_mask(const struct work *w, const char *path) {
  const struct fm_image *image = w->picture->image;
  struct fm_image mask = {.width = image->width, .height = image->height, .channels = 1, .pixels = w->mask};
  return fm_png_write(w->ctx, path, &mask);
}

static enum fm_status write_overlay(const struct work *w, const char *path) {
  const struct fm_report_picture *p = w->picture;
  struct fm_image overlay;
  enum fm_status status =
      fm_overlay_draw(w->ctx, p->image, p->map, w->mask, p->truth, &w->place->section->heat, &overlay);
  if (status == FM_OK) status = fm_overlay_hatch(w->ctx, &overlay, w->place->section->ignore);
  if (status == FM_OK) status = fm_png_write(w->ctx, path, &overlay);
  fm_image_free(w->ctx, &overlay);
  return status;
}

static enum fm_status write_repaired(const struct work *w, const char *path) {
  return fm_png_write(w->ctx, path, w->picture->repaired);
}

static enum fm_status write_jpeg(struct fm_context *ctx, const char *path, const struct fm_image *image,
                                 int quality) {
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_jpeg_encode(ctx, image, quality, &bytes, &size));
  enum fm_status status = fm_file_write(ctx, path, bytes, size);
  fm_free(ctx, bytes);
  return status;
}

static enum fm_status write_whole(const struct work *w, const char *path) {
  return write_jpeg(w->ctx, path, w->picture->image, QUALITY_WHOLE);
}

/* They are independent, so threads share them. */
enum { OVERLAY, MAP, MASK, REPAIRED, WHOLE, FILES };
static const struct {
  const char *folder, *extension;
  enum fm_status (*write)(const struct work *, const char *);
} file[FILES] = {[OVERLAY] = {"overlays", "png", write_overlay},
                 [MAP] = {"maps", "tiff", write_map},
                 [MASK] = {"masks", "png", write_mask},
                 [REPAIRED] = {"repaired", "png", write_repaired},
                 [WHOLE] = {"report/whole", "jpg", write_whole}};

static enum fm_status write_file(void *user, size_t index) {
  struct work *w = user;
  const struct fm_report_head *head = w->place->head;
  const bool elsewhere = head->page_only;
  const bool left_out[FILES] = {[OVERLAY] = elsewhere || head->no_overlays,
                                [MAP] = elsewhere || head->no_maps,
                                [MASK] = elsewhere || head->no_masks,
                                [REPAIRED] = elsewhere || !w->picture->repaired,
                                [WHOLE] = !w->place->section->has_whole};
  if (left_out[index]) return FM_OK;
  char *path;
  enum fm_status status = picture_path(w, file[index].folder, file[index].extension, &path);
  if (status == FM_OK) status = file[index].write(w, path);
  fm_free(w->ctx, path);
  return status;
}

/* Pictures of a page alone are drawn by several threads already. */
static enum fm_status write_files(struct work *w) {
  if (w->place->head->page_only) return write_file(w, WHOLE);
  return fm_parallel(w->ctx, FILES, write_file, w);
}

/* ---- the small pictures ---- */

/* What sharpening adds. */
static enum fm_status draw_refined(const struct work *w, int u, int v, struct fm_image tile[FM_TILES]) {
  const struct fm_report_picture *p = w->picture;
  float *map = NULL;
  enum fm_status status = fm_canvas_shrink(w->ctx, p->repaired, u, v, &tile[FM_TILE_REPAIRED]);
  if (status == FM_OK && p->base)
    status = fm_canvas_shrink_map(w->ctx, p->base, p->base_width, p->base_height, u, v, &map);
  if (status == FM_OK && p->base)
    status = fm_overlay_heat(w->ctx, map, u, v, p->base_heat, &tile[FM_TILE_BASE]);
  fm_free(w->ctx, map);
  return status;
}

static enum fm_status draw_tiles(const struct work *w, bool masked, struct fm_image tile[FM_TILES]) {
  struct fm_context *ctx = w->ctx;
  const struct fm_report_picture *p = w->picture;
  const struct fm_heat *heat = &w->place->section->heat;
  int width = p->image->width, height = p->image->height, u, v;
  fm_canvas_fit(width, height, w->place->head->side, &u, &v);
  float *map = NULL;
  unsigned char *found = NULL, *truth = NULL;
  enum fm_status status = fm_canvas_shrink(ctx, p->image, u, v, &tile[FM_TILE_PICTURE]);
  if (status == FM_OK) status = fm_canvas_shrink_map(ctx, p->map, width, height, u, v, &map);
  if (status == FM_OK) status = fm_canvas_shrink_mask(ctx, w->mask, width, height, u, v, &found);
  if (status == FM_OK && masked) status = fm_canvas_shrink_mask(ctx, p->truth, width, height, u, v, &truth);
  if (status == FM_OK) status = fm_overlay_heat(ctx, map, u, v, heat, &tile[FM_TILE_MAP]);
  if (status == FM_OK)
    status = fm_overlay_draw(ctx, &tile[FM_TILE_PICTURE], map, found, truth, heat, &tile[FM_TILE_FOUND]);
  if (status == FM_OK) status = fm_overlay_hatch(ctx, &tile[FM_TILE_FOUND], w->place->section->ignore);
  if (status == FM_OK && masked)
    status = fm_overlay_truth(ctx, &tile[FM_TILE_PICTURE], truth, &tile[FM_TILE_TRUTH]);
  if (status == FM_OK && p->repaired) status = draw_refined(w, u, v, tile);
  fm_free(ctx, map);
  fm_free(ctx, found);
  fm_free(ctx, truth);
  return status;
}

static enum fm_status keep_inside(const struct work *w, const struct fm_image *tile, char **jpeg) {
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_jpeg_encode(w->ctx, tile, QUALITY, &bytes, &size));
  struct fm_text text;
  fm_text_begin(&text, w->ctx);
  fm_base64(&text, bytes, size);
  fm_free(w->ctx, bytes);
  return fm_text_take(&text, jpeg, NULL);
}

static enum fm_status write_beside(const struct work *w, const struct fm_image *tile, const char *name) {
  char folder[32] = "report/", *path;
  strncat(folder, name, sizeof folder - 8);
  enum fm_status status = picture_path(w, folder, "jpg", &path);
  if (status == FM_OK) status = write_jpeg(w->ctx, path, tile, QUALITY);
  fm_free(w->ctx, path);
  return status;
}

static enum fm_status keep_tiles(const struct work *w, const struct fm_image tile[FM_TILES],
                                 struct fm_record *record) {
  record->width = tile[FM_TILE_PICTURE].width;
  record->height = tile[FM_TILE_PICTURE].height;
  for (int t = 0; t < FM_TILES; t++) {
    if (!tile[t].pixels) continue;
    if (w->place->head->single_file)
      FM_TRY(keep_inside(w, &tile[t], &record->jpeg[t]));
    else
      FM_TRY(write_beside(w, &tile[t], fm_tile_names[t]));
    record->tile[t] = true;
  }
  return FM_OK;
}

/* ---- in numbers ---- */

static void map_row(void *user, int y, float *row) {
  const struct fm_report_picture *p = user;
  size_t width = (size_t)p->image->width;
  memcpy(row, p->map + (size_t)y * width, width * sizeof *row);
}

/* The verdict, its regions, and those as a mask. */
static enum fm_status judge(struct fm_context *ctx, const struct fm_section *s,
                            const struct fm_report_picture *p, struct fm_verdict *found,
                            unsigned char **mask) {
  const struct fm_verdict_rule rule = {s->image, s->pixel, s->min_area};
  const struct fm_spot_map map = {p->image->width, p->image->height, map_row, (void *)p};
  size_t width = (size_t)map.width, pixels = width * (size_t)map.height;
  float peak = p->map[0];
  for (size_t i = 1; i < pixels; i++) peak = fmaxf(peak, p->map[i]);
  FM_TRY(fm_verdict_of_map(ctx, &rule, &map, p->score, (double)peak, found));
  if (!(*mask = fm_alloc(ctx, pixels, 1))) return FM_MEMORY;
  struct fm_spot_mask cut;
  enum fm_status status = fm_spot_mask_open(ctx, &cut, &found->spots);
  for (size_t at = 0; at < pixels && status == FM_OK; at += width)
    fm_spot_mask_row(&cut, p->map + at, *mask + at);
  fm_spot_mask_close(ctx, &cut);
  return status;
}

/* Where map is largest, and the middle of what is flawed in truth. */
static void measure(const struct work *w, struct fm_record *record) {
  const struct fm_report_picture *p = w->picture;
  const size_t width = (size_t)p->image->width, height = (size_t)p->image->height, pixels = width * height;
  size_t flaws = 0, peak = 0;
  double x = 0, y = 0;
  for (size_t i = 0; i < pixels; i++) {
    if (p->map[i] > p->map[peak]) peak = i;
    if (!p->truth || !p->truth[i]) continue;
    flaws++;
    size_t row = i / width, column = i % width;
    x += (double)column + 0.5;
    y += (double)row + 0.5;
  }
  record->flagged = record->found.flagged;
  record->share = fm_verdict_share(&record->found);
  record->true_share = (double)flaws / (double)pixels;
  record->masked = flaws > 0;
  record->peak = (double)p->map[peak];
  size_t row = peak / width, column = peak % width;
  record->peak_at =
      (struct fm_point){((double)column + 0.5) / (double)width, ((double)row + 0.5) / (double)height};
  if (flaws)
    record->truth_at =
        (struct fm_point){x / (double)flaws / (double)width, y / (double)flaws / (double)height};
}

enum fm_status fm_picture_draw(const struct fm_page_place *place, const struct fm_report_picture *p,
                               struct fm_image tile[FM_TILES], struct fm_record **record) {
  struct fm_context *ctx = place->ctx;
  const struct fm_section *s = place->section;
  struct work w = {.place = place, .ctx = ctx, .picture = p};
  struct fm_record *r = *record = fm_alloc(ctx, 1, sizeof *r);
  if (!r) return FM_MEMORY;
  r->score = p->score;
  r->flawed = p->flawed && !s->blind;
  r->blind = s->blind;
  if (p->adjusted) r->adjusted = *p->adjusted;
  r->own_width = p->image->width;
  r->own_height = p->image->height;
  r->kind = fm_strdup(ctx, p->kind);
  r->name = fm_strdup(ctx, p->name);
  if (!r->kind || !r->name) return FM_MEMORY;
  enum fm_status status = judge(ctx, s, p, &r->found, &w.mask);
  if (status == FM_OK) measure(&w, r);
  if (status == FM_OK) status = write_files(&w);
  if (status == FM_OK) status = draw_tiles(&w, r->masked, tile);
  if (status == FM_OK) status = keep_tiles(&w, tile, r);
  fm_free(ctx, w.mask);
  return status;
}

void fm_record_free(struct fm_context *ctx, struct fm_record *record) {
  struct fm_record *r = record;
  if (!r) return;
  fm_free(ctx, r->kind);
  fm_free(ctx, r->name);
  fm_verdict_free(ctx, &r->found);
  for (int t = 0; t < FM_TILES; t++) fm_free(ctx, r->jpeg[t]);
  fm_free(ctx, r);
}
