/* Device buffers of bytes, and views of them. Everything is in the order of the one queue. */
#ifndef FM_DEVICE_MEMORY_H
#define FM_DEVICE_MEMORY_H

#include "device/device.h"

struct fm_buffer {
  void *mem; /* cl_mem; NULL: not there */
  size_t bytes;
  bool view; /* a part of another buffer */
};

/* A new buffer, empty after a failure; zeroed, or in test mode (FLAWMAP_POISON=1) filled with NaN. */
enum fm_status fm_buffer_make(struct fm_device *d, size_t bytes, struct fm_buffer *buffer);

/* The same with the ints 0, 1, 2 .. count - 1. */
enum fm_status fm_buffer_make_order(struct fm_device *d, size_t count, struct fm_buffer *buffer);

/* A part of a buffer as a buffer of its own; offset a multiple of the device's base alignment. Freed before
 * its parent, and views that overlap in the reverse order of their making: NVIDIA's driver (580.159) crashes
 * in clReleaseMemObject where a view goes before one that was made later, overlaps it and was used. */
enum fm_status fm_buffer_view(struct fm_device *d, const struct fm_buffer *parent, size_t offset,
                              size_t bytes, struct fm_buffer *view);

void fm_buffer_free(struct fm_device *d, struct fm_buffer *buffer); /* frees and clears; twice is allowed */

enum fm_status fm_buffer_write(struct fm_device *d, const struct fm_buffer *buffer, size_t offset,
                               const void *bytes, size_t size); /* returns when bytes may be reused */
enum fm_status fm_buffer_read(struct fm_device *d, const struct fm_buffer *buffer, size_t offset, void *bytes,
                              size_t size); /* waits */

/* The same without waiting: the copy is enqueued, and the host's bytes stay where they are and what they are
 * until fm_transfer_wait, which is called for each, also after a failure; a second time does nothing. */
struct fm_transfer {
  void *event; /* NULL: nothing to wait for */
};
enum fm_status fm_buffer_write_later(struct fm_device *d, const struct fm_buffer *buffer, size_t offset,
                                     const void *bytes, size_t size, struct fm_transfer *transfer);
enum fm_status fm_buffer_read_later(struct fm_device *d, const struct fm_buffer *buffer, size_t offset,
                                    void *bytes, size_t size, struct fm_transfer *transfer);
enum fm_status fm_transfer_wait(struct fm_device *d, struct fm_transfer *transfer);

enum fm_status fm_buffer_fill(struct fm_device *d, const struct fm_buffer *buffer,
                              float value); /* whole floats */
enum fm_status fm_buffer_copy(struct fm_device *d, const struct fm_buffer *from, size_t from_offset,
                              const struct fm_buffer *to, size_t to_offset, size_t size);

/* Refuses in numbers, before anything is taken, what the device or the computer has no room for. */
enum fm_status fm_memory_check(struct fm_device *d, const char *what, size_t bytes, const char *advice);

#endif
