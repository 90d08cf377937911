#include "task/score_tiles.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "task/mosaic.h"

#include <math.h>

struct fm_tile_room {
  struct fm_context *ctx;
  struct fm_preprocess preprocess;
  int most;
  size_t pixels;                 /* of a tile as the network sees it */
  unsigned char *rgb, *repaired; /* [most] of tiles */
  float *map, *base, *score;
  struct fm_adjusted *adjusted; /* [most] */
  struct fm_tiled result;
  /* The picture at hand, without what is ignored. */
  struct fm_image picture;
  struct fm_mosaic mosaic;
  int first; /* of the batch */
};

enum fm_status fm_tile_room_make(struct fm_context *ctx, const struct fm_preprocess *p, int most, bool refine,
                                 struct fm_tile_room **room) {
  struct fm_tile_room *r = *room = fm_alloc(ctx, 1, sizeof *r);
  if (!r) return FM_MEMORY;
  *r = (struct fm_tile_room){
      .ctx = ctx, .preprocess = *p, .most = most, .pixels = fm_size_pixels(fm_preprocess_size(p))};
  size_t all = (size_t)most * r->pixels;
  r->rgb = fm_alloc(ctx, all, 3);
  r->map = fm_alloc(ctx, all, sizeof *r->map);
  r->score = fm_alloc(ctx, (size_t)most, sizeof *r->score);
  r->adjusted = fm_alloc(ctx, (size_t)most, sizeof *r->adjusted);
  if (!r->rgb || !r->map || !r->score || !r->adjusted) return FM_MEMORY;
  if (!refine) return FM_OK;
  r->base = fm_alloc(ctx, all, sizeof *r->base);
  r->repaired = fm_alloc(ctx, all, 3);
  return r->base && r->repaired ? FM_OK : FM_MEMORY;
}

static void free_result(struct fm_tile_room *r) {
  void *const own[] = {r->result.map, r->result.base, r->result.seen, r->result.repaired};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(r->ctx, own[i]);
  r->result = (struct fm_tiled){0};
}

void fm_tile_room_free(struct fm_tile_room *r) {
  if (!r) return;
  void *const own[] = {r->rgb, r->repaired, r->map, r->base, r->score, r->adjusted};
  free_result(r);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_free(r->ctx, own[i]);
  fm_free(r->ctx, r);
}

static enum fm_status make_result(struct fm_tile_room *r) {
  struct fm_tiled *t = &r->result;
  free_result(r);
  t->size = r->mosaic.size;
  t->score = NAN;
  size_t pixels = fm_size_pixels(t->size);
  if (!(t->map = fm_alloc(r->ctx, pixels, sizeof *t->map))) return FM_MEMORY;
  if (!r->base) return FM_OK;
  t->base = fm_alloc(r->ctx, pixels, sizeof *t->base);
  t->seen = fm_alloc(r->ctx, pixels, 3);
  t->repaired = fm_alloc(r->ctx, pixels, 3);
  return t->base && t->seen && t->repaired ? FM_OK : FM_MEMORY;
}

static enum fm_status fit_tile(void *user, size_t i) {
  struct fm_tile_room *r = user;
  const struct fm_tiling *t = &r->mosaic.tiling;
  const int k = r->first + (int)i, side = t->tile;
  struct fm_image tile = {.width = side, .height = side, .channels = r->picture.channels};
  tile.pixels = fm_alloc(r->ctx, (size_t)side * (size_t)side, (size_t)tile.channels);
  if (!tile.pixels) return FM_MEMORY;
  int x = fm_tile_begin(side, t->own.width, k % t->across, t->across),
      y = fm_tile_begin(side, t->own.height, k / t->across, t->down);
  fm_tile_cut(&r->picture, side, x, y, tile.pixels);
  enum fm_status status =
      fm_picture_fit(r->ctx, &r->preprocess, &tile, r->rgb + i * r->pixels * 3, &r->adjusted[i]);
  r->adjusted[i].tile = fm_tile_place_of(t->own, side, x, y);
  fm_image_free(r->ctx, &tile);
  return status;
}

/* Into the result, in the tiles' order, so that sums have one order. */
static void take(struct fm_tile_room *r, int now) {
  struct fm_tiled *t = &r->result;
  for (int i = 0; i < now; i++) {
    const int k = r->first + i;
    size_t at = (size_t)i * r->pixels;
    fm_mosaic_add(&r->mosaic, k, r->map + at, t->map);
    if (r->base) {
      fm_mosaic_add(&r->mosaic, k, r->base + at, t->base);
      fm_mosaic_add_picture(&r->mosaic, k, r->rgb + 3 * at, t->seen);
      fm_mosaic_add_picture(&r->mosaic, k, r->repaired + 3 * at, t->repaired);
    }
    if (!(t->score >= r->score[i])) t->score = r->score[i];
  }
}

static enum fm_status go_through(struct fm_tile_room *r, struct fm_scorer *scorer, struct fm_f2pad *refiner) {
  const int count = (int)fm_tiling_count(&r->mosaic.tiling);
  FM_TRY(make_result(r));
  for (r->first = 0; r->first < count; r->first += r->most) {
    int now = count - r->first < r->most ? count - r->first : r->most;
    FM_TRY(fm_stop_check(r->ctx, "scoring tile %d of %d", r->first, count));
    FM_TRY(fm_parallel(r->ctx, (size_t)now, fit_tile, r));
    if (refiner)
      FM_TRY(fm_f2pad_run(refiner, now, r->rgb, r->adjusted, r->map, r->score, r->base, r->repaired));
    else
      FM_TRY(fm_scorer_run(scorer, now, r->rgb, r->adjusted, r->map, r->score));
    take(r, now);
  }
  return FM_OK;
}

/* Tiles have no light and no pose, so nothing else is to be undone. */
static void leave_out_ignored(struct fm_tile_room *r) {
  const struct fm_standard *s = r->preprocess.standard;
  const struct fm_tiled *t = &r->result;
  if (!s || fm_ignore_none(&s->ignore)) return;
  fm_ignore_map(&s->ignore, t->map, t->size, t->size);
  if (t->base) fm_ignore_map(&s->ignore, t->base, t->size, t->size);
}

enum fm_status fm_tile_room_run(struct fm_tile_room *r, struct fm_scorer *scorer, struct fm_f2pad *refiner,
                                const struct fm_image *picture, struct fm_tiled *out) {
  FM_TRY(fm_preprocess_paint(r->ctx, &r->preprocess, picture, &r->picture));
  enum fm_status status = fm_mosaic_open(r->ctx, &r->preprocess, picture->width, picture->height, &r->mosaic);
  if (status == FM_OK) status = go_through(r, scorer, refiner);
  if (status == FM_OK) leave_out_ignored(r);
  fm_mosaic_close(r->ctx, &r->mosaic);
  if (r->picture.pixels != picture->pixels) fm_image_free(r->ctx, &r->picture);
  *out = r->result;
  return status;
}
