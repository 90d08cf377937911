/* Small facts remembered beside the program cache for this device, its driver and these kernel sources. */
#ifndef FM_DEVICE_MEMO_H
#define FM_DEVICE_MEMO_H

#include "device/device.h"

/* True where `what` was kept for exactly this device, driver, sources and version of flawmap. Without a
 * cache: never. */
bool fm_memo_has(struct fm_device *d, const char *what);

/* Keeps it; a cache that cannot be written is no error. */
void fm_memo_keep(struct fm_device *d, const char *what);

#endif
