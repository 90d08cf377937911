#include "data/standard.h"

#include "base/memory.h"
#include "data/resize.h"

bool fm_standard_none(const struct fm_standard *s) {
  return s->light.mode == FM_LIGHT_OFF;
}

enum fm_status fm_standard_view(struct fm_context *ctx, const unsigned char *rgb, int side,
                                unsigned char *view) {
  return fm_resize_pil(ctx, rgb, side, side, 3, view, FM_VIEW_SIDE, FM_VIEW_SIDE);
}

static void adjust_light(const struct fm_light *light, const unsigned char *view,
                         struct fm_adjusted *adjusted) {
  float level[FM_LIGHT_NUMBERS];
  fm_light_measure(view, FM_VIEW_SIDE, level);
  adjusted->lit = fm_light_find(light, level, adjusted->gain);
  adjusted->unlit = !adjusted->lit;
}

enum fm_status fm_standard_adjust(struct fm_context *ctx, const struct fm_standard *s, unsigned char *rgb,
                                  int side, struct fm_adjusted *adjusted) {
  *adjusted = (struct fm_adjusted){.gain = {1, 1, 1}};
  unsigned char *view = fm_alloc(ctx, (size_t)FM_VIEW_SIDE * FM_VIEW_SIDE, 3);
  enum fm_status status = view ? fm_standard_view(ctx, rgb, side, view) : FM_MEMORY;
  if (status == FM_OK && s->light.mode != FM_LIGHT_OFF) adjust_light(&s->light, view, adjusted);
  fm_free(ctx, view);
  if (status == FM_OK) fm_light_apply(adjusted->gain, rgb, (size_t)side * (size_t)side);
  return status;
}

void fm_standard_undo_picture(const struct fm_adjusted *a, unsigned char *rgb, int side) {
  if (!a->lit) return;
  const float back[3] = {1 / a->gain[0], 1 / a->gain[1], 1 / a->gain[2]};
  fm_light_apply(back, rgb, (size_t)side * (size_t)side);
}
