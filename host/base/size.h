/* How large a picture is, or what a network is fed. Written as "256", a square, or "512x384", width first.
 */
#ifndef FM_BASE_SIZE_H
#define FM_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>

struct fm_size {
  int width, height;
};

static inline struct fm_size fm_square(int side) {
  return (struct fm_size){side, side};
}

static inline size_t fm_size_pixels(struct fm_size s) {
  return (size_t)s.width * (size_t)s.height;
}

static inline bool fm_size_same(struct fm_size a, struct fm_size b) {
  return a.width == b.width && a.height == b.height;
}

/* The side of the square with as many pixels, rounded: what lengths in "pixels of 256" are measured by. */
int fm_size_side(struct fm_size size);

/* Pictures of a size that are worked on at a time: at most `most`, and as many pixels as 16 of 256 x 256
 * have; at least 1. More would take memory and be no faster. Nothing that is computed depends on it. */
int fm_size_at_once(struct fm_size size, int most);

/* False where the text is no size; no limits but that of int. */
bool fm_size_parse(const char *text, struct fm_size *size);

/* What fm_size_parse reads back. */
enum { FM_SIZE_TEXT = 24 };
const char *fm_size_text(struct fm_size size, char text[FM_SIZE_TEXT]);

#endif
