/* A known-answer test of every kernel family, before a device is trusted. What a family brings to it:
 * op/selfcheck.h.
 *
 * The verdict is remembered beside the program cache for this device, driver and the kernels' sources, so
 * that the test (half a minute where kernels are compiled for the first time) runs once. */
#ifndef FM_OP_SELFTEST_H
#define FM_OP_SELFTEST_H

#include "device/device.h"

/* FM_OK: every family computes right, or was found to earlier. FM_DEVICE: the message names the family, the
 * error and what to do. force: a device that computes wrong is used all the same, with a loud note.
 * FLAWMAP_SELFTEST=off skips it, =always does not believe the remembered verdict. */
enum fm_status fm_selftest(struct fm_device *d, bool force);

/* The test itself, whatever is remembered. FLAWMAP_SELFTEST=print: prints the answers instead of comparing
 * them (for whoever adds a check). */
enum fm_status fm_selftest_run(struct fm_device *d);

#endif
