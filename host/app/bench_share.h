/* `flawmap bench --share FILE` and `flawmap bench --compare FILE...`. */
#ifndef FM_APP_BENCH_SHARE_H
#define FM_APP_BENCH_SHARE_H

#include "base/status.h"

/* Proves that the device (--device) computes right, measures it and writes the file; prints what is in it. */
enum fm_status fm_bench_share(struct fm_context *ctx, const char *device, bool quick, const char *path);

/* Prints the devices of such files side by side. Needs no device. */
enum fm_status fm_bench_compare(struct fm_context *ctx, const char *const *paths, int count);

#endif
