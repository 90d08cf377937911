/* OpenCL's drivers, each question to them in a copy of this process with a time limit (base/child.h): one
 * that aborts, crashes or hangs is a finding and not the end of the program. To be called before anything of
 * OpenCL is used in this process itself.
 *
 * Where the copy did not answer, the status is FM_DEVICE, the message says how it ended and what it said
 * last, and end->signal or end->late is set. */
#ifndef FM_CHECK_DRIVERS_H
#define FM_CHECK_DRIVERS_H

#include "base/child.h"
#include "check/golden.h"
#include "device/device.h"

enum { FM_MOST_DRIVERS = 32 };

/* A driver registers itself by a file with its library's name. */
struct fm_driver {
  char file[256];    /* the file's name, "pocl.icd"; empty: named by OCL_ICD_VENDORS itself */
  char library[512]; /* empty: the file names none */
};

/* The folder in which, or the one thing through which (OCL_ICD_VENDORS), the loader finds drivers. */
const char *fm_drivers_folder(void);
enum fm_status fm_drivers_find(struct fm_context *ctx, struct fm_driver drivers[FM_MOST_DRIVERS], int *count);

/* Whether the library can be loaded and is a driver; the message is the dynamic linker's. */
enum fm_status fm_driver_load(struct fm_context *ctx, const struct fm_driver *driver,
                              struct fm_child_end *end);

/* As fm_device_list. */
enum fm_status fm_drivers_list(struct fm_context *ctx, struct fm_facts **facts, int *count,
                               struct fm_child_end *end);

/* A whole training step of a small network against values that other software computed. */
enum fm_status fm_drivers_test(struct fm_context *ctx, int device, struct fm_golden_result *result,
                               struct fm_child_end *end);

#endif
