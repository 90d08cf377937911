#include "task/score_batch.h"

#include "base/memory.h"
#include "task/score_tiles.h"

#include <math.h>
#include <string.h>

struct fm_score_batch {
  struct fm_context *ctx;
  struct fm_scorer *scorer;
  struct fm_f2pad *refiner; /* instead of the scorer */
  struct fm_preprocess preprocess;
  struct fm_size size;      /* the network's */
  bool sharp_scores;        /* a picture's score is its sharpened map's */
  const unsigned char *rgb; /* of the last run, or seen */
  float *maps, *base, *scores;
  unsigned char *repaired;
  struct fm_tile_room *tiles; /* where pictures come in tiles; then what comes out is its */
  struct fm_tiled tiled;
  unsigned char
      *seen; /* where maps are sharpened: the pictures of the last run in their own light and pose */
};

/* ---- maps at the pictures' own size ---- */

/* Pixels that a crop cuts off have no score: they get the map's lowest. */
static enum fm_status uncrop(struct fm_context *ctx, const float *small, const struct fm_preprocess *p,
                             float **whole) {
  struct fm_size size = fm_preprocess_size(p);
  int left, above;
  size_t pixels = fm_size_pixels(p->size), width = (size_t)size.width;
  fm_preprocess_edge(p, &left, &above);
  float *out = *whole = fm_alloc(ctx, pixels, sizeof *out), least = small[0];
  if (!out) return FM_MEMORY;
  for (size_t i = 1; i < fm_size_pixels(size); i++) least = fminf(least, small[i]);
  for (size_t i = 0; i < pixels; i++) out[i] = least;
  for (int y = 0; y < size.height; y++)
    memcpy(out + (size_t)(y + above) * (size_t)p->size.width + (size_t)left, small + (size_t)y * width,
           width * sizeof *out);
  return FM_OK;
}

void fm_score_map_close(struct fm_context *ctx, struct fm_score_map *map) {
  fm_map_rows_close(ctx, &map->rows);
  fm_free(ctx, map->whole);
  *map = (struct fm_score_map){0};
}

enum fm_status fm_score_map_open(struct fm_context *ctx, struct fm_score_map *map, const float *small,
                                 struct fm_size size, const struct fm_preprocess *p, int width, int height) {
  *map = (struct fm_score_map){0};
  if (p->crop.width) {
    FM_TRY(uncrop(ctx, small, p, &map->whole));
    size = p->size;
  }
  enum fm_status status = fm_map_rows_open(ctx, &map->rows, map->whole ? map->whole : small, size.width,
                                           size.height, width, height);
  if (status != FM_OK) fm_score_map_close(ctx, map);
  return status;
}

void fm_score_map_row(const struct fm_score_map *map, int y, float *row) {
  fm_map_rows_get(&map->rows, y, row);
}

static enum fm_status map_peak(struct fm_context *ctx, const struct fm_score_map *map, float *peak) {
  size_t width = (size_t)map->rows.out_width;
  float *row = fm_alloc(ctx, width, sizeof *row), most = -INFINITY;
  struct fm_map_cursor cursor = {0};
  enum fm_status status = row ? fm_map_cursor_open(ctx, &cursor, &map->rows) : FM_MEMORY;
  bool broken = false; /* a NaN must not pass unseen: no comparison finds it */
  for (int y = 0; status == FM_OK && y < map->rows.out_height; y++) {
    fm_map_cursor_get(&cursor, y, row);
    for (size_t x = 0; x < width; x++) {
      most = row[x] > most ? row[x] : most;
      broken |= row[x] != row[x];
    }
  }
  fm_map_cursor_close(ctx, &cursor);
  fm_free(ctx, row);
  *peak = broken ? NAN : most;
  return status;
}

/* ---- a batch ---- */

static enum fm_status allocate(struct fm_score_batch *b, size_t most, bool refine) {
  size_t pixels = most * fm_size_pixels(b->size);
  b->maps = fm_alloc(b->ctx, pixels, sizeof *b->maps);
  b->scores = fm_alloc(b->ctx, most, sizeof *b->scores);
  if (!b->maps || !b->scores) return FM_MEMORY;
  if (!refine) return FM_OK;
  b->base = fm_alloc(b->ctx, pixels, sizeof *b->base);
  b->repaired = fm_alloc(b->ctx, pixels, 3);
  b->seen = fm_alloc(b->ctx, pixels, 3);
  return b->base && b->repaired && b->seen ? FM_OK : FM_MEMORY;
}

enum fm_status fm_score_batch_make(struct fm_device *d, const struct fm_model *model, int most, bool refine,
                                   struct fm_score_batch **batch) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_score_batch *b = fm_alloc(ctx, 1, sizeof *b);
  *batch = NULL;
  if (!b) return FM_MEMORY;
  b->ctx = ctx;
  b->sharp_scores = refine && model->refinement.scores;
  enum fm_status status = fm_model_preprocess(model, &b->preprocess);
  b->size = fm_preprocess_size(&b->preprocess);
  if (status == FM_OK)
    status = b->preprocess.tile ? fm_tile_room_make(ctx, &b->preprocess, most, refine, &b->tiles)
                                : allocate(b, (size_t)most, refine);
  if (status == FM_OK)
    status = refine ? fm_f2pad_make(d, model, most, &b->refiner)
                    : fm_scorer_make(d, model, most, false, &b->scorer);
  if (status == FM_OK)
    *batch = b;
  else
    fm_score_batch_free(b);
  return status;
}

void fm_score_batch_free(struct fm_score_batch *b) {
  if (!b) return;
  fm_scorer_free(b->scorer);
  fm_f2pad_free(b->refiner);
  void *const own[] = {b->maps, b->base, b->scores, b->repaired, b->seen};
  for (size_t i = 0; i < sizeof own / sizeof *own && !b->tiles; i++) fm_free(b->ctx, own[i]);
  fm_tile_room_free(b->tiles); /* it has them */
  fm_free(b->ctx, b);
}

static void undo_one(struct fm_score_batch *b, size_t i, const struct fm_adjusted *a, void *room) {
  const struct fm_standard *s = b->preprocess.standard;
  size_t at = i * fm_size_pixels(b->size);
  const struct fm_size whole = b->preprocess.size;
  fm_standard_undo_map(s, a, b->maps + at, b->size, whole, room);
  if (!b->refiner) return;
  fm_standard_undo_map(s, a, b->base + at, b->size, whole, room);
  fm_standard_undo_picture(s, a, b->seen + 3 * at, b->size, whole, room);
  fm_standard_undo_picture(s, a, b->repaired + 3 * at, b->size, whole, room);
}

/* The one place where it is taken back what came before the network. */
static enum fm_status undo(struct fm_score_batch *b, int count, const struct fm_adjusted *adjusted) {
  size_t pixels = fm_size_pixels(b->size);
  void *room = fm_alloc(b->ctx, pixels, sizeof(float));
  if (!room) return FM_MEMORY;
  if (b->refiner) {
    memcpy(b->seen, b->rgb, (size_t)count * pixels * 3);
    b->rgb = b->seen;
  }
  for (int i = 0; i < count; i++) undo_one(b, (size_t)i, &adjusted[i], room);
  fm_free(b->ctx, room);
  return FM_OK;
}

enum fm_status fm_score_batch_run(struct fm_score_batch *b, int count, const unsigned char *rgb,
                                  const struct fm_adjusted *adjusted) {
  b->rgb = rgb;
  if (b->refiner)
    FM_TRY(fm_f2pad_run(b->refiner, count, rgb, adjusted, b->maps, b->scores, b->base, b->repaired));
  else
    FM_TRY(fm_scorer_run(b->scorer, count, rgb, adjusted, b->maps, b->scores));
  return adjusted && b->preprocess.standard ? undo(b, count, adjusted) : FM_OK;
}

enum fm_status fm_score_batch_without(struct fm_score_batch *b, int picture) {
  if (b->refiner)
    return fm_error(b->ctx, FM_USAGE, "a sharpened map cannot do without a picture that was learned from");
  return fm_scorer_without(b->scorer, picture);
}

enum fm_status fm_score_batch_run_tiles(struct fm_score_batch *b, const struct fm_image *picture) {
  FM_TRY(fm_tile_room_run(b->tiles, b->scorer, b->refiner, picture, &b->tiled));
  const struct fm_tiled *t = &b->tiled;
  b->size = t->size;
  b->maps = t->map;
  b->base = t->base;
  b->rgb = b->seen = t->seen;
  b->repaired = t->repaired;
  b->scores = &b->tiled.score;
  return FM_OK;
}

/* The largest value of the detector's own map, where that is not the map at hand. */
static enum fm_status base_peak(const struct fm_score_batch *b, struct fm_context *ctx,
                                const struct fm_score_one *one, float *peak) {
  struct fm_score_map map;
  FM_TRY(fm_score_map_open(ctx, &map, one->base, one->size, &b->preprocess, one->width, one->height));
  enum fm_status status = map_peak(ctx, &map, peak);
  fm_score_map_close(ctx, &map);
  return status;
}

enum fm_status fm_score_one_open(const struct fm_score_batch *b, struct fm_context *ctx, int i, int width,
                                 int height, struct fm_score_one *one) {
  size_t at = (size_t)i * fm_size_pixels(b->size);
  *one = (struct fm_score_one){.width = width,
                               .height = height,
                               .size = b->size,
                               .small = b->maps + at,
                               .base = b->refiner ? b->base + at : NULL,
                               .repaired = b->refiner ? b->repaired + 3 * at : NULL,
                               .rgb = b->rgb ? b->rgb + 3 * at : NULL};
  FM_TRY(fm_score_map_open(ctx, &one->map, one->small, one->size, &b->preprocess, width, height));
  FM_TRY(map_peak(ctx, &one->map, &one->peak));
  one->own_score = b->scores[i];
  if (isnan(one->own_score)) one->own_score = one->peak;
  if (isnan(b->scores[i]) && b->refiner) FM_TRY(base_peak(b, ctx, one, &one->own_score));
  one->score = b->sharp_scores ? one->peak : one->own_score;
  if (isfinite(one->peak) && isfinite(one->score)) return FM_OK;
  return fm_error(
      ctx, FM_NUMERIC,
      "the device computed a map with values that are not numbers; test it with 'flawmap doctor'");
}

void fm_score_one_close(struct fm_context *ctx, struct fm_score_one *one) {
  fm_score_map_close(ctx, &one->map);
}
