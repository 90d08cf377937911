/* The table of methods (model/method.h). */
#include "method/methods.h"

const struct fm_method *const fm_methods[] = {&fm_method_cdo, &fm_method_cflow, &fm_method_padim,
                                              &fm_method_patchcore};
const int fm_method_count = sizeof fm_methods / sizeof *fm_methods;
