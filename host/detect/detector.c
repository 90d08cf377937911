#include "detect/detector.h"

#include "base/log.h"
#include "base/memory.h"
#include "detect/methods.h"

#include <stdio.h>
#include <string.h>

const struct fm_method *const fm_methods[] = {&fm_method_cdo, &fm_method_cflow, &fm_method_padim,
                                              &fm_method_patchcore};
const int fm_method_count = sizeof fm_methods / sizeof *fm_methods;

const struct fm_method *fm_method_of(const struct fm_recipe *recipe) {
  for (int i = 0; i < fm_method_count; i++)
    if (strcmp(fm_methods[i]->name, recipe->method) == 0) return fm_methods[i];
  return NULL;
}

enum fm_status fm_method_find(struct fm_context *ctx, const char *name, const struct fm_method **method) {
  char names[200] = "";
  for (int i = 0; i < fm_method_count; i++) {
    size_t used = strlen(names);
    *method = fm_methods[i];
    if (strcmp(fm_methods[i]->name, name) == 0) return FM_OK;
    snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", fm_methods[i]->name);
  }
  return fm_error(ctx, FM_USAGE, "there is no method '%.60s'; there are: %s", name, names);
}

enum fm_status fm_memory_check(struct fm_device *d, const char *what, size_t bytes, const char *advice) {
  struct fm_context *ctx = fm_device_context(d);
  const struct fm_facts *f = fm_device_facts(d);
  size_t available = fm_memory_available();
  double mib = (double)bytes / 0x1p20;
  fm_note(ctx, "memory: %.0f MiB to %s", mib, what);
  if (bytes > f->global_memory)
    return fm_error(ctx, FM_MEMORY, "%.0f MiB are needed to %s, and '%s' has %.0f MiB; %s", mib, what,
                    f->name, (double)f->global_memory / 0x1p20, advice);
  if (f->unified_memory && available && bytes > available)
    return fm_error(ctx, FM_MEMORY, "%.0f MiB are needed to %s, and this computer has %.0f MiB left; %s", mib,
                    what, (double)available / 0x1p20, advice);
  return FM_OK;
}
