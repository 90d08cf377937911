/* The time of whole passes on a device, from procedural weights and pictures: no files are needed.
 *
 * Inference: expert, apprentice, discrepancy, map, Gaussian, and reading the map; the pictures are on the
 * device already. Training: forward of the expert, forward of the apprentice, loss, backward, AdamW;
 * everything that `train` does between loading a batch and the next one. */
#ifndef FM_CHECK_BENCH_H
#define FM_CHECK_BENCH_H

#include "base/timing.h"
#include "net/steps.h"

struct fm_bench_pass {
  const struct fm_backbone *backbone;
  bool train;
  int batch, size;
};

struct fm_bench_result {
  struct fm_timing time;
  double flops;         /* of one run: two a multiply-add of every convolution, counted as direct ones */
  size_t bytes;         /* of device memory */
  long launches, waits; /* of one run: kernels enqueued, times the host waited for the device */
};

/* runs, seconds: as fm_timing_run has them. */
enum fm_status fm_bench_pass_run(struct fm_device *d, const struct fm_bench_pass *pass, int runs,
                                 double seconds, struct fm_bench_result *result);

/* One operator of a pass: how often it occurs, and the median time of one. */
struct fm_bench_operator {
  struct fm_step_facts facts;
  long count;
  double seconds, total; /* total: of all `count` */
};

struct fm_bench_operators {
  struct fm_bench_operator *row; /* the longest total first */
  size_t count;
  double total;
};

/* Runs the pass step by step, each waited for, `rounds` times (1 to 15) after one that warms up. *o is freed
 * with fm_bench_operators_free, also after a failure. */
enum fm_status fm_bench_operators_run(struct fm_device *d, const struct fm_bench_pass *pass, int rounds,
                                      struct fm_bench_operators *o);
void fm_bench_operators_free(struct fm_context *ctx, struct fm_bench_operators *o);

#endif
