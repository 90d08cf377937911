/* How long a piece of work takes: once to warm up, then again and again, and the median of that. */
#ifndef FM_BASE_TIMING_H
#define FM_BASE_TIMING_H

#include "base/status.h"

struct fm_timing {
  double median, least, most; /* seconds a run */
  int runs;
};

/* Runs work(arg) once, then at least `runs` times and until `seconds` have passed (at most 1001 times). The
 * first status that is not FM_OK ends it. A request to stop is FM_STOPPED. */
enum fm_status fm_timing_run(struct fm_context *ctx, enum fm_status (*work)(void *arg), void *arg, int runs,
                             double seconds, struct fm_timing *timing);

#endif
