/* Two devices, the second of which runs a kernel over more than the first while the first is still at it:
 * PoCL before 6.0 then ends the process (host/device/turn.h says why), so this is done in processes of their
 * own. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/file.h"
#include "base/memory.h"
#include "device/device.h"
#include "device/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 3, LONG = 20000000, FEW = 2, MANY = 5 };

static const char *self; /* this program's path */

/* A kernel that takes as long as one wants: the random number that follows after so many steps (xorshift). */
#define STEP(r) (r ^= r << 13, r ^= r >> 17, r ^= r << 5)
#define TEXT(code) #code
#define TEXT_OF(code) TEXT(code)
static const char source[] = "__kernel __attribute__((reqd_work_group_size(WG, 1, 1))) void walk(\n"
                             "    __global uint *x, const int steps, const int n) {\n"
                             "  const int i = get_global_id(0);\n"
                             "  uint r = 1;\n"
                             "  if (i >= n) return;\n"
                             "  for (int k = 0; k < steps; k++) " TEXT_OF(STEP(r)) ";\n"
                                                                                   "  x[i] = r;\n"
                                                                                   "}\n";

static void launch(struct fm_device *d, struct fm_kernel *walk, struct fm_buffer *x, int steps, int n) {
  FM_LAUNCH(d, walk, (size_t)n, 1, 1, fm_arg_buffer(x), fm_arg_int(steps), fm_arg_int(n));
}

static enum fm_status expect(struct fm_device *d, struct fm_buffer *x, int steps, int n) {
  uint32_t back[MANY], r = 1;
  for (int k = 0; k < steps; k++) STEP(r);
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

static int act(const char *folder) {
  struct fm_context ctx;
  struct fm_device *d = NULL, *e = NULL;
  fm_context_init(&ctx);
  setenv("FLAWMAP_CL_DIR", folder, 1);
  enum fm_status status = fm_device_open(&ctx, NULL, &d);
  if (status == FM_OK) status = fm_device_open(&ctx, NULL, &e);
  if (status == FM_OK) status = overlap(d, e);
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
  for (int i = 0; i < PROCESSES; i++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
      execl(self, self, folder, (char *)NULL);
      _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  remove_text(ctx, folder, "common.clh");
  remove_text(ctx, folder, "walk.cl");
  rmdir(folder);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2) return act(argv[1]);
  setenv("FLAWMAP_CACHE", "off", 1); /* what the processes inherit */
  const struct CMUnitTest tests[] = {TEST(test_kernel_in_two_queues)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
