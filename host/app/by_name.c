#include "app/by_name.h"

#include "app/trusted.h"

#include "base/log.h"
#include "base/print.h"

#include <stdio.h>

enum fm_status fm_by_name_open(struct fm_context *ctx, struct fm_device *given, const char *wanted,
                               bool force, struct fm_device **device) {
  if (!given) return fm_trusted_device(ctx, wanted, force, device);
  *device = given;
  return FM_OK;
}

enum fm_status fm_by_name_close(struct fm_device *given, struct fm_device *device) {
  return given ? FM_OK : fm_device_close(device);
}

void fm_by_name_tell(struct fm_context *ctx, const struct fm_device *given, const char *format, ...) {
  char line[2048];
  va_list args;
  va_start(args, format);
  fm_vshow(line, sizeof line, format, args);
  va_end(args);
  if (given) {
    fm_note(ctx, "%s", line);
  } else {
    fm_print("%s\n", line);
    fflush(stdout);
  }
}
