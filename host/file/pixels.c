/* What is done to pixels between a file and whoever looks at them. */
#include "base/memory.h"
#include "file/codec.h"

#include <stdint.h>
#include <string.h>

enum { TWELVE = 4095 };

enum fm_status fm_image_narrow(struct fm_context *ctx, struct fm_image *image) {
  size_t n = (size_t)image->width * (size_t)image->height * (size_t)image->channels;
  unsigned char *bytes = image->pixels;
  uint16_t v, most = 0;
  for (size_t i = 0; i < n; i++) {
    memcpy(&v, bytes + 2 * i, 2);
    most = v > most ? v : most;
  }
  image->twelve = most <= TWELVE;
  for (size_t i = 0; i < n; i++) { /* in place: byte i is written after the two at 2 i were read */
    memcpy(&v, bytes + 2 * i, 2);
    if (image->labels)
      bytes[i] = v ? 255 : 0;
    else
      bytes[i] = (unsigned char)(image->twelve ? (v * 255u + TWELVE / 2) / TWELVE : (v + 128u) / 257u);
  }
  if (!(bytes = fm_realloc(ctx, bytes, n, 1))) return FM_MEMORY;
  image->pixels = bytes;
  return FM_OK;
}

/* Mirrors every row, or the order of the rows. */
static void mirror(struct fm_image *image, bool rows) {
  size_t c = (size_t)image->channels, w = (size_t)image->width, h = (size_t)image->height, row = w * c;
  if (rows) {
    for (size_t y = 0; y < h / 2; y++)
      for (size_t i = 0; i < row; i++) {
        unsigned char *a = image->pixels + y * row + i, *b = image->pixels + (h - 1 - y) * row + i, kept = *a;
        *a = *b;
        *b = kept;
      }
    return;
  }
  for (size_t y = 0; y < h; y++)
    for (size_t x = 0; x < w / 2; x++)
      for (size_t i = 0; i < c; i++) {
        unsigned char *a = image->pixels + y * row + x * c + i,
                      *b = image->pixels + y * row + (w - 1 - x) * c + i;
        unsigned char kept = *a;
        *a = *b;
        *b = kept;
      }
}

/* Rows become columns. */
static enum fm_status transpose(struct fm_context *ctx, struct fm_image *image) {
  size_t c = (size_t)image->channels, w = (size_t)image->width, h = (size_t)image->height;
  unsigned char *out = fm_alloc(ctx, w * h, c);
  if (!out) return FM_MEMORY;
  for (size_t y = 0; y < h; y++)
    for (size_t x = 0; x < w; x++) memcpy(out + (x * h + y) * c, image->pixels + (y * w + x) * c, c);
  fm_free(ctx, image->pixels);
  image->pixels = out;
  return FM_OK;
}

enum fm_status fm_image_upright(struct fm_context *ctx, struct fm_image *image) {
  /* What orientation n takes: columns mirrored, rows mirrored, then rows and columns exchanged where n > 4.
   */
  static const struct {
    bool columns, rows;
  } how[9] = {[2] = {true, false}, [3] = {true, true}, [4] = {false, true},
              [6] = {false, true}, [7] = {true, true}, [8] = {true, false}};
  int n = image->orientation;
  if (n < 2 || n > 8) return FM_OK;
  if (image->pixels) {
    if (how[n].columns) mirror(image, false);
    if (how[n].rows) mirror(image, true);
    if (n > 4) FM_TRY(transpose(ctx, image));
  }
  if (n > 4) {
    int width = image->width;
    image->width = image->height;
    image->height = width;
  }
  return FM_OK;
}

void fm_grey_to_rgb(unsigned char *pixels, size_t n) {
  for (size_t i = n; i-- > 0;) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
}

enum fm_status fm_image_to_rgb(struct fm_context *ctx, struct fm_image *image) {
  if (image->channels == 3) return FM_OK;
  size_t n = (size_t)image->width * (size_t)image->height;
  unsigned char *pixels = fm_realloc(ctx, image->pixels, n, 3);
  if (!pixels) return FM_MEMORY;
  fm_grey_to_rgb(pixels, n);
  image->pixels = pixels;
  image->channels = 3;
  return FM_OK;
}
