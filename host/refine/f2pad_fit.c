/* Learning a refinement: which reference a product needs, and what is normal, from held-out good pictures. */
#define _POSIX_C_SOURCE 200809L
#include "base/log.h"
#include "base/memory.h"
#include "model/method.h"
#include "refine/f2pad_internal.h"
#include "score/radix.h"
#include "score/rank.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BATCH = 8, MOST_HELD = 100 };
static const double BLUR = 2, MORE_BLUR = 4; /* of 256 pixels; the second for what never lies quite right */

struct run {
  struct fm_context *ctx;
  struct fm_device *d;
  const struct fm_model *model;
  const struct fm_sample *held;
  size_t count, pixels, cells;
  int height, width; /* of the grid */
};

struct seen { /* of all held-out pictures: [count] cells or planes */
  float *cells, *soft, *blur, *map;
};

/* A reference with what is normal beside it, and how well it shows pieces that do not belong. */
struct candidate {
  struct fm_refinement made;
  struct seen seen;
  double residual, ap; /* mean of |Y - R|; NaN where there was no piece */
};

static void free_seen(struct fm_context *ctx, struct seen *s) {
  float *const all[] = {s->cells, s->soft, s->blur, s->map};
  for (size_t i = 0; i < 4; i++) fm_free(ctx, all[i]);
  *s = (struct seen){0};
}

static void free_candidate(struct fm_context *ctx, struct candidate *c) {
  fm_refinement_free(ctx, &c->made);
  free_seen(ctx, &c->seen);
}

static enum fm_status make_seen(struct run *r, struct seen *s) {
  s->cells = fm_alloc(r->ctx, r->count * r->cells, sizeof(float));
  s->soft = fm_alloc(r->ctx, r->count * r->pixels, sizeof(float));
  s->blur = fm_alloc(r->ctx, r->count * r->pixels, sizeof(float));
  s->map = fm_alloc(r->ctx, r->count * r->pixels, sizeof(float));
  return s->cells && s->soft && s->blur && s->map ? FM_OK : FM_MEMORY;
}

static enum fm_status open_held(struct run *r, bool pieces, struct fm_loader **loader) {
  struct fm_loader_options o = {.samples = r->held,
                                .count = r->count,
                                .batch = BATCH,
                                .pieces = pieces,
                                .seed = (uint64_t)r->model->recipe.seed};
  FM_TRY(fm_model_preprocess(r->model, &o.preprocess));
  return fm_loader_open(r->ctx, &o, loader);
}

static enum fm_status stopped(struct fm_context *ctx) {
  return ctx->stop ? fm_error(ctx, FM_STOPPED, "stopped while learning to sharpen maps") : FM_OK;
}

/* ---- the held-out pictures as they are ---- */

static enum fm_status see(struct run *r, struct fm_look *look, struct fm_loader *loader,
                          struct candidate *c) {
  struct seen *s = &c->seen;
  for (size_t at = 0;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(loader, &batch));
    if (!batch.count) break;
    FM_TRY(fm_look_at(look, (int)batch.count, batch.rgb, s->map + at * r->pixels, NULL));
    memcpy(s->cells + at * r->cells, look->cells, batch.count * r->cells * sizeof(float));
    memcpy(s->soft + at * r->pixels, look->soft, batch.count * r->pixels * sizeof(float));
    memcpy(s->blur + at * r->pixels, look->blur, batch.count * r->pixels * sizeof(float));
    for (size_t i = 0; i < batch.count * r->pixels; i++) c->residual += (double)look->residual[i];
    at += batch.count;
    FM_TRY(stopped(r->ctx));
  }
  c->residual /= (double)(r->count * r->pixels);
  return FM_OK;
}

/* The map where all of the distance to the reference counts as a flaw, |Y - N| = |Y - R|. */
static float sharpened(const struct fm_refinement *m, float soft, float blur, size_t pixel) {
  return fm_sharpened(soft * fm_refinement_scale(m), blur, blur, m->usual[pixel]);
}

/* ---- which reference ---- */

struct trial {
  uint32_t *normal; /* keys of the pixels' scores */
  uint64_t *flawed; /* the same, shifted as fm_ranking wants them */
  size_t normals, flaws;
  float *map;
};

static enum fm_status score_pieces(struct run *r, struct fm_look *look, struct fm_loader *loader,
                                   const struct fm_refinement *made, struct trial *t) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(loader, &batch));
    if (!batch.count) return FM_OK;
    FM_TRY(fm_look_at(look, (int)batch.count, batch.rgb, t->map, NULL));
    for (size_t i = 0; i < batch.count * r->pixels; i++) {
      uint32_t key = fm_score_key(sharpened(made, look->soft[i], look->blur[i], i % r->pixels));
      if (batch.mask[i])
        t->flawed[t->flaws++] = (uint64_t)key << 32;
      else
        t->normal[t->normals++] = key;
    }
    FM_TRY(stopped(r->ctx));
  }
}

/* How well the sharpened map finds pieces that were drawn on the held-out pictures (data/piece.h). A
 * smaller |Y - R| alone does not make the better reference: one that is free to follow the picture follows
 * flaws, too. */
static enum fm_status try_pieces(struct run *r, struct fm_look *look, struct candidate *c) {
  size_t all = r->count * r->pixels;
  struct trial t = {fm_alloc(r->ctx, all, sizeof *t.normal), fm_alloc(r->ctx, all, sizeof *t.flawed), 0, 0,
                    fm_alloc(r->ctx, BATCH * r->pixels, sizeof *t.map)};
  struct fm_loader *loader = NULL;
  enum fm_status status = t.normal && t.flawed && t.map ? open_held(r, true, &loader) : FM_MEMORY;
  if (status == FM_OK) status = score_pieces(r, look, loader, &c->made, &t);
  if (status == FM_OK) status = fm_sort_u32(r->ctx, t.normal, t.normals);
  if (status == FM_OK) status = fm_sort_u64(r->ctx, t.flawed, t.flaws);
  if (status == FM_OK)
    c->ap = fm_rank_walk(&(struct fm_ranking){t.normals, t.flaws, 0, t.normal, t.flawed}).ap;
  fm_loader_close(loader);
  fm_free(r->ctx, t.normal);
  fm_free(r->ctx, t.flawed);
  fm_free(r->ctx, t.map);
  return status;
}

static enum fm_status measure(struct run *r, struct candidate *c) {
  const struct fm_normal normal = {r->count, r->cells, r->pixels, c->seen.cells, c->seen.blur};
  return fm_f2pad_measure(r->d, &normal, &c->made);
}

static enum fm_status look_at_held(struct run *r, struct candidate *c) {
  struct fm_loader *loader = NULL;
  struct fm_look look = {0};
  FM_TRY(fm_look_make(r->d, r->model, &c->made.reference, c->made.blur, BATCH, false, &look));
  r->pixels = fm_size_pixels(look.scorer->size);
  r->height = look.scorer->height;
  r->width = look.scorer->width;
  r->cells = (size_t)r->height * (size_t)r->width;
  enum fm_status status = make_seen(r, &c->seen);
  if (status == FM_OK) status = open_held(r, false, &loader);
  if (status == FM_OK) status = see(r, &look, loader, c);
  fm_loader_close(loader);
  if (status == FM_OK) status = measure(r, c);
  if (status == FM_OK) status = try_pieces(r, &look, c);
  fm_look_free(&look);
  return status;
}

static bool better(const struct candidate *a, const struct candidate *b) {
  return isnan(a->ap) || isnan(b->ap) ? a->residual < b->residual : a->ap > b->ap;
}

/* Looks with a candidate; the better of it and the best so far is *best then, the other one *c. */
static enum fm_status compare(struct run *r, struct candidate *c, struct candidate *best) {
  FM_TRY(look_at_held(r, c));
  fm_note(r->ctx,
          "reference %s, blur %g: it finds pieces with a pixel AP of %.1f %%; good "
          "pictures differ from it by %.4f",
          fm_reference_names[c->made.reference.kind], c->made.blur, 100 * c->ap, c->residual);
  if (best->seen.map && !better(c, best)) return FM_OK;
  struct candidate worse = *best;
  *best = *c;
  *c = worse;
  return FM_OK;
}

static enum fm_status try_kind(struct run *r, const struct fm_train *t, int kind, struct candidate *best) {
  struct candidate c = {.made.blur = BLUR, .ap = NAN};
  enum fm_status status = fm_reference_fit(r->d, t, (enum fm_reference_kind)kind, &c.made.reference);
  if (status == FM_OK) status = compare(r, &c, best);
  free_candidate(r->ctx, &c);
  return status;
}

/* The same reference, seen less sharply. */
static enum fm_status try_blur(struct run *r, struct candidate *best) {
  struct candidate c = {.made.blur = MORE_BLUR, .made.reference = best->made.reference, .ap = NAN};
  enum fm_status status = compare(r, &c, best);
  c.made.reference = (struct fm_reference){0}; /* it is the best one's, whichever that is now */
  free_candidate(r->ctx, &c);
  return status;
}

/* The sharpened map's threshold: the largest value that a good picture, the middle one of those held out,
 * would show if all of its distance to the reference were a flaw, |Y - N| = |Y - R|. Its real map stays far
 * below. Beside it, for comparison, what one of a thousand pixels of the detector's own map is over. */
static enum fm_status threshold(struct run *r, struct seen *s, struct fm_refinement *out) {
  static const double middle[] = {0.5}, thousandth[] = {0.999};
  struct fm_threshold *t = &out->threshold;
  double *const value[] = {&t->value}, *const base[] = {&out->base};
  float *peak = fm_alloc(r->ctx, r->count, sizeof *peak);
  if (!peak) return FM_MEMORY;
  for (size_t i = 0; i < r->count; i++)
    for (size_t k = 0; k < r->pixels; k++) {
      size_t at = i * r->pixels + k;
      peak[i] = fmaxf(peak[i], sharpened(out, s->soft[at], s->blur[at], k));
    }
  *t = (struct fm_threshold){
      .alpha = 0.5, .n = r->count, .k = (r->count + 1) / 2, .promised = NAN, .low = NAN, .high = NAN};
  snprintf(t->origin, sizeof t->origin, "the worst of %zu held-out good pictures, as if all of it were flaws",
           r->count);
  enum fm_status status = fm_quantiles(r->ctx, peak, r->count, 1, middle, value);
  fm_free(r->ctx, peak);
  FM_TRY(status);
  return fm_quantiles(r->ctx, s->map, r->count * r->pixels, 1, thousandth, base);
}

enum fm_status fm_f2pad_fit(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                            const struct fm_sample *held, size_t held_count) {
  struct run r = {.ctx = fm_device_context(d), .d = d, .model = model, .held = held};
  struct candidate best = {.ap = NAN};
  enum fm_status status = FM_OK;
  r.count = held_count < MOST_HELD ? held_count : MOST_HELD;
  for (int kind = 0; kind < FM_REFERENCE_KINDS && status == FM_OK; kind++)
    status = try_kind(&r, t, kind, &best);
  if (status == FM_OK) status = try_blur(&r, &best);
  if (status == FM_OK) status = threshold(&r, &best.seen, &best.made);
  if (status == FM_OK) {
    struct fm_refinement before = model->refinement;
    model->refinement = best.made;
    model->refinement.height = r.height;
    model->refinement.width = r.width;
    model->refinement.there = true;
    best.made = before;
  }
  free_candidate(r.ctx, &best);
  return status;
}
