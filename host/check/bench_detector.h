/* The time of a detector's work, from drawn pictures of an object and procedural weights: PatchCore's fit,
 * and F2PAD's sharpening of the map of a flawed picture. The pictures are files in a folder of their own for
 * as long as it takes. */
#ifndef FM_CHECK_BENCH_DETECTOR_H
#define FM_CHECK_BENCH_DETECTOR_H

#include "base/timing.h"
#include "device/device.h"

struct fm_bench_detector {
  const char *backbone;
  int pictures, size; /* to fit to, a quarter as many besides to learn F2PAD's limits from; their side */
  int runs;           /* as fm_timing_run has them */
  double seconds;
  void (*next)(void *arg); /* called when the fit is measured */
  void *arg;
};

enum fm_status fm_bench_detector_run(struct fm_device *d, const struct fm_bench_detector *what,
                                     struct fm_timing *fit, struct fm_timing *refine);

#endif
