#include "data/standard.h"

#include "base/memory.h"
#include "data/resize.h"
#include "data/warp.h"
#include "file/image.h"

#include <math.h>
#include <string.h>

bool fm_standard_none(const struct fm_standard *s) {
  return s->light.mode == FM_LIGHT_OFF && !s->poses && fm_ignore_none(&s->ignore);
}

enum fm_status fm_standard_ready(struct fm_context *ctx, struct fm_standard *s) {
  if (!s->poses || s->finder) return FM_OK;
  return fm_pose_finder_make(ctx, &s->part, &s->finder);
}

void fm_standard_free(struct fm_context *ctx, struct fm_standard *s) {
  fm_mean_part_free(ctx, &s->part);
  fm_pose_finder_free(ctx, s->finder);
  fm_ignore_free(ctx, &s->ignore);
  *s = (struct fm_standard){0};
}

struct fm_lie fm_adjusted_lie(const struct fm_adjusted *a, int width, int height) {
  static const double degrees = 57.29577951308232;
  double unit = sqrt((double)width * (double)height);
  return (struct fm_lie){.angle = (double)a->pose.angle * degrees,
                         .x = (double)a->pose.x * unit,
                         .y = (double)a->pose.y * unit,
                         .scale = (double)a->pose.scale};
}

enum fm_status fm_standard_view(struct fm_context *ctx, const unsigned char *rgb, struct fm_size size,
                                unsigned char *view) {
  return fm_resize_pil(ctx, rgb, size.width, size.height, 3, view, FM_VIEW_SIDE, FM_VIEW_SIDE);
}

static void find_light(const struct fm_light *light, const unsigned char *view,
                       struct fm_adjusted *adjusted) {
  float level[FM_LIGHT_NUMBERS];
  if (light->mode == FM_LIGHT_OFF) return;
  fm_light_measure(view, FM_VIEW_SIDE, level);
  adjusted->lit = fm_light_find(light, level, adjusted->gain);
  adjusted->unlit = !adjusted->lit;
}

/* The view is in the standard's light. */
static enum fm_status find_pose(struct fm_context *ctx, const struct fm_standard *s,
                                const unsigned char *view, float aspect, struct fm_adjusted *adjusted) {
  float agreement;
  if (!s->poses) return FM_OK;
  struct fm_part *part = fm_alloc(ctx, 1, sizeof *part);
  if (!part) return FM_MEMORY;
  fm_part_look(view, part);
  fm_pose_find(s->finder, part, aspect, &adjusted->pose, &agreement);
  fm_free(ctx, part);
  adjusted->placed = agreement >= s->part.limit;
  adjusted->unplaced = !adjusted->placed;
  adjusted->to_own = fm_pose_affine(&adjusted->pose, s->part.aspect, aspect);
  return FM_OK;
}

enum fm_status fm_standard_adjust(struct fm_context *ctx, const struct fm_standard *s,
                                  const struct fm_image *own, unsigned char *rgb, struct fm_size size,
                                  struct fm_adjusted *a) {
  *a = (struct fm_adjusted){.gain = {1, 1, 1}};
  if (s->light.mode == FM_LIGHT_OFF && !s->poses) return FM_OK;
  unsigned char *view = fm_alloc(ctx, FM_VIEW_PIXELS, 3);
  enum fm_status status = view ? fm_standard_view(ctx, rgb, size, view) : FM_MEMORY;
  if (status == FM_OK) {
    find_light(&s->light, view, a);
    fm_light_apply(a->gain, view, FM_VIEW_PIXELS);
    status = find_pose(ctx, s, view, (float)own->width / (float)own->height, a);
  }
  fm_free(ctx, view);
  FM_TRY(status);
  if (a->placed) {
    const struct fm_posing posing = {&s->part, a->to_own, {a->gain[0], a->gain[1], a->gain[2]}};
    return fm_warp_part(ctx, &posing, own, size, rgb);
  }
  fm_light_apply(a->gain, rgb, fm_size_pixels(size));
  return FM_OK;
}

/* Cells over what is ignored, in the picture's own frame. */
static void leave_out_ignored(const struct fm_standard *s, const struct fm_adjusted *a, struct fm_size size,
                              struct fm_size whole, struct fm_size grid, unsigned char *covered) {
  const int left = (whole.width - size.width) / 2, above = (whole.height - size.height) / 2;
  for (int y = 0; y < grid.height; y++)
    for (int x = 0; x < grid.width; x++, covered++) {
      float at[2] = {
          ((float)left + ((float)x + 0.5f) * (float)size.width / (float)grid.width) / (float)whole.width,
          ((float)above + ((float)y + 0.5f) * (float)size.height / (float)grid.height) / (float)whole.height};
      if (a->placed) fm_affine_map(&a->to_own, at[0], at[1], at);
      if (a->tile.width > 0) {
        at[0] = a->tile.x + at[0] * a->tile.width;
        at[1] = a->tile.y + at[1] * a->tile.height;
      }
      if (fm_ignore_at(&s->ignore, at[0], at[1])) *covered = 0;
    }
}

void fm_standard_covered(const struct fm_standard *s, const struct fm_adjusted *a, struct fm_size size,
                         struct fm_size whole, struct fm_size grid, unsigned char *covered) {
  if (a->placed)
    fm_warp_covered(&s->part, &a->to_own, size, whole, grid, covered);
  else
    memset(covered, 1, fm_size_pixels(grid));
  if (!fm_ignore_none(&s->ignore)) leave_out_ignored(s, a, size, whole, grid, covered);
}

bool fm_standard_chooses(const struct fm_standard *s) {
  return s->poses || !fm_ignore_none(&s->ignore);
}

void fm_standard_undo_picture(const struct fm_standard *s, const struct fm_adjusted *a, unsigned char *rgb,
                              struct fm_size size, struct fm_size whole, unsigned char *room) {
  if (a->lit) {
    const float back[3] = {1 / a->gain[0], 1 / a->gain[1], 1 / a->gain[2]};
    fm_light_apply(back, rgb, fm_size_pixels(size));
  }
  if (!a->placed) return;
  struct fm_affine to_mean = fm_affine_inverse(&a->to_own);
  fm_warp_picture_back(&s->part, &to_mean, rgb, size, whole, room);
}

void fm_standard_undo_map(const struct fm_standard *s, const struct fm_adjusted *a, float *map,
                          struct fm_size size, struct fm_size whole, float *room) {
  if (a->placed) { /* light leaves no trace in a map */
    struct fm_affine to_mean = fm_affine_inverse(&a->to_own);
    fm_warp_map_back(&s->part, &to_mean, map, size, whole, room);
  }
  if (!fm_ignore_none(&s->ignore)) fm_ignore_map(&s->ignore, map, size, whole);
}
