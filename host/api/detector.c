/* A model on the device, and what pictures come to. */
#include "api/api.h"
#include "api/picture.h"

#include "flawmap.h"

#include "app/by_hand.h"
#include "app/evaluate.h"
#include "base/memory.h"
#include "refine/f2pad.h"
#include "task/score_batch.h"
#include "task/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_AT_ONCE = 64 };

struct fm_detector {
  struct fm_session *session;
  struct fm_model model;
  struct fm_model_facts facts;
  struct fm_score_batch *scorer;
  struct fm_preprocess preprocess;
  struct fm_verdict_rule rule;
  char promise[400];
  bool sharpens;
  size_t pixels; /* of a picture at the network's size */
  int at_once;
  struct fm_adjusted *adjusted; /* [at_once] */
  unsigned char *rgb;           /* [at_once] pictures at the network's size */
};

/* ---- opening ---- */

static enum fm_status check_options(struct fm_context *ctx, const struct fm_detector_options *o) {
  if (o->at_once < 0 || o->at_once > MOST_AT_ONCE)
    return fm_error(ctx, FM_USAGE, "at_once is %d; it must be from 1 to %d", o->at_once, MOST_AT_ONCE);
  if (o->min_area < 0)
    return fm_error(ctx, FM_USAGE, "min_area is %ld; it must not be negative", o->min_area);
  if ((o->has_threshold && !isfinite(o->threshold)) ||
      (o->has_pixel_threshold && !isfinite(o->pixel_threshold)))
    return fm_error(ctx, FM_USAGE, "a threshold that was named is not a number");
  return FM_OK;
}

/* The caller's options over the defaults, whatever the size of the struct that the caller knows. */
static enum fm_status take_options(struct fm_context *ctx, const struct fm_detector_options *given,
                                   struct fm_detector_options *o) {
  *o = (struct fm_detector_options){.size = sizeof *o};
  if (!given) return FM_OK;
  if (given->size < offsetof(struct fm_detector_options, weights))
    return fm_error(ctx, FM_USAGE, "fm_detector_options.size is %zu; set it to sizeof the struct",
                    given->size);
  memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
  return check_options(ctx, o);
}

static enum fm_status choose_thresholds(struct fm_detector *d, const char *name,
                                        const struct fm_detector_options *o) {
  const struct fm_by_hand by_hand = {.image = o->threshold,
                                     .pixel = o->pixel_threshold,
                                     .image_given = o->has_threshold != 0,
                                     .pixel_given = o->has_pixel_threshold != 0};
  FM_TRY(fm_by_hand_apply(&by_hand, name, &d->model));
  fm_model_thresholds(&d->model, d->sharpens, &d->rule.image, &d->rule.pixel);
  d->rule.min_area = (size_t)o->min_area;
  if (d->model.has_thresholds)
    fm_threshold_sentence(&d->rule.image, d->promise);
  else
    snprintf(d->promise, sizeof d->promise, "the model has no threshold");
  return FM_OK;
}

static enum fm_status prepare(struct fm_detector *d, const char *name, const struct fm_detector_options *o) {
  static const enum fm_switch wish[] = {FM_NO, FM_AUTO, FM_YES};
  struct fm_context *ctx = &d->session->ctx;
  d->at_once = o->at_once ? o->at_once : 1;
  FM_TRY(fm_model_check_trained(&d->model, name, o->untrained != 0));
  d->sharpens = fm_refine_pays(&d->model, wish[1 + (o->sharpen > 0) - (o->sharpen < 0)]);
  FM_TRY(choose_thresholds(d, name, o));
  fm_model_facts(&d->model, &d->facts);
  FM_TRY(fm_model_preprocess(&d->model, &d->preprocess));
  d->pixels = fm_size_pixels(fm_preprocess_size(&d->preprocess));
  d->rgb = fm_alloc(ctx, (size_t)d->at_once * d->pixels, 3);
  d->adjusted = fm_alloc(ctx, (size_t)d->at_once, sizeof *d->adjusted);
  if (!d->rgb || !d->adjusted) return FM_MEMORY;
  return fm_score_batch_make(d->session->device, &d->model, d->at_once, d->sharpens, &d->scorer);
}

/* bytes NULL: the file `name`. */
static enum fm_status open_detector(struct fm_session *s, const char *name, const void *bytes, size_t count,
                                    const struct fm_detector_options *given, struct fm_detector *d) {
  struct fm_detector_options o;
  if (!s->device) return fm_error(&s->ctx, FM_USAGE, "the session has no device");
  FM_TRY(take_options(&s->ctx, given, &o));
  if (bytes)
    FM_TRY(fm_model_parse(&s->ctx, name, bytes, count, o.weights, &d->model));
  else
    FM_TRY(fm_model_load(&s->ctx, name, o.weights, &d->model));
  return prepare(d, name, &o);
}

static int open_any(struct fm_session *s, const char *name, const void *bytes, size_t count,
                    const struct fm_detector_options *given, struct fm_detector **detector) {
  struct fm_detector *d = *detector = fm_alloc(&s->ctx, 1, sizeof *d);
  if (!d) return FM_MEMORY;
  d->session = s;
  enum fm_status status = open_detector(s, name, bytes, count, given, d);
  if (status == FM_OK) return FM_OK;
  fm_detector_close(d);
  *detector = NULL;
  return (int)status;
}

int fm_detector_open(struct fm_session *s, const char *model, const struct fm_detector_options *options,
                     struct fm_detector **detector) {
  return open_any(s, model, NULL, 0, options, detector);
}

int fm_detector_open_bytes(struct fm_session *s, const void *bytes, size_t count, const char *name,
                           const struct fm_detector_options *options, struct fm_detector **detector) {
  return open_any(s, name ? name : "a model in memory", bytes ? bytes : "", bytes ? count : 0, options,
                  detector);
}

void fm_detector_close(struct fm_detector *d) {
  if (!d) return;
  struct fm_context *ctx = &d->session->ctx;
  fm_score_batch_free(d->scorer);
  fm_model_free(&d->model);
  fm_free(ctx, d->rgb);
  fm_free(ctx, d->adjusted);
  fm_free(ctx, d);
}

/* ---- what is known ---- */

double fm_detector_threshold(const struct fm_detector *d) {
  return d->model.has_thresholds ? d->rule.image.value : NAN;
}

double fm_detector_pixel_threshold(const struct fm_detector *d) {
  return d->model.has_thresholds ? d->rule.pixel.value : NAN;
}

const char *fm_detector_threshold_origin(const struct fm_detector *d) {
  return d->promise;
}

int fm_detector_sharpens(const struct fm_detector *d) {
  return d->sharpens;
}

int fm_detector_fact(const struct fm_detector *d, int index, const char **name, const char **value) {
  if (index < 0 || (size_t)index >= d->facts.count) return 0;
  *name = d->facts.fact[index].name;
  *value = d->facts.fact[index].value;
  return 1;
}

/* ---- scoring ---- */

/* A batch of the tiles of one picture. */
static enum fm_status score_tiles(struct fm_detector *d, const struct fm_picture *p) {
  struct fm_image image;
  FM_TRY(fm_api_picture_open(&d->session->ctx, p, &image));
  enum fm_status status = fm_score_batch_run_tiles(d->scorer, &image);
  fm_api_picture_close(&d->session->ctx, p, &image);
  return status;
}

/* As place i of the batch. */
static enum fm_status reduce(struct fm_detector *d, const struct fm_picture *p, int i) {
  struct fm_context *ctx = &d->session->ctx;
  struct fm_image image;
  FM_TRY(fm_api_picture_open(ctx, p, &image));
  unsigned char *rgb = d->rgb + (size_t)i * d->pixels * 3;
  enum fm_status status = fm_picture_fit(ctx, &d->preprocess, &image, rgb, &d->adjusted[i]);
  fm_api_picture_close(ctx, p, &image);
  return status;
}

static enum fm_status repair(struct fm_detector *d, const struct fm_score_one *one, struct fm_picture *p) {
  struct fm_context *ctx = &d->session->ctx;
  struct fm_image image;
  if (!d->sharpens)
    return fm_error(ctx, FM_USAGE,
                    "repaired pictures were asked for, and the maps of this model are not sharpened");
  FM_TRY(fm_api_picture_open(ctx, p, &image));
  enum fm_status status = fm_repaired_enlarge(ctx, &d->preprocess, one->rgb, one->repaired, image.pixels,
                                              p->width, p->height, p->repaired);
  fm_api_picture_close(ctx, p, &image);
  return status;
}

/* The map and the mask, row by row. */
static enum fm_status put_rows(struct fm_context *ctx, const struct fm_score_one *one,
                               const struct fm_verdict *found, struct fm_picture *p) {
  size_t width = (size_t)p->width;
  struct fm_spot_mask cut;
  float *room = fm_alloc(ctx, width, sizeof *room);
  enum fm_status status = fm_spot_mask_open(ctx, &cut, &found->spots);
  if (!room) status = FM_MEMORY;
  for (int y = 0; status == FM_OK && y < p->height; y++) {
    float *row = p->map ? p->map + (size_t)y * width : room;
    fm_score_map_row(&one->map, y, row);
    if (p->mask) fm_spot_mask_row(&cut, row, p->mask + (size_t)y * width);
  }
  fm_spot_mask_close(ctx, &cut);
  fm_free(ctx, room);
  return status;
}

static enum fm_status put(struct fm_detector *d, const struct fm_score_one *one, struct fm_picture *p) {
  struct fm_context *ctx = &d->session->ctx;
  struct fm_verdict found;
  enum fm_status status = fm_verdict_make(ctx, &d->rule, one, &found);
  if (status == FM_OK && (p->map || p->mask)) status = put_rows(ctx, one, &found, p);
  if (status == FM_OK && p->repaired) status = repair(d, one, p);
  p->score = one->score;
  p->flagged = found.flagged;
  fm_api_picture_regions(p, &found);
  fm_verdict_free(ctx, &found);
  return status;
}

static enum fm_status take(struct fm_detector *d, int i, struct fm_picture *p) {
  struct fm_context *ctx = &d->session->ctx;
  struct fm_score_one one;
  enum fm_status status = fm_score_one_open(d->scorer, ctx, i, p->width, p->height, &one);
  if (status == FM_OK) status = put(d, &one, p);
  fm_score_one_close(ctx, &one);
  return status;
}

/* Picture i of an array whose elements are as large as the caller knows them. */
static struct fm_picture *at(struct fm_picture *pictures, int i) {
  return (struct fm_picture *)(void *)((char *)pictures + (size_t)i * pictures->size);
}

static enum fm_status score(struct fm_detector *d, int count, struct fm_picture *pictures) {
  struct fm_context *ctx = &d->session->ctx;
  for (int done = 0, now; done < count; done += now) {
    FM_TRY(fm_stop_check(ctx, "scoring, after %d of %d pictures", done, count));
    now = count - done < d->at_once ? count - done : d->at_once;
    if (d->preprocess.tile) {
      FM_TRY(score_tiles(d, at(pictures, done)));
      now = 1;
    } else {
      for (int i = 0; i < now; i++) FM_TRY(reduce(d, at(pictures, done + i), i));
      FM_TRY(fm_score_batch_run(d->scorer, now, d->rgb, d->adjusted));
    }
    for (int i = 0; i < now; i++) FM_TRY(take(d, i, at(pictures, done + i)));
  }
  return FM_OK;
}

int fm_detector_score(struct fm_detector *d, int count, struct fm_picture *pictures) {
  if (count > 0 && pictures->size != sizeof *pictures) /* there is one version of it so far */
    return (int)fm_error(&d->session->ctx, FM_USAGE,
                         "fm_picture.size is %zu; set it to sizeof the struct, which is %zu", pictures->size,
                         sizeof *pictures);
  return (int)score(d, count, pictures);
}
