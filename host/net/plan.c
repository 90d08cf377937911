#include "net/plan.h"

#include "base/memory.h"

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

enum fm_status fm_plan(struct fm_context *ctx, struct fm_slot *slot, size_t count, size_t align, size_t most,
                       size_t **chunk_bytes, int *chunks) {
  enum { MOST_CHUNKS = 64 };
  *chunks = 0;
  *chunk_bytes = fm_alloc(ctx, MOST_CHUNKS, sizeof **chunk_bytes);
  struct fm_slot **order = fm_alloc(ctx, 2 * count, sizeof *order);
  enum fm_status status = *chunk_bytes && order ? FM_OK : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < count; i++) {
    slot[i].bytes = (slot[i].bytes + align - 1) / align * align;
    order[i] = &slot[i];
  }
  if (status == FM_OK) qsort(order, count, sizeof *order, by_size);
  for (size_t i = 0; status == FM_OK && i < count; i++) {
    struct fm_slot *s = order[i];
    for (s->chunk = 0;; s->chunk++) {
      if (s->chunk == MOST_CHUNKS || s->bytes > most) {
        status = fm_error(ctx, FM_MEMORY,
                          "a tensor of %.2f GiB does not fit into the device's largest buffer of %.2f GiB; "
                          "use a smaller --batch or --size",
                          (double)s->bytes / 0x1p30, (double)most / 0x1p30);
        break;
      }
      s->offset = s->chunk < *chunks ? lowest(s, order, i, s->chunk, order + count) : 0;
      if (s->offset + s->bytes > most) continue;
      if (s->chunk >= *chunks) *chunks = s->chunk + 1;
      if (s->offset + s->bytes > (*chunk_bytes)[s->chunk]) (*chunk_bytes)[s->chunk] = s->offset + s->bytes;
      break;
    }
  }
  fm_free(ctx, order);
  if (status != FM_OK) {
    fm_free(ctx, *chunk_bytes);
    *chunk_bytes = NULL;
  }
  return status;
}
