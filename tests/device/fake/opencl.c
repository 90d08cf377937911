/* An OpenCL library with one device, whose set-up is as little prepared for two threads at once as some
 * drivers' is, only that here each of its calls takes a while, and meeting another thread in one ends the
 * process every time. */
#define _POSIX_C_SOURCE 200809L
#include "device/load.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void visit(const char *call) {
  static atomic_int inside;
  if (atomic_fetch_add(&inside, 1) != 0) {
    fprintf(stderr, "%s: another thread is in this driver\n", call);
    abort();
  }
  nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  atomic_fetch_sub(&inside, 1);
}

static char platform, device, context, queue; /* their addresses are the objects */

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

cl_int clGetDeviceInfo(cl_device_id of, cl_device_info what, size_t size, void *value, size_t *needed) {
  static const char name[] = "fake";
  (void)of;
  if (what != CL_DEVICE_NAME || size < sizeof name) return CL_INVALID_VALUE;
  memcpy(value, name, sizeof name);
  if (needed) *needed = sizeof name;
  return CL_SUCCESS;
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
  return (cl_command_queue)(void *)&queue;
}

cl_int clReleaseCommandQueue(cl_command_queue of) {
  (void)of;
  visit("clReleaseCommandQueue");
  return CL_SUCCESS;
}
