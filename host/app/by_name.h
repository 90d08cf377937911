/* Commands that the library offers, too: parsed as on the command line, so that options have one table, and
 * run on a device that may be open already. */
#ifndef FM_APP_BY_NAME_H
#define FM_APP_BY_NAME_H

#include "device/device.h"

/* given: the device; NULL: the one that the options name. What came out goes to the context's notes with a
 * given device, else to standard output. */
enum fm_status fm_train_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv);
enum fm_status fm_calibrate_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv);
enum fm_status fm_update_by_name(struct fm_context *ctx, struct fm_device *given, int argc, char **argv);

/* For those: *device is the given one, or opened (trusted.h); closed only then. */
enum fm_status fm_by_name_open(struct fm_context *ctx, struct fm_device *given, const char *wanted,
                               bool force, struct fm_device **device);
enum fm_status fm_by_name_close(struct fm_device *given, struct fm_device *device);

/* A line of what came out, without its end. */
void fm_by_name_tell(struct fm_context *ctx, const struct fm_device *given, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
