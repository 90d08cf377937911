/* The self-test passes on a device that computes right, and names the family on one that does not. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "op/selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void passes(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  setenv("FLAWMAP_SELFTEST", "always", 1);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  ASSERT_OK(ctx, fm_selftest(d, false));
  ASSERT_OK(ctx, fm_device_close(d));
}

/* A copy of the kernels in which batch norm forgets the mean. */
static void break_norm(const char *folder) {
  char command[1024];
  snprintf(command, sizeof command,
           "mkdir -p %s && cp %s/cl/* %s/ && sed -i 's/FMA(LOAD(xp + i \\* CB) - mean, scale, add)/"
           "FMA(LOAD(xp + i * CB), scale, add)/' %s/norm.cl && ! cmp -s %s/cl/norm.cl %s/norm.cl",
           folder, FM_SOURCE_DIR, folder, folder, FM_SOURCE_DIR, folder);
  assert_int_equal(system(command), 0);
}

static void names_what_is_wrong(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  char folder[] = "/tmp/flawmap-selftest-XXXXXX";
  assert_non_null(mkdtemp(folder));
  break_norm(folder);
  setenv("FLAWMAP_CL_DIR", folder, 1);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  assert_int_equal(fm_selftest(d, false), FM_DEVICE);
  assert_non_null(strstr(ctx->message, "batch norm"));
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_selftest(d, true));
  ASSERT_OK(ctx, fm_device_close(d));
  unsetenv("FLAWMAP_CL_DIR");
  char command[256];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(passes), TEST(names_what_is_wrong)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
