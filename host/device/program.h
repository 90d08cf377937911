/* Kernels from the embedded OpenCL sources: built once a device, options and facts; binaries kept in a cache.
 *
 * Source = cl/common.clh, then the file; FLAWMAP_CL_DIR reads both from a folder instead. Every program sees
 *   CB      channels in a block of the activation layout (4, 8, 16)
 *   WG      work-items in a work-group, along dimension 0
 *   FAST_FMA 1 where fma() is an instruction
 * and what `options` adds. Cache: one file a program, key = SHA-256 of source, options, device, driver,
 * platform and format; written when the device closes, after the kernels have run (PoCL generates code at the
 * first launch), read back only if magic, length and checksum agree. FLAWMAP_CACHE=off: none. */
#ifndef FM_DEVICE_PROGRAM_H
#define FM_DEVICE_PROGRAM_H

#include "device/device.h"

struct fm_kernel;

/* Where that cache is: FLAWMAP_CACHE, else $XDG_CACHE_HOME/flawmap, else ~/.cache/flawmap; a new string, or
 * NULL for none.
 */
char *fm_program_cache_folder(struct fm_context *ctx);

/* The kernel `name` of cl/`file` built with `options` ("" for none); the same pointer for the same three.
 * NULL after a failure, which is sticky in the device. */
struct fm_kernel *fm_kernel_get(struct fm_device *d, const char *file, const char *name, const char *options);

/* SHA-256 over the sources of all kernels as they are used, FLAWMAP_CL_DIR's included: 64 digits. */
enum fm_status fm_program_sources_hash(struct fm_device *d, char hex[65]);

#endif
