#include "model/standard.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t light_shape[] = {3, FM_LIGHT_ROWS, FM_LIGHT_ROWS},
                    view_shape[] = {FM_VIEW_SIDE, FM_VIEW_SIDE, 3};

/* ---- a mean part's numbers, in one list for both directions ---- */

enum { NUMBERS = 5 };
struct number {
  const char *key;
  float *value, low, high;
};

static void list_numbers(struct fm_mean_part *p, struct number number[NUMBERS]) {
  const struct number all[NUMBERS] = {{"standard.part.aspect", &p->aspect, 1e-5f, 1e5f},
                                      {"standard.part.limit", &p->limit, 0, 1},
                                      {"standard.part.ground.red", &p->ground[0], 0, 255},
                                      {"standard.part.ground.green", &p->ground[1], 0, 255},
                                      {"standard.part.ground.blue", &p->ground[2], 0, 255}};
  memcpy(number, all, sizeof all);
}

/* ---- saving ---- */

static enum fm_status save_light(const struct fm_light *light, struct fm_safetensors_out *out) {
  if (light->mode == FM_LIGHT_OFF) return FM_OK;
  FM_TRY(fm_safetensors_out_meta(out, "standard.light", fm_light_names[light->mode]));
  FM_TRY(fm_safetensors_out_tensor(out, "standard.light.level", FM_F32, 3, light_shape, light->level));
  return fm_safetensors_out_tensor(out, "standard.light.spread", FM_F32, 3, light_shape, light->spread);
}

static enum fm_status save_part(const struct fm_mean_part *p, struct fm_safetensors_out *out) {
  struct fm_mean_part copy = *p;
  struct number number[NUMBERS];
  list_numbers(&copy, number);
  FM_TRY(
      fm_safetensors_out_meta(out, "standard.part", p->scales ? "turn, shift and scale" : "turn and shift"));
  for (int i = 0; i < NUMBERS; i++) {
    char text[40];
    snprintf(text, sizeof text, "%.9g", (double)*number[i].value);
    FM_TRY(fm_safetensors_out_meta(out, number[i].key, text));
  }
  FM_TRY(fm_safetensors_out_tensor(out, "standard.part.relief", FM_F32, 2, view_shape, p->relief));
  FM_TRY(fm_safetensors_out_tensor(out, "standard.part.spread", FM_F32, 2, view_shape, p->spread));
  FM_TRY(fm_safetensors_out_tensor(out, "standard.part.colour", FM_U8, 3, view_shape, p->colour));
  return fm_safetensors_out_tensor(out, "standard.part.shown", FM_U8, 2, view_shape, p->shown);
}

static enum fm_status save_ignore(const struct fm_ignore *ignore, struct fm_safetensors_out *out) {
  if (fm_ignore_none(ignore)) return FM_OK;
  const size_t shape[] = {(size_t)ignore->size.height, (size_t)ignore->size.width};
  return fm_safetensors_out_tensor(out, "standard.ignore", FM_U8, 2, shape, ignore->pixels);
}

enum fm_status fm_standard_save(const struct fm_standard *s, struct fm_safetensors_out *out) {
  FM_TRY(save_light(&s->light, out));
  FM_TRY(save_ignore(&s->ignore, out));
  return s->poses ? save_part(&s->part, out) : FM_OK;
}

/* ---- loading: nothing is believed ---- */

static enum fm_status damaged(struct fm_context *ctx, const struct fm_safetensors *file, const char *what) {
  return fm_error(
      ctx, FM_FORMAT,
      "'%s' is damaged: what it knows about the light and pose of pictures is wrong ('%s'); train it again",
      fm_safetensors_path(file), what);
}

static enum fm_status load_light(struct fm_context *ctx, const struct fm_safetensors *file,
                                 struct fm_light *light) {
  const char *mode = fm_safetensors_meta(file, "standard.light");
  if (!mode) return FM_OK;
  int which = FM_LIGHT_GAIN;
  while (which < FM_LIGHT_MODES && strcmp(mode, fm_light_names[which]) != 0) which++;
  if (which == FM_LIGHT_MODES) return damaged(ctx, file, "standard.light");
  FM_TRY(fm_safetensors_floats(ctx, file, "standard.light.level", 3, light_shape, light->level));
  FM_TRY(fm_safetensors_floats(ctx, file, "standard.light.spread", 3, light_shape, light->spread));
  for (int i = 0; i < FM_LIGHT_NUMBERS; i++) {
    if (!(fabsf(light->level[i]) <= 6)) return damaged(ctx, file, "standard.light.level");
    if (!(light->spread[i] >= 0 && light->spread[i] <= 100))
      return damaged(ctx, file, "standard.light.spread");
  }
  light->mode = (enum fm_light_mode)which;
  return FM_OK;
}

static enum fm_status load_bytes(struct fm_context *ctx, const struct fm_safetensors *file, const char *name,
                                 int dims, unsigned char *out) {
  const struct fm_tensor *t = fm_safetensors_find(file, name);
  if (!t || t->type != FM_U8 || t->dims != dims ||
      memcmp(t->shape, view_shape, (size_t)dims * sizeof *view_shape) != 0)
    return damaged(ctx, file, name);
  memcpy(out, t->bytes, t->count);
  return FM_OK;
}

static enum fm_status load_number(struct fm_context *ctx, const struct fm_safetensors *file,
                                  const struct number *number) {
  const char *text = fm_safetensors_meta(file, number->key);
  char *end = NULL;
  *number->value = text ? strtof(text, &end) : 0;
  bool right =
      text && end != text && !*end && *number->value >= number->low && *number->value <= number->high;
  return right ? FM_OK : damaged(ctx, file, number->key);
}

static enum fm_status load_part(struct fm_context *ctx, const struct fm_safetensors *file,
                                struct fm_mean_part *p) {
  const char *how = fm_safetensors_meta(file, "standard.part");
  struct number number[NUMBERS];
  list_numbers(p, number);
  p->scales = strcmp(how, "turn, shift and scale") == 0;
  if (!p->scales && strcmp(how, "turn and shift") != 0) return damaged(ctx, file, "standard.part");
  for (int i = 0; i < NUMBERS; i++) FM_TRY(load_number(ctx, file, &number[i]));
  FM_TRY(fm_safetensors_floats(ctx, file, "standard.part.relief", 2, view_shape, p->relief));
  FM_TRY(fm_safetensors_floats(ctx, file, "standard.part.spread", 2, view_shape, p->spread));
  FM_TRY(load_bytes(ctx, file, "standard.part.colour", 3, p->colour));
  FM_TRY(load_bytes(ctx, file, "standard.part.shown", 2, p->shown));
  for (int i = 0; i < FM_VIEW_PIXELS; i++) {
    if (!(p->relief[i] >= 0 && p->relief[i] <= 255)) return damaged(ctx, file, "standard.part.relief");
    if (!(p->spread[i] >= 1 && p->spread[i] <= 255)) return damaged(ctx, file, "standard.part.spread");
    if (p->shown[i] > 1) return damaged(ctx, file, "standard.part.shown");
  }
  return FM_OK;
}

static enum fm_status load_ignore(struct fm_context *ctx, const struct fm_safetensors *file,
                                  struct fm_ignore *ignore) {
  static const char name[] = "standard.ignore";
  const struct fm_tensor *t = fm_safetensors_find(file, name);
  if (!t) return FM_OK;
  bool fits = t->type == FM_U8 && t->dims == 2;
  for (int i = 0; fits && i < 2; i++) fits = t->shape[i] > 0 && t->shape[i] <= FM_IGNORE_MAX_SIDE;
  if (!fits) return damaged(ctx, file, name);
  const unsigned char *pixels = t->bytes;
  for (size_t i = 0; i < t->count; i++)
    if (pixels[i] > 1) return damaged(ctx, file, name);
  ignore->size = (struct fm_size){(int)t->shape[1], (int)t->shape[0]};
  if (!(ignore->pixels = fm_alloc(ctx, t->count, 1))) return FM_MEMORY;
  memcpy(ignore->pixels, pixels, t->count);
  return FM_OK;
}

enum fm_status fm_standard_load(struct fm_context *ctx, const struct fm_safetensors *file, bool adjusts,
                                struct fm_standard *s) {
  *s = (struct fm_standard){0};
  FM_TRY(load_ignore(ctx, file, &s->ignore));
  if (!adjusts) return FM_OK;
  FM_TRY(load_light(ctx, file, &s->light));
  if (!fm_safetensors_meta(file, "standard.part")) return FM_OK;
  FM_TRY(fm_mean_part_make(ctx, &s->part));
  FM_TRY(load_part(ctx, file, &s->part));
  s->poses = true;
  return fm_standard_ready(ctx, s);
}
