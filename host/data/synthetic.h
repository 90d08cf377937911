/* MOM's synthetic anomalies (CDO, Cao et al. 2023): patches of noise on good pictures, drawn anew for each
 * picture and epoch. Every number is a function of (seed, epoch, picture), so order and threads do not
 * matter.
 *
 * The number of patches is uniform in 0..most; each has half sizes uniform in [S/40, S/10), S the width or
 * height of the picture, and a centre uniform where it fits; its pixels become noise, each channel uniform in
 * 0..254. */
#ifndef FM_DATA_SYNTHETIC_H
#define FM_DATA_SYNTHETIC_H

#include "base/size.h"
#include "base/status.h"

#include <stdint.h>

enum fm_synthetic_kind { FM_SYNTHETIC_NONE, FM_SYNTHETIC_CDO };

/* Half sizes are size / smallest to size / largest (excluded). */
struct fm_synthetic {
  enum fm_synthetic_kind kind;
  int most;              /* patches; the recipe's 4 */
  int smallest, largest; /* divisors of width and height; the recipe's 40 and 10 */
  bool skip_background;  /* the background rule: a centre on background is drawn again */
  int redraws;           /* of a centre, then the patch is dropped; the recipe's 200 */
  int canvas; /* 0: drawn on the resized picture; else on the picture stretched to canvas x canvas, and both
               * are reduced then, so that patches have soft edges (the recipe of 2025: 1024) */
};

/* The recipe's constants; the background rule is on for the categories the recipe names. */
struct fm_synthetic fm_synthetic_cdo(const char *category);

/* background[height][width]: 1 where there is background: grey = mean of the channels over 220 or under 30;
 * median 7x7 (edges repeated); dilated by 19x19. */
enum fm_status fm_synthetic_background(struct fm_context *ctx, const unsigned char *rgb, struct fm_size size,
                                       unsigned char *background);

/* Changes rgb[height][width][3] and writes mask[height][width] (1 under a patch, else 0). background may be
 * NULL: then no centre is refused. picture: its index in the training list. */
void fm_synthetic_apply(const struct fm_synthetic *options, uint64_t seed, int epoch, uint32_t picture,
                        unsigned char *rgb, unsigned char *mask, struct fm_size size,
                        const unsigned char *background);

#endif
