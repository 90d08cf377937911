/* The time of whole passes on a device, from procedural weights and pictures: no files are needed.
 *
 * Inference: expert, apprentice, discrepancy, map, Gaussian, and reading the map; the pictures are on the device
 * already. Training: forward of the expert, forward of the apprentice, loss, backward, AdamW; everything that `train`
 * does between loading a batch and the next one. */
#ifndef FM_DETECT_BENCH_H
#define FM_DETECT_BENCH_H

#include "base/timing.h"
#include "net/backbone.h"

struct fm_bench_pass {
  const struct fm_backbone *backbone;
  bool train;
  int batch, size;
};

struct fm_bench_result {
  struct fm_timing time;
  double flops; /* of one run: two a multiply-add of every convolution, counted as direct ones */
  size_t bytes; /* of device memory */
};

/* runs, seconds: as fm_timing_run has them. */
enum fm_status fm_bench_pass_run(struct fm_device *d, const struct fm_bench_pass *pass, int runs, double seconds,
                                 struct fm_bench_result *result);

#endif
