/* Inside the file layer: what image.c shares with the decoders of the single kinds. */
#ifndef FM_FILE_CODEC_H
#define FM_FILE_CODEC_H

#include "file/image.h"

/* One kind of picture. With pixels == false only width and height of *image are set. *image is zero before;
 * after a failure the caller frees it. name is for messages. */
typedef enum fm_status fm_decode(struct fm_context *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, bool pixels, struct fm_image *image);

fm_decode fm_png_decode, fm_jpeg_decode, fm_tiff_decode;

/* Checks a size against the limits and puts it into image; before anything of that size is allocated. */
enum fm_status fm_image_set_size(struct fm_context *ctx, const char *name, size_t width, size_t height,
                                 struct fm_image *image);

/* Allocates the pixels of an image whose size is set. */
enum fm_status fm_image_alloc(struct fm_context *ctx, int channels, struct fm_image *image);

/* "'NAME' is damaged or cut short (what the library says): ..." */
enum fm_status fm_image_damaged(struct fm_context *ctx, const char *name, const char *kind, const char *why);

#endif
