/* The kernel object that program.c makes and queue.c launches; inside the device layer only. */
#ifndef FM_DEVICE_KERNEL_H
#define FM_DEVICE_KERNEL_H

#include "device/load.h"

struct fm_program;

struct fm_kernel {
  struct fm_kernel *next;
  struct fm_program *program;
  char *name;
  const char *file; /* up to a space: where it comes from */
  cl_kernel kernel;
  bool ran;    /* launched at least once in this process */
  bool cached; /* its machine code came with the cached binary */
};

/* Called at a kernel's first launch: the program's binary now holds more than the cache does. */
void fm_kernel_mark(struct fm_device *d, struct fm_kernel *kernel);

#endif
