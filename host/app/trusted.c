#include "app/trusted.h"

#include "op/selftest.h"

enum fm_status fm_trusted_device(struct fm_context *ctx, const char *wanted, bool force,
                                 struct fm_device **device) {
  FM_TRY(fm_device_open(ctx, wanted, device));
  enum fm_status status = fm_selftest(*device, force);
  if (status == FM_OK) return FM_OK;
  fm_device_close(*device);
  *device = NULL;
  return status;
}
