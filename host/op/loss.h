/* CDO's discrepancy and loss on the device. Kernels: cl/cdo.cl; the equations: docs/math/cdo.md.
 *
 * Positions are those of tap 1: n * h * w; a tap of another size is resized (bilinear, aligned corners) while
 * it is read. */
#ifndef FM_OP_LOSS_H
#define FM_OP_LOSS_H

#include "op/acts.h"

/* d (+)= squared distance of the unit vectors of expert and apprentice at every position of the grid
 * [n][h][w]. ie, ia: reciprocal norms for the gradient; both NULL where none follows. */
void fm_discrepancy(struct fm_device *d, const struct fm_acts *expert, const struct fm_acts *apprentice,
                    int h, int w, bool accumulate, const struct fm_buffer *distance,
                    const struct fm_buffer *ie, const struct fm_buffer *ia);

/* Scratch of the loss for a grid: distance, ie, ia, ca, cb (positions each), rows. Made once, used for every
 * tap. */
struct fm_loss_scratch {
  struct fm_buffer distance, ie, ia, ca, cb, rows;
};
enum fm_status fm_loss_scratch_make(struct fm_device *d, int n, int h, int w, struct fm_loss_scratch *s);
void fm_loss_scratch_free(struct fm_device *d, struct fm_loss_scratch *s);

/* The gradients of both taps from slope = d loss / d distance on the grid, for any loss of the distances. */
void fm_discrepancy_back(struct fm_device *d, const struct fm_acts *expert, const struct fm_acts *apprentice,
                         int h, int w, const struct fm_buffer *slope, const struct fm_loss_scratch *scratch,
                         const struct fm_acts *expert_gradient, const struct fm_acts *apprentice_gradient);

struct fm_loss_options {
  float gamma;
  bool overlap; /* OOM */
};

/* One tap: result = {loss term, factor, mean d of normal, of synthetic positions} and gradient = d loss / d
 * apprentice tap. mask: bytes [n][mask_h][mask_w], non-zero is synthetic; read nearest. */
void fm_loss_tap(struct fm_device *d, const struct fm_loss_options *o, const struct fm_acts *expert,
                 const struct fm_acts *apprentice, int h, int w, const struct fm_buffer *mask, int mask_h,
                 int mask_w, const struct fm_loss_scratch *scratch, const struct fm_buffer *result,
                 const struct fm_acts *gradient);

/* The recipe of 2025 normalises a tap's features at the tap's own size too, before the resize: room for such
 * a pair of taps, as large as `tap`. */
struct fm_unit_pair {
  struct fm_acts expert, apprentice;
  struct fm_buffer r;
};
enum fm_status fm_unit_pair_make(struct fm_device *d, const struct fm_acts *tap, struct fm_unit_pair *pair);
void fm_unit_pair_free(struct fm_device *d, struct fm_unit_pair *pair);

/* fm_loss_tap of the taps normalised before the resize and after it. */
void fm_loss_tap_twice(struct fm_device *d, const struct fm_loss_options *o, const struct fm_acts *expert,
                       const struct fm_acts *apprentice, int h, int w, const struct fm_buffer *mask,
                       int mask_h, int mask_w, const struct fm_loss_scratch *scratch,
                       const struct fm_unit_pair *pair, const struct fm_buffer *result,
                       const struct fm_acts *gradient);

#endif
