#include "file/image.h"

#include "base/file.h"
#include "base/memory.h"
#include "file/codec.h"
#include "file/sniff.h"

#include <string.h>

static const struct {
  const char *kind; /* as sniff.c names it */
  fm_decode *decode;
} kinds[] = {
    {"PNG", fm_png_decode}, {"JPEG", fm_jpeg_decode}, {"TIFF", fm_tiff_decode},
    {"BMP", fm_bmp_decode}, {"WebP", fm_webp_decode},
};

static enum fm_status decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                             size_t size, bool pixels, bool labels, struct fm_image *image) {
  *image = (struct fm_image){.labels = labels};
  if (size == 0) return fm_error(ctx, FM_FORMAT, "'%s' is empty: copy the picture again or remove it", name);
  if (size > FM_IMAGE_MAX_FILE)
    return fm_error(ctx, FM_LIMIT, "'%s' has %zu bytes; the limit for a picture is %zu", name, size,
                    FM_IMAGE_MAX_FILE);
  const char *kind;
  enum fm_looks looks = fm_looks_by_bytes(bytes, size, &kind);
  for (size_t i = 0; looks == FM_LOOKS_READ && i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kind, kinds[i].kind) != 0) continue;
    enum fm_status status = kinds[i].decode(ctx, name, bytes, size, pixels, image);
    if (status == FM_OK) status = fm_image_upright(ctx, image);
    if (status != FM_OK) fm_image_free(ctx, image);
    return status;
  }
  if (kind)
    return fm_error(ctx, FM_FORMAT, "'%s' is a %s picture, which flawmap does not read: convert it to PNG",
                    name, kind);
  return fm_error(ctx, FM_FORMAT,
                  "'%s' is no " FM_PICTURE_KINDS " picture, whatever its name says: convert it to PNG or "
                  "remove it",
                  name);
}

enum fm_status fm_image_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                               size_t size, struct fm_image *image) {
  return decode(ctx, name, bytes, size, true, false, image);
}

static enum fm_status read_file(struct fm_context *ctx, const char *path, bool pixels, bool labels,
                                struct fm_image *image) {
  unsigned char *bytes;
  size_t size;
  *image = (struct fm_image){0};
  FM_TRY(fm_file_read(ctx, path, FM_IMAGE_MAX_FILE, &bytes, &size));
  enum fm_status status = decode(ctx, path, bytes, size, pixels, labels, image);
  fm_free(ctx, bytes);
  return status;
}

enum fm_status fm_image_read(struct fm_context *ctx, const char *path, struct fm_image *image) {
  return read_file(ctx, path, true, false, image);
}

enum fm_status fm_image_read_labels(struct fm_context *ctx, const char *path, struct fm_image *image) {
  return read_file(ctx, path, true, true, image);
}

/* The first bytes do for all but pictures whose header stands at their end (some TIFFs) or behind a great
 * deal of other things. */
enum fm_status fm_image_size(struct fm_context *ctx, const char *path, int *width, int *height,
                             size_t *most) {
  enum { FRONT = 1 << 16, TURNED = 6 }; /* turned: two pictures for a moment */
  struct fm_image image;
  struct fm_context branch;
  unsigned char *bytes;
  size_t size;
  FM_TRY(fm_file_read_front(ctx, path, FRONT, &bytes, &size));
  fm_context_branch(&branch, ctx);
  enum fm_status status = decode(&branch, path, bytes, size, false, false, &image);
  fm_context_free(&branch);
  fm_free(ctx, bytes);
  if (status != FM_OK) FM_TRY(read_file(ctx, path, false, false, &image));
  *width = image.width;
  *height = image.height;
  int each = image.orientation > 4 && image.decode_bytes < TURNED ? TURNED : image.decode_bytes;
  *most = fm_file_size(path) + (size_t)image.width * (size_t)image.height * (size_t)each;
  return FM_OK;
}

enum fm_status fm_image_decode_size(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                    size_t size, int *width, int *height) {
  struct fm_image image;
  FM_TRY(decode(ctx, name, bytes, size, false, false, &image));
  *width = image.width;
  *height = image.height;
  return FM_OK;
}

enum fm_status fm_image_set_size(struct fm_context *ctx, const char *name, size_t width, size_t height,
                                 struct fm_image *image) {
  if (width == 0 || height == 0) return fm_image_damaged(ctx, name, "picture", "a side is zero");
  if (width > FM_IMAGE_MAX_SIDE || height > FM_IMAGE_MAX_SIDE || width * height > FM_IMAGE_MAX_PIXELS)
    return fm_error(ctx, FM_LIMIT,
                    "'%s' has %zu x %zu pixels; the limits are %d a side and %zu in all: make it smaller "
                    "or cut it into tiles",
                    name, width, height, FM_IMAGE_MAX_SIDE, FM_IMAGE_MAX_PIXELS);
  image->width = (int)width;
  image->height = (int)height;
  return FM_OK;
}

enum fm_status fm_image_alloc(struct fm_context *ctx, int channels, struct fm_image *image) {
  image->channels = channels;
  size_t value = image->deep ? 2 : 1;
  image->pixels = fm_alloc(ctx, (size_t)image->width * (size_t)image->height, (size_t)channels * value);
  return image->pixels ? FM_OK : FM_MEMORY;
}

enum fm_status fm_image_damaged(struct fm_context *ctx, const char *name, const char *kind, const char *why) {
  return fm_error(ctx, FM_FORMAT, "'%s' is a damaged or truncated %s (%s): copy it again or remove it", name,
                  kind, why);
}

void fm_image_free(struct fm_context *ctx, struct fm_image *image) {
  fm_free(ctx, image->pixels);
  *image = (struct fm_image){0};
}
