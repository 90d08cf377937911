/* Launching kernels on the device's one in-order queue. */
#ifndef FM_DEVICE_QUEUE_H
#define FM_DEVICE_QUEUE_H

#include "device/memory.h"
#include "device/program.h"

struct fm_arg {
  size_t size;
  union {
    void *mem;
    int i[4];
    float f[4];
  } value;
};

static inline struct fm_arg fm_arg_buffer(const struct fm_buffer *b) {
  return (struct fm_arg){sizeof(void *), {.mem = b ? b->mem : NULL}};
}
static inline struct fm_arg fm_arg_int(int v) {
  return (struct fm_arg){sizeof(int), {.i = {v}}};
}
static inline struct fm_arg fm_arg_int2(int a, int b) {
  return (struct fm_arg){2 * sizeof(int), {.i = {a, b}}};
}
static inline struct fm_arg fm_arg_int4(int a, int b, int c, int e) {
  return (struct fm_arg){4 * sizeof(int), {.i = {a, b, c, e}}};
}
static inline struct fm_arg fm_arg_float(float v) {
  return (struct fm_arg){sizeof(float), {.f = {v}}};
}
static inline struct fm_arg fm_arg_float2(float a, float b) {
  return (struct fm_arg){2 * sizeof(float), {.f = {a, b}}};
}

/* Enqueues kernel over gx * gy * gz work-items in groups of (WG, 1, 1); gx is rounded up to a multiple of WG,
 * so kernels check their first index where WG > 1. A NULL kernel or a size of 0 does nothing. Failures are
 * sticky. */
void fm_launch(struct fm_device *d, struct fm_kernel *kernel, size_t gx, size_t gy, size_t gz, int count,
               const struct fm_arg *args);

/* FM_LAUNCH(d, kernel, gx, gy, gz, fm_arg_buffer(&a), fm_arg_int(3)); */
#define FM_LAUNCH(d, kernel, gx, gy, gz, ...)                                                                \
  fm_launch(d, kernel, gx, gy, gz, (int)(sizeof((struct fm_arg[]){__VA_ARGS__}) / sizeof(struct fm_arg)),    \
            (struct fm_arg[]){__VA_ARGS__})

/* The same with sizes of the kernel's own: global is a multiple of local. */
void fm_launch_groups(struct fm_device *d, struct fm_kernel *kernel, const size_t global[3],
                      const size_t local[3], int count, const struct fm_arg *args);

#define FM_LAUNCH_GROUPS(d, kernel, global, local, ...)                                                      \
  fm_launch_groups(d, kernel, global, local,                                                                 \
                   (int)(sizeof((struct fm_arg[]){__VA_ARGS__}) / sizeof(struct fm_arg)),                    \
                   (struct fm_arg[]){__VA_ARGS__})

#endif
