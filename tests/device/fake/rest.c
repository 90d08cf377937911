/* Every function of OpenCL that flawmap looks for, doing nothing, so that opencl.c need only have those that
 * matter. */
#include "device/load.h"

#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wattribute-alias" /* one function for all of them: it looks at no argument  \
                                                    */

int fake_nothing(void);
int fake_nothing(void) {
  return CL_SUCCESS;
}

#define FAKE(name) __typeof__(name)(name) __attribute__((weak, alias("fake_nothing")));
FM_CL_FUNCTIONS(FAKE)
