#define _POSIX_C_SOURCE 200809L
#include "data/loader.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/thread.h"
#include "data/decoded.h"
#include "data/mask.h"
#include "data/piece.h"
#include "data/tiles.h"
#include "data/warp.h"

#include <stdio.h>
#include <string.h>

enum { MOST_WORKERS = 16, MOST_DEPTH = 64, MOST_BATCH = 4096 };

/* A decoded picture that is kept: rgb, and after it what the picture needs besides (its background or its own
 * mask). Never changed after it was published under the lock. */
struct kept {
  unsigned char *rgb;
  int width, height;
  struct fm_adjusted adjusted; /* what the standard did to it */
  struct fm_image image;       /* at its own size, with options.images; never in the cache */
  unsigned char *own_mask;     /* of the piece that was drawn on it, with options.pieces */
};

/* A batch that is being made or used. The workers fill different pictures of it at the same time. */
struct slot {
  struct fm_batch batch;
  uint32_t *pictures;
  unsigned char *rgb, *mask;
  int *width, *height;
  struct fm_adjusted *adjusted;
  struct fm_image *image;
  unsigned char **own_mask;
  struct fm_unread *unread; /* [batch]: status FM_OK where the picture was read */
  size_t all, taken, done;  /* pictures in it; handed to workers; finished */
};

/* Batches have serial numbers from 0 (the first of this run) and live in slot[serial % slots]. The lock
 * guards all that changes, except the bytes of pictures that one worker is at. */
struct fm_loader {
  struct fm_context *ctx;
  struct fm_loader_options options;
  size_t pixels;  /* of a picture fit for the network */
  size_t batches; /* of an epoch */
  size_t total;   /* of this run */
  pthread_mutex_t lock;
  pthread_cond_t work,
      ready; /* for workers: a slot is free; for the consumer: a batch is done, or an error */
  struct slot *slot;
  size_t slots;
  size_t started;  /* serials below it were begun */
  size_t released; /* serials below it were used and their slots are free */
  size_t given;    /* serials below it were given to the consumer */
  uint32_t *order; /* the permutation of order_epoch */
  int order_epoch;
  struct kept *kept; /* [count]; NULL: nothing is worth keeping */
  size_t kept_bytes, kept_limit;
  size_t image_bytes, image_limit; /* of pictures at their own size */
  struct fm_decoded *decoded;      /* with tiles: the pictures that they are cut from */
  enum fm_status status;
  bool stop;
  bool said_turned, said_twelve, said_deep, said_mixed; /* see remark */
  pthread_t thread[MOST_WORKERS];
  int threads;
};

size_t fm_loader_batches(const struct fm_loader *loader) {
  return loader->batches;
}

/* ---- one picture ---- */

static bool wants_background(const struct fm_loader *l, const struct fm_sample *s) {
  return !s->flawed && l->options.synthetic.kind != FM_SYNTHETIC_NONE && l->options.synthetic.skip_background;
}

/* What a picture is kept as: fit for the network, or stretched to the canvas. */
static struct fm_preprocess kept_as(const struct fm_loader *l, const struct fm_sample *s) {
  const struct fm_synthetic *o = &l->options.synthetic;
  if (s->flawed || o->kind == FM_SYNTHETIC_NONE || !o->canvas) return l->options.preprocess;
  struct fm_preprocess canvas = l->options.preprocess;
  canvas.size = fm_square(o->canvas);
  canvas.crop = fm_square(0);
  return canvas;
}

static size_t kept_pixels(const struct fm_loader *l, const struct fm_sample *s) {
  struct fm_preprocess p = kept_as(l, s);
  return fm_size_pixels(fm_preprocess_size(&p));
}

/* Bytes of a picture with what it needs besides. */
static size_t kept_size(const struct fm_loader *l, const struct fm_sample *s) {
  bool extra = wants_background(l, s) || l->options.pieces || (s->flawed && l->options.masks);
  return kept_pixels(l, s) * (extra ? 4 : 3);
}

/* What was done to a picture that its owner may not expect is said of the first such one. */
static void remark(struct fm_loader *l, const char *path, const struct fm_image *image) {
  bool shallow = image->deep && image->twelve, deep = image->deep && !image->twelve;
  pthread_mutex_lock(&l->lock);
  if (image->orientation > 1 && !l->said_turned)
    fm_note(l->ctx, "note: '%s' was turned upright, as its orientation tag says; so is every such picture",
            path);
  if (shallow && !l->said_twelve)
    fm_note(l->ctx,
            "note: '%s' has 16 bits but no value over 4095: read as 12 bits; so is every such picture", path);
  bool mixed = (shallow && l->said_deep) || (deep && l->said_twelve);
  if (mixed && !l->said_mixed)
    fm_note(l->ctx,
            "note: some of the 16-bit pictures have values over 4095 and others, read as 12 bits, have not: "
            "the same part looks 16 times brighter in the latter");
  l->said_turned |= image->orientation > 1;
  l->said_twelve |= shallow;
  l->said_deep |= deep;
  l->said_mixed |= mixed;
  pthread_mutex_unlock(&l->lock);
}

/* A mask at a picture's own size, made fit as the picture was: where its part lies now. */
static enum fm_status fit_mask(const struct fm_loader *l, struct fm_context *ctx,
                               const struct fm_preprocess *p, const struct fm_adjusted *adjusted,
                               struct fm_drawn *mask, unsigned char *out) {
  struct fm_preprocess whole = *p;
  bool reduced = l->options.synthetic.canvas || l->options.pieces;
  struct fm_size size = fm_preprocess_size(p);
  size_t pixels = fm_size_pixels(p->size);
  if (adjusted->placed) whole.crop = fm_square(0);
  unsigned char *as_it_lies = adjusted->placed ? fm_alloc(ctx, 2 * pixels, 1) : out;
  if (!as_it_lies) return FM_MEMORY;
  enum fm_status status =
      reduced ? fm_mask_reduce(ctx, &whole, mask->pixels, mask->width, mask->height, as_it_lies)
              : fm_mask_nearest(ctx, &whole, mask, as_it_lies);
  if (!adjusted->placed) return status;
  if (status == FM_OK) {
    fm_warp_mask(&adjusted->to_own, as_it_lies, p->size, as_it_lies + pixels);
    fm_crop_centre(as_it_lies + pixels, p->size.width, p->size.height, 1, out, size.width, size.height);
  }
  fm_free(ctx, as_it_lies);
  return status;
}

/* The mask of the tile that a sample is. */
static enum fm_status cut_mask(struct fm_context *ctx, const struct fm_sample *s, int tile,
                               struct fm_drawn *mask) {
  const struct fm_image whole = {
      .width = mask->width, .height = mask->height, .channels = 1, .pixels = mask->pixels};
  unsigned char *pixels = fm_alloc(ctx, (size_t)tile, (size_t)tile);
  if (!pixels) return FM_MEMORY;
  fm_tile_cut(&whole, tile, s->x, s->y, pixels);
  fm_free(ctx, mask->pixels);
  mask->pixels = pixels;
  mask->width = mask->height = tile;
  return FM_OK;
}

/* A flawed picture's own mask. */
static enum fm_status load_mask(const struct fm_loader *l, struct fm_context *ctx, const struct fm_sample *s,
                                const struct fm_preprocess *p, const struct fm_adjusted *adjusted,
                                unsigned char *out) {
  struct fm_drawn mask;
  FM_TRY(fm_mask_read(ctx, s->mask, &mask));
  enum fm_status status = p->tile ? cut_mask(ctx, s, p->tile, &mask) : FM_OK;
  if (status == FM_OK) status = fit_mask(l, ctx, p, adjusted, &mask, out);
  fm_mask_release(ctx, &mask);
  return status;
}

/* Draws a piece on the decoded picture and makes both fit. */
static enum fm_status draw_piece(struct fm_loader *l, struct fm_context *ctx, int epoch, uint32_t picture,
                                 struct kept *out) {
  const struct fm_loader_options *o = &l->options;
  FM_TRY(fm_image_to_rgb(ctx, &out->image));
  size_t own = (size_t)out->image.width * (size_t)out->image.height;
  struct fm_drawn mask = {
      .width = out->image.width, .height = out->image.height, .pixels = fm_alloc(ctx, own, 1)};
  out->own_mask = fm_alloc(ctx, own, 1);
  enum fm_status status = mask.pixels && out->own_mask ? FM_OK : FM_MEMORY;
  if (status == FM_OK) status = fm_piece_draw(ctx, o->seed, epoch, picture, &out->image, out->own_mask);
  if (status == FM_OK) {
    memcpy(mask.pixels, out->own_mask, own); /* fitting changes it */
    status = fm_picture_fit(ctx, &o->preprocess, &out->image, out->rgb, &out->adjusted);
  }
  if (status == FM_OK)
    status = fit_mask(l, ctx, &o->preprocess, &out->adjusted, &mask, out->rgb + 3 * l->pixels);
  fm_free(ctx, mask.pixels);
  return status;
}

/* A sample as it is: a picture, or a tile of one and where that lies. */
static enum fm_status read_sample(struct fm_loader *l, struct fm_context *ctx, const struct fm_sample *s,
                                  struct fm_image *image, struct fm_tile_place *place) {
  const int tile = l->options.preprocess.tile;
  const struct fm_image *picture;
  *place = (struct fm_tile_place){0};
  if (!tile) return fm_image_read(ctx, s->path, image);
  FM_TRY(fm_decoded_get(l->decoded, ctx, s->path, &picture));
  *image = *picture;
  *place = fm_tile_place_of((struct fm_size){picture->width, picture->height}, tile, s->x, s->y);
  image->width = image->height = tile;
  image->pixels = fm_alloc(ctx, (size_t)tile * (size_t)tile, (size_t)picture->channels);
  if (image->pixels) fm_tile_cut(picture, tile, s->x, s->y, image->pixels);
  fm_decoded_put(l->decoded, picture);
  return image->pixels ? FM_OK : FM_MEMORY;
}

static enum fm_status decode(struct fm_loader *l, struct fm_context *ctx, int epoch, uint32_t picture,
                             struct kept *out) {
  const struct fm_sample *s = &l->options.samples[picture];
  struct fm_preprocess p = kept_as(l, s);
  FM_TRY(fm_preprocess_check(ctx, &p));
  struct fm_tile_place place;
  FM_TRY(read_sample(l, ctx, s, &out->image, &place));
  if (l->options.pieces)
    FM_TRY(draw_piece(l, ctx, epoch, picture, out));
  else
    FM_TRY(fm_picture_fit(ctx, &p, &out->image, out->rgb, &out->adjusted));
  out->adjusted.tile = place;
  out->width = out->image.width;
  out->height = out->image.height;
  remark(l, s->path, &out->image);
  if (!l->options.images) fm_image_free(ctx, &out->image);
  unsigned char *extra = out->rgb + 3 * kept_pixels(l, s);
  if (wants_background(l, s)) return fm_synthetic_background(ctx, out->rgb, fm_preprocess_size(&p), extra);
  if (l->options.pieces || !s->flawed || !l->options.masks) return FM_OK;
  if (!s->mask) return fm_error(ctx, FM_FORMAT, "the flawed picture '%s' has no mask to train with", s->path);
  return load_mask(l, ctx, s, &p, &out->adjusted, extra);
}

/* The decoded picture: from the cache, or new. *mine: the caller frees what is in it. */
static enum fm_status obtain(struct fm_loader *l, struct fm_context *ctx, int epoch, uint32_t picture,
                             struct kept *out, bool *mine) {
  const struct fm_sample *s = &l->options.samples[picture];
  pthread_mutex_lock(&l->lock);
  *out = l->kept ? l->kept[picture] : (struct kept){0};
  pthread_mutex_unlock(&l->lock);
  *mine = !out->rgb;
  if (out->rgb) return FM_OK;
  size_t size = kept_size(l, s);
  if (!(out->rgb = fm_alloc(ctx, size, 1))) return FM_MEMORY;
  enum fm_status status = decode(l, ctx, epoch, picture, out);
  if (status != FM_OK) return status;
  pthread_mutex_lock(&l->lock);
  if (l->kept && !l->kept[picture].rgb && l->kept_bytes + size <= l->kept_limit) {
    l->kept[picture] = *out;
    l->kept_bytes += size;
    *mine = false;
  }
  pthread_mutex_unlock(&l->lock);
  return FM_OK;
}

/* The canvas is kept and shared, so anomalies are drawn on a copy. It is at the standard already. */
static enum fm_status draw_on_canvas(struct fm_loader *l, const unsigned char *canvas,
                                     const unsigned char *background, int epoch, uint32_t picture,
                                     unsigned char *rgb, unsigned char *mask) {
  const struct fm_loader_options *o = &l->options;
  struct fm_preprocess p = o->preprocess;
  int side = o->synthetic.canvas;
  size_t n = (size_t)side * (size_t)side;
  unsigned char *copy = fm_alloc(l->ctx, n, 4), *large = copy + 3 * n;
  if (!copy) return FM_MEMORY;
  memcpy(copy, canvas, 3 * n);
  fm_synthetic_apply(&o->synthetic, o->seed, epoch, picture, copy, large, fm_square(side), background);
  p.standard = NULL;
  enum fm_status status = fm_picture_reduce(l->ctx, &p, copy, side, side, rgb, NULL);
  if (status == FM_OK) status = fm_mask_reduce(l->ctx, &p, large, side, side, mask);
  fm_free(l->ctx, copy);
  return status;
}

/* Takes the picture at its own size into the batch, where there is room for it. */
static enum fm_status hand_on(struct fm_loader *l, const struct fm_image *from, struct fm_image *to) {
  size_t bytes = (size_t)from->width * (size_t)from->height * 3;
  pthread_mutex_lock(&l->lock);
  bool room = l->image_bytes + bytes <= l->image_limit;
  if (room) l->image_bytes += bytes;
  pthread_mutex_unlock(&l->lock);
  *to = *from;
  if (room) return fm_image_to_rgb(l->ctx, to);
  fm_free(l->ctx, to->pixels);
  to->pixels = NULL;
  return FM_OK;
}

static enum fm_status make_picture(struct fm_loader *l, struct fm_context *ctx, struct slot *slot, size_t i) {
  const struct fm_loader_options *o = &l->options;
  uint32_t picture = slot->pictures[i];
  const struct fm_sample *s = &o->samples[picture];
  unsigned char *rgb = slot->rgb + i * 3 * l->pixels, *mask = slot->mask + i * l->pixels;
  struct kept source = {0};
  bool mine = false;
  enum fm_status status = obtain(l, ctx, slot->batch.epoch, picture, &source, &mine);
  if (status == FM_OK) {
    const unsigned char *extra = source.rgb + 3 * kept_pixels(l, s);
    const unsigned char *background = wants_background(l, s) ? extra : NULL;
    bool draw = !s->flawed && o->synthetic.kind != FM_SYNTHETIC_NONE;
    slot->width[i] = source.width;
    slot->height[i] = source.height;
    slot->adjusted[i] = source.adjusted;
    if (o->images) status = hand_on(l, &source.image, &slot->image[i]);
    if (o->images) source.image = (struct fm_image){0};
    if (o->pieces) {
      slot->own_mask[i] = source.own_mask;
      source.own_mask = NULL;
    }
    if (draw && o->synthetic.canvas) {
      status = draw_on_canvas(l, source.rgb, background, slot->batch.epoch, picture, rgb, mask);
    } else {
      memcpy(rgb, source.rgb, 3 * l->pixels);
      memset(mask, 0, l->pixels);
      if (draw)
        fm_synthetic_apply(&o->synthetic, o->seed, slot->batch.epoch, picture, rgb, mask,
                           fm_preprocess_size(&o->preprocess), background);
      else if (o->pieces || (s->flawed && o->masks))
        memcpy(mask, extra, l->pixels);
    }
  }
  if (!mine) return status;
  fm_free(l->ctx, source.rgb);
  fm_free(l->ctx, source.own_mask);
  fm_image_free(l->ctx, &source.image);
  return status;
}

/* A picture that cannot be read ends the run, or is noted where that is asked for. */
static enum fm_status try_picture(struct fm_loader *l, struct slot *slot, size_t i) {
  if (!l->options.tolerant) return make_picture(l, l->ctx, slot, i);
  struct fm_context branch;
  fm_context_branch(&branch, l->ctx);
  enum fm_status status = make_picture(l, &branch, slot, i);
  bool its_own = status == FM_IO || status == FM_FORMAT || status == FM_LIMIT;
  if (its_own) {
    struct fm_unread *unread = &slot->unread[i];
    unread->picture = slot->pictures[i];
    unread->status = status;
    memcpy(unread->message, branch.message, sizeof unread->message);
  } else if (status != FM_OK) {
    fm_error(l->ctx, status, "%s", branch.message);
  }
  fm_context_free(&branch);
  return its_own ? FM_OK : status;
}

/* ---- handing out work; the lock is held ---- */

static void order_of_epoch(struct fm_loader *l, int epoch) {
  if (l->order_epoch == epoch) return;
  char name[32];
  snprintf(name, sizeof name, "order.%d", epoch);
  struct fm_rng rng = fm_rng_stream(l->options.seed, name);
  fm_rng_permutation(&rng, l->order, (uint32_t)l->options.count);
  l->order_epoch = epoch;
}

static void begin_batch(struct fm_loader *l) {
  size_t absolute = l->options.first_batch + l->started, most = (size_t)l->options.batch;
  struct slot *slot = &l->slot[l->started++ % l->slots];
  size_t index = absolute % l->batches, first = index * most;
  int epoch = l->options.first_epoch + (int)(absolute / l->batches);
  size_t count = l->options.count - first < most ? l->options.count - first : most;
  if (l->options.shuffle) order_of_epoch(l, epoch);
  for (size_t i = 0; i < count; i++)
    slot->pictures[i] = l->options.shuffle ? l->order[first + i] : (uint32_t)(first + i);
  slot->all = count;
  slot->taken = slot->done = 0;
  for (size_t i = 0; i < count && slot->unread; i++) slot->unread[i].status = FM_OK;
  slot->batch = (struct fm_batch){.epoch = epoch,
                                  .index = index,
                                  .count = count,
                                  .last = index + 1 == l->batches,
                                  .pictures = slot->pictures,
                                  .rgb = slot->rgb,
                                  .mask = slot->mask,
                                  .width = slot->width,
                                  .height = slot->height,
                                  .adjusted = slot->adjusted,
                                  .image = slot->image,
                                  .own_mask = slot->own_mask,
                                  .unread = slot->unread};
}

/* The next picture to make, in the order of use; NULL where there is none now. */
static struct slot *take(struct fm_loader *l, size_t *i) {
  struct slot *slot = &l->slot[(l->started ? l->started - 1 : 0) % l->slots];
  if (!l->started || slot->taken == slot->all) {
    if (l->started == l->total || l->started == l->released + l->slots) return NULL;
    begin_batch(l);
    slot = &l->slot[(l->started - 1) % l->slots];
  }
  *i = slot->taken++;
  return slot;
}

/* Makes one picture: releases the lock meanwhile. */
static void work_on(struct fm_loader *l, struct slot *slot, size_t i) {
  pthread_mutex_unlock(&l->lock);
  enum fm_status status = try_picture(l, slot, i);
  pthread_mutex_lock(&l->lock);
  if (status != FM_OK && l->status == FM_OK) l->status = status;
  slot->done++;
  if (l->status != FM_OK || slot->done == slot->all) pthread_cond_signal(&l->ready);
}

static void *worker(void *argument) {
  struct fm_loader *l = argument;
  pthread_mutex_lock(&l->lock);
  while (!l->stop && l->status == FM_OK) {
    size_t i;
    struct slot *slot = take(l, &i);
    if (slot)
      work_on(l, slot, i);
    else if (l->started == l->total)
      break;
    else
      pthread_cond_wait(&l->work, &l->lock);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Pictures that could not be read go to the front of unread, the others close up. */
static void sort_out(const struct fm_loader *l, struct slot *slot) {
  size_t good = 0, bad = 0;
  for (size_t i = 0; slot->unread && i < slot->all; i++) {
    if (slot->unread[i].status != FM_OK) {
      if (bad != i) slot->unread[bad] = slot->unread[i];
      bad++;
      continue;
    }
    if (good != i) {
      slot->pictures[good] = slot->pictures[i];
      slot->width[good] = slot->width[i];
      slot->height[good] = slot->height[i];
      slot->adjusted[good] = slot->adjusted[i];
      memcpy(slot->rgb + good * 3 * l->pixels, slot->rgb + i * 3 * l->pixels, 3 * l->pixels);
      memcpy(slot->mask + good * l->pixels, slot->mask + i * l->pixels, l->pixels);
      if (slot->image) {
        slot->image[good] = slot->image[i];
        slot->image[i] = (struct fm_image){0};
      }
      if (slot->own_mask) {
        slot->own_mask[good] = slot->own_mask[i];
        slot->own_mask[i] = NULL;
      }
    }
    good++;
  }
  if (!slot->unread) return;
  slot->batch.count = good;
  slot->batch.unread_count = bad;
}

static void release_own(struct fm_loader *l, struct slot *slot) {
  for (size_t i = 0; slot->own_mask && i < (size_t)l->options.batch; i++) {
    fm_free(l->ctx, slot->own_mask[i]);
    slot->own_mask[i] = NULL;
  }
  for (size_t i = 0; slot->image && i < (size_t)l->options.batch; i++) {
    struct fm_image *image = &slot->image[i];
    if (image->pixels) l->image_bytes -= (size_t)image->width * (size_t)image->height * 3;
    fm_image_free(l->ctx, image);
  }
}

enum fm_status fm_loader_next(struct fm_loader *l, struct fm_batch *batch) {
  *batch = (struct fm_batch){0};
  pthread_mutex_lock(&l->lock);
  if (l->given > l->released) release_own(l, &l->slot[l->released % l->slots]);
  l->released = l->given;
  pthread_cond_broadcast(&l->work);
  if (l->given < l->total) {
    struct slot *slot = &l->slot[l->given % l->slots];
    while (l->status == FM_OK && !(l->given < l->started && slot->done == slot->all)) {
      size_t i;
      struct slot *own = l->threads ? NULL : take(l, &i); /* no thread could be started: do it here */
      if (own)
        work_on(l, own, i);
      else
        pthread_cond_wait(&l->ready, &l->lock);
    }
    if (l->status == FM_OK) {
      sort_out(l, slot);
      *batch = slot->batch;
      l->given++;
    }
  }
  enum fm_status status = l->status;
  pthread_mutex_unlock(&l->lock);
  return status;
}

/* ---- opening and closing ---- */

static enum fm_status check(struct fm_context *ctx, const struct fm_loader_options *o) {
  FM_TRY(fm_preprocess_check(ctx, &o->preprocess));
  if (!o->count) return fm_error(ctx, FM_USAGE, "there are no pictures to load");
  if (o->count > UINT32_MAX) return fm_error(ctx, FM_LIMIT, "%zu pictures are too many", o->count);
  if (o->batch < 1 || o->batch > MOST_BATCH)
    return fm_error(ctx, FM_USAGE, "the batch is %d pictures; it must be from 1 to %d", o->batch, MOST_BATCH);
  if (o->first_epoch < 0 || o->epochs < 0 || o->first_batch > (o->count - 1) / (size_t)o->batch + 1)
    return fm_error(ctx, FM_USAGE, "cannot start from epoch %d, batch %zu", o->first_epoch, o->first_batch);
  if (o->pieces && o->synthetic.kind != FM_SYNTHETIC_NONE)
    return fm_error(ctx, FM_USAGE, "pictures cannot have pieces and patches of noise at the same time");
  if (o->synthetic.canvas < 0 || o->synthetic.canvas > 4096)
    return fm_error(ctx, FM_USAGE, "--patch-canvas is %d; it must be from 0 to 4096", o->synthetic.canvas);
  return FM_OK;
}

static enum fm_status slot_open(struct fm_loader *l, struct slot *slot) {
  size_t batch = (size_t)l->options.batch, bytes;
  if (!fm_mul(batch, 3 * l->pixels, &bytes)) return fm_error(l->ctx, FM_LIMIT, "a batch is too large");
  slot->pictures = fm_alloc(l->ctx, batch, sizeof *slot->pictures);
  slot->width = fm_alloc(l->ctx, batch, sizeof *slot->width);
  slot->height = fm_alloc(l->ctx, batch, sizeof *slot->height);
  slot->adjusted = fm_alloc(l->ctx, batch, sizeof *slot->adjusted);
  if (l->options.images && !(slot->image = fm_alloc(l->ctx, batch, sizeof *slot->image))) return FM_MEMORY;
  if (l->options.pieces && !(slot->own_mask = fm_alloc(l->ctx, batch, sizeof *slot->own_mask)))
    return FM_MEMORY;
  if (l->options.tolerant && !(slot->unread = fm_alloc(l->ctx, batch, sizeof *slot->unread)))
    return FM_MEMORY;
  slot->rgb = fm_alloc_aligned(l->ctx, bytes, 1);
  slot->mask = fm_alloc_aligned(l->ctx, batch * l->pixels, 1);
  return slot->pictures && slot->width && slot->height && slot->adjusted && slot->rgb && slot->mask
             ? FM_OK
             : FM_MEMORY;
}

static enum fm_status allocate(struct fm_loader *l) {
  int epochs = l->options.epochs - l->options.first_epoch;
  if (!(l->slot = fm_alloc(l->ctx, l->slots, sizeof *l->slot))) return FM_MEMORY;
  if (!(l->order = fm_alloc(l->ctx, l->options.count, sizeof *l->order))) return FM_MEMORY;
  if (epochs > 1 && !l->options.pieces && !(l->kept = fm_alloc(l->ctx, l->options.count, sizeof *l->kept)))
    return FM_MEMORY;
  for (size_t i = 0; i < l->slots; i++) FM_TRY(slot_open(l, &l->slot[i]));
  return FM_OK;
}

static enum fm_status prepare(struct fm_loader *l) {
  struct fm_loader_options *o = &l->options;
  FM_TRY(check(l->ctx, o));
  if (o->epochs == 0) o->epochs = o->first_epoch + 1;
  size_t epochs = 0;
  if (o->epochs > o->first_epoch) epochs = (size_t)(o->epochs - o->first_epoch);
  l->pixels = fm_size_pixels(fm_preprocess_size(&o->preprocess));
  l->batches = (o->count - 1) / (size_t)o->batch + 1;
  if (!fm_mul(l->batches, epochs, &l->total)) return fm_error(l->ctx, FM_LIMIT, "too many epochs");
  l->total = l->total > o->first_batch ? l->total - o->first_batch : 0;
  l->slots = (size_t)(o->depth < 1            ? 3
                      : o->depth > MOST_DEPTH ? MOST_DEPTH
                                              : o->depth) +
             1; /* and the one in use */
  l->kept_limit = o->synthetic.canvas ? (size_t)512 << 20 : (size_t)2 << 30;
  if (o->cache_limit) l->kept_limit = o->cache_limit;
  l->image_limit = o->image_limit;
  l->order_epoch = -1;
  return allocate(l);
}

enum fm_status fm_loader_open(struct fm_context *ctx, const struct fm_loader_options *options,
                              struct fm_loader **loader) {
  *loader = NULL;
  struct fm_loader *l = fm_alloc(ctx, 1, sizeof *l);
  if (!l) return FM_MEMORY;
  l->ctx = ctx;
  l->options = *options;
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->work, NULL);
  pthread_cond_init(&l->ready, NULL);
  int want = options->workers > 0 ? options->workers : fm_threads(ctx) < 2 ? 1 : 2;
  if (want > MOST_WORKERS) want = MOST_WORKERS;
  enum fm_status status = prepare(l);
  if (status == FM_OK && options->preprocess.tile)
    status = fm_decoded_open(ctx, &options->preprocess, want, &l->decoded);
  if (status != FM_OK) {
    fm_loader_close(l);
    return status;
  }
  int running = 0;
  while (running < want && pthread_create(&l->thread[running], NULL, worker, l) == 0) running++;
  l->threads = running;
  *loader = l;
  return FM_OK;
}

void fm_loader_close(struct fm_loader *l) {
  if (!l) return;
  struct fm_context *ctx = l->ctx;
  pthread_mutex_lock(&l->lock);
  l->stop = true;
  pthread_cond_broadcast(&l->work);
  pthread_mutex_unlock(&l->lock);
  for (int i = 0; i < l->threads; i++) pthread_join(l->thread[i], NULL);
  for (size_t i = 0; l->slot && i < l->slots; i++) {
    release_own(l, &l->slot[i]);
    fm_free(ctx, l->slot[i].image);
    fm_free(ctx, l->slot[i].own_mask);
    fm_free(ctx, l->slot[i].unread);
    fm_free(ctx, l->slot[i].pictures);
    fm_free(ctx, l->slot[i].width);
    fm_free(ctx, l->slot[i].height);
    fm_free(ctx, l->slot[i].adjusted);
    fm_free(ctx, l->slot[i].rgb);
    fm_free(ctx, l->slot[i].mask);
  }
  fm_decoded_close(l->decoded);
  for (size_t i = 0; l->kept && i < l->options.count; i++) fm_free(ctx, l->kept[i].rgb);
  fm_free(ctx, l->slot);
  fm_free(ctx, l->order);
  fm_free(ctx, l->kept);
  pthread_cond_destroy(&l->ready);
  pthread_cond_destroy(&l->work);
  pthread_mutex_destroy(&l->lock);
  fm_free(ctx, l);
}
