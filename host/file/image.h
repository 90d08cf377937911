/* Pictures: PNG, JPEG, TIFF, BMP and WebP in (8 and 16 bits, grey, RGB, palette, alpha), PNG out. One file is
 * one picture: a TIFF of several pages and an animation are refused (thumbnails beside the picture are no
 * pages). */
#ifndef FM_FILE_IMAGE_H
#define FM_FILE_IMAGE_H

#include "base/status.h"

/* Limits on everything that comes from outside: a side, the pixels in all, the bytes of a file. */
enum { FM_IMAGE_MAX_SIDE = 32768 };
#define FM_IMAGE_MAX_PIXELS ((size_t)1 << 29)
#define FM_IMAGE_MAX_FILE ((size_t)1 << 30)

/* 8 bits a channel, rows from the top, channels interleaved. 16-bit files are reduced by round(v / 257),
 * those whose largest value is at most 4095 as 12 bits by round(v / 4095 * 255). A picture whose file says
 * which way is up (EXIF, TIFF) has been turned so, as viewers show it and people draw masks on it. */
struct fm_image {
  int width, height, channels; /* channels: 1 grey, 3 RGB */
  bool had_alpha;              /* the file had an alpha channel; it was dropped */
  bool deep;                   /* the file had 16 bits a channel */
  bool twelve;                 /* of which 12 were in use */
  bool lossy;                  /* the file was compressed so that values are not exact (JPEG, most WebP) */
  bool labels;                 /* read by fm_image_read_labels */
  int orientation;             /* that the file said, 1 to 8; 0 and 1: the pixels are as stored */
  int decode_bytes;            /* a pixel, that decoding takes at most beside the file */
  unsigned char *pixels;       /* height * width * channels; freed with fm_image_free */
};

/* The kind is found from the content, not the name. FM_FORMAT for what is no picture or is damaged (truncated
 * too), FM_LIMIT over a limit; messages name the path. */
enum fm_status fm_image_read(struct fm_context *ctx, const char *path, struct fm_image *image);

/* The same for a picture whose values are labels, 0 for nothing: none is rounded to 0. 16 bits become 0 or
 * 255; of a palette (PNG) that begins with black the index is the value, else the colour. */
enum fm_status fm_image_read_labels(struct fm_context *ctx, const char *path, struct fm_image *image);

/* The same from memory; name is for messages only. */
enum fm_status fm_image_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                               size_t size, struct fm_image *image);

/* Only the header of a picture in memory. */
enum fm_status fm_image_decode_size(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                    size_t size, int *width, int *height);

/* Only the header: width and height, and the bytes that reading the picture takes at most, the file included.
 */
enum fm_status fm_image_size(struct fm_context *ctx, const char *path, int *width, int *height, size_t *most);

/* Makes a grey picture RGB in place (no-op for RGB). */
enum fm_status fm_image_to_rgb(struct fm_context *ctx, struct fm_image *image);

/* The same of n grey pixels at the front of a block of 3 * n bytes. */
void fm_grey_to_rgb(unsigned char *pixels, size_t n);

/* PNG bytes (the caller's, fm_free), and PNG files (atomic). */
enum fm_status fm_png_encode(struct fm_context *ctx, const struct fm_image *image, unsigned char **bytes,
                             size_t *size);
enum fm_status fm_png_write(struct fm_context *ctx, const char *path, const struct fm_image *image);

/* The same of rows that are made one after the other, from the top: no more than one is held. */
enum fm_status fm_png_write_rows(struct fm_context *ctx, const char *path, int width, int height,
                                 int channels, void (*row)(void *user, int y, unsigned char *row),
                                 void *user);

void fm_image_free(struct fm_context *ctx, struct fm_image *image);

#endif
