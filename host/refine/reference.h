/* A normal reference: what the part in a picture should have looked like, put together from pictures of good
 * parts. Two ways, docs/math/f2pad.md: a blend, for parts that lie where the others lie; a quilt, for parts
 * that lie anywhere and for textures. Which one a product needs is found with held-out good pictures alone.
 */
#ifndef FM_REFINE_REFERENCE_H
#define FM_REFINE_REFERENCE_H

#include "method/taps.h"
#include "model/refinement.h"
#include "net/net.h"
#include "op/neighbour.h"
#include "op/patch.h"

/* From at most FM_REFERENCE_PICTURES of the pictures to learn from: for a blend those that stand for all of
 * them (few.h), for a quilt every n-th one. */
enum { FM_REFERENCE_PICTURES = 48, FM_REFERENCE_ROWS = 16384 /* cells of a quilt, at most */ };
enum fm_status fm_reference_fit(struct fm_device *d, const struct fm_train *t, enum fm_reference_kind kind,
                                struct fm_reference *r);

/* On a device, for batches of pictures of which the expert's taps are known. */
struct fm_composer {
  struct fm_device *d;
  const struct fm_reference *reference;
  struct fm_acts feature;             /* blend */
  struct fm_buffer distance, scratch; /* blend */
  struct fm_buffer good,
      picture;               /* uchar4 of the good ones; float4 of the references [batch][height][width] */
  struct fm_patches patches; /* quilt */
  struct fm_bank bank;
  struct fm_search search;
  struct fm_buffer rows, mean, origin, shift;
};

/* net: an expert of that batch size, for its shapes. */
enum fm_status fm_composer_make(struct fm_device *d, const struct fm_reference *reference,
                                const struct fm_net *net, int batch, struct fm_composer *r);
void fm_composer_free(struct fm_composer *r);

/* r->picture of the net's batch after its forward pass, enqueued; rgb: its 8-bit pictures. */
enum fm_status fm_composer_run(struct fm_composer *r, const struct fm_net *net, const struct fm_buffer *rgb);

#endif
