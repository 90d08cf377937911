/* Writes JPEG: only for the small pictures inside a report, and for references in a model, with which nothing
 * is measured but what comes out of the JPEG again; results of measurements are never stored with loss. */
#ifndef FM_FILE_JPEG_ENCODE_H
#define FM_FILE_JPEG_ENCODE_H

#include "file/image.h"

/* quality 1 to 100; full colour resolution (4:4:4). bytes are the caller's (fm_free). */
enum fm_status fm_jpeg_encode(struct fm_context *ctx, const struct fm_image *image, int quality,
                              unsigned char **bytes, size_t *size);

#endif
