/* Programs that start together on an empty cache, as a production line's do after an update. */
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

enum { PROGRAMS = 4, BUILDS = 3 };

static const char *self; /* this program's path */

/* What each of them does: builds a few sources with the halo kernel, the same in all of them, and runs it.
 * What the options define twice is what every compiler warns about. */
static enum fm_status build_and_run(struct fm_context *ctx) {
  struct fm_device *d;
  struct fm_buffer x = {0};
  float back[64];
  enum fm_status status = fm_device_open(ctx, NULL, &d);
  if (status != FM_OK) return status;
  status = fm_buffer_make(d, 256, &x);
  for (int i = 0; i < BUILDS && status == FM_OK; i++) {
    char options[64];
    snprintf(options, sizeof options, "-D TWICE=1 -D TWICE=%d", i + 2);
    fm_buffer_fill(d, &x, 1);
    struct fm_kernel *k = fm_kernel_get(d, "simple.cl", "halo", options);
    FM_LAUNCH(d, k, 1, 4, 1, fm_arg_buffer(&x), fm_arg_int4(2, 2, 1, 0),
              fm_arg_int(4)); /* 4 x 4 pixels of 4 */
    status = fm_buffer_read(d, &x, 0, back, sizeof back);
    if (status == FM_OK && (back[0] != 0 || back[20] != 1))
      status = fm_error(ctx, FM_INTERNAL, "not a halo of zeros");
  }
  fm_buffer_free(d, &x);
  enum fm_status closed = fm_device_close(d);
  return status != FM_OK ? status : closed;
}

static int act(void) {
  struct fm_context ctx;
  fm_context_init(&ctx);
  enum fm_status status = build_and_run(&ctx);
  if (status != FM_OK) fprintf(stderr, "failed: %s\n", ctx.message);
  fm_context_free(&ctx);
  return status != FM_OK;
}

/* Starts this program anew, with what it says in folder/NUMBER. */
static pid_t start(const char *folder, int number) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child) return child;
  char path[256];
  snprintf(path, sizeof path, "%s/%d", folder, number);
  if (!freopen(path, "w", stderr)) _exit(126);
  execl(self, self, "--act", (char *)NULL);
  _exit(127);
}

/* What a program said. A build that another one disturbed is PoCL's to explain with "error: ..." lines, and
 * was tried again; its warnings are nobody's business. */
static void expect_silence(struct fm_context *ctx, const char *folder, int number) {
  char *path = fm_format(ctx, "%s/%d", folder, number);
  unsigned char *said;
  size_t size;
  ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 20, &said, &size));
  if (strstr((const char *)said, "warning"))
    fail_msg("the compiler's warnings reach the user: %s", (const char *)said);
  fm_free(ctx, said);
  fm_free(ctx, path);
}

static void test_together(void **state) {
  struct fm_context *ctx = *state;
  char folder[] = "/tmp/fm-cold-XXXXXX", command[64];
  pid_t child[PROGRAMS];
  assert_non_null(mkdtemp(folder));
  const char *given = getenv("POCL_CACHE_DIR");
  char *kept = given ? strdup(given) : NULL;
  setenv("POCL_CACHE_DIR", folder, 1);
  setenv("FLAWMAP_CACHE", "off", 1);
  for (int i = 0; i < PROGRAMS; i++) child[i] = start(folder, i);
  int bad = 0;
  for (int i = 0; i < PROGRAMS; i++) {
    int status;
    assert_int_equal(waitpid(child[i], &status, 0), child[i]);
    bad += status != 0;
  }
  for (int i = 0; i < PROGRAMS && !bad; i++) expect_silence(ctx, folder, i);
  if (kept) setenv("POCL_CACHE_DIR", kept, 1);
  free(kept);
  if (bad) fail_msg("%d of %d programs failed; what they said is in %s", bad, PROGRAMS, folder);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "--act") == 0) return act();
  unsetenv("FLAWMAP_CL_DIR");
  const struct CMUnitTest tests[] = {TEST(test_together)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
