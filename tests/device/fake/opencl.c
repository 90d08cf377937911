/* An OpenCL library with the faults of PoCL before 6.0, only that here they end the process every time: two
 * threads in its set-up, and kernels of two queues in flight. FAKE_OPENCL_VERSION is the version that it
 * claims to be. */
#define _POSIX_C_SOURCE 200809L
#include "device/load.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void die(const char *call, const char *why) {
  fprintf(stderr, "%s: %s\n", call, why);
  abort();
}

static void visit(const char *call) {
  static atomic_int inside;
  if (atomic_fetch_add(&inside, 1) != 0) die(call, "another thread is in this driver");
  nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  atomic_fetch_sub(&inside, 1);
}

static char platform, device, context, program, kernel; /* their addresses are the objects */

cl_int clGetPlatformIDs(cl_uint room, cl_platform_id *ids, cl_uint *count) {
  visit("clGetPlatformIDs");
  if (ids && room) *ids = (cl_platform_id)(void *)&platform;
  if (count) *count = 1;
  return CL_SUCCESS;
}

cl_int clGetDeviceIDs(cl_platform_id of, cl_device_type type, cl_uint room, cl_device_id *ids,
                      cl_uint *count) {
  (void)of, (void)type;
  visit("clGetDeviceIDs");
  if (ids && room) *ids = (cl_device_id)(void *)&device;
  if (count) *count = 1;
  return CL_SUCCESS;
}

static cl_int answer(const char *text, size_t size, void *value) {
  size_t length = strlen(text) + 1;
  if (size < length) return CL_INVALID_VALUE;
  memcpy(value, text, length);
  return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id of, cl_platform_info what, size_t size, void *value, size_t *needed) {
  (void)of, (void)needed;
  return what == CL_PLATFORM_NAME ? answer("Portable Computing Language", size, value) : CL_INVALID_VALUE;
}

cl_int clGetDeviceInfo(cl_device_id of, cl_device_info what, size_t size, void *value, size_t *needed) {
  const char *version = getenv("FAKE_OPENCL_VERSION");
  (void)of, (void)needed;
  if (what == CL_DEVICE_NAME) return answer("fake", size, value);
  if (what == CL_DRIVER_VERSION) return answer(version ? version : "5.0", size, value);
  return CL_INVALID_VALUE;
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint count, const cl_device_id *ids,
                           void (*notify)(const char *, const void *, size_t, void *), void *user,
                           cl_int *code) {
  (void)properties, (void)count, (void)ids, (void)notify, (void)user;
  visit("clCreateContext");
  *code = CL_SUCCESS;
  return (cl_context)(void *)&context;
}

cl_int clReleaseContext(cl_context of) {
  (void)of;
  visit("clReleaseContext");
  return CL_SUCCESS;
}

cl_command_queue clCreateCommandQueue(cl_context in, cl_device_id on, cl_command_queue_properties properties,
                                      cl_int *code) {
  (void)in, (void)on, (void)properties;
  visit("clCreateCommandQueue");
  *code = CL_SUCCESS;
  return (cl_command_queue)malloc(1);
}

cl_int clReleaseCommandQueue(cl_command_queue q) {
  visit("clReleaseCommandQueue");
  free(q);
  return CL_SUCCESS;
}

cl_program clCreateProgramWithSource(cl_context in, cl_uint count, const char **texts, const size_t *lengths,
                                     cl_int *code) {
  (void)in, (void)count, (void)texts, (void)lengths;
  *code = CL_SUCCESS;
  return (cl_program)(void *)&program;
}

cl_kernel clCreateKernel(cl_program of, const char *name, cl_int *code) {
  (void)of, (void)name;
  *code = CL_SUCCESS;
  return (cl_kernel)(void *)&kernel;
}

/* The queue with kernels that have not ended: they run until they are waited for. */
static _Atomic(cl_command_queue) busy;

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint count,
                              const cl_event *events, cl_event *event) {
  (void)k, (void)dimensions, (void)offset, (void)global, (void)local, (void)count, (void)events, (void)event;
  cl_command_queue before = atomic_exchange(&busy, q);
  if (before && before != q) die("clEnqueueNDRangeKernel", "a kernel of another queue is in flight");
  return CL_SUCCESS;
}

cl_int clFinish(cl_command_queue q) {
  atomic_compare_exchange_strong(&busy, &q, NULL);
  return CL_SUCCESS;
}
