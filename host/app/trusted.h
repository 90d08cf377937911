/* The device that a command works on: opened, and its kernels known to compute right (op/selftest.h). */
#ifndef FM_APP_TRUSTED_H
#define FM_APP_TRUSTED_H

#include "device/device.h"

/* wanted: --device; force: --force. On failure *device is NULL. */
enum fm_status fm_trusted_device(struct fm_context *ctx, const char *wanted, bool force,
                                 struct fm_device **device);

#endif
