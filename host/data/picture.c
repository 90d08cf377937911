#define _POSIX_C_SOURCE 200809L
#include "data/picture.h"

#include "base/memory.h"
#include "file/image.h"

int fm_preprocess_side(const struct fm_preprocess *p) {
  return p->crop > 0 ? p->crop : p->size;
}

enum fm_status fm_preprocess_check(struct fm_context *ctx, const struct fm_preprocess *p) {
  enum { MOST = 4096 };
  if (p->size < 1 || p->size > MOST)
    return fm_error(ctx, FM_USAGE, "pictures cannot be resized to %d; the size must be from 1 to %d", p->size,
                    MOST);
  if (p->crop < 0 || p->crop > p->size)
    return fm_error(ctx, FM_USAGE, "a crop of %d does not fit into the size %d", p->crop, p->size);
  return FM_OK;
}

static enum fm_status reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                             const unsigned char *pixels, int width, int height, int channels,
                             unsigned char *out) {
  int side = fm_preprocess_side(p);
  if (side == p->size)
    return fm_resize_picture(ctx, p->resize, pixels, width, height, channels, out, side, side);
  unsigned char *whole = fm_alloc(ctx, (size_t)p->size * (size_t)p->size, (size_t)channels);
  if (!whole) return FM_MEMORY;
  enum fm_status status =
      fm_resize_picture(ctx, p->resize, pixels, width, height, channels, whole, p->size, p->size);
  if (status == FM_OK) fm_crop_centre(whole, p->size, p->size, channels, out, side, side);
  fm_free(ctx, whole);
  return status;
}

enum fm_status fm_picture_reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                                 const unsigned char *pixels, int width, int height, unsigned char *rgb) {
  return reduce(ctx, p, pixels, width, height, 3, rgb);
}

enum fm_status fm_mask_reduce(struct fm_context *ctx, const struct fm_preprocess *p, unsigned char *pixels,
                              int width, int height, unsigned char *mask) {
  size_t side = (size_t)fm_preprocess_side(p), n = (size_t)width * (size_t)height;
  for (size_t i = 0; i < n; i++) pixels[i] = pixels[i] ? 255 : 0;
  FM_TRY(reduce(ctx, p, pixels, width, height, 1, mask));
  for (size_t i = 0; i < side * side; i++) mask[i] = mask[i] != 0;
  return FM_OK;
}

/* Channels are resized one by one, so a grey picture may become RGB when it is small. */
static enum fm_status reduce_image(struct fm_context *ctx, const struct fm_preprocess *p,
                                   const struct fm_image *image, unsigned char *rgb) {
  FM_TRY(reduce(ctx, p, image->pixels, image->width, image->height, image->channels, rgb));
  size_t side = (size_t)fm_preprocess_side(p);
  if (image->channels == 1) fm_grey_to_rgb(rgb, side * side);
  return FM_OK;
}

enum fm_status fm_picture_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                               unsigned char *rgb, int *width, int *height) {
  struct fm_image image;
  FM_TRY(fm_preprocess_check(ctx, p));
  FM_TRY(fm_image_read(ctx, path, &image));
  if (width) *width = image.width;
  if (height) *height = image.height;
  enum fm_status status = reduce_image(ctx, p, &image, rgb);
  fm_image_free(ctx, &image);
  return status;
}

enum fm_status fm_picture_load_both(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                                    unsigned char *rgb, struct fm_image *image) {
  FM_TRY(fm_preprocess_check(ctx, p));
  FM_TRY(fm_image_read(ctx, path, image));
  enum fm_status status = reduce_image(ctx, p, image, rgb);
  if (status != FM_OK) fm_image_free(ctx, image);
  return status;
}
