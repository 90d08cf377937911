#include "op/lanes.h"

#include "base/memory.h"

#include <limits.h>

int fm_lanes(const struct fm_device *d) {
  const struct fm_facts *f = fm_device_facts(d);
  return f->block * f->group;
}

enum fm_status fm_lanes_make(struct fm_device *d, size_t rows, int width, int tile, struct fm_buffer *lanes,
                             int *groups) {
  size_t step = (size_t)fm_lanes(d) * (size_t)tile, whole = (rows / step + (rows % step != 0)) * step, bytes;
  *lanes = (struct fm_buffer){0};
  if (whole < rows || whole > INT_MAX || !fm_mul(whole, (size_t)width * sizeof(float), &bytes))
    return fm_error(fm_device_context(d), FM_LIMIT, "%zu rows of %d numbers are too many", rows, width);
  if (groups) *groups = (int)(whole / (size_t)fm_lanes(d));
  FM_TRY(fm_buffer_make(d, bytes, lanes));
  return fm_buffer_fill(d, lanes, 0);
}

void fm_lanes_pack(struct fm_device *d, const struct fm_buffer *rows, int count, int width, int first,
                   const struct fm_buffer *lanes) {
  const struct fm_facts *f = fm_device_facts(d);
  size_t items = f->group == 1 ? (size_t)((count + f->block - 1) / f->block) : (size_t)count;
  FM_LAUNCH(d, fm_kernel_get(d, "lanes.cl", "lanes_pack", ""), items, 1, 1, fm_arg_buffer(rows),
            fm_arg_buffer(lanes), fm_arg_int4(count, width, first, 0));
}
