#include "net/plan.h"

#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
  const struct fm_slot *x = *(struct fm_slot *const *)a, *y = *(struct fm_slot *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : 1;
}

static int by_offset(const void *a, const void *b) {
  const struct fm_slot *x = *(struct fm_slot *const *)a, *y = *(struct fm_slot *const *)b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return x < y ? -1 : x > y;
}

/* The lowest offset in a chunk where slot fits between those placed there that live at the same time. */
static size_t lowest(struct fm_slot *slot, struct fm_slot **placed, size_t count, int chunk,
                     struct fm_slot **near) {
  size_t n = 0, at = 0;
  for (size_t i = 0; i < count; i++)
    if (placed[i]->chunk == chunk && placed[i]->first <= slot->last && slot->first <= placed[i]->last)
      near[n++] = placed[i];
  qsort(near, n, sizeof *near, by_offset);
  for (size_t i = 0; i < n; i++) {
    if (near[i]->offset >= at + slot->bytes) break;
    if (near[i]->offset + near[i]->bytes > at) at = near[i]->offset + near[i]->bytes;
  }
  return at;
}

static int by_first(const void *a, const void *b) {
  const struct fm_slot *x = *(struct fm_slot *const *)a, *y = *(struct fm_slot *const *)b;
  if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x < y ? -1 : x > y;
}

/* Seats: the first free one of its kind for each slot, in the order of time; a seat exists from beginning to
 * end. order holds the slots that need one, sorted by kind and first step; seat_of their seats. */
static size_t take_seats(struct fm_slot **order, size_t count, struct fm_slot *seat, size_t *seat_of) {
  size_t seats = 0;
  for (size_t i = 0; i < count; i++) {
    size_t s = 0;
    while (s < seats && (seat[s].kind != order[i]->kind || seat[s].last >= order[i]->first)) s++;
    if (s == seats) seat[seats++] = (struct fm_slot){.bytes = order[i]->bytes, .kind = order[i]->kind};
    seat[s].last = order[i]->last; /* who sits there now; set to the end below */
    seat_of[i] = s;
  }
  for (size_t s = 0; s < seats; s++) {
    seat[s].first = INT_MIN;
    seat[s].last = INT_MAX;
  }
  return seats;
}

enum { MOST_CHUNKS = 64 };

/* Largest first, each at the lowest free place. order: room for twice count. */
static enum fm_status place(struct fm_context *ctx, struct fm_slot **order, size_t count, size_t most,
                            size_t *chunk_bytes, int *chunks) {
  qsort(order, count, sizeof *order, by_size);
  for (size_t i = 0; i < count; i++) {
    struct fm_slot *s = order[i];
    for (s->chunk = 0;; s->chunk++) {
      if (s->chunk == MOST_CHUNKS || s->bytes > most)
        return fm_error(ctx, FM_MEMORY,
                        "a tensor of %.2f GiB does not fit into the device's largest buffer of %.2f GiB; "
                        "use a smaller --batch or --size",
                        (double)s->bytes / 0x1p30, (double)most / 0x1p30);
      s->offset = s->chunk < *chunks ? lowest(s, order, i, s->chunk, order + count) : 0;
      if (s->offset + s->bytes > most) continue;
      if (s->chunk >= *chunks) *chunks = s->chunk + 1;
      if (s->offset + s->bytes > chunk_bytes[s->chunk]) chunk_bytes[s->chunk] = s->offset + s->bytes;
      break;
    }
  }
  return FM_OK;
}

enum fm_status fm_plan(struct fm_context *ctx, struct fm_slot *slot, size_t count, size_t align, size_t most,
                       size_t **chunk_bytes, int *chunks) {
  *chunks = 0;
  *chunk_bytes = fm_alloc(ctx, MOST_CHUNKS, sizeof **chunk_bytes);
  struct fm_slot **order = fm_alloc(ctx, 3 * count, sizeof *order), **seated = order + 2 * count;
  struct fm_slot *seat = fm_alloc(ctx, count, sizeof *seat);
  size_t *seat_of = fm_alloc(ctx, count, sizeof *seat_of);
  enum fm_status status = *chunk_bytes && order && seat && seat_of ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    size_t waiting = 0, placed = 0;
    for (size_t i = 0; i < count; i++) {
      slot[i].bytes = (slot[i].bytes + align - 1) / align * align;
      if (slot[i].kind)
        seated[waiting++] = &slot[i];
      else
        order[placed++] = &slot[i];
    }
    qsort(seated, waiting, sizeof *seated, by_first);
    size_t seats = take_seats(seated, waiting, seat, seat_of);
    for (size_t s = 0; s < seats; s++) order[placed++] = &seat[s];
    status = place(ctx, order, placed, most, *chunk_bytes, chunks);
    for (size_t i = 0; i < waiting; i++) {
      seated[i]->chunk = seat[seat_of[i]].chunk;
      seated[i]->offset = seat[seat_of[i]].offset;
    }
  }
  fm_free(ctx, order);
  fm_free(ctx, seat);
  fm_free(ctx, seat_of);
  if (status != FM_OK) {
    fm_free(ctx, *chunk_bytes);
    *chunk_bytes = NULL;
  }
  return status;
}
