#include "detect/reference.h"

#include "base/memory.h"
#include "base/thread.h"
#include "op/repair.h"

#include <string.h>

/* The tap that says how alike two places are: stride 8, coarse enough to see shapes, fine enough to tell
 * places apart. The neighbourhood and the sharpness of the choice were found on held-out good pictures. */
enum { TAP = 1, REACH = 2 };
static const float SHARPNESS = 20;

/* ---- learning ---- */

struct load {
  struct fm_context *ctx;
  const struct fm_sample *samples;
  struct fm_preprocess preprocess;
  unsigned char *good;
};

static enum fm_status load_one(void *user, size_t i) {
  struct load *l = user;
  size_t side = (size_t)fm_preprocess_side(&l->preprocess);
  return fm_picture_load(l->ctx, l->samples[i].path, &l->preprocess, l->good + i * side * side * 3, NULL,
                         NULL);
}

static enum fm_status load_pictures(struct fm_context *ctx, const struct fm_train *t,
                                    struct fm_reference *r) {
  struct load l = {.ctx = ctx, .samples = t->samples};
  FM_TRY(fm_recipe_preprocess(ctx, &t->recipe, &l.preprocess));
  r->side = fm_preprocess_side(&l.preprocess);
  r->count = t->count;
  r->good = l.good = fm_alloc(ctx, r->count, (size_t)r->side * (size_t)r->side * 3);
  return l.good ? fm_parallel(ctx, r->count, load_one, &l) : FM_MEMORY;
}

static enum fm_status take_tap(void *user, struct fm_net *net, size_t first, int count) {
  struct fm_reference *r = user;
  const struct fm_acts *tap = fm_net_tap(net, TAP);
  struct fm_device *d = fm_net_device(net);
  if (!r->feature) {
    r->columns = (size_t)tap->c * (size_t)tap->h * (size_t)tap->w;
    r->rows = r->count;
    r->feature = fm_alloc(fm_device_context(d), r->rows * r->columns, sizeof *r->feature);
    if (!r->feature) return FM_MEMORY;
  }
  (void)count;
  return fm_acts_read(d, tap, r->feature + first * r->columns);
}

/* Every n-th picture, so that no more than the limit are kept. */
static enum fm_status choose(struct fm_context *ctx, const struct fm_train *t, struct fm_train *few,
                             struct fm_sample **samples) {
  size_t count = t->count < FM_REFERENCE_PICTURES ? t->count : FM_REFERENCE_PICTURES;
  *few = *t;
  *samples = fm_alloc(ctx, count, sizeof **samples);
  if (!*samples) return FM_MEMORY;
  for (size_t i = 0; i < count; i++) (*samples)[i] = t->samples[i * t->count / count];
  few->samples = *samples;
  few->count = count;
  return FM_OK;
}

enum fm_status fm_reference_fit(struct fm_device *d, const struct fm_train *t, enum fm_reference_kind kind,
                                struct fm_reference *r) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_train few;
  struct fm_sample *samples = NULL;
  *r = (struct fm_reference){.kind = kind};
  enum fm_status status = choose(ctx, t, &few, &samples);
  if (status == FM_OK) status = load_pictures(ctx, &few, r);
  if (status == FM_OK) status = fm_taps_run(d, &few, "references", take_tap, r);
  fm_free(ctx, samples);
  if (status != FM_OK) fm_reference_free(ctx, r);
  return status;
}

/* ---- on the device ---- */

static enum fm_status write_pictures(struct fm_referrer *r) {
  struct fm_context *ctx = fm_device_context(r->d);
  const struct fm_reference *from = r->reference;
  size_t pixels = from->count * (size_t)from->side * (size_t)from->side;
  FM_TRY(fm_buffer_make(r->d, pixels * 4, &r->good));
  unsigned char *rgba = fm_alloc_aligned(ctx, pixels, 4);
  if (!rgba) return FM_MEMORY;
  for (size_t i = 0; i < pixels; i++) memcpy(rgba + 4 * i, from->good + 3 * i, 3);
  enum fm_status status = fm_buffer_write(r->d, &r->good, 0, rgba, pixels * 4);
  fm_free(ctx, rgba);
  return status;
}

static enum fm_status make_blend(struct fm_referrer *r, const struct fm_acts *tap) {
  int count = (int)r->reference->count;
  size_t cells = r->reference->count * (size_t)tap->h * (size_t)tap->w * sizeof(float);
  FM_TRY(fm_acts_make(r->d, count, tap->c, tap->h, tap->w, 0, &r->feature));
  FM_TRY(fm_acts_write(r->d, &r->feature, r->reference->feature));
  FM_TRY(fm_buffer_make(r->d, cells, &r->distance));
  return fm_buffer_make(r->d, cells, &r->scratch);
}

enum fm_status fm_referrer_make(struct fm_device *d, const struct fm_reference *reference,
                                const struct fm_net *net, int batch, struct fm_referrer *r) {
  *r = (struct fm_referrer){.d = d, .reference = reference};
  size_t pixels = (size_t)batch * (size_t)reference->side * (size_t)reference->side;
  enum fm_status status = fm_buffer_make(d, pixels * 4 * sizeof(float), &r->picture);
  if (status == FM_OK) status = write_pictures(r);
  if (status == FM_OK) status = make_blend(r, fm_net_tap(net, TAP));
  if (status != FM_OK) fm_referrer_free(r);
  return status;
}

void fm_referrer_free(struct fm_referrer *r) {
  struct fm_buffer *const own[] = {&r->distance, &r->scratch, &r->good, &r->picture};
  if (!r->d) return;
  fm_acts_free(r->d, &r->feature);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(r->d, own[i]);
  *r = (struct fm_referrer){0};
}

enum fm_status fm_referrer_run(struct fm_referrer *r, const struct fm_net *net) {
  const struct fm_acts *tap = fm_net_tap(net, TAP);
  struct fm_blend b = {
      .side = r->reference->side, .count = (int)r->reference->count, .reach = REACH, .sharpness = SHARPNESS};
  for (int n = 0; n < tap->n; n++)
    fm_reference_blend(r->d, &b, tap, n, &r->feature, &r->good, &r->distance, &r->scratch, &r->picture);
  return fm_device_status(r->d);
}
