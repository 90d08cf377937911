#include "op/peak.h"

#include "base/timing.h"
#include "device/queue.h"

#include <stdio.h>

static const int chain_counts[] = {2, 4, 8, 10, 12, 16, 20};

/* One measurement: a kernel that is launched and waited for. */
struct launch {
  struct fm_device *d;
  struct fm_kernel *kernel;
  struct fm_buffer *buffer; /* [3] */
  size_t items;
  int rounds; /* of multiply_add, else vectors */
  float s;    /* of triad */
  bool triad;
};

static enum fm_status launch(void *arg) {
  const struct launch *l = arg;
  struct fm_buffer *b = l->buffer;
  if (l->triad)
    FM_LAUNCH(l->d, l->kernel, l->items, 1, 1, fm_arg_buffer(&b[0]), fm_arg_buffer(&b[1]),
              fm_arg_buffer(&b[2]), fm_arg_int(l->rounds), fm_arg_float(l->s));
  else
    FM_LAUNCH(l->d, l->kernel, l->items, 1, 1, fm_arg_buffer(&b[0]), fm_arg_int(l->rounds),
              fm_arg_float2(0.999f, 0.001f));
  return fm_device_finish(l->d);
}

/* Enough work-items to fill the device several times over. */
static size_t work_items(const struct fm_facts *f) {
  return (size_t)f->compute_units * (f->group == 1 ? 4 : 32 * (size_t)f->group);
}

/* Rounds are doubled until a launch takes 4 ms, so that its start does not count. */
static enum fm_status measure_chains(struct fm_device *d, double seconds, int chains, struct launch *l,
                                     double *flops) {
  struct fm_context *ctx = fm_device_context(d);
  char options[32];
  snprintf(options, sizeof options, "-DCHAINS=%d", chains);
  l->kernel = fm_kernel_get(d, "bench.cl", "multiply_add", options);
  struct fm_timing t;
  for (l->rounds = 64;; l->rounds *= 2) {
    FM_TRY(fm_timing_run(ctx, launch, l, 1, 0, &t));
    if (t.least >= 0.004 || l->rounds >= 1 << 24) break;
  }
  FM_TRY(fm_timing_run(ctx, launch, l, 3, seconds, &t));
  *flops = (double)l->items * l->rounds * 16 * chains * fm_device_facts(d)->block * 2 / t.least;
  return FM_OK;
}

static enum fm_status measure_flops(struct fm_device *d, double seconds, struct fm_peak *peak) {
  struct fm_buffer out = {0};
  struct launch l = {.d = d, .buffer = &out, .items = work_items(fm_device_facts(d))};
  size_t counts = sizeof chain_counts / sizeof *chain_counts;
  enum fm_status status =
      fm_buffer_make(d, l.items * (size_t)fm_device_facts(d)->block * sizeof(float), &out);
  for (size_t i = 0; i < counts && status == FM_OK; i++) {
    double flops = 0;
    status = measure_chains(d, seconds / (double)counts, chain_counts[i], &l, &flops);
    if (flops <= peak->flops) continue;
    peak->flops = flops;
    peak->chains = chain_counts[i];
  }
  struct fm_timing t;
  l.rounds = 0;
  if (status == FM_OK) status = fm_timing_run(fm_device_context(d), launch, &l, 101, 0, &t);
  if (status == FM_OK) peak->wait = t.median;
  fm_buffer_free(d, &out);
  return status;
}

static enum fm_status measure_copies(struct fm_device *d, double seconds, struct fm_peak *peak) {
  const struct fm_facts *f = fm_device_facts(d);
  struct fm_buffer b[3] = {{0}};
  size_t vector = (size_t)f->block * sizeof(float);
  if (peak->bytes > f->max_allocation) peak->bytes = f->max_allocation;
  if (peak->bytes > f->global_memory / 8) peak->bytes = f->global_memory / 8;
  peak->bytes = peak->bytes / vector * vector;
  struct launch l = {
      .d = d, .buffer = b, .items = work_items(f), .rounds = (int)(peak->bytes / vector), .triad = true};
  l.kernel = fm_kernel_get(d, "bench.cl", "triad", "");
  enum fm_status status = fm_device_status(d);
  for (int i = 0; i < 3 && status == FM_OK; i++) status = fm_buffer_make(d, peak->bytes, &b[i]);
  struct fm_timing t;
  if (status == FM_OK) status = fm_timing_run(fm_device_context(d), launch, &l, 3, seconds / 2, &t);
  if (status == FM_OK) peak->copy = 2 * (double)peak->bytes / t.least;
  l.s = 3;
  if (status == FM_OK) status = fm_timing_run(fm_device_context(d), launch, &l, 3, seconds / 2, &t);
  if (status == FM_OK) peak->triad = 3 * (double)peak->bytes / t.least;
  for (int i = 0; i < 3; i++) fm_buffer_free(d, &b[i]);
  return status;
}

enum fm_status fm_peak_measure(struct fm_device *d, double seconds, size_t bytes, struct fm_peak *peak) {
  *peak = (struct fm_peak){.bytes = bytes};
  FM_TRY(measure_flops(d, seconds, peak));
  return measure_copies(d, seconds, peak);
}
