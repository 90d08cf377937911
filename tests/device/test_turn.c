/* Two queues with the same kernel in flight: PoCL before 6.0 ends the process then (host/device/turn.h says
 * why). So this is done in processes of their own, with the machine's driver and with one that always dies of
 * it (fake/opencl.c). */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "device/again.h"
#include "device/device.h"
#include "device/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES = 2, LONG = 20000000, FEW = 2, MANY = 5 };

static const char *self; /* this program's path */

/* A kernel that takes as long as one wants: the random number that follows after so many steps (xorshift). */
static const char source[] = "__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void walk(\n"
                             "    __global uint *x, const int steps, const int n) {\n"
                             "  const int i = get_global_id(0);\n"
                             "  uint r = 1;\n"
                             "  if (i >= n) return;\n"
                             "  for (int k = 0; k < steps; k++) r ^= r << 13, r ^= r >> 17, r ^= r << 5;\n"
                             "  x[i] = r;\n"
                             "}\n";

static void launch(struct fm_device *d, struct fm_kernel *walk, struct fm_buffer *x, int steps, int n) {
  FM_LAUNCH(d, walk, (size_t)n, 1, 1, fm_arg_buffer(x), fm_arg_int(steps), fm_arg_int(n));
}

static enum fm_status expect(struct fm_device *d, struct fm_buffer *x, int steps, int n) {
  uint32_t back[MANY], r = 1;
  for (int k = 0; k < steps; k++) r ^= r << 13, r ^= r >> 17, r ^= r << 5;
  FM_TRY(fm_buffer_read(d, x, 0, back, sizeof *back * (size_t)n));
  for (int i = 0; i < n; i++)
    if (back[i] != r) return fm_error(fm_device_context(d), FM_INTERNAL, "item %d: %u", i, (unsigned)back[i]);
  return FM_OK;
}

static enum fm_status overlap(struct fm_device *d, struct fm_device *e) {
  struct fm_buffer x, y = {0};
  FM_TRY(fm_buffer_make(d, 256, &x));
  enum fm_status status = fm_buffer_make(e, 256, &y);
  if (status == FM_OK) {
    struct fm_kernel *walk_d = fm_kernel_get(d, "walk.cl", "walk", "");
    struct fm_kernel *walk_e = fm_kernel_get(e, "walk.cl", "walk", "");
    launch(d, walk_d, &x, LONG, 1);
    launch(e, walk_e, &y, 1, FEW);
    launch(e, walk_e, &y, 2, MANY);
    status = expect(e, &y, 2, MANY);
  }
  if (status == FM_OK) status = expect(d, &x, LONG, 1);
  fm_buffer_free(e, &y);
  fm_buffer_free(d, &x);
  return status;
}

/* By turns, then one of the devices goes, and the other goes on. */
static enum fm_status alternate(struct fm_device *d, struct fm_device **e) {
  for (int i = 0; i < 4; i++) {
    struct fm_device *one = i % 2 ? *e : d;
    FM_LAUNCH(one, fm_kernel_get(one, "simple.cl", "halo", ""), 1, 1, 1, fm_arg_int(i));
    FM_TRY(fm_device_status(one));
  }
  enum fm_status status = fm_device_close(*e);
  *e = NULL;
  FM_TRY(status);
  FM_LAUNCH(d, fm_kernel_get(d, "simple.cl", "halo", ""), 1, 1, 1, fm_arg_int(4));
  return fm_device_finish(d);
}

/* With the kernel above in folder, or with the fake driver and a kernel that it only seems to run. */
static int act(const char *folder) {
  struct fm_context ctx;
  struct fm_device *d = NULL, *e = NULL;
  bool fake = strcmp(folder, "fake") == 0;
  fm_context_init(&ctx);
  if (!fake) setenv("FLAWMAP_CL_DIR", folder, 1);
  enum fm_status status = fm_device_open(&ctx, NULL, &d);
  if (status == FM_OK) status = fm_device_open(&ctx, NULL, &e);
  if (status == FM_OK) status = fake ? alternate(d, &e) : overlap(d, e);
  enum fm_status closed = fm_device_close(e);
  if (closed == FM_OK) closed = fm_device_close(d);
  bool failed = status != FM_OK || closed != FM_OK;
  if (failed) fprintf(stderr, "failed: %s\n", ctx.message);
  fm_context_free(&ctx);
  return failed;
}

static void write_text(struct fm_context *ctx, const char *folder, const char *name, const char *text) {
  char *path = fm_path_join(ctx, folder, name);
  ASSERT_OK(ctx, fm_file_write(ctx, path, text, strlen(text)));
  fm_free(ctx, path);
}

static void remove_text(struct fm_context *ctx, const char *folder, const char *name) {
  char *path = fm_path_join(ctx, folder, name);
  fm_file_remove(ctx, path);
  fm_free(ctx, path);
}

static void test_kernel_in_two_queues(void **state) {
  struct fm_context *ctx = *state;
  char folder[] = "/tmp/fm-turn-XXXXXX";
  assert_non_null(mkdtemp(folder));
  write_text(ctx, folder, "common.clh", "\n");
  write_text(ctx, folder, "walk.cl", source);
  for (int i = 0; i < PROCESSES; i++) assert_int_equal(run_again(self, folder, NULL), 0);
  remove_text(ctx, folder, "common.clh");
  remove_text(ctx, folder, "walk.cl");
  rmdir(folder);
}

/* Where the driver is newer nobody waits: the fake one, which has the fault whatever it says, then dies. */
static void test_older_than_6_takes_turns(void **state) {
  (void)state;
  setenv("FAKE_OPENCL_VERSION", "3.1+debian", 1);
  assert_int_equal(run_again(self, "fake", FM_FAKE_OPENCL), 0);
  setenv("FAKE_OPENCL_VERSION", "5.0", 1);
  assert_int_equal(run_again(self, "fake", FM_FAKE_OPENCL), 0);
  setenv("FAKE_OPENCL_VERSION", "6.0", 1);
  assert_int_not_equal(run_again(self, "fake", FM_FAKE_OPENCL), 0);
  unsetenv("FAKE_OPENCL_VERSION");
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2) return act(argv[1]);
  setenv("FLAWMAP_CACHE", "off", 1); /* what the processes inherit */
  const struct CMUnitTest tests[] = {TEST(test_kernel_in_two_queues), TEST(test_older_than_6_takes_turns)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
