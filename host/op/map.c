#include "op/map.h"

#include "base/memory.h"
#include "op/acts.h"

#include <math.h>

void fm_enlarge(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w,
                const struct fm_buffer *y, int ho, int wo) {
  FM_LAUNCH(d, fm_kernel_get(d, "map.cl", "enlarge", ""), fm_acts_gx(d, wo), (size_t)ho, (size_t)n,
            fm_arg_buffer(x), fm_arg_buffer(y), fm_arg_int4(h, w, ho, wo),
            fm_arg_float2((float)h / (float)ho, (float)w / (float)wo));
}

void fm_root(struct fm_device *d, const struct fm_buffer *x, int n, int h, int w, const struct fm_buffer *y) {
  FM_LAUNCH(d, fm_kernel_get(d, "map.cl", "root", ""), fm_acts_gx(d, w), (size_t)h, (size_t)n,
            fm_arg_buffer(x), fm_arg_buffer(y), fm_arg_int2(h, w));
}

enum fm_status fm_gaussian_make(struct fm_device *d, double sigma, struct fm_gaussian *g) {
  *g = (struct fm_gaussian){.radius = (int)(4 * sigma + 0.5)};
  struct fm_context *ctx = fm_device_context(d);
  size_t count = (size_t)g->radius + 1;
  float *weights = fm_alloc(ctx, count, sizeof *weights);
  if (!weights) return FM_MEMORY;
  double sum = 1;
  for (int k = 1; k <= g->radius; k++) sum += 2 * exp(-0.5 * k * k / (sigma * sigma));
  for (int k = 0; k <= g->radius; k++) weights[k] = (float)(exp(-0.5 * k * k / (sigma * sigma)) / sum);
  enum fm_status status = fm_buffer_make(d, count * sizeof *weights, &g->weights);
  if (status == FM_OK) status = fm_buffer_write(d, &g->weights, 0, weights, count * sizeof *weights);
  if (status != FM_OK) fm_gaussian_free(d, g);
  fm_free(ctx, weights);
  return status;
}

void fm_gaussian_free(struct fm_device *d, struct fm_gaussian *g) {
  fm_buffer_free(d, &g->weights);
}

void fm_gaussian_run(struct fm_device *d, const struct fm_gaussian *g, const struct fm_buffer *x,
                     const struct fm_buffer *scratch, int n, int h, int w) {
  const struct fm_buffer *from = x, *to = scratch;
  for (int across = 0; across < 2; across++) {
    FM_LAUNCH(d, fm_kernel_get(d, "map.cl", "smooth", ""), fm_acts_gx(d, w), (size_t)h, (size_t)n,
              fm_arg_buffer(from), fm_arg_buffer(to), fm_arg_buffer(&g->weights),
              fm_arg_int4(h, w, g->radius, across));
    from = scratch;
    to = x;
  }
}
