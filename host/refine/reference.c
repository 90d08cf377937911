#include "refine/reference.h"

#include "base/memory.h"
#include "base/rng.h"
#include "base/thread.h"
#include "data/tiles.h"
#include "op/repair.h"
#include "refine/few.h"

#include <stdio.h>
#include <string.h>

/* The tap that says how alike two places are: stride 8, coarse enough to see shapes, fine enough to tell
 * places apart. The neighbourhood and the sharpness of the choice were found by experiment on
 * bottle. */
enum { TAP = 1, REACH = 2 };
static const float SHARPNESS = 20;

/* Blend: of how many pictures those that stand for all are chosen, at most. */
enum { MOST_LOOKED_AT = 256 };

/* Quilt: what share of a picture's cells is kept. */
enum { SHARE = 3 };

/* ---- learning ---- */

struct load {
  struct fm_context *ctx;
  const struct fm_sample *samples;
  struct fm_preprocess preprocess;
  unsigned char *rgb;
};

static enum fm_status load_one(void *user, size_t i) {
  struct load *l = user;
  size_t pixels = fm_size_pixels(fm_preprocess_size(&l->preprocess));
  return fm_sample_load(l->ctx, &l->samples[i], &l->preprocess, l->rgb + i * pixels * 3);
}

static enum fm_status pack_pictures(struct fm_context *ctx, const struct fm_train *t,
                                    struct fm_reference *r) {
  struct load l = {.ctx = ctx, .samples = t->samples};
  FM_TRY(fm_train_preprocess(ctx, t, &l.preprocess));
  r->size = fm_preprocess_size(&l.preprocess);
  r->count = t->count;
  l.rgb = fm_alloc(ctx, r->count, fm_size_pixels(r->size) * 3);
  enum fm_status status = l.rgb ? fm_parallel(ctx, r->count, load_one, &l) : FM_MEMORY;
  if (status == FM_OK) status = fm_reference_pack(ctx, l.rgb, r);
  fm_free(ctx, l.rgb);
  return status;
}

/* Features of whole pictures, every `stride`th cell of the tap down and across. */
struct rows {
  size_t count, stride, channels, height, width;
  float *value, *room; /* [count][channels][height][width]; a batch as it comes */
};

static size_t fewer(int cells, size_t stride) {
  return ((size_t)cells + stride - 1) / stride;
}

static enum fm_status take_tap(void *user, const struct fm_taps *taps) {
  struct rows *s = user;
  const struct fm_acts *tap = fm_net_tap(taps->net, TAP);
  struct fm_context *ctx = fm_device_context(fm_net_device(taps->net));
  size_t c = (size_t)tap->c, h = (size_t)tap->h, w = (size_t)tap->w;
  if (!s->value) {
    s->channels = c;
    s->height = fewer(tap->h, s->stride);
    s->width = fewer(tap->w, s->stride);
    s->value = fm_alloc(ctx, s->count, c * s->height * s->width * sizeof *s->value);
    s->room = fm_alloc(ctx, (size_t)fm_net_batch(taps->net), c * h * w * sizeof *s->room);
    if (!s->value || !s->room) return FM_MEMORY;
  }
  FM_TRY(fm_acts_read(fm_net_device(taps->net), tap, s->room));
  float *to = s->value + taps->first * c * s->height * s->width;
  for (size_t plane = 0; plane < (size_t)taps->count * c; plane++)
    for (size_t y = 0; y < h; y += s->stride)
      for (size_t x = 0; x < w; x += s->stride) *to++ = s->room[(plane * h + y) * w + x];
  return FM_OK;
}

static void free_rows(struct fm_context *ctx, struct rows *s) {
  fm_free(ctx, s->value);
  fm_free(ctx, s->room);
}

static enum fm_status run_tap(struct fm_device *d, const struct fm_train *t, struct fm_reference *r) {
  struct fm_context *ctx = fm_device_context(d);
  struct rows s = {.count = t->count, .stride = 1};
  enum fm_status status = fm_taps_run(d, t, "references", take_tap, &s);
  if (status == FM_OK) {
    r->rows = t->count;
    r->channels = s.channels;
    r->columns = s.channels * s.height * s.width;
    status = fm_reference_pack_features(ctx, s.value, r);
  }
  free_rows(ctx, &s);
  return status;
}

/* Quilts: some cells of each picture, drawn. */
struct cells {
  struct fm_reference *r;
  struct fm_patches patches;
  struct fm_buffer rows;
  float *values, *feature; /* of a batch; [r->rows][r->columns] */
  uint32_t *order;
  size_t cells, each;
  uint64_t seed;
};

static enum fm_status begin_cells(struct cells *c, struct fm_net *net) {
  struct fm_device *d = fm_net_device(net);
  struct fm_context *ctx = fm_device_context(d);
  struct fm_reference *r = c->r;
  int batch = fm_net_batch(net);
  FM_TRY(fm_patches_make(d, fm_net_tap(net, 1), fm_net_tap(net, 2), &(struct fm_patch_kind){0}, false,
                         &c->patches));
  size_t width = (size_t)c->patches.width, most = FM_REFERENCE_ROWS / r->count;
  c->cells = (size_t)(c->patches.h * c->patches.w);
  c->each = (c->cells + SHARE - 1) / SHARE;
  if (c->each > most) c->each = most ? most : 1;
  r->columns = r->channels = (size_t)c->patches.dimensions;
  r->rows = r->count * c->each;
  c->values = fm_alloc(ctx, (size_t)batch * c->cells * width, sizeof *c->values);
  c->order = fm_alloc(ctx, c->cells, sizeof *c->order);
  c->feature = fm_alloc(ctx, r->rows * r->columns, sizeof *c->feature);
  r->origin = fm_alloc(ctx, r->rows, 2 * sizeof *r->origin);
  if (!c->values || !c->order || !c->feature || !r->origin) return FM_MEMORY;
  return fm_buffer_make(d, (size_t)batch * c->cells * width * sizeof(float), &c->rows);
}

static enum fm_status take_cells(void *user, const struct fm_taps *taps) {
  struct cells *c = user;
  struct fm_reference *r = c->r;
  struct fm_device *d = fm_net_device(taps->net);
  if (!c->feature) FM_TRY(begin_cells(c, taps->net));
  size_t width = (size_t)c->patches.width;
  fm_patches_run(d, &c->patches, fm_net_tap(taps->net, 1), fm_net_tap(taps->net, 2), &c->rows);
  FM_TRY(fm_buffer_read(d, &c->rows, 0, c->values, (size_t)taps->count * c->cells * width * sizeof(float)));
  for (size_t k = 0; k < (size_t)taps->count; k++) {
    char stream[48];
    snprintf(stream, sizeof stream, "quilt.%zu", taps->first + k);
    struct fm_rng rng = fm_rng_stream(c->seed, stream);
    fm_rng_permutation(&rng, c->order, (uint32_t)c->cells);
    for (size_t i = 0; i < c->each; i++) {
      size_t at = (taps->first + k) * c->each + i;
      memcpy(c->feature + at * r->columns, c->values + (k * c->cells + c->order[i]) * width,
             r->columns * sizeof(float));
      r->origin[2 * at] = (int)(taps->first + k);
      r->origin[2 * at + 1] = (int)c->order[i];
    }
  }
  return FM_OK;
}

static enum fm_status run_cells(struct fm_device *d, const struct fm_train *t, struct fm_reference *r) {
  struct fm_context *ctx = fm_device_context(d);
  struct cells c = {.r = r, .seed = (uint64_t)t->recipe.seed};
  enum fm_status status = fm_taps_run(d, t, "references", take_cells, &c);
  if (status == FM_OK) status = fm_reference_pack_features(ctx, c.feature, r);
  fm_patches_free(d, &c.patches);
  fm_buffer_free(d, &c.rows);
  fm_free(ctx, c.feature);
  fm_free(ctx, c.values);
  fm_free(ctx, c.order);
  return status;
}

/* Every n-th picture, so that no more than `most` are left. samples: room for them. */
static void thin_out(struct fm_train *t, size_t most, struct fm_sample *samples) {
  size_t count = t->count < most ? t->count : most;
  for (size_t i = 0; i < count; i++) samples[i] = t->samples[i * t->count / count];
  t->samples = samples;
  t->count = count;
}

/* Those that stand for all of them. */
static enum fm_status choose_few(struct fm_device *d, struct fm_train *t, struct fm_sample *samples) {
  struct fm_context *ctx = fm_device_context(d);
  struct rows s = {.count = t->count, .stride = 2};
  size_t chosen[FM_REFERENCE_PICTURES];
  enum fm_status status = fm_taps_run(d, t, "looking for references", take_tap, &s);
  if (status == FM_OK) {
    const struct fm_crowd crowd = {t->count, s.channels, s.height, s.width, s.value};
    status = fm_few_choose(ctx, &crowd, FM_REFERENCE_PICTURES, chosen);
  }
  for (size_t i = 0; status == FM_OK && i < FM_REFERENCE_PICTURES; i++) samples[i] = t->samples[chosen[i]];
  t->count = FM_REFERENCE_PICTURES;
  free_rows(ctx, &s);
  return status;
}

static enum fm_status choose(struct fm_device *d, enum fm_reference_kind kind, struct fm_train *t,
                             struct fm_sample *samples) {
  bool blend = kind == FM_REFERENCE_BLEND;
  thin_out(t, blend ? MOST_LOOKED_AT : FM_REFERENCE_PICTURES, samples);
  return t->count > FM_REFERENCE_PICTURES ? choose_few(d, t, samples) : FM_OK;
}

enum fm_status fm_reference_fit(struct fm_device *d, const struct fm_train *t, enum fm_reference_kind kind,
                                struct fm_reference *r) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_train few = *t;
  struct fm_sample *samples = fm_alloc(ctx, MOST_LOOKED_AT, sizeof *samples);
  *r = (struct fm_reference){.kind = kind};
  enum fm_status status = samples ? choose(d, kind, &few, samples) : FM_MEMORY;
  if (status == FM_OK) status = pack_pictures(ctx, &few, r);
  if (status == FM_OK) status = kind == FM_REFERENCE_BLEND ? run_tap(d, &few, r) : run_cells(d, &few, r);
  fm_free(ctx, samples);
  if (status != FM_OK) fm_reference_free(ctx, r);
  return status;
}

/* ---- on the device ---- */

static enum fm_status write_pictures(struct fm_composer *r) {
  struct fm_context *ctx = fm_device_context(r->d);
  const struct fm_reference *from = r->reference;
  size_t bytes = from->count * fm_size_pixels(from->size) * 4;
  unsigned char *rgba;
  FM_TRY(fm_reference_pictures(ctx, from, &rgba));
  enum fm_status status = fm_buffer_make(r->d, bytes, &r->good);
  if (status == FM_OK) status = fm_buffer_write(r->d, &r->good, 0, rgba, bytes);
  fm_free(ctx, rgba);
  return status;
}

static enum fm_status make_blend(struct fm_composer *r, const struct fm_acts *tap, const float *feature) {
  int count = (int)r->reference->count;
  size_t cells = r->reference->count * (size_t)tap->h * (size_t)tap->w * sizeof(float);
  if (r->reference->columns != (size_t)tap->c * (size_t)tap->h * (size_t)tap->w)
    return fm_error(fm_device_context(r->d), FM_FORMAT,
                    "the model is damaged: its references have %zu numbers a picture, which does not fit its "
                    "network; train it again",
                    r->reference->columns);
  FM_TRY(fm_acts_make(r->d, count, tap->c, tap->h, tap->w, 0, &r->feature));
  FM_TRY(fm_acts_write(r->d, &r->feature, feature));
  FM_TRY(fm_buffer_make(r->d, cells, &r->distance));
  return fm_buffer_make(r->d, cells, &r->scratch);
}

static enum fm_status make_quilt(struct fm_composer *r, const struct fm_net *net, int batch,
                                 const float *feature) {
  const struct fm_reference *from = r->reference;
  FM_TRY(fm_patches_make(r->d, fm_net_tap(net, 1), fm_net_tap(net, 2), &(struct fm_patch_kind){0}, false,
                         &r->patches));
  size_t rows = (size_t)batch * (size_t)(r->patches.h * r->patches.w);
  if (from->columns != (size_t)r->patches.dimensions)
    return fm_error(fm_device_context(r->d), FM_FORMAT,
                    "the model is damaged: its references have features of %zu numbers, which does not fit "
                    "its network; train it again",
                    from->columns);
  FM_TRY(fm_bank_make(r->d, (int)from->rows, (int)from->columns, feature, &r->bank));
  FM_TRY(fm_search_make(r->d, &r->bank, (int)rows, 1, &r->search));
  FM_TRY(fm_buffer_make(r->d, rows * (size_t)r->patches.width * sizeof(float), &r->rows));
  FM_TRY(fm_buffer_make(r->d, rows * sizeof(float), &r->mean));
  FM_TRY(fm_buffer_make(r->d, rows * 2 * sizeof(int), &r->shift));
  FM_TRY(fm_buffer_make(r->d, from->rows * 2 * sizeof(int), &r->origin));
  return fm_buffer_write(r->d, &r->origin, 0, from->origin, from->rows * 2 * sizeof(int));
}

enum fm_status fm_composer_make(struct fm_device *d, const struct fm_reference *reference,
                                const struct fm_net *net, int batch, struct fm_composer *r) {
  *r = (struct fm_composer){.d = d, .reference = reference};
  size_t pixels = (size_t)batch * fm_size_pixels(reference->size);
  float *feature = NULL;
  enum fm_status status = fm_buffer_make(d, pixels * 4 * sizeof(float), &r->picture);
  if (status == FM_OK) status = write_pictures(r);
  if (status == FM_OK) status = fm_reference_features(fm_device_context(d), reference, &feature);
  if (status == FM_OK)
    status = reference->kind == FM_REFERENCE_BLEND ? make_blend(r, fm_net_tap(net, TAP), feature)
                                                   : make_quilt(r, net, batch, feature);
  fm_free(fm_device_context(d), feature);
  if (status != FM_OK) fm_composer_free(r);
  return status;
}

void fm_composer_free(struct fm_composer *r) {
  struct fm_buffer *const own[] = {&r->distance, &r->scratch, &r->good,   &r->picture,
                                   &r->rows,     &r->mean,    &r->origin, &r->shift};
  if (!r->d) return;
  fm_acts_free(r->d, &r->feature);
  fm_patches_free(r->d, &r->patches);
  fm_search_free(r->d, &r->search);
  fm_bank_free(r->d, &r->bank);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(r->d, own[i]);
  *r = (struct fm_composer){0};
}

static void run_blend(struct fm_composer *r, const struct fm_acts *tap) {
  struct fm_blend b = {.count = (int)r->reference->count, .reach = REACH, .sharpness = SHARPNESS};
  for (int n = 0; n < tap->n; n++)
    fm_reference_blend(r->d, &b, tap, n, &r->feature, &r->good, &r->distance, &r->scratch, &r->picture);
}

static void run_quilt(struct fm_composer *r, const struct fm_net *net, const struct fm_buffer *rgb) {
  const struct fm_acts *tap = fm_net_tap(net, 1);
  int h = r->patches.h, w = r->patches.w;
  fm_patches_run(r->d, &r->patches, tap, fm_net_tap(net, 2), &r->rows);
  fm_search_run(r->d, &r->bank, &r->search, tap->n * h * w, &r->rows, 1, &r->mean);
  int step = r->reference->size.height / h;
  struct fm_quilt q = {.h = h, .w = w, .step = step, .reach = step / 2};
  for (int n = 0; n < tap->n; n++)
    fm_reference_quilt(r->d, &q, n, rgb, &r->search.index, &r->origin, &r->good, &r->shift, &r->picture);
}

enum fm_status fm_composer_run(struct fm_composer *r, const struct fm_net *net, const struct fm_buffer *rgb) {
  if (r->reference->kind == FM_REFERENCE_BLEND)
    run_blend(r, fm_net_tap(net, TAP));
  else
    run_quilt(r, net, rgb);
  return fm_device_status(r->d);
}
