#include "op/acts.h"

#include "base/memory.h"

#include <limits.h>
#include <string.h>

/* Pixels that a tile past the end of the last row may read. */
enum { SLACK_PIXELS = 64 };

bool fm_acts_bytes(const struct fm_acts *a, size_t *bytes) {
  size_t plane, all;
  if (a->n <= 0 || a->c <= 0 || a->h <= 0 || a->w <= 0) return false;
  if (!fm_mul((size_t)a->h + 2 * (size_t)a->halo, (size_t)a->w + 2 * (size_t)a->halo, &plane) ||
      plane > INT_MAX / 16)
    return false;
  if (!fm_mul((size_t)a->n * (size_t)fm_acts_blocks(a), plane, &all)) return false;
  return fm_mul(all + SLACK_PIXELS, (size_t)a->block * sizeof(float), bytes);
}

enum fm_status fm_acts_make(struct fm_device *d, int n, int c, int h, int w, int halo, struct fm_acts *a) {
  *a = (struct fm_acts){n, c, h, w, halo, fm_device_facts(d)->block, {0}};
  size_t bytes;
  if (!fm_acts_bytes(a, &bytes))
    return fm_error(fm_device_context(d), FM_LIMIT, "a tensor of %d x %d x %d x %d is too large", n, c, h, w);
  FM_TRY(fm_buffer_make(d, bytes, &a->buffer));
  enum fm_status status = fm_buffer_fill(d, &a->buffer, 0);
  if (status != FM_OK) fm_acts_free(d, a);
  return status;
}

void fm_acts_free(struct fm_device *d, struct fm_acts *a) {
  fm_buffer_free(d, &a->buffer);
}

struct fm_arg fm_acts_arg(const struct fm_acts *a) {
  int row = a->w + 2 * a->halo;
  return fm_arg_int4(fm_acts_blocks(a), row, row * (a->h + 2 * a->halo), a->halo * row + a->halo);
}

size_t fm_acts_gx(const struct fm_device *d, int w) {
  int group = fm_device_facts(d)->group;
  return group == 1 ? 1 : (size_t)((w + group - 1) / group) * (size_t)group;
}

/* Calls f for the position of every number: index into the buffer and into nchw. */
static void exchange(const struct fm_acts *a, float *blocked, float *nchw, bool to_blocked) {
  size_t row = (size_t)a->w + 2 * (size_t)a->halo, plane = row * ((size_t)a->h + 2 * (size_t)a->halo),
         block = (size_t)a->block;
  size_t base = (size_t)a->halo * row + (size_t)a->halo;
  for (size_t n = 0; n < (size_t)a->n; n++)
    for (size_t c = 0; c < (size_t)a->c; c++)
      for (size_t y = 0; y < (size_t)a->h; y++) {
        float *from = nchw + ((n * (size_t)a->c + c) * (size_t)a->h + y) * (size_t)a->w;
        float *to = blocked + ((n * (size_t)fm_acts_blocks(a) + c / block) * plane + base + y * row) * block +
                    c % block;
        for (size_t x = 0; x < (size_t)a->w; x++) {
          if (to_blocked)
            to[x * block] = from[x];
          else
            from[x] = to[x * block];
        }
      }
}

enum fm_status fm_acts_write(struct fm_device *d, const struct fm_acts *a, const float *nchw) {
  struct fm_context *ctx = fm_device_context(d);
  float *blocked = fm_alloc_aligned(ctx, a->buffer.bytes, 1);
  if (!blocked) return FM_MEMORY;
  exchange(a, blocked, (float *)nchw, true);
  enum fm_status status = fm_buffer_write(d, &a->buffer, 0, blocked, a->buffer.bytes);
  fm_free(ctx, blocked);
  return status;
}

enum fm_status fm_acts_read(struct fm_device *d, const struct fm_acts *a, float *nchw) {
  struct fm_context *ctx = fm_device_context(d);
  float *blocked = fm_alloc_aligned(ctx, a->buffer.bytes, 1);
  if (!blocked) return FM_MEMORY;
  enum fm_status status = fm_buffer_read(d, &a->buffer, 0, blocked, a->buffer.bytes);
  if (status == FM_OK) exchange(a, blocked, nchw, false);
  fm_free(ctx, blocked);
  return status;
}
