#include "op/selftest.h"

#include "base/log.h"
#include "device/memo.h"
#include "op/selfcheck.h"

#include <stdlib.h>
#include <string.h>

static const struct fm_selfcheck *const rows[] = {
    &fm_check_conv,      &fm_check_winograd, &fm_check_wgrad,       &fm_check_depthwise, &fm_check_expand,
    &fm_check_norm,      &fm_check_simple,   &fm_check_pool,        &fm_check_resize,    &fm_check_adam,
    &fm_check_cdo,       &fm_check_map,      &fm_check_lanes,       &fm_check_shadow,    &fm_check_coreset,
    &fm_check_neighbour, &fm_check_patch,    &fm_check_mahalanobis, &fm_check_gemm,      &fm_check_flow,
    &fm_check_repair,    &fm_check_bench};

static enum fm_status run_row(struct fm_device *d, const struct fm_selfcheck *row, bool print) {
  struct fm_trial t = {.d = d, .ctx = fm_device_context(d), .family = row->family, .print = print};
  if (fm_verbose("launch")) fm_note(t.ctx, "check: %s", row->family);
  enum fm_status status = row->run(&t);
  if (status == FM_OK) status = fm_device_finish(d);
  while (t.owned > 0) fm_buffer_free(d, &t.own[--t.owned]);
  return status;
}

enum fm_status fm_selftest_run(struct fm_device *d) {
  const char *wish = getenv("FLAWMAP_SELFTEST");
  bool print = wish && strcmp(wish, "print") == 0;
  enum fm_status status = FM_OK;
  for (size_t i = 0; i < sizeof rows / sizeof *rows && status == FM_OK; i++)
    status = run_row(d, rows[i], print);
  return status;
}

enum fm_status fm_selftest(struct fm_device *d, bool force) {
  struct fm_context *ctx = fm_device_context(d);
  const char *wish = getenv("FLAWMAP_SELFTEST");
  if (wish && strcmp(wish, "off") == 0) return FM_OK;
  if (!(wish && strcmp(wish, "always") == 0) && fm_memo_has(d, "selftest")) return FM_OK;
  fm_note(ctx, "testing the kernels on '%s' (once for each device and driver)", fm_device_facts(d)->name);
  enum fm_status status = fm_selftest_run(d);
  if (status == FM_OK) fm_memo_keep(d, "selftest");
  if (status == FM_DEVICE && force && fm_device_status(d) == FM_OK) {
    fm_note(ctx, "WARNING: %s. Continuing because of --force; results may be wrong.", ctx->message);
    fm_error_clear(ctx);
    return FM_OK;
  }
  return status;
}
