/* Placing tensors with lifetimes into as little memory as possible.
 *
 * Tensors of one kind (other than 0) share memory only with each other, place for place: what none of them
 * ever writes, a zero halo, then stays as it is for ever. */
#ifndef FM_NET_PLAN_H
#define FM_NET_PLAN_H

#include "base/status.h"

struct fm_slot {
  size_t bytes;
  int first, last; /* steps, inclusive */
  int kind;        /* 0: shares with anything; slots of another kind have equal bytes */
  int chunk;       /* out: which buffer */
  size_t offset;   /* out: where in it */
};

/* Largest first, each at the lowest place where nothing alive at the same time is; places are multiples of
 * align; a new chunk where the next place would pass `most` bytes. chunk_bytes: sizes of the chunks, the
 * caller's (fm_free). */
enum fm_status fm_plan(struct fm_context *ctx, struct fm_slot *slot, size_t count, size_t align, size_t most,
                       size_t **chunk_bytes, int *chunks);

#endif
