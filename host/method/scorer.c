#include "method/scorer.h"

#include "base/memory.h"
#include "model/method.h"
#include "op/simple.h"

#include <math.h>

enum fm_status fm_scorer_net(struct fm_scorer *s, int which, const struct fm_weights *weights) {
  return fm_net_make(s->d, s->model->backbone, s->gradient ? FM_NET_GRADIENT : FM_NET_INFER, s->batch,
                     s->size, weights, &s->net[which]);
}

static enum fm_status make_buffers(struct fm_scorer *s) {
  size_t pixels = (size_t)s->batch * fm_size_pixels(s->size);
  size_t cells = (size_t)s->batch * (size_t)s->height * (size_t)s->width;
  FM_TRY(fm_buffer_make(s->d, pixels * 3 + 16, &s->rgb)); /* kernels read pixels by four bytes */
  FM_TRY(fm_buffer_make(s->d, cells * sizeof(float), &s->cells));
  if (s->gradient) FM_TRY(fm_buffer_make(s->d, cells * sizeof(float), &s->slope));
  FM_TRY(fm_buffer_make(s->d, pixels * sizeof(float), &s->map));
  FM_TRY(fm_buffer_make(s->d, pixels * sizeof(float), &s->scratch));
  return fm_gaussian_make(s->d, 4, &s->gaussian);
}

enum fm_status fm_scorer_make(struct fm_device *d, const struct fm_model *model, int batch, bool gradient,
                              struct fm_scorer **scorer) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_preprocess preprocess;
  *scorer = NULL;
  FM_TRY(fm_model_preprocess(model, &preprocess));
  struct fm_scorer *s = fm_alloc(ctx, 1, sizeof *s);
  if (!s) return FM_MEMORY;
  *s = (struct fm_scorer){.d = d,
                          .model = model,
                          .method = fm_method_of(&model->recipe),
                          .batch = batch,
                          .n = batch,
                          .size = fm_preprocess_size(&preprocess),
                          .preprocess = preprocess,
                          .without = -1,
                          .gradient = gradient};
  s->height = s->size.height / 4; /* tap 1's grid, where the detector names no other */
  s->width = s->size.width / 4;
  enum fm_status status = s->method->begin(s);
  if (status == FM_OK) status = make_buffers(s);
  if (status != FM_OK) {
    fm_scorer_free(s);
    return status;
  }
  *scorer = s;
  return FM_OK;
}

void fm_scorer_free(struct fm_scorer *s) {
  if (!s) return;
  struct fm_buffer *const own[] = {&s->rgb, &s->cells, &s->slope, &s->map, &s->scratch};
  if (s->method->end) s->method->end(s);
  for (int i = 0; i < 2; i++) fm_net_free(s->net[i]);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(s->d, own[i]);
  fm_gaussian_free(s->d, &s->gaussian);
  fm_free(fm_device_context(s->d), s);
}

void fm_scorer_set_batch(struct fm_scorer *s, int n) {
  s->n = n;
  for (int i = 0; i < 2; i++)
    if (s->net[i]) fm_net_set_batch(s->net[i], n);
}

enum fm_status fm_scorer_load(struct fm_scorer *s, int n, const unsigned char *rgb,
                              const struct fm_adjusted *adjusted) {
  fm_scorer_set_batch(s, n);
  s->adjusted = adjusted;
  FM_TRY(fm_buffer_write(s->d, &s->rgb, 0, rgb, (size_t)n * fm_size_pixels(s->size) * 3));
  for (int i = 0; i < 2; i++)
    if (s->net[i]) fm_picture(s->d, &s->rgb, fm_net_input(s->net[i]));
  return FM_OK;
}

void fm_scorer_cells(struct fm_scorer *s) {
  for (int i = 0; i < 2; i++)
    if (s->net[i]) fm_net_forward(s->net[i]);
  s->method->cells(s);
}

enum fm_status fm_scorer_attend(struct fm_scorer *s, int count, const int *cell) {
  return s->method->attend ? s->method->attend(s, count, cell) : FM_OK;
}

enum fm_status fm_scorer_without(struct fm_scorer *s, int picture) {
  if (!s->method->without)
    return fm_error(fm_device_context(s->d), FM_USAGE,
                    "the method %s cannot score a picture as if it had not learned from it", s->method->name);
  s->without = picture;
  return s->method->without(s);
}

void fm_scorer_map(struct fm_scorer *s) {
  if (s->method->map)
    s->method->map(s);
  else
    fm_scorer_enlarge(s);
}

void fm_scorer_enlarge(struct fm_scorer *s) {
  const struct fm_buffer *from = &s->cells;
  if (s->method->root) {
    from = &s->scratch; /* the cells stay as they are */
    fm_root(s->d, &s->cells, s->n, s->height, s->width, from);
  }
  fm_enlarge(s->d, from, s->n, s->height, s->width, &s->map, s->size.height, s->size.width);
  fm_gaussian_run(s->d, &s->gaussian, &s->map, &s->scratch, s->n, s->size.height, s->size.width);
}

enum fm_status fm_scorer_read(struct fm_scorer *s, int n, float *maps, float *scores) {
  FM_TRY(fm_buffer_read(s->d, &s->map, 0, maps, (size_t)n * fm_size_pixels(s->size) * sizeof *maps));
  if (scores && s->method->picture) return s->method->picture(s, n, maps, scores);
  for (int i = 0; i < n && scores; i++) scores[i] = NAN;
  return FM_OK;
}

bool fm_scorer_covered(const struct fm_scorer *s, int i, struct fm_size grid, unsigned char *covered) {
  const struct fm_standard *standard = s->preprocess.standard;
  if (!standard || !s->adjusted) return false;
  if (!s->adjusted[i].placed && fm_ignore_none(&standard->ignore)) return false;
  fm_standard_covered(standard, &s->adjusted[i], s->size, s->preprocess.size, grid, covered);
  return true;
}

enum fm_status fm_scorer_run(struct fm_scorer *s, int n, const unsigned char *rgb,
                             const struct fm_adjusted *adjusted, float *maps, float *scores) {
  size_t pixels = fm_size_pixels(s->size);
  for (int at = 0; at < n; at += s->batch) {
    int now = n - at < s->batch ? n - at : s->batch;
    FM_TRY(fm_scorer_load(s, now, rgb + (size_t)at * pixels * 3, adjusted ? adjusted + at : NULL));
    fm_scorer_cells(s);
    fm_scorer_map(s);
    FM_TRY(fm_scorer_read(s, now, maps + (size_t)at * pixels, scores ? scores + at : NULL));
  }
  return fm_device_status(s->d);
}

void fm_scorer_back(struct fm_scorer *s) {
  s->method->back(s);
  for (int i = 0; i < 2; i++)
    if (s->net[i]) fm_net_backward(s->net[i]);
}
