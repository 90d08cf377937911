/* OpenCL devices: which there are, which one is used, and the facts that kernels and plans are built from.
 *
 * Errors of OpenCL stick in the device: after the first one, launches and copies do nothing and
 * fm_device_status keeps giving the status, so that code may enqueue much and look once. The message is in
 * the context. */
#ifndef FM_DEVICE_DEVICE_H
#define FM_DEVICE_DEVICE_H

#include "base/status.h"

#include <stdint.h>

enum fm_device_class { FM_CLASS_CPU, FM_CLASS_GPU };

struct fm_facts {
  char name[128], vendor[128], driver[128], version[128], platform[128], platform_version[128];
  enum fm_device_class kind;
  int compute_units;
  int native_float_width; /* floats a vector register holds, as the driver says */
  int block;              /* channels in a block of the activation layout: 4, 8 or 16 */
  int group;              /* work-items in a work-group of our kernels: 1 on a CPU */
  int registers;          /* of 32 bits, that a work-item of a GPU has before its numbers go to memory */
  bool fast_fma;          /* fma() is an instruction, not an emulation */
  bool fp64, unified_memory, local_memory_real;
  size_t max_group, local_memory, global_memory, max_allocation, base_alignment;
};

enum fm_quirk {
  FM_QUIRK_NO_BINARIES = 1, /* a program binary of this driver cannot be trusted */
  FM_QUIRK_TURNS = 2        /* kernels of two queues must not be in flight together: device/turn.h */
};

struct fm_device;

/* Every device of every platform, in the order of their index. *facts is the caller's (fm_free). No platform
 * or no device is FM_DEVICE with a sentence that says what to install, or that PoCL's cache folder
 * cannot be written. */
enum fm_status fm_device_list(struct fm_context *ctx, struct fm_facts **facts, int *count);

/* The index fm_device_open would take: wanted is NULL (a GPU with memory of its own, another GPU, a CPU; of
 * equals the one with the most compute units; FLAWMAP_DEVICE overrides), an index, or a part of a name or
 * platform, case ignored. */
enum fm_status fm_device_choose(struct fm_context *ctx, const struct fm_facts *facts, int count,
                                const char *wanted, int *index);

enum fm_status fm_device_open(struct fm_context *ctx, const char *wanted, struct fm_device **device);

/* Waits, then frees everything; FM_INTERNAL where buffers are still alive (a fault of the caller) or another
 * object of OpenCL's (ours). NULL is allowed. */
enum fm_status fm_device_close(struct fm_device *device);

const struct fm_facts *fm_device_facts(const struct fm_device *device);
struct fm_context *fm_device_context(const struct fm_device *device);

/* What a later layer keeps with the device (op/tuned.h), NULL before; free_kept is called when it closes. */
void *fm_device_kept(const struct fm_device *device);
void fm_device_keep(struct fm_device *device, void *kept,
                    void (*free_kept)(struct fm_context *ctx, void *kept));

/* FM_OK, or the first failure. */
enum fm_status fm_device_status(const struct fm_device *device);

/* Waits for everything enqueued; the sticky status. */
enum fm_status fm_device_finish(struct fm_device *device);

/* Live OpenCL objects by kind, for tests and the memory report; all zero after close. */
struct fm_device_live {
  long contexts, queues, programs, kernels, buffers, events;
  size_t bytes, peak_bytes; /* of buffers */
  long compiled, cached;    /* programs since open: built from source, taken from the cache */
  long launches, waits;     /* since open: kernels enqueued; times the host waited for the queue */
};
struct fm_device_live fm_device_live(const struct fm_device *device);

/* In a rehearsal buffers are only counted: nothing is allocated, written, read or launched, so that making a
 * network tells what memory it needs (fm_device_live) before it is taken. Every buffer made in it is freed
 * before it ends. */
void fm_device_rehearse(struct fm_device *device, bool on);

#endif
