/* Pieces: small flaws drawn on pictures of good parts, so that methods, thresholds and settings can be judged
 * where no flawed picture may be looked at. One a picture, at the picture's own size, of five kinds in turn:
 *
 * MOVED      a patch shows what lies elsewhere in the same picture
 * STAINED    a patch of another brightness or tint, cloudy
 * SCRATCHED  a thin line, brighter or darker
 * BENT       what lies in a circle is shifted, most in its middle
 * FADED      a patch loses most of its contrast
 *
 * Sizes are spread evenly over their logarithm, from a hundredth of the picture's shorter side to a
 * fourteenth (a patch's radius), strengths from hardly visible to plain. Pieces lie rather where the picture
 * shows something than on plain ground; one that would not show is drawn again elsewhere. */
#ifndef FM_DATA_PIECE_H
#define FM_DATA_PIECE_H

#include "base/status.h"

#include <stdint.h>

struct fm_image;

enum fm_piece {
  FM_PIECE_MOVED,
  FM_PIECE_STAINED,
  FM_PIECE_SCRATCHED,
  FM_PIECE_BENT,
  FM_PIECE_FADED,
  FM_PIECE_KINDS
};
extern const char *const fm_piece_names[FM_PIECE_KINDS];

/* The kind that a picture (its index in a list) gets in a round: each has its turn. */
enum fm_piece fm_piece_kind(int round, uint32_t picture);

/* Draws the piece of (seed, round, picture) on an RGB picture; mask [height][width]: 1 where it shows, else
 * 0. Every number is a function of those three and the picture. */
enum fm_status fm_piece_draw(struct fm_context *ctx, uint64_t seed, int round, uint32_t picture,
                             struct fm_image *image, unsigned char *mask);

#endif
