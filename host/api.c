#define _POSIX_C_SOURCE 200809L
#include "flawmap.h"

#include "base/memory.h"
#include "file/image.h"
#include "op/selftest.h"
#include "task/score_batch.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_AT_ONCE = 64 };

struct fm_session {
  struct fm_context ctx;
  struct fm_device *device;
  bool untrained; /* models with an untrained expert are accepted */
};

struct fm_detector {
  struct fm_session *session;
  struct fm_model model;
  struct fm_score_batch *scorer;
  struct fm_preprocess preprocess;
  size_t pixels; /* of a picture at the network's size */
  int at_once;
  struct fm_adjusted *adjusted; /* [at_once] */
  unsigned char *rgb;           /* [at_once] pictures at the network's size */
};

int fm_session_open(const char *device, struct fm_session **session) {
  struct fm_session *s = *session = calloc(1, sizeof *s); /* there is no context to count it yet */
  if (!s) return FM_MEMORY;
  fm_context_init(&s->ctx);
  s->ctx.quiet = true;
  enum fm_status status = fm_device_open(&s->ctx, device, &s->device);
  return (int)(status == FM_OK ? fm_selftest(s->device, false) : status);
}

void fm_session_close(struct fm_session *s) {
  if (!s) return;
  fm_device_close(s->device);
  fm_context_free(&s->ctx);
  free(s);
}

const char *fm_session_device(const struct fm_session *s) {
  return s->device ? fm_device_facts(s->device)->name : "";
}

int fm_session_failed(const struct fm_session *s) {
  return s && s->ctx.status != FM_OK;
}

const char *fm_session_message(const struct fm_session *s) {
  return s ? s->ctx.message : fm_status_text(FM_MEMORY);
}

void fm_session_clear(struct fm_session *s) {
  fm_error_clear(&s->ctx);
}

void fm_session_accept_untrained(struct fm_session *s, int accept) {
  s->untrained = accept != 0;
}

static enum fm_status open_detector(struct fm_detector *d, const char *path) {
  struct fm_context *ctx = &d->session->ctx;
  if (!d->session->device) return fm_error(ctx, FM_USAGE, "the session has no device");
  if (d->at_once < 1 || d->at_once > MOST_AT_ONCE)
    return fm_error(ctx, FM_USAGE, "at_once is %d; it must be from 1 to %d", d->at_once, MOST_AT_ONCE);
  FM_TRY(fm_model_load(ctx, path, NULL, &d->model));
  FM_TRY(fm_model_check_trained(&d->model, path, d->session->untrained));
  FM_TRY(fm_model_preprocess(&d->model, &d->preprocess));
  d->pixels = fm_size_pixels(fm_preprocess_size(&d->preprocess));
  d->rgb = fm_alloc(ctx, (size_t)d->at_once * d->pixels, 3);
  d->adjusted = fm_alloc(ctx, (size_t)d->at_once, sizeof *d->adjusted);
  if (!d->rgb || !d->adjusted) return FM_MEMORY;
  return fm_score_batch_make(d->session->device, &d->model, d->at_once, false, &d->scorer);
}

int fm_detector_open(struct fm_session *session, const char *model, int at_once,
                     struct fm_detector **detector) {
  struct fm_detector *d = *detector = fm_alloc(&session->ctx, 1, sizeof *d);
  if (!d) return FM_MEMORY;
  d->session = session;
  d->at_once = at_once;
  enum fm_status status = open_detector(d, model);
  if (status != FM_OK) {
    fm_detector_close(d);
    *detector = NULL;
  }
  return (int)status;
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

double fm_detector_threshold(const struct fm_detector *d) {
  return d->model.has_thresholds ? d->model.image.value : NAN;
}

double fm_detector_pixel_threshold(const struct fm_detector *d) {
  return d->model.has_thresholds ? d->model.pixel.value : NAN;
}

const char *fm_detector_threshold_origin(const struct fm_detector *d) {
  return d->model.has_thresholds ? d->model.image.origin : "the model has no threshold";
}

static enum fm_status check(struct fm_context *ctx, const struct fm_picture *p) {
  bool fits = p->width > 0 && p->height > 0 && p->width <= FM_IMAGE_MAX_SIDE &&
              p->height <= FM_IMAGE_MAX_SIDE && (size_t)p->width * (size_t)p->height <= FM_IMAGE_MAX_PIXELS;
  if (!fits || !p->rgb)
    return fm_error(ctx, FM_USAGE, "a picture of %d x %d pixels%s cannot be scored", p->width, p->height,
                    p->rgb ? "" : " without pixels");
  return FM_OK;
}

/* A batch of the tiles of one picture. */
static enum fm_status score_tiles(struct fm_detector *d, const struct fm_picture *p) {
  const struct fm_image image = {
      .width = p->width, .height = p->height, .channels = 3, .pixels = (unsigned char *)p->rgb};
  FM_TRY(check(&d->session->ctx, p));
  return fm_score_batch_run_tiles(d->scorer, &image);
}

/* As place i of the batch. */
static enum fm_status reduce(struct fm_detector *d, const struct fm_picture *p, int i) {
  struct fm_context *ctx = &d->session->ctx;
  FM_TRY(check(ctx, p));
  unsigned char *rgb = d->rgb + (size_t)i * d->pixels * 3;
  return fm_picture_reduce(ctx, &d->preprocess, p->rgb, p->width, p->height, rgb, &d->adjusted[i]);
}

static enum fm_status take(struct fm_detector *d, int i, struct fm_picture *p) {
  struct fm_context *ctx = &d->session->ctx;
  struct fm_score_one one;
  enum fm_status status = fm_score_one_open(d->scorer, ctx, i, p->width, p->height, &one);
  for (int y = 0; status == FM_OK && p->map && y < p->height; y++)
    fm_score_map_row(&one.map, y, p->map + (size_t)y * (size_t)p->width);
  p->score = one.score;
  fm_score_one_close(ctx, &one);
  return status;
}

static enum fm_status score(struct fm_detector *d, int count, struct fm_picture *pictures) {
  for (int at = 0, now; at < count; at += now) {
    now = count - at < d->at_once ? count - at : d->at_once;
    if (d->preprocess.tile) {
      FM_TRY(score_tiles(d, &pictures[at]));
      now = 1;
    } else {
      for (int i = 0; i < now; i++) FM_TRY(reduce(d, &pictures[at + i], i));
      FM_TRY(fm_score_batch_run(d->scorer, now, d->rgb, d->adjusted));
    }
    for (int i = 0; i < now; i++) FM_TRY(take(d, i, &pictures[at + i]));
  }
  return FM_OK;
}

int fm_detector_score(struct fm_detector *d, int count, struct fm_picture *pictures) {
  return (int)score(d, count, pictures);
}
