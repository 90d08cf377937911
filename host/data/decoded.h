/* The pictures that were decoded last, shared by threads: whoever cuts a picture into tiles decodes it once,
 * not once a tile. */
#ifndef FM_DATA_DECODED_H
#define FM_DATA_DECODED_H

#include "data/picture.h"

struct fm_decoded;

/* Pictures come without what p's standard ignores; threads: that hold a picture at the same time at most,
 * each one; one more is kept. */
enum fm_status fm_decoded_open(struct fm_context *ctx, const struct fm_preprocess *p, int threads,
                               struct fm_decoded **decoded);
void fm_decoded_close(struct fm_decoded *d); /* NULL: nothing */

/* The picture of a file, until fm_decoded_put; path must live as long as d. ctx: for the message of a
 * failure. */
enum fm_status fm_decoded_get(struct fm_decoded *d, struct fm_context *ctx, const char *path,
                              const struct fm_image **picture);
void fm_decoded_put(struct fm_decoded *d, const struct fm_image *picture);

#endif
