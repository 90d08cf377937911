#include "op/mahalanobis.h"

#include "base/memory.h"

#include <string.h>

#define KERNEL(name) fm_kernel_get(d, "mahalanobis.cl", name, "")

/* Work-items for every group, in whole work-groups. */
static size_t items(const struct fm_device *d, const struct fm_gauss *g) {
  size_t group = (size_t)fm_device_facts(d)->group;
  return ((size_t)g->groups + group - 1) / group * group;
}

static enum fm_status write_list(struct fm_device *d, const struct fm_acts *const tap[3], int count,
                                 const int *channel, struct fm_gauss *g) {
  struct fm_context *ctx = fm_device_context(d);
  int all = tap[0]->c + tap[1]->c + tap[2]->c;
  int *list = fm_alloc(ctx, (size_t)count, 2 * sizeof *list),
      *place = fm_alloc(ctx, (size_t)all, sizeof *place);
  enum fm_status status = list && place ? FM_OK : FM_MEMORY;
  for (int c = 0; c < all && status == FM_OK; c++) place[c] = -1;
  for (int i = 0; i < count && status == FM_OK; i++) {
    int t = 0, c = channel[i];
    place[channel[i]] = i;
    while (c >= tap[t]->c) c -= tap[t++]->c;
    list[2 * i] = t;
    list[2 * i + 1] = c;
  }
  if (status == FM_OK) status = fm_buffer_make(d, (size_t)count * 2 * sizeof *list, &g->list);
  if (status == FM_OK) status = fm_buffer_write(d, &g->list, 0, list, (size_t)count * 2 * sizeof *list);
  for (int t = 0, from = 0; t < 3 && status == FM_OK; from += tap[t++]->c) {
    size_t bytes = (size_t)tap[t]->c * sizeof *place;
    status = fm_buffer_make(d, bytes, &g->place[t]);
    if (status == FM_OK) status = fm_buffer_write(d, &g->place[t], 0, place + from, bytes);
  }
  fm_free(ctx, list);
  fm_free(ctx, place);
  return status;
}

enum fm_status fm_gauss_make(struct fm_device *d, const struct fm_acts *const tap[3], int count,
                             const int *channel, int batch, enum fm_gauss_use use, struct fm_gauss *g) {
  int block = fm_device_facts(d)->block, cells = tap[0]->h * tap[0]->w;
  *g = (struct fm_gauss){.h = tap[0]->h, .w = tap[0]->w, .d = count, .groups = (cells + block - 1) / block};
  size_t vector = (size_t)g->groups * (size_t)block * sizeof(float), one = vector * (size_t)count,
         triangle = one / 2 * ((size_t)count + 1);
  for (int t = 0; t < 3; t++) g->channels[t] = tap[t]->c;
  enum fm_status status = write_list(d, tap, count, channel, g);
  if (status == FM_OK) status = fm_buffer_make(d, one * (size_t)batch, &g->x);
  if (status == FM_OK && use == FM_GAUSS_GRADIENT) status = fm_buffer_make(d, one * (size_t)batch, &g->dx);
  if (status == FM_OK) status = fm_buffer_make(d, one, &g->mean);
  if (status == FM_OK) status = fm_buffer_make(d, triangle, &g->factor);
  if (status == FM_OK && use == FM_GAUSS_LEARN) {
    struct fm_buffer *const zero[] = {&g->sum, &g->low, &g->factor};
    status = fm_buffer_make(d, 2 * one, &g->sum);
    if (status == FM_OK) status = fm_buffer_make(d, triangle, &g->low);
    for (int i = 0; i < 3 && status == FM_OK; i++) status = fm_buffer_fill(d, zero[i], 0);
  }
  if (status != FM_OK) fm_gauss_free(d, g);
  return status;
}

void fm_gauss_free(struct fm_device *d, struct fm_gauss *g) {
  struct fm_buffer *const own[] = {&g->list, &g->place[0], &g->place[1], &g->place[2], &g->x,
                                   &g->dx,   &g->mean,     &g->factor,   &g->sum,      &g->low};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
}

void fm_gauss_choose(struct fm_device *d, const struct fm_gauss *g, const struct fm_acts *const tap[3]) {
  FM_LAUNCH(d, KERNEL("choose"), items(d, g), (size_t)tap[0]->n, 1, fm_arg_buffer(&tap[0]->buffer),
            fm_arg_buffer(&tap[1]->buffer), fm_arg_buffer(&tap[2]->buffer), fm_arg_buffer(&g->list),
            fm_arg_buffer(&g->x), fm_acts_arg(tap[0]), fm_acts_arg(tap[1]), fm_acts_arg(tap[2]),
            fm_arg_int4(g->h, g->w, g->d, g->groups));
}

void fm_gauss_add(struct fm_device *d, const struct fm_gauss *g, int n, bool first) {
  struct fm_arg size = fm_arg_int4(n, g->d, g->groups, 0);
  if (first)
    FM_LAUNCH(d, KERNEL("shift"), items(d, g), 1, 1, fm_arg_buffer(&g->x), fm_arg_buffer(&g->mean), size);
  FM_LAUNCH(d, KERNEL("gather"), items(d, g), (size_t)g->d, 1, fm_arg_buffer(&g->x), fm_arg_buffer(&g->mean),
            fm_arg_buffer(&g->sum), fm_arg_buffer(&g->factor), fm_arg_buffer(&g->low), size);
}

void fm_gauss_finish(struct fm_device *d, const struct fm_gauss *g, size_t pictures, double regulariser) {
  FM_LAUNCH(d, KERNEL("factor"), items(d, g), 1, 1, fm_arg_buffer(&g->mean), fm_arg_buffer(&g->sum),
            fm_arg_buffer(&g->factor), fm_arg_buffer(&g->low), fm_arg_int2(g->d, g->groups),
            fm_arg_float2((float)pictures, (float)regulariser));
}

static void run(struct fm_device *d, const struct fm_gauss *g, int n, const struct fm_buffer *e,
                const struct fm_buffer *slope) {
  FM_LAUNCH(d, KERNEL("mahalanobis"), items(d, g), 1, 1, fm_arg_buffer(&g->x), fm_arg_buffer(&g->mean),
            fm_arg_buffer(&g->factor), fm_arg_buffer(e), fm_arg_buffer(slope),
            fm_arg_buffer(slope == e ? &g->x : &g->dx), fm_arg_int4(n, g->d, g->groups, g->h * g->w),
            fm_arg_int(slope != e));
}

void fm_gauss_score(struct fm_device *d, const struct fm_gauss *g, int n, const struct fm_buffer *e) {
  run(d, g, n, e, e);
}

void fm_gauss_back(struct fm_device *d, const struct fm_gauss *g, int n, const struct fm_buffer *slope,
                   const struct fm_acts *const tap_gradient[3]) {
  run(d, g, n, &g->dx, slope); /* e is not written */
  for (int t = 0; t < 3; t++) {
    const struct fm_acts *y = tap_gradient[t];
    FM_LAUNCH(d, KERNEL("return_to"), fm_acts_gx(d, y->w), (size_t)y->h,
              (size_t)y->n * (size_t)fm_acts_blocks(y), fm_arg_buffer(&g->dx), fm_arg_buffer(&g->place[t]),
              fm_arg_buffer(&y->buffer), fm_acts_arg(y), fm_arg_int4(g->w, t, g->d, g->groups),
              fm_arg_int2(y->w, y->c));
  }
}

/* rows numbers a cell, between [group][row][block] and [row][cells]. */
static enum fm_status exchange(struct fm_device *d, const struct fm_gauss *g, const struct fm_buffer *buffer,
                               size_t rows, float *plain, bool write) {
  struct fm_context *ctx = fm_device_context(d);
  size_t block = (size_t)fm_device_facts(d)->block, cells = (size_t)(g->h * g->w), one = rows * block;
  float *lanes = fm_alloc_aligned(ctx, one, sizeof *lanes);
  enum fm_status status = lanes ? FM_OK : FM_MEMORY;
  for (size_t k = 0; k < (size_t)g->groups && status == FM_OK; k++) {
    if (!write) status = fm_buffer_read(d, buffer, k * one * sizeof *lanes, lanes, one * sizeof *lanes);
    for (size_t i = 0; i < rows && status == FM_OK; i++)
      for (size_t lane = 0; lane < block; lane++) {
        size_t cell = k * block + lane, last = cell < cells ? cell : cells - 1;
        if (write)
          lanes[i * block + lane] = plain[i * cells + last];
        else if (cell < cells)
          plain[i * cells + cell] = lanes[i * block + lane];
      }
    if (write && status == FM_OK)
      status = fm_buffer_write(d, buffer, k * one * sizeof *lanes, lanes, one * sizeof *lanes);
  }
  fm_free(ctx, lanes);
  return status;
}

enum fm_status fm_gauss_read(struct fm_device *d, const struct fm_gauss *g, float *mean, float *factor) {
  FM_TRY(exchange(d, g, &g->mean, (size_t)g->d, mean, false));
  return exchange(d, g, &g->factor, (size_t)g->d * ((size_t)g->d + 1) / 2, factor, false);
}

enum fm_status fm_gauss_write(struct fm_device *d, const struct fm_gauss *g, const float *mean,
                              const float *factor) {
  FM_TRY(exchange(d, g, &g->mean, (size_t)g->d, (float *)mean, true));
  return exchange(d, g, &g->factor, (size_t)g->d * ((size_t)g->d + 1) / 2, (float *)factor, true);
}
