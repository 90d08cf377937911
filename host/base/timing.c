#include "base/timing.h"

#include "base/log.h"
#include "base/sort.h"

enum fm_status fm_timing_run(struct fm_context *ctx, enum fm_status (*work)(void *arg), void *arg, int runs,
                             double seconds, struct fm_timing *timing) {
  enum { MOST = 1001 };
  double time[MOST];
  int n = 0;
  FM_TRY(work(arg));
  double begin = fm_seconds();
  while (n < MOST && (n < runs || fm_seconds() - begin < seconds)) {
    if (atomic_load(&ctx->stop)) return fm_error(ctx, FM_STOPPED, "stopped while measuring");
    double start = fm_seconds();
    FM_TRY(work(arg));
    time[n++] = fm_seconds() - start;
  }
  fm_sort_doubles(time, (size_t)n);
  double median = n == 0 ? 0 : n % 2 ? time[n / 2] : (time[n / 2 - 1] + time[n / 2]) / 2;
  *timing =
      (struct fm_timing){.median = median, .least = n ? time[0] : 0, .most = n ? time[n - 1] : 0, .runs = n};
  return FM_OK;
}
