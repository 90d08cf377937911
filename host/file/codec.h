/* Inside the file layer: what image.c shares with the decoders of the single kinds. */
#ifndef FM_FILE_CODEC_H
#define FM_FILE_CODEC_H

#include "file/image.h"

/* One kind of picture. With pixels == false only width, height (as stored) and orientation of *image are set.
 * *image is zero before, but for labels; after a failure the caller frees it. name is for messages. */
typedef enum fm_status fm_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, bool pixels, struct fm_image *image);

fm_decode fm_png_decode, fm_jpeg_decode, fm_tiff_decode, fm_bmp_decode, fm_webp_decode;

/* Checks a size against the limits and puts it into image; before anything of that size is allocated. */
enum fm_status fm_image_set_size(struct fm_context *ctx, const char *name, size_t width, size_t height,
                                 struct fm_image *image);

/* Allocates the pixels of an image whose size is set: one byte a value, two where it is deep. */
enum fm_status fm_image_alloc(struct fm_context *ctx, int channels, struct fm_image *image);

/* Brings pixels of 16 bits (in the machine's byte order) down to 8 in place: by round(v / 257), or, where no
 * value is over 4095, as the 12 bits that cameras deliver in 16 (twelve is set). Labels become 0 or 255. */
enum fm_status fm_image_narrow(struct fm_context *ctx, struct fm_image *image);

/* Turns a picture so that its first row is on top, as viewers do. orientation as EXIF and TIFF count: 1 as
 * stored, 2 mirrored, 3 turned by 180 degrees, 4 mirrored and turned so; 5 to 8 the same with rows and
 * columns exchanged. Without pixels only the size changes. */
enum fm_status fm_image_upright(struct fm_context *ctx, struct fm_image *image);

/* "'NAME' is damaged or cut short (what the library says): ..." */
enum fm_status fm_image_damaged(struct fm_context *ctx, const char *name, const char *kind, const char *why);

#endif
