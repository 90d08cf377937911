#define _POSIX_C_SOURCE 200809L
#include "device/device.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "device/internal.h"
#include "device/pocl.h"
#include "device/program.h"
#include "device/signals.h"
#include "device/turn.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Known driver faults: where it is seen (before: the first version without it; 0: every version has it), what
 * it means, why. */
static const struct {
  const char *platform;
  int before;
  unsigned quirk;
  const char *reason;
} quirk_table[] = {
    {"Clover", 0, FM_QUIRK_NO_BINARIES, "Clover's binaries do not load again"},
    {"rusticl", 0, FM_QUIRK_NO_BINARIES, "rusticl on llvmpipe compiles again anyway"},
    {"Portable Computing Language", 6, FM_QUIRK_TURNS,
     "two queues with the same kernel in flight end the process"},
};

static unsigned quirks_of(struct fm_context *ctx, const struct fm_facts *f) {
  unsigned quirks = 0;
  for (size_t i = 0; i < sizeof quirk_table / sizeof *quirk_table; i++) {
    if (!strstr(f->platform, quirk_table[i].platform)) continue;
    if (quirk_table[i].before && strtol(f->driver, NULL, 10) >= quirk_table[i].before) continue;
    quirks |= quirk_table[i].quirk;
    if (fm_verbose("choose")) fm_note(ctx, "quirk of %s: %s", f->platform, quirk_table[i].reason);
  }
  return quirks;
}

bool fm_device_may(struct fm_device *d, const char *call) {
  if (d->status != FM_OK) return false;
  if (!fm_fault_hit(d->ctx, FM_FAULT_DEVICE)) return true;
  fm_device_fail(d, call, CL_OUT_OF_RESOURCES, "injected");
  return false;
}

enum fm_status fm_device_fail(struct fm_device *d, const char *call, cl_int code, const char *detail) {
  bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY;
  d->status = fm_error(d->ctx, memory ? FM_MEMORY : FM_DEVICE,
                       "the device '%s' failed: %s gave %s (%d)%s%s; %s", d->facts.name, call,
                       fm_cl_error_name(code), (int)code, detail ? ", " : "", detail ? detail : "",
                       memory ? "use a smaller --batch or --size, or another --device"
                              : "try 'flawmap doctor', or another --device");
  return d->status;
}

static void text_of(struct fm_cl *cl, cl_device_id id, cl_device_info what, char out[128]) {
  out[0] = 0;
  if (cl->clGetDeviceInfo(id, what, 127, out, NULL) != CL_SUCCESS) { /* longer than that: cut */
    char big[4096];
    if (cl->clGetDeviceInfo(id, what, sizeof big, big, NULL) == CL_SUCCESS) snprintf(out, 128, "%.127s", big);
  }
  out[127] = 0;
}

#define FACT(type, what, fallback) fact_##type(cl, id, what, fallback)
static cl_uint fact_cl_uint(struct fm_cl *cl, cl_device_id id, cl_device_info what, cl_uint fallback) {
  cl_uint v;
  return cl->clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : fallback;
}
static cl_ulong fact_cl_ulong(struct fm_cl *cl, cl_device_id id, cl_device_info what, cl_ulong fallback) {
  cl_ulong v;
  return cl->clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : fallback;
}
static size_t fact_size_t(struct fm_cl *cl, cl_device_id id, cl_device_info what, size_t fallback) {
  size_t v;
  return cl->clGetDeviceInfo(id, what, sizeof v, &v, NULL) == CL_SUCCESS ? v : fallback;
}

/* An environment variable that is a whole number; 0 where it is none. */
static int number_of(const char *name) {
  const char *text = getenv(name);
  char *end;
  long number = text ? strtol(text, &end, 10) : 0;
  return number > 0 && number <= INT_MAX && !*end ? (int)number : 0;
}

/* Block, group: what the kernels are built for. FLAWMAP_BLOCK, FLAWMAP_GROUP, FLAWMAP_REGISTERS and
 * FLAWMAP_DOUBLE=off override, for tests of other classes. */
static void derive(struct fm_facts *f) {
  int width = f->native_float_width;
  if (f->kind == FM_CLASS_GPU)
    f->block = 4;
  else
    f->block = width >= 16 ? 16 : 8;
  f->group = f->kind == FM_CLASS_GPU ? 64 : 1;
  const char *fp64 = getenv("FLAWMAP_DOUBLE");
  int block = number_of("FLAWMAP_BLOCK"), group = number_of("FLAWMAP_GROUP"),
      registers = number_of("FLAWMAP_REGISTERS");
  if (block == 4 || block == 8 || block == 16) f->block = block;
  if (group >= 1 && group <= 256) f->group = group;
  if (registers) f->registers = registers;
  if ((size_t)f->group > f->max_group) f->group = (int)f->max_group;
  if (fp64 && strcmp(fp64, "off") == 0) f->fp64 = false;
}

/* OpenCL does not tell. Sub-groups smaller than 32 are those of Intel's GPUs, whose lanes have 128 registers;
 * AMD's and NVIDIA's have 256. */
static int registers_of(struct fm_cl *cl, cl_device_id id) {
  enum { SUB_GROUP_SIZES = 0x4108, TEXT = 16 << 10 };
  char extensions[TEXT];
  size_t sizes[16], bytes = 0;
  if (cl->clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, &bytes) != CL_SUCCESS)
    return 256;
  extensions[bytes < TEXT ? bytes : TEXT - 1] = 0;
  if (!strstr(extensions, "cl_intel_required_subgroup_size") ||
      cl->clGetDeviceInfo(id, SUB_GROUP_SIZES, sizeof sizes, sizes, &bytes) != CL_SUCCESS)
    return 256;
  for (size_t i = 0; i < bytes / sizeof *sizes; i++)
    if (sizes[i] < 32) return 128;
  return 256;
}

static void read_facts(struct fm_cl *cl, cl_platform_id platform, cl_device_id id, struct fm_facts *f) {
  memset(f, 0, sizeof *f);
  text_of(cl, id, CL_DEVICE_NAME, f->name);
  text_of(cl, id, CL_DEVICE_VENDOR, f->vendor);
  text_of(cl, id, CL_DRIVER_VERSION, f->driver);
  text_of(cl, id, CL_DEVICE_VERSION, f->version);
  cl->clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof f->platform - 1, f->platform, NULL);
  cl->clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof f->platform_version - 1, f->platform_version,
                        NULL);
  cl_ulong type = FACT(cl_ulong, CL_DEVICE_TYPE, CL_DEVICE_TYPE_CPU);
  f->kind = type & CL_DEVICE_TYPE_CPU ? FM_CLASS_CPU : FM_CLASS_GPU;
  f->compute_units = (int)FACT(cl_uint, CL_DEVICE_MAX_COMPUTE_UNITS, 1);
  f->native_float_width = (int)FACT(cl_uint, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, 1);
  f->fp64 = FACT(cl_ulong, CL_DEVICE_DOUBLE_FP_CONFIG, 0) != 0;
  f->unified_memory = FACT(cl_uint, CL_DEVICE_HOST_UNIFIED_MEMORY, 0) != 0;
  f->local_memory_real = FACT(cl_uint, CL_DEVICE_LOCAL_MEM_TYPE, CL_GLOBAL) == CL_LOCAL;
  f->max_group = FACT(size_t, CL_DEVICE_MAX_WORK_GROUP_SIZE, 1);
  f->local_memory = (size_t)FACT(cl_ulong, CL_DEVICE_LOCAL_MEM_SIZE, 0);
  f->global_memory = (size_t)FACT(cl_ulong, CL_DEVICE_GLOBAL_MEM_SIZE, 0);
  f->max_allocation = (size_t)FACT(cl_ulong, CL_DEVICE_MAX_MEM_ALLOC_SIZE, 0);
  f->base_alignment = FACT(cl_uint, CL_DEVICE_MEM_BASE_ADDR_ALIGN, 1024) / 8;
  if (f->base_alignment < 128) f->base_alignment = 128;
  f->registers = registers_of(cl, id);
  f->fast_fma =
      !strstr(f->name, "llvmpipe") && (FACT(cl_ulong, CL_DEVICE_SINGLE_FP_CONFIG, 0) & CL_FP_FMA) != 0;
  derive(f);
}

/* PoCL's platform vanishes without a word where its cache folder cannot be written: whether that is so. */
static bool pocl_cannot_write(struct fm_context *ctx, char *folder, size_t size) {
  bool good = !fm_pocl_cache_folder(folder, size) ||
              (fm_folder_make(ctx, folder) == FM_OK && access(folder, W_OK | X_OK) == 0);
  fm_error_clear(ctx); /* of the attempt; the caller has the sentence */
  return !good;
}

struct found {
  cl_platform_id platform;
  cl_device_id id;
};
enum { MOST_PLATFORMS = 16, MOST_DEVICES = 64 };

static enum fm_status ask_all(struct fm_context *ctx, struct fm_cl *cl, struct found found[MOST_DEVICES],
                              int *count) {
  cl_platform_id platforms[MOST_PLATFORMS];
  cl_uint platform_count = 0;
  *count = 0;
  if (fm_pocl_lacks_sys())
    return fm_error(ctx, FM_DEVICE,
                    "no OpenCL device: /sys is not mounted, and PoCL would end the program; run mount -t "
                    "sysfs sys /sys, or describe the machine by hand: export HWLOC_SYNTHETIC=pu:2");
  const char *set = getenv("POCL_CACHE_DIR");
  if (set && !*set)
    return fm_error(
        ctx, FM_DEVICE,
        "POCL_CACHE_DIR is set but empty, which makes PoCL abort the program; unset it or name a folder");
  cl_int code = fm_fault_hit(ctx, FM_FAULT_DEVICE)
                    ? CL_OUT_OF_HOST_MEMORY
                    : cl->clGetPlatformIDs(MOST_PLATFORMS, platforms, &platform_count);
  if (code != CL_SUCCESS && code != -1001)
    return fm_error(ctx, FM_DEVICE,
                    "OpenCL does not answer: clGetPlatformIDs gave %s (%d); try 'flawmap doctor'",
                    fm_cl_error_name(code), (int)code);
  if (platform_count > MOST_PLATFORMS) platform_count = MOST_PLATFORMS;
  for (cl_uint p = 0; p < platform_count; p++) {
    cl_device_id ids[MOST_DEVICES];
    cl_uint n = 0;
    if (cl->clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, MOST_DEVICES, ids, &n) != CL_SUCCESS) continue;
    for (cl_uint i = 0; i < n && i < MOST_DEVICES && *count < MOST_DEVICES; i++)
      found[(*count)++] = (struct found){platforms[p], ids[i]};
  }
  if (*count) return FM_OK;
  char folder[4096];
  if (pocl_cannot_write(ctx, folder, sizeof folder))
    return fm_error(ctx, FM_DEVICE,
                    "no OpenCL device: PoCL cannot write its cache folder '%s' and then offers no device; "
                    "make it writable or set POCL_CACHE_DIR to a folder that is",
                    folder);
  return fm_error(ctx, FM_DEVICE,
                  "no OpenCL device: install the driver of the GPU, or PoCL for the CPU (Debian and Ubuntu: "
                  "apt-get install pocl-opencl-icd); 'flawmap doctor' finds out more");
}

static enum fm_status find_all(struct fm_context *ctx, struct fm_cl *cl, struct found found[MOST_DEVICES],
                               int *count) {
  struct fm_handlers handlers;
  fm_handlers_note(&handlers);
  enum fm_status status = ask_all(ctx, cl, found, count);
  fm_handlers_restore(&handlers);
  return status;
}

/* The first call of an OpenCL loader reads the drivers, and each driver sets itself up when its devices are
 * first asked for. In PoCL (3.1) two threads that do so at once crash the process. What is shared by them is
 * not ours but the drivers', once for the process: hence the one variable outside of a context. It is held
 * while a device is found, opened or closed, never while one computes. */
static pthread_mutex_t drivers = PTHREAD_MUTEX_INITIALIZER;

static enum fm_status list(struct fm_context *ctx, struct fm_facts **facts, int *count) {
  struct fm_cl cl;
  struct found found[MOST_DEVICES];
  *facts = NULL;
  *count = 0;
  FM_TRY(fm_cl_load(ctx, &cl));
  enum fm_status status = find_all(ctx, &cl, found, count);
  if (status == FM_OK) {
    *facts = fm_alloc(ctx, (size_t)*count, sizeof **facts);
    if (!*facts) status = FM_MEMORY;
  }
  for (int i = 0; status == FM_OK && i < *count; i++)
    read_facts(&cl, found[i].platform, found[i].id, &(*facts)[i]);
  if (status != FM_OK) *count = 0;
  fm_cl_unload(&cl);
  return status;
}

enum fm_status fm_device_list(struct fm_context *ctx, struct fm_facts **facts, int *count) {
  pthread_mutex_lock(&drivers);
  enum fm_status status = list(ctx, facts, count);
  pthread_mutex_unlock(&drivers);
  return status;
}

static bool contains(const char *text, const char *part) {
  size_t n = strlen(part);
  for (; *text; text++) {
    size_t i = 0;
    while (i < n && text[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i])) i++;
    if (i == n) return true;
  }
  return false;
}

/* A GPU before a CPU; a GPU with memory of its own before one that shares the host's, whatever their compute
 * units, which mean different things to different vendors. Among CPUs PoCL's vectors beat llvmpipe's whatever
 * the number of units. */
static bool better(const struct fm_facts *a, const struct fm_facts *b) {
  if (a->kind != b->kind) return a->kind == FM_CLASS_GPU;
  if (a->fast_fma != b->fast_fma) return a->fast_fma;
  if (a->kind == FM_CLASS_GPU && a->unified_memory != b->unified_memory) return b->unified_memory;
  return a->compute_units > b->compute_units;
}

enum fm_status fm_device_choose(struct fm_context *ctx, const struct fm_facts *facts, int count,
                                const char *wanted, int *index) {
  if (!wanted || !*wanted) wanted = getenv("FLAWMAP_DEVICE");
  if (!wanted || !*wanted) {
    *index = 0;
    for (int i = 1; i < count; i++)
      if (better(&facts[i], &facts[*index])) *index = i;
    return FM_OK;
  }
  char *end;
  long number = strtol(wanted, &end, 10);
  if (*end == 0) {
    if (number < 0 || number >= count)
      return fm_error(ctx, FM_USAGE,
                      "there is no device %ld: the devices are 0 to %d; 'flawmap devices' lists them", number,
                      count - 1);
    *index = (int)number;
    return FM_OK;
  }
  for (int i = 0; i < count; i++)
    if (contains(facts[i].name, wanted) || contains(facts[i].platform, wanted)) {
      *index = i;
      return FM_OK;
    }
  return fm_error(ctx, FM_USAGE, "no device has '%s' in its name; 'flawmap devices' lists the %d there are",
                  wanted, count);
}

static enum fm_status open_found(struct fm_device *d, const char *wanted) {
  struct fm_context *ctx = d->ctx;
  struct found found[MOST_DEVICES];
  int count = 0, index = 0;
  FM_TRY(find_all(ctx, &d->cl, found, &count));
  struct fm_facts *facts = fm_alloc(ctx, (size_t)count, sizeof *facts);
  if (!facts) return FM_MEMORY;
  for (int i = 0; i < count; i++) read_facts(&d->cl, found[i].platform, found[i].id, &facts[i]);
  enum fm_status status = fm_device_choose(ctx, facts, count, wanted, &index);
  if (status == FM_OK) {
    d->facts = facts[index];
    d->platform = found[index].platform;
    d->id = found[index].id;
  }
  fm_free(ctx, facts);
  FM_TRY(status);
  d->quirks = quirks_of(ctx, &d->facts);
  cl_int code = CL_SUCCESS;
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)d->platform, 0};
  if (!fm_device_may(d, "clCreateContext")) return d->status;
  d->context = d->cl.clCreateContext(properties, 1, &d->id, NULL, NULL, &code);
  if (!d->context) return fm_device_fail(d, "clCreateContext", code, NULL);
  d->live.contexts++;
  d->profile = fm_verbose("profile") || getenv("FLAWMAP_TRACE") != NULL;
  if (!fm_device_may(d, "clCreateCommandQueue")) return d->status;
  d->queue = d->cl.clCreateCommandQueue(d->context, d->id, d->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
  if (!d->queue) return fm_device_fail(d, "clCreateCommandQueue", code, NULL);
  d->live.queues++;
  return FM_OK;
}

static enum fm_status open_device(struct fm_device *d, const char *wanted) {
  FM_TRY(fm_cl_load(d->ctx, &d->cl));
  return open_found(d, wanted);
}

enum fm_status fm_device_open(struct fm_context *ctx, const char *wanted, struct fm_device **device) {
  *device = NULL;
  struct fm_device *d = fm_alloc(ctx, 1, sizeof *d);
  if (!d) return FM_MEMORY;
  d->ctx = ctx;
  pthread_mutex_lock(&drivers);
  enum fm_status status = open_device(d, wanted);
  pthread_mutex_unlock(&drivers);
  if (status == FM_OK) {
    d->cache_folder = d->quirks & FM_QUIRK_NO_BINARIES ? NULL : fm_program_cache_folder(ctx);
    status = ctx->status; /* out of memory for the name */
  }
  if (status != FM_OK) {
    fm_device_close(d);
    return status;
  }
  *device = d;
  return FM_OK;
}

enum fm_status fm_device_close(struct fm_device *d) {
  if (!d) return FM_OK;
  struct fm_context *ctx = d->ctx;
  enum fm_status status = FM_OK;
  if (d->queue) {
    d->cl.clFinish(d->queue);
    fm_profile_free(d);
  }
  fm_program_free_all(d);
  fm_blas_free(d);
  if (d->live.buffers)
    status =
        fm_error(ctx, FM_INTERNAL, "%ld device buffers were not freed; please report this", d->live.buffers);
  fm_turn_leave(d);
  pthread_mutex_lock(&drivers);
  if (d->queue && d->cl.clReleaseCommandQueue(d->queue) == CL_SUCCESS) d->live.queues--;
  if (d->context && d->cl.clReleaseContext(d->context) == CL_SUCCESS) d->live.contexts--;
  fm_cl_unload(&d->cl);
  pthread_mutex_unlock(&drivers);
  const struct fm_device_live *l = &d->live;
  if (status == FM_OK && (l->contexts || l->queues || l->programs || l->kernels || l->events))
    status =
        fm_error(ctx, FM_INTERNAL,
                 "OpenCL objects were not freed: %ld contexts, %ld queues, %ld programs, %ld kernels, %ld "
                 "events; please report this",
                 l->contexts, l->queues, l->programs, l->kernels, l->events);
  if (d->kept) d->free_kept(ctx, d->kept);
  fm_free(ctx, d->cache_folder);
  fm_free(ctx, d);
  return status;
}

const struct fm_facts *fm_device_facts(const struct fm_device *d) {
  return &d->facts;
}
struct fm_context *fm_device_context(const struct fm_device *d) {
  return d->ctx;
}
void *fm_device_kept(const struct fm_device *d) {
  return d->kept;
}
void fm_device_keep(struct fm_device *d, void *kept, void (*free_kept)(struct fm_context *ctx, void *kept)) {
  d->kept = kept;
  d->free_kept = free_kept;
}
enum fm_status fm_device_status(const struct fm_device *d) {
  return d->status;
}
struct fm_device_live fm_device_live(const struct fm_device *d) {
  return d->live;
}

enum fm_status fm_device_finish(struct fm_device *d) {
  if (!fm_device_may(d, "clFinish")) return d->status;
  d->live.waits++;
  cl_int code = d->cl.clFinish(d->queue);
  return code == CL_SUCCESS ? FM_OK : fm_device_fail(d, "clFinish", code, NULL);
}
