/* The OpenCL functions, found at run time through the ICD loader: no OpenCL on a machine is a message, not a
 * crash. Every call passes this table, so that tests can make the n-th one fail (FM_FAULT_DEVICE). */
#ifndef FM_DEVICE_LOAD_H
#define FM_DEVICE_LOAD_H

#include "base/status.h"

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

/* clang-format off */
#define FM_CL_FUNCTIONS(X) \
  X(clGetPlatformIDs) X(clGetPlatformInfo) X(clGetDeviceIDs) X(clGetDeviceInfo) X(clCreateContext) \
  X(clReleaseContext) X(clCreateCommandQueue) X(clReleaseCommandQueue) X(clCreateProgramWithSource) \
  X(clCreateProgramWithBinary) X(clBuildProgram) X(clGetProgramInfo) X(clGetProgramBuildInfo) \
  X(clReleaseProgram) X(clCreateKernel) X(clReleaseKernel) X(clSetKernelArg) X(clEnqueueNDRangeKernel) \
  X(clCreateBuffer) X(clCreateSubBuffer) X(clReleaseMemObject) X(clEnqueueMapBuffer) \
  X(clEnqueueUnmapMemObject) X(clEnqueueReadBuffer) X(clEnqueueWriteBuffer) X(clEnqueueFillBuffer) \
  X(clEnqueueCopyBuffer) X(clFinish) X(clFlush) X(clWaitForEvents) X(clGetEventInfo) \
  X(clGetEventProfilingInfo) X(clReleaseEvent)
/* clang-format on */

struct fm_cl {
  void *library;
#define FM_CL_POINTER(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses): declares it */
  FM_CL_FUNCTIONS(FM_CL_POINTER)
#undef FM_CL_POINTER
};

enum fm_status fm_cl_load(struct fm_context *ctx, struct fm_cl *cl);
void fm_cl_unload(struct fm_cl *cl);

/* "CL_OUT_OF_RESOURCES (-5)" for a code, as text that lives for ever. */
const char *fm_cl_error_name(cl_int code);

#endif
