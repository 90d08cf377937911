#include "device/load.h"

#include <dlfcn.h>
#include <string.h>

enum fm_status fm_cl_load(struct fm_context *ctx, struct fm_cl *cl) {
  memset(cl, 0, sizeof *cl);
  static const char *const names[] = {"libOpenCL.so.1", "libOpenCL.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names && !cl->library; i++)
    cl->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  if (!cl->library)
    return fm_error(ctx, FM_DEVICE,
                    "no OpenCL on this machine: libOpenCL.so.1 was not found; install an ICD loader and a "
                    "driver (Debian and Ubuntu: apt-get install ocl-icd-libopencl1 pocl-opencl-icd)");
#define FM_CL_FIND(name)                                                                                     \
  *(void **)&cl->name = dlsym(cl->library, #name);                                                           \
  if (!cl->name) {                                                                                           \
    fm_cl_unload(cl);                                                                                        \
    return fm_error(ctx, FM_DEVICE, "the OpenCL library lacks %s; install a current ICD loader", #name);     \
  }
  FM_CL_FUNCTIONS(FM_CL_FIND)
#undef FM_CL_FIND
  return FM_OK;
}

void fm_cl_unload(struct fm_cl *cl) {
#ifndef __SANITIZE_ADDRESS__ /* a leak report, made at the end, names only libraries that are still there */
  if (cl->library) dlclose(cl->library);
#endif
  cl->library = NULL;
}

const char *fm_cl_error_name(cl_int code) {
  switch (code) {
#define NAME(code_)                                                                                          \
  case code_:                                                                                                \
    return #code_;
    NAME(CL_SUCCESS)
    NAME(CL_DEVICE_NOT_FOUND)
    NAME(CL_DEVICE_NOT_AVAILABLE)
    NAME(CL_COMPILER_NOT_AVAILABLE)
    NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
    NAME(CL_OUT_OF_RESOURCES)
    NAME(CL_OUT_OF_HOST_MEMORY)
    NAME(CL_MAP_FAILURE)
    NAME(CL_MISALIGNED_SUB_BUFFER_OFFSET)
    NAME(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)
    NAME(CL_BUILD_PROGRAM_FAILURE)
    NAME(CL_INVALID_VALUE)
    NAME(CL_INVALID_DEVICE)
    NAME(CL_INVALID_CONTEXT)
    NAME(CL_INVALID_COMMAND_QUEUE)
    NAME(CL_INVALID_MEM_OBJECT)
    NAME(CL_INVALID_BINARY)
    NAME(CL_INVALID_BUILD_OPTIONS)
    NAME(CL_INVALID_PROGRAM)
    NAME(CL_INVALID_PROGRAM_EXECUTABLE)
    NAME(CL_INVALID_KERNEL_NAME)
    NAME(CL_INVALID_KERNEL)
    NAME(CL_INVALID_ARG_INDEX)
    NAME(CL_INVALID_ARG_VALUE)
    NAME(CL_INVALID_ARG_SIZE)
    NAME(CL_INVALID_KERNEL_ARGS)
    NAME(CL_INVALID_WORK_GROUP_SIZE)
    NAME(CL_INVALID_WORK_ITEM_SIZE)
    NAME(CL_INVALID_GLOBAL_OFFSET)
    NAME(CL_INVALID_BUFFER_SIZE)
    NAME(CL_INVALID_GLOBAL_WORK_SIZE)
#undef NAME
  case -1001:
    return "CL_PLATFORM_NOT_FOUND_KHR";
  default:
    return "an OpenCL error";
  }
}
