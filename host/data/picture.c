#define _POSIX_C_SOURCE 200809L
#include "data/picture.h"

#include "base/memory.h"
#include "file/image.h"

struct fm_size fm_preprocess_size(const struct fm_preprocess *p) {
  return p->crop.width > 0 ? p->crop : p->size;
}

static int map_side(int side, int seen, int tile) {
  int n = (int)((2 * (long long)side * seen + tile) / (2 * tile));
  return n > 0 ? n : 1;
}

struct fm_size fm_preprocess_map_size(const struct fm_preprocess *p, int width, int height) {
  struct fm_size size = fm_preprocess_size(p);
  if (!p->tile) return size;
  return (struct fm_size){map_side(width, size.width, p->tile), map_side(height, size.height, p->tile)};
}

void fm_preprocess_edge(const struct fm_preprocess *p, int *left, int *above) {
  struct fm_size size = fm_preprocess_size(p);
  *left = (p->size.width - size.width) / 2;
  *above = (p->size.height - size.height) / 2;
}

enum fm_status fm_preprocess_check(struct fm_context *ctx, const struct fm_preprocess *p) {
  enum { MOST = 4096 };
  const struct fm_size size = p->size, crop = p->crop;
  char text[2][FM_SIZE_TEXT];
  if (size.width < 1 || size.height < 1 || size.width > MOST || size.height > MOST)
    return fm_error(ctx, FM_USAGE, "pictures cannot be resized to %s; a side must be from 1 to %d",
                    fm_size_text(size, text[0]), MOST);
  bool none = crop.width == 0 && crop.height == 0;
  if (!none && (crop.width < 1 || crop.height < 1 || crop.width > size.width || crop.height > size.height))
    return fm_error(ctx, FM_USAGE, "a crop of %s does not fit into the size %s", fm_size_text(crop, text[0]),
                    fm_size_text(size, text[1]));
  return FM_OK;
}

/* The whole picture at the network's size, before a crop. Channels are resized one by one, so a grey picture
 * may become RGB when it is small; colours says that it shall. */
static enum fm_status resize(struct fm_context *ctx, const struct fm_preprocess *p, const struct fm_image *in,
                             bool colours, unsigned char *out) {
  FM_TRY(fm_resize_picture(ctx, p->resize, in->pixels, in->width, in->height, in->channels, out,
                           p->size.width, p->size.height));
  if (colours && in->channels == 1) fm_grey_to_rgb(out, fm_size_pixels(p->size));
  return FM_OK;
}

/* channels: of the result, 1 or 3. */
static enum fm_status reduce(struct fm_context *ctx, const struct fm_preprocess *p, const struct fm_image *in,
                             int channels, unsigned char *out, struct fm_adjusted *adjusted) {
  struct fm_size size = fm_preprocess_size(p);
  unsigned char *whole = out;
  if (!fm_size_same(size, p->size) && !(whole = fm_alloc(ctx, fm_size_pixels(p->size), (size_t)channels)))
    return FM_MEMORY;
  enum fm_status status = resize(ctx, p, in, channels == 3, whole);
  if (status == FM_OK && adjusted)
    status = fm_standard_adjust(ctx, p->standard, in, whole, p->size, adjusted);
  if (whole == out) return status;
  if (status == FM_OK)
    fm_crop_centre(whole, p->size.width, p->size.height, channels, out, size.width, size.height);
  fm_free(ctx, whole);
  return status;
}

enum fm_status fm_preprocess_paint(struct fm_context *ctx, const struct fm_preprocess *p,
                                   const struct fm_image *image, struct fm_image *painted) {
  *painted = *image;
  if (!p->standard || fm_ignore_none(&p->standard->ignore)) return FM_OK;
  return fm_ignore_paint(ctx, &p->standard->ignore, image, painted);
}

enum fm_status fm_picture_fit(struct fm_context *ctx, const struct fm_preprocess *p,
                              const struct fm_image *image, unsigned char *rgb,
                              struct fm_adjusted *adjusted) {
  struct fm_adjusted own, *which = adjusted ? adjusted : &own;
  struct fm_image painted = *image;
  *which = (struct fm_adjusted){0};
  if (!p->tile)
    FM_TRY(fm_preprocess_paint(ctx, p, image, &painted)); /* tiles are cut from painted pictures */
  enum fm_status status = reduce(ctx, p, &painted, 3, rgb, p->standard ? which : NULL);
  if (painted.pixels != image->pixels) fm_image_free(ctx, &painted);
  return status;
}

enum fm_status fm_picture_reduce(struct fm_context *ctx, const struct fm_preprocess *p,
                                 const unsigned char *pixels, int width, int height, unsigned char *rgb,
                                 struct fm_adjusted *adjusted) {
  const struct fm_image image = {
      .width = width, .height = height, .channels = 3, .pixels = (unsigned char *)pixels};
  return fm_picture_fit(ctx, p, &image, rgb, adjusted);
}

enum fm_status fm_mask_reduce(struct fm_context *ctx, const struct fm_preprocess *p, unsigned char *pixels,
                              int width, int height, unsigned char *mask) {
  size_t small = fm_size_pixels(fm_preprocess_size(p)), n = (size_t)width * (size_t)height;
  const struct fm_image image = {.width = width, .height = height, .channels = 1, .pixels = pixels};
  for (size_t i = 0; i < n; i++) pixels[i] = pixels[i] ? 255 : 0;
  FM_TRY(reduce(ctx, p, &image, 1, mask, NULL));
  for (size_t i = 0; i < small; i++) mask[i] = mask[i] != 0;
  return FM_OK;
}

enum fm_status fm_picture_load(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                               unsigned char *rgb, struct fm_adjusted *adjusted) {
  struct fm_image image;
  FM_TRY(fm_picture_load_both(ctx, path, p, rgb, &image, adjusted));
  fm_image_free(ctx, &image);
  return FM_OK;
}

enum fm_status fm_picture_load_both(struct fm_context *ctx, const char *path, const struct fm_preprocess *p,
                                    unsigned char *rgb, struct fm_image *image,
                                    struct fm_adjusted *adjusted) {
  FM_TRY(fm_preprocess_check(ctx, p));
  FM_TRY(fm_image_read(ctx, path, image));
  enum fm_status status = fm_picture_fit(ctx, p, image, rgb, adjusted);
  if (status != FM_OK) fm_image_free(ctx, image);
  return status;
}
