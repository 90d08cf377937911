/* The caller's pictures as the library has them. */
#ifndef FM_API_PICTURE_H
#define FM_API_PICTURE_H

#include "flawmap.h"

#include "file/image.h"
#include "task/verdict.h"

/* *image: RGB without gaps; of pictures that are so already the caller's own pixels. FM_USAGE for what is no
 * picture. Closed after it was opened well. */
enum fm_status fm_api_picture_open(struct fm_context *ctx, const struct fm_picture *p,
                                   struct fm_image *image);
void fm_api_picture_close(struct fm_context *ctx, const struct fm_picture *p, struct fm_image *image);

/* As many regions as there is room for, and how many there are. */
void fm_api_picture_regions(struct fm_picture *p, const struct fm_verdict *found);

#endif
