/* Anomaly maps as one-channel TIFF of 32-bit floats, as the MVTec AD evaluation reads them. */
#ifndef FM_FILE_TIFF_H
#define FM_FILE_TIFF_H

#include "base/status.h"

/* values: height * width floats, rows from the top, the caller's (fm_free). Reads float32 and float64 of one
 * channel, strips or tiles, any compression libtiff knows; anything else, and a value that is not finite, is
 * FM_FORMAT. */
enum fm_status fm_tiff_read(struct fm_context *ctx, const char *path, int *width, int *height,
                            float **values);

/* Atomic; not compressed, which every reader of TIFF reads. The same values always give the same bytes. */
enum fm_status fm_tiff_write(struct fm_context *ctx, const char *path, int width, int height,
                             const float *values);

/* The same of rows that are made one after the other, from the top: only a strip is held. */
enum fm_status fm_tiff_write_rows(struct fm_context *ctx, const char *path, int width, int height,
                                  void (*row)(void *user, int y, float *row), void *user);

/* The same bytes in memory, the caller's (fm_free). */
enum fm_status fm_tiff_encode_rows(struct fm_context *ctx, int width, int height,
                                   void (*row)(void *user, int y, float *row), void *user,
                                   unsigned char **bytes, size_t *size);

#endif
