/* What the files of the device layer share, and nobody else sees. */
#ifndef FM_DEVICE_INTERNAL_H
#define FM_DEVICE_INTERNAL_H

#include "device/device.h"
#include "device/load.h"

struct fm_program;
struct fm_event_record;

struct fm_device {
  struct fm_context *ctx;
  struct fm_cl cl;
  struct fm_facts facts;
  unsigned quirks;
  enum fm_status status; /* sticky */
  cl_platform_id platform;
  cl_device_id id;
  cl_context context;
  cl_command_queue queue;
  struct fm_program *programs; /* list */
  struct fm_device_live live;
  char *cache_folder; /* NULL: no program cache */
  void *blas;         /* CLBlast's library, once it was used */
  bool profile;
  bool rehearsing; /* see fm_device_rehearse */
  void *kept;      /* see fm_device_keep */
  void (*free_kept)(struct fm_context *ctx, void *kept);
  struct fm_event_record *records; /* of a profile */
  size_t record_count, record_capacity;
};

/* True where the call may be made: no sticky error and no injected fault. An injected fault becomes sticky.
 */
bool fm_device_may(struct fm_device *d, const char *call);

/* Makes a failure sticky and writes its message. */
enum fm_status fm_device_fail(struct fm_device *d, const char *call, cl_int code, const char *detail);

/* The OpenCL source of that name: the program's own, or the file's in FLAWMAP_CL_DIR. The caller's (fm_free);
 * NULL after a failure, which sticks. */
char *fm_program_source(struct fm_device *d, const char *file);

void fm_program_free_all(struct fm_device *d);

/* CLBlast keeps programs by the address of their context: they must go before the context does. */
void fm_blas_free(struct fm_device *d);

void fm_profile_free(struct fm_device *d);

#endif
