/* `flawmap synth`: a small data set in MVTec's layout, drawn by this program: products, good pictures for
 * training, and flawed ones with exact masks, for trying things out where no data set is at hand.
 *
 *   weave   a woven fabric: a texture that shifts from picture to picture
 *   gear    a toothed wheel with holes and print, always in nearly the same place: an aligned object
 * and, only if they are asked for:
 *
 *   lever   a flat part that lies anywhere, in changing light
 *   plate   a cover with a label and an arrow that has two normal looks
 *   seal    a black rubber ring on a dark ground, where hardly anything varies
 *   slab    stone in uneven light, in pictures twice as tall as wide, with thin cracks and faint stains
 *
 * A flawed picture is drawn twice, with and without its flaw; its mask is where the two differ by more than 9
 * of 255 in a channel (the seal: 5; single pixels dropped, single gaps filled), before the camera's noise.
 * All of it is flawmap's own drawing: no foreign pictures, free to use. The same options give the same bytes,
 * on any number of threads. */
#ifndef FM_DATA_MAKE_H
#define FM_DATA_MAKE_H

#include "base/status.h"

#include <stdint.h>

/* Zeros are the defaults. */
struct fm_make_options {
  int size;      /* width of a picture; 0: 256; 64 to 4096 from the command line, 12288 at most */
  int train;     /* good training pictures a product; 0: 40 */
  int test_good; /* good test pictures a product; 0: 8 */
  int per_kind;  /* pictures of each kind of flaw; 0: 6 */
  uint64_t seed;
  bool rotate;         /* the gear lies at any angle */
  const char *product; /* only this one; NULL: gear and weave */
};

/* Writes folder/PRODUCT/train/good, test/KIND, ground_truth/KIND. The folder is made; pictures that are there
 * already are replaced. */
enum fm_status fm_make_dataset(struct fm_context *ctx, const char *folder,
                               const struct fm_make_options *options);

/* The products' names, NULL after the last; the first two are drawn without asking; and a product's kinds of
 * flaws, the same (NULL: no such product). */
enum { FM_MAKE_UNASKED = 2 };
const char *const *fm_make_products(void);
const char *const *fm_make_kinds(const char *product);

/* How tall pictures of this width are (0: no such product). */
int fm_make_height(const char *product, int size);

/* One picture and its mask, in memory: rgb[height * size * 3], mask[height * size] (0 or 255). kind "good"
 * has an empty mask. index tells pictures of a kind apart; split is "train" or "test". */
enum fm_status fm_make_picture(struct fm_context *ctx, const char *product, const char *split,
                               const char *kind, int index, const struct fm_make_options *options,
                               unsigned char *rgb, unsigned char *mask);

#endif
