#include "model/standard.h"

#include <math.h>
#include <string.h>

static const size_t light_shape[] = {3, FM_LIGHT_ROWS, FM_LIGHT_ROWS};

enum fm_status fm_standard_save(const struct fm_standard *s, struct fm_safetensors_out *out) {
  const struct fm_light *light = &s->light;
  if (light->mode == FM_LIGHT_OFF) return FM_OK;
  FM_TRY(fm_safetensors_out_meta(out, "standard.light", fm_light_names[light->mode]));
  FM_TRY(fm_safetensors_out_tensor(out, "standard.light.level", FM_F32, 3, light_shape, light->level));
  return fm_safetensors_out_tensor(out, "standard.light.spread", FM_F32, 3, light_shape, light->spread);
}

static enum fm_status damaged(struct fm_context *ctx, const struct fm_safetensors *file, const char *what) {
  return fm_error(ctx, FM_FORMAT,
                  "'%s' is damaged: what it knows about the pictures' light is wrong ('%s'); train it again",
                  fm_safetensors_path(file), what);
}

/* Where held-out pictures decided against it, nothing is there. */
enum fm_status fm_standard_load(struct fm_context *ctx, const struct fm_safetensors *file,
                                struct fm_standard *s) {
  struct fm_light *light = &s->light;
  const char *mode = fm_safetensors_meta(file, "standard.light");
  *s = (struct fm_standard){0};
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
