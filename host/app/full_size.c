#include "app/full_size.h"

#include "base/available.h"
#include "base/memory.h"
#include "base/thread.h"
#include "score/scan.h"

enum fm_status fm_full_size_open(struct fm_context *ctx, const struct fm_preprocess *preprocess,
                                 const struct fm_sample *samples, size_t count, bool masks,
                                 struct fm_full_size *f) {
  *f = (struct fm_full_size){
      .ctx = ctx, .preprocess = *preprocess, .sample = samples, .count = count, .masks = masks};
  f->picture = fm_alloc(ctx, count, sizeof *f->picture);
  return f->picture ? FM_OK : FM_MEMORY;
}

void fm_full_size_close(struct fm_full_size *f) {
  for (size_t i = 0; f->picture && i < f->count; i++) fm_free(f->ctx, f->picture[i].mask.pixels);
  fm_free(f->ctx, f->picture);
  *f = (struct fm_full_size){0};
}

/* ---- masks ---- */

static enum fm_status read_mask(struct fm_full_size *f, size_t i, struct fm_drawn *mask) {
  const struct fm_full_picture *p = &f->picture[i];
  FM_TRY(fm_mask_read(f->ctx, f->sample[i].mask, mask));
  enum fm_status status = fm_mask_fits(f->ctx, mask, f->sample[i].mask, p->width, p->height);
  if (status != FM_OK) fm_mask_release(f->ctx, mask);
  return status;
}

struct masks {
  struct fm_full_size *full;
  unsigned char **reduced;
};

static enum fm_status look_at_mask(void *user, size_t i) {
  struct masks *m = user;
  struct fm_full_size *f = m->full;
  struct fm_full_picture *p = &f->picture[i];
  if (!f->sample[i].flawed) return FM_OK;
  FM_TRY(read_mask(f, i, &p->mask));
  struct fm_preprocess as_map = f->preprocess;
  if (as_map.tile) as_map.size = fm_preprocess_map_size(&f->preprocess, p->width, p->height);
  size_t bytes = (size_t)p->width * (size_t)p->height;
  m->reduced[i] = fm_alloc(f->ctx, fm_size_pixels(fm_preprocess_size(&as_map)), 1);
  enum fm_status status =
      m->reduced[i] ? fm_mask_nearest(f->ctx, &as_map, &p->mask, m->reduced[i]) : FM_MEMORY;
  if (atomic_fetch_add(&f->held, bytes) + bytes <= FM_MASKS_HELD) return status;
  atomic_fetch_sub(&f->held, bytes);
  fm_free(f->ctx, p->mask.pixels);
  p->mask.pixels = NULL;
  return status;
}

enum fm_status fm_full_size_masks(struct fm_full_size *f, unsigned char **reduced) {
  struct masks m = {f, reduced};
  struct fm_mask_census census = {0};
  if (!f->masks) return FM_OK;
  FM_TRY(fm_parallel(f->ctx, f->count, look_at_mask, &m));
  for (size_t i = 0; i < f->count; i++)
    if (f->sample[i].flawed)
      fm_mask_count(&census, &f->picture[i].mask, f->sample[i].mask, f->sample[i].path);
  return fm_mask_census_say(f->ctx, &census);
}

enum fm_status fm_full_size_mask(struct fm_full_size *f, size_t i, unsigned char **room,
                                 const unsigned char **mask) {
  struct fm_drawn again;
  *room = NULL;
  *mask = f->picture[i].mask.pixels;
  if (*mask || !f->masks || !f->sample[i].flawed) return FM_OK;
  FM_TRY(read_mask(f, i, &again));
  *mask = *room = again.pixels;
  return FM_OK;
}

/* ---- maps ---- */

struct open_map { /* a picture that is open */
  struct fm_score_map map;
  struct fm_map_cursor cursor;
  unsigned char *mask; /* to be freed */
};

static void make_row(const struct fm_scored *p, int y, float *row) {
  struct open_map *o = p->room;
  fm_map_cursor_get(&o->cursor, y, row);
}

static enum fm_status open_map(void *user, size_t i, bool mask, struct fm_scored *out) {
  struct fm_full_size *f = user;
  const struct fm_full_picture *p = &f->picture[i];
  const bool flawed = f->sample[i].flawed;
  struct open_map *o = fm_alloc(f->ctx, 1, sizeof *o);
  *out = (struct fm_scored){.width = p->width,
                            .height = p->height,
                            .row = make_row,
                            .room = o,
                            .flawed = flawed,
                            .unmarked = flawed && !p->mask.set};
  if (!o) return FM_MEMORY;
  FM_TRY(fm_score_map_open(f->ctx, &o->map, p->small,
                           fm_preprocess_map_size(&f->preprocess, p->width, p->height), &f->preprocess,
                           p->width, p->height));
  FM_TRY(fm_map_cursor_open(f->ctx, &o->cursor, &o->map.rows));
  return mask ? fm_full_size_mask(f, i, &o->mask, &out->mask) : FM_OK;
}

static void close_map(void *user, size_t i, struct fm_scored *p) {
  struct fm_full_size *f = user;
  struct open_map *o = p->room;
  (void)i;
  if (!o) return;
  fm_map_cursor_close(f->ctx, &o->cursor);
  fm_score_map_close(f->ctx, &o->map);
  fm_free(f->ctx, o->mask);
  fm_free(f->ctx, o);
}

struct fm_source fm_full_size_source(struct fm_full_size *f) {
  return (struct fm_source){.count = f->count, .open = open_map, .close = close_map, .user = f};
}

float *fm_full_size_map(struct fm_full_size *f, size_t i) {
  struct fm_scored p = {0};
  float *whole = NULL;
  if (open_map(f, i, false, &p) == FM_OK)
    whole = fm_alloc(f->ctx, (size_t)p.width * (size_t)p.height, sizeof *whole);
  for (int y = 0; whole && y < p.height; y++) make_row(&p, y, whole + (size_t)y * (size_t)p.width);
  close_map(f, i, &p);
  return whole;
}

/* ---- memory ---- */

size_t fm_full_size_bytes(struct fm_full_size *f, struct fm_source *source, size_t all, size_t largest) {
  enum { DECODE = 7 }; /* a mask in colours, and its file */
  size_t free = fm_memory_available(), masks = all < FM_MASKS_HELD ? all : FM_MASKS_HELD, bytes;
  source->at_once = fm_scan_lanes(f->ctx, source);
  for (;; source->at_once--) {
    bytes =
        fm_metrics_bytes(f->ctx, source, all, largest) + masks + (size_t)source->at_once * largest * DECODE;
    if (!free || bytes < free / 4 * 3 || source->at_once == 1) return bytes;
  }
}
