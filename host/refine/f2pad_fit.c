/* Learning a refinement: which reference a product needs, and what is normal, from held-out good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "base/log.h"
#include "base/memory.h"
#include "model/method.h"
#include "refine/f2pad_internal.h"
#include "refine/join.h"
#include "refine/tally.h"

#include <math.h>
#include <string.h>

enum { MOST_BATCH = 8, MOST_HELD = 100 };
static const double BLUR = 2, MORE_BLUR = 4; /* of 256 pixels; the second for what never lies quite right */

struct run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct fm_model *model;
  const struct fm_sample *held;
  size_t count, pixels, cells;
  int batch;
};

struct seen { /* of all held-out pictures: [count] cells; planes of blur |Y - R| */
  float *cells, *blur;
};

/* A reference with what is normal beside it, and how well it shows pieces that do not belong. */
struct candidate {
  struct fm_refinement made;
  struct seen seen; /* while it is measured */
  bool tried;
  double residual, ap; /* mean of |Y - R|; NaN where there was no piece */
};

static void free_seen(struct fm_context *ctx, struct seen *s) {
  fm_free(ctx, s->cells);
  fm_free(ctx, s->blur);
  *s = (struct seen){0};
}

static enum fm_status make_seen(struct run *r, struct seen *s) {
  s->cells = fm_alloc(r->ctx, r->count * r->cells, sizeof(float));
  s->blur = fm_alloc(r->ctx, r->count * r->pixels, sizeof(float));
  return s->cells && s->blur ? FM_OK : FM_MEMORY;
}

static enum fm_status open_held(struct run *r, bool pieces, struct fm_loader **loader) {
  struct fm_loader_options o = {.samples = r->held,
                                .count = r->count,
                                .batch = r->batch,
                                .pieces = pieces,
                                .seed = (uint64_t)r->model->recipe.seed};
  FM_TRY(fm_model_preprocess(r->model, &o.preprocess));
  return fm_loader_open(r->ctx, &o, loader);
}

/* ---- the held-out pictures ---- */

/* Looks at the pictures of a loader, batch by batch. */
static enum fm_status look_at_all(struct run *r, struct fm_look *look, bool pieces, void *user,
                                  void (*take)(const struct run *r, const struct fm_look *look,
                                               const struct fm_batch *batch, size_t at, void *user)) {
  struct fm_loader *loader;
  float *map = fm_alloc(r->ctx, (size_t)r->batch * r->pixels, sizeof *map);
  enum fm_status status = map ? open_held(r, pieces, &loader) : FM_MEMORY;
  if (status != FM_OK) {
    fm_free(r->ctx, map);
    return status;
  }
  for (size_t at = 0; status == FM_OK;) {
    struct fm_batch batch;
    status = fm_loader_next(loader, &batch);
    if (status != FM_OK || !batch.count) break;
    status = fm_look_at(look, (int)batch.count, batch.rgb, batch.adjusted, map, NULL);
    if (status == FM_OK) take(r, look, &batch, at, user);
    at += batch.count;
    if (r->ctx->stop) status = fm_error(r->ctx, FM_STOPPED, "stopped while learning to sharpen maps");
  }
  fm_loader_close(loader);
  fm_free(r->ctx, map);
  return status;
}

static void see(const struct run *r, const struct fm_look *look, const struct fm_batch *batch, size_t at,
                void *user) {
  struct candidate *c = user;
  memcpy(c->seen.cells + at * r->cells, look->cells, batch->count * r->cells * sizeof(float));
  memcpy(c->seen.blur + at * r->pixels, look->blur, batch->count * r->pixels * sizeof(float));
  for (size_t i = 0; i < batch->count * r->pixels; i++)
    c->residual += (double)look->residual[i] / (double)(r->count * r->pixels);
}

/* ---- which reference ---- */

struct trial {
  const struct fm_refinement *made;
  struct fm_tally tally;
  float *map; /* [pixels] */
};

/* The map where all of the distance to the reference counts as a flaw, |Y - N| = |Y - R|. */
static void show(const struct run *r, const struct fm_look *look, const struct fm_batch *batch, size_t at,
                 void *user) {
  struct trial *t = user;
  float scale = fm_refinement_scale(t->made);
  for (size_t i = 0; i < batch->count; i++) {
    const float *soft = look->soft + i * r->pixels, *blur = look->blur + i * r->pixels;
    for (size_t k = 0; k < r->pixels; k++)
      t->map[k] = fm_sharpened(soft[k] * scale, blur[k], blur[k], t->made->usual[k]);
    fm_tally_add(&t->tally, at + i, r->pixels, t->map, batch->mask + i * r->pixels);
  }
}

/* How well the sharpened map finds pieces that were drawn on the held-out pictures (data/piece.h). A
 * smaller |Y - R| alone does not make the better reference: one that is free to follow the picture follows
 * flaws, too. */
static enum fm_status try_pieces(struct run *r, struct fm_look *look, struct candidate *c) {
  struct trial t = {.made = &c->made, .map = fm_alloc(r->ctx, r->pixels, sizeof *t.map)};
  enum fm_status status = t.map ? fm_tally_make(r->ctx, r->count, 1, &t.tally) : FM_MEMORY;
  if (status == FM_OK) status = look_at_all(r, look, true, &t, show);
  if (status == FM_OK) c->ap = fm_tally_ap(&t.tally);
  fm_tally_free(&t.tally);
  fm_free(r->ctx, t.map);
  return status;
}

static enum fm_status measure(struct run *r, struct candidate *c) {
  const struct fm_normal normal = {r->count, r->cells, r->pixels, c->seen.cells, c->seen.blur};
  return fm_f2pad_measure(r->d, &normal, &c->made);
}

static enum fm_status look_at_held(struct run *r, bool pieces, struct candidate *c) {
  struct fm_look look = {0};
  FM_TRY(fm_look_make(r->d, r->model, &c->made.reference, c->made.blur, r->batch, &look));
  r->pixels = fm_size_pixels(look.scorer->size);
  c->made.height = look.scorer->height;
  c->made.width = look.scorer->width;
  r->cells = (size_t)c->made.height * (size_t)c->made.width;
  enum fm_status status = make_seen(r, &c->seen);
  if (status == FM_OK) status = look_at_all(r, &look, false, c, see);
  if (status == FM_OK) status = measure(r, c);
  free_seen(r->ctx, &c->seen);
  if (status == FM_OK && pieces) status = try_pieces(r, &look, c);
  fm_look_free(&look);
  return status;
}

static bool better(const struct candidate *a, const struct candidate *b) {
  return isnan(a->ap) || isnan(b->ap) ? a->residual < b->residual : a->ap > b->ap;
}

/* Looks with a candidate; the better of it and the best so far is *best then, the other one *c. */
static enum fm_status compare(struct run *r, struct candidate *c, struct candidate *best) {
  FM_TRY(look_at_held(r, true, c));
  fm_note(r->ctx,
          "reference %s, blur %g: it finds pieces with a pixel AP of %.1f %%; good "
          "pictures differ from it by %.4f",
          fm_reference_names[c->made.reference.kind], c->made.blur, 100 * c->ap, c->residual);
  c->tried = true;
  if (best->tried && !better(c, best)) return FM_OK;
  struct candidate worse = *best;
  *best = *c;
  *c = worse;
  return FM_OK;
}

static enum fm_status try_kind(struct run *r, const struct fm_train *t, int kind, struct candidate *best) {
  struct candidate c = {.made.blur = BLUR, .ap = NAN};
  enum fm_status status = fm_reference_fit(r->d, t, (enum fm_reference_kind)kind, &c.made.reference);
  if (status == FM_OK) status = compare(r, &c, best);
  fm_refinement_free(r->ctx, &c.made);
  return status;
}

/* The same reference, seen less sharply. */
static enum fm_status try_blur(struct run *r, struct candidate *best) {
  struct candidate c = {.made.blur = MORE_BLUR, .made.reference = best->made.reference, .ap = NAN};
  enum fm_status status = compare(r, &c, best);
  c.made.reference = (struct fm_reference){0}; /* it is the best one's, whichever that is now */
  fm_refinement_free(r->ctx, &c.made);
  return status;
}

/* Only its verdict is left of one that does not pay. */
static void switch_off(struct fm_context *ctx, struct fm_refinement *m) {
  struct fm_worth worth = m->worth;
  fm_refinement_free(ctx, m);
  *m = (struct fm_refinement){.off = true, .worth = worth};
}

static void say_worth(struct fm_context *ctx, const struct fm_refinement *m) {
  char sentence[400];
  fm_refinement_sentence(m, sentence);
  fm_note(ctx, "sharpening: %s", sentence);
}

/* What is made is the model's from now on, and what it had is the candidate's. */
static void put(struct fm_context *ctx, struct fm_model *model, struct candidate *c) {
  if (c->made.off) switch_off(ctx, &c->made);
  struct fm_refinement before = model->refinement;
  model->refinement = c->made;
  c->made = before;
}

static struct run run_of(struct fm_device *d, const struct fm_model *model, const struct fm_sample *held,
                         size_t count) {
  return (struct run){.ctx = fm_device_context(d),
                      .d = d,
                      .model = model,
                      .held = held,
                      .count = count < MOST_HELD ? count : MOST_HELD,
                      .batch = fm_size_at_once(model->recipe.size, MOST_BATCH)};
}

enum fm_status fm_f2pad_fit(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                            const struct fm_sample *held, size_t held_count) {
  struct run r = run_of(d, model, held, held_count);
  struct candidate best = {.ap = NAN};
  enum fm_status status = FM_OK;
  for (int kind = 0; kind < FM_REFERENCE_KINDS && status == FM_OK; kind++)
    status = try_kind(&r, t, kind, &best);
  if (status == FM_OK) status = try_blur(&r, &best);
  best.made.there = true;
  if (status == FM_OK) status = fm_f2pad_judge(d, model, held, held_count, &best.made);
  if (status == FM_OK) {
    say_worth(r.ctx, &best.made);
    put(r.ctx, model, &best);
  }
  fm_refinement_free(r.ctx, &best.made);
  return status;
}

/* ---- new pictures ---- */

static double higher(double a, double b) {
  return a > b ? a : b;
}

/* Limits of new pictures that the old ones pass as well. */
static void only_rise(const struct run *r, const struct fm_refinement *was, struct fm_refinement *is) {
  for (size_t i = 0; i < r->cells; i++) is->limit[i] = fmaxf(is->limit[i], was->limit[i]);
  for (size_t i = 0; i < r->pixels; i++) is->usual[i] = fmaxf(is->usual[i], was->usual[i]);
  is->q99 = higher(is->q99, was->q99);
  is->q995 = higher(is->q995, was->q995);
  is->q9995 = higher(is->q9995, was->q9995);
  is->rho = higher(is->rho, was->rho);
}

enum fm_status fm_f2pad_join(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                             const struct fm_sample *held, size_t held_count, bool known) {
  struct run r = run_of(d, model, held, held_count);
  const struct fm_refinement *was = &model->refinement;
  struct candidate c = {.made = {.there = true,
                                 .blur = was->blur,
                                 .scores = was->scores,
                                 .worth = was->worth,
                                 .threshold = was->threshold,
                                 .image = was->image,
                                 .base = was->base},
                        .ap = NAN};
  enum fm_status status = fm_reference_join(d, t, &was->reference, &c.made.reference);
  if (status == FM_OK) status = look_at_held(&r, false, &c);
  if (status == FM_OK && known) status = fm_f2pad_judge(d, model, held, held_count, &c.made);
  if (status == FM_OK && known) say_worth(r.ctx, &c.made);
  if (status == FM_OK && !known) only_rise(&r, was, &c.made);
  if (status == FM_OK) put(r.ctx, model, &c);
  fm_refinement_free(r.ctx, &c.made);
  return status;
}
