/* What PoCL, the CPU's driver, needs around it. Where it is missing PoCL offers no device or ends the whole
 * program, and says little or nothing about why. */
#ifndef FM_DEVICE_POCL_H
#define FM_DEVICE_POCL_H

#include <stdbool.h>
#include <stddef.h>

/* How OpenCL calls it: a part of the platform's name. */
#define FM_POCL_PLATFORM "Portable Computing Language"

/* The folder of its compiled kernels, as PoCL finds it. False where the name is too long for out. */
bool fm_pocl_cache_folder(char *out, size_t size);

/* A damaged file in that folder ends every program that meets it; this command mends it: "rm -r FOLDER",
 * quoted for a shell where it must be. False where it does not fit. */
bool fm_pocl_cache_cure(char *out, size_t size);

/* PoCL links its kernels by running ld: whether one is in PATH. */
bool fm_pocl_has_linker(void);

/* PoCL asks the system what machine this is, and ends the program where /sys is not mounted (a bare chroot).
 */
bool fm_pocl_lacks_sys(void);

#endif
