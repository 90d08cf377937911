#include "report/overlay.h"

#include "base/memory.h"

static const unsigned char found_colour[3] = {0, 229, 255}, truth_colour[3] = {255, 255, 255};

enum fm_status fm_mask_from_map(struct fm_context *ctx, const float *map, int width, int height,
                                double threshold, unsigned char **mask) {
  size_t pixels = (size_t)width * (size_t)height;
  *mask = fm_alloc(ctx, pixels, 1);
  if (!*mask) return FM_MEMORY;
  for (size_t i = 0; i < pixels; i++) (*mask)[i] = (double)map[i] > threshold ? 255 : 0;
  return FM_OK;
}

enum fm_status fm_overlay_heat(struct fm_context *ctx, const float *map, int width, int height,
                               const struct fm_heat *heat, struct fm_image *out) {
  static const unsigned char black[3] = {0};
  FM_TRY(fm_canvas_make(ctx, width, height, black, out));
  size_t pixels = (size_t)width * (size_t)height;
  for (size_t i = 0; i < pixels; i++)
    fm_heat_colour(fm_heat_position(heat, (double)map[i]), out->pixels + 3 * i);
  return FM_OK;
}

/* One pixel in about 350: an outline that is seen at any size and hides little. */
static int thickness(int width, int height) {
  int longest = width > height ? width : height;
  return 1 + longest / 350;
}

void fm_tint_make(struct fm_tint *tint, const struct fm_heat *heat) {
  tint->heat = *heat;
  for (int i = 0; i < FM_TINT_STEPS; i++) {
    double position = (double)i / (FM_TINT_STEPS - 1);
    double cover = position <= 0.2 ? 0 : position >= 0.6 ? 0.65 : 0.65 * (position - 0.2) / 0.4;
    fm_heat_colour(position, tint->step[i].rgb);
    tint->step[i].cover = (unsigned char)(255 * cover + 0.5);
  }
}

void fm_overlay_blend(unsigned char *rgb, const float *map, size_t count, const struct fm_tint *tint) {
  for (size_t i = 0; i < count; i++) {
    int at = (int)(fm_heat_position(&tint->heat, (double)map[i]) * (FM_TINT_STEPS - 1) + 0.5);
    int cover = tint->step[at].cover;
    unsigned char *p = rgb + 3 * i;
    if (!cover) continue; /* most of most pictures */
    for (int c = 0; c < 3; c++)
      p[c] = (unsigned char)((p[c] * (255 - cover) + tint->step[at].rgb[c] * cover + 127) / 255);
  }
}

void fm_overlay_outline(struct fm_image *image, const unsigned char *mask) {
  fm_canvas_outline(image, mask, thickness(image->width, image->height), found_colour, false);
}

enum fm_status fm_overlay_draw(struct fm_context *ctx, const struct fm_image *image, const float *map,
                               const unsigned char *mask, const unsigned char *truth,
                               const struct fm_heat *heat, struct fm_image *out) {
  FM_TRY(fm_canvas_shrink(ctx, image, image->width, image->height, out));
  struct fm_tint tint;
  fm_tint_make(&tint, heat);
  fm_overlay_blend(out->pixels, map, (size_t)image->width * (size_t)image->height, &tint);
  if (mask) fm_overlay_outline(out, mask);
  if (truth) fm_canvas_outline(out, truth, thickness(image->width, image->height), truth_colour, true);
  return FM_OK;
}

enum fm_status fm_overlay_truth(struct fm_context *ctx, const struct fm_image *image,
                                const unsigned char *truth, struct fm_image *out) {
  FM_TRY(fm_canvas_shrink(ctx, image, image->width, image->height, out));
  size_t pixels = (size_t)image->width * (size_t)image->height;
  for (size_t i = 0; i < 3 * pixels; i++)
    if (!truth[i / 3]) out->pixels[i] = (unsigned char)(out->pixels[i] * 3 / 10);
  fm_canvas_outline(out, truth, thickness(image->width, image->height), truth_colour, true);
  return FM_OK;
}

enum fm_status fm_overlay_hatch(struct fm_context *ctx, struct fm_image *image,
                                const struct fm_ignore *ignore) {
  if (fm_ignore_none(ignore)) return FM_OK;
  size_t width = (size_t)image->width;
  unsigned char *row = fm_alloc(ctx, width, 1);
  if (!row) return FM_MEMORY;
  int shorter = image->width < image->height ? image->width : image->height;
  int line = 1 + shorter / 256, period = 5 * line; /* so that it looks alike at any size */
  for (int y = 0; y < image->height; y++) {
    fm_ignore_row(ignore, image->width, image->height, y, row);
    unsigned char *rgb = image->pixels + 3 * (size_t)y * width;
    for (int x = 0; x < image->width; x++, rgb += 3)
      for (int c = 0; c < 3 && row[x]; c++)
        rgb[c] = (x + y) % period < line ? 200 : (unsigned char)((rgb[c] + 2 * 96) / 3);
  }
  fm_free(ctx, row);
  return FM_OK;
}
