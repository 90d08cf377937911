/* What sharpening is worth: the whole of it, on held-out good pictures as they are and with flaws drawn on
 * them (data/piece.h), beside the detector's own maps. docs/math/f2pad.md. */
#include "base/memory.h"
#include "data/loader.h"
#include "refine/f2pad_internal.h"
#include "refine/tally.h"

#include <math.h>

/* Pictures to judge by at most; drawn flaws at least, more than one on a picture where there are few. Of good
 * pictures' pixels so many may be over the threshold. */
enum { MOST_BATCH = 8, MOST_PICTURES = 40, LEAST_PICTURES = 20, LEAST_PIECES = 20 };
static const double FALSE_PIXELS = 0.001;

struct judge {
  struct fm_context *ctx;
  struct fm_f2pad *f2pad;
  const struct fm_model *model;
  struct fm_sample *samples; /* [count] */
  size_t count, rounds, pixels;
  int batch;
  struct fm_preprocess preprocess;
  float *own, *sharp;       /* [batch][pixels] maps */
  unsigned char *covered;   /* [pixels] */
  float score[MOST_BATCH];  /* the detector's own; NaN: the largest value of its map */
  struct fm_tally tally[4]; /* OWN_GOOD ... */
  float *picture[4];        /* scores of pictures, in the same order */
};
/* The detector's maps and sharpened ones, of good pictures and of those with a flaw. */
enum { OWN_GOOD, SHARP_GOOD, OWN, SHARP };

static float largest(const float *map, size_t count) {
  float most = map[0];
  for (size_t i = 1; i < count; i++) most = fmaxf(most, map[i]);
  return most;
}

/* As in a map that is back in its picture's pose: what came in by turning has the lowest value. */
static void hide(const struct judge *j, float *map) {
  float least = map[0];
  for (size_t k = 1; k < j->pixels; k++) least = fminf(least, map[k]);
  for (size_t k = 0; k < j->pixels; k++)
    if (!j->covered[k]) map[k] = least;
}

static void add(struct judge *j, int to, size_t at, size_t i, const struct fm_adjusted *adjusted,
                const unsigned char *mask) {
  const struct fm_preprocess *p = &j->preprocess;
  float *own = j->own + i * j->pixels, *sharp = j->sharp + i * j->pixels;
  if (p->standard) {
    const struct fm_size size = fm_preprocess_size(p);
    fm_standard_covered(p->standard, adjusted, size, p->size, size, j->covered);
    hide(j, own);
    hide(j, sharp);
  }
  fm_tally_add(&j->tally[to], at, j->pixels, own, mask);
  fm_tally_add(&j->tally[to + 1], at, j->pixels, sharp, mask);
  j->picture[to][at] = isnan(j->score[i]) ? largest(own, j->pixels) : j->score[i];
  j->picture[to + 1][at] = largest(sharp, j->pixels);
}

/* All pictures as they are, or with drawn flaws, `rounds` times. */
static enum fm_status look(struct judge *j, bool pieces, size_t rounds) {
  struct fm_loader_options o = {.samples = j->samples,
                                .count = j->count,
                                .batch = j->batch,
                                .preprocess = j->preprocess,
                                .pieces = pieces,
                                .epochs = (int)rounds,
                                .seed = (uint64_t)j->model->recipe.seed};
  struct fm_loader *loader;
  FM_TRY(fm_loader_open(j->ctx, &o, &loader));
  enum fm_status status = FM_OK;
  for (size_t at = 0; status == FM_OK;) {
    struct fm_batch b;
    status = fm_loader_next(loader, &b);
    if (status != FM_OK || !b.count) break;
    status = fm_f2pad_run(j->f2pad, (int)b.count, b.rgb, b.adjusted, j->sharp, j->score, j->own, NULL);
    for (size_t i = 0; status == FM_OK && i < b.count; i++)
      add(j, pieces ? OWN : OWN_GOOD, at++, i, &b.adjusted[i], pieces ? b.mask + i * j->pixels : NULL);
    if (j->ctx->stop) status = fm_error(j->ctx, FM_STOPPED, "stopped while learning to sharpen maps");
  }
  fm_loader_close(loader);
  return status;
}

/* Chance that a picture with a flaw has the higher score. */
static double auroc(const float *good, size_t goods, const float *flawed, size_t flaws) {
  double won = 0;
  for (size_t i = 0; i < flaws; i++)
    for (size_t k = 0; k < goods; k++) won += flawed[i] > good[k] ? 1 : flawed[i] == good[k] ? 0.5 : 0;
  return won / ((double)goods * (double)flaws);
}

/* The threshold is the one at which drawn flaws are outlined best, but not so low that too many pixels of
 * good pictures are over it. Recall is compared at as many false pixels. */
static void conclude(struct judge *j, struct fm_refinement *m) {
  const struct fm_tally *own = &j->tally[OWN], *sharp = &j->tally[SHARP];
  struct fm_worth *w = &m->worth;
  double least = fm_tally_at_false(&j->tally[SHARP_GOOD], FALSE_PIXELS), best = fm_tally_best(sharp, least);
  double value = isnan(best) ? least : best;
  m->base = fm_tally_at_false(&j->tally[OWN_GOOD], FALSE_PIXELS);
  fm_threshold_by_hand(value, FALSE_PIXELS, &m->threshold);
  m->threshold.n = j->count;
  snprintf(m->threshold.origin, sizeof m->threshold.origin,
           "what outlines flaws drawn on %zu held-out good pictures best", j->count);
  double wrong = fm_tally_false(sharp, value);
  *w = (struct fm_worth){
      .known = true,
      .ap = {fm_tally_ap(own), fm_tally_ap(sharp)},
      .recall = {fm_tally_recall(own, fm_tally_at_false(own, wrong)), fm_tally_recall(sharp, value)},
      .auroc = {auroc(j->picture[OWN_GOOD], j->count, j->picture[OWN], j->count * j->rounds),
                auroc(j->picture[SHARP_GOOD], j->count, j->picture[SHARP], j->count * j->rounds)}};
  m->off = !(w->ap[1] > w->ap[0] && w->recall[1] > w->recall[0]);
  m->scores = !m->off && w->auroc[1] > w->auroc[0];
}

/* Of large ones fewer, as many pixels as the most of 512 x 512 have: sharpening one of 768 x 768 takes
 * seconds. */
static size_t pictures_of(size_t count, size_t pixels) {
  size_t most = ((size_t)MOST_PICTURES << 18) / pixels;
  most = most < LEAST_PICTURES ? LEAST_PICTURES : most > MOST_PICTURES ? MOST_PICTURES : most;
  return count < most ? count : most;
}

static enum fm_status prepare(struct judge *j, struct fm_device *d, const struct fm_sample *held,
                              size_t count) {
  j->count = pictures_of(count, j->pixels);
  j->rounds = (LEAST_PIECES + j->count - 1) / j->count;
  j->samples = fm_alloc(j->ctx, j->count, sizeof *j->samples);
  j->own = fm_alloc(j->ctx, (size_t)j->batch * j->pixels, sizeof *j->own);
  j->sharp = fm_alloc(j->ctx, (size_t)j->batch * j->pixels, sizeof *j->sharp);
  j->covered = fm_alloc(j->ctx, j->pixels, 1);
  if (!j->samples || !j->own || !j->sharp || !j->covered) return FM_MEMORY;
  FM_TRY(fm_model_preprocess(j->model, &j->preprocess));
  for (size_t i = 0; i < j->count; i++) j->samples[i] = held[i * count / j->count];
  for (int k = 0; k < 4; k++) {
    size_t pictures = k < OWN ? j->count : j->count * j->rounds;
    float scale = k == SHARP || k == SHARP_GOOD ? 1 : fm_refinement_scale(&j->model->refinement);
    FM_TRY(fm_tally_make(j->ctx, pictures, scale, &j->tally[k]));
    if (!(j->picture[k] = fm_alloc(j->ctx, pictures, sizeof(float)))) return FM_MEMORY;
  }
  return fm_f2pad_make(d, j->model, j->batch, &j->f2pad);
}

enum fm_status fm_f2pad_judge(struct fm_device *d, const struct fm_model *model, const struct fm_sample *held,
                              size_t count, struct fm_refinement *m) {
  struct fm_model with = *model;
  with.refinement = *m;
  struct judge j = {.ctx = fm_device_context(d), .model = &with};
  j.pixels = fm_size_pixels(m->reference.size);
  j.batch = fm_size_at_once(m->reference.size, MOST_BATCH);
  enum fm_status status = prepare(&j, d, held, count);
  if (status == FM_OK) status = look(&j, false, 1);
  if (status == FM_OK) status = look(&j, true, j.rounds);
  if (status == FM_OK) conclude(&j, m);
  fm_f2pad_free(j.f2pad);
  for (int k = 0; k < 4; k++) {
    fm_tally_free(&j.tally[k]);
    fm_free(j.ctx, j.picture[k]);
  }
  fm_free(j.ctx, j.samples);
  fm_free(j.ctx, j.own);
  fm_free(j.ctx, j.sharp);
  fm_free(j.ctx, j.covered);
  return status;
}
