/* Regions of a picture that are not looked at: neither learned nor scored.
 *
 * They lie in the picture's own frame. Before anything looks at a picture, what lies in them is replaced by
 * what surrounds them, so nothing there has an effect on light, pose, features or scores. Cells and pixels of
 * maps in them count for nothing (standard.h: covered, undo_map). */
#ifndef FM_DATA_IGNORE_H
#define FM_DATA_IGNORE_H

#include "base/size.h"
#include "base/status.h"

struct fm_image;

enum { FM_IGNORE_MAX_SIDE = 2048 };

struct fm_ignore {
  struct fm_size size;   /* of the mask; zeros: nothing is ignored */
  unsigned char *pixels; /* [height][width], 1: ignored */
};

/* A mask as data/mask.h reads it; one larger than FM_IGNORE_MAX_SIDE becomes smaller, a pixel of which is
 * ignored where any of its own is. FM_USAGE where nothing or everything is. */
enum fm_status fm_ignore_read(struct fm_context *ctx, const char *path, struct fm_ignore *ignore);
void fm_ignore_free(struct fm_context *ctx, struct fm_ignore *ignore);
enum fm_status fm_ignore_copy(struct fm_context *ctx, const struct fm_ignore *from, struct fm_ignore *to);

/* Changes a hash of 16 digits (of a list of pictures): what was learned without these regions is something
 * else. */
void fm_ignore_hash(const struct fm_ignore *ignore, char hash[17]);

/* Adds what another mask ignores; the result is as large as the larger one. FM_USAGE where their shapes
 * differ by more than a hundredth. */
enum fm_status fm_ignore_join(struct fm_context *ctx, struct fm_ignore *ignore,
                              const struct fm_ignore *other);

static inline bool fm_ignore_none(const struct fm_ignore *ignore) {
  return !ignore->pixels;
}

double fm_ignore_share(const struct fm_ignore *ignore); /* of a picture's pixels */

/* Whether the place x, y of a picture is ignored; 0 to 1 is the whole picture. */
bool fm_ignore_at(const struct fm_ignore *ignore, float x, float y);

/* Row y of a picture of that size: out[width] 1 or 0. */
void fm_ignore_row(const struct fm_ignore *ignore, int width, int height, int y, unsigned char *out);

/* out: a copy of in, with what is ignored filled from the nearest pixels around it, to the left and right,
 * above and below, each weighed by how near it is. The caller's (fm_image_free). FM_USAGE with both sizes
 * where the picture has not the mask's shape (to a hundredth). */
enum fm_status fm_ignore_paint(struct fm_context *ctx, const struct fm_ignore *ignore,
                               const struct fm_image *in, struct fm_image *out);

/* The ignored pixels of a map of the middle `size` of a picture of the size `whole` get the lowest value of
 * the others. */
void fm_ignore_map(const struct fm_ignore *ignore, float *map, struct fm_size size, struct fm_size whole);

#endif
