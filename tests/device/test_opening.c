/* Threads that list, open and close devices at once, with a driver that cannot bear two threads in it
 * (fake/opencl.c). It takes the place of the machine's OpenCL in a process of its own. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/memory.h"
#include "device/again.h"
#include "device/device.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 5 };

static const char *self; /* this program's path */

static enum fm_status list_and_open(struct fm_context *ctx) {
  struct fm_facts *facts;
  struct fm_device *d;
  int count;
  FM_TRY(fm_device_list(ctx, &facts, &count));
  bool fake = count == 1 && strcmp(facts[0].name, "fake") == 0;
  fm_free(ctx, facts);
  if (!fake) return fm_error(ctx, FM_INTERNAL, "this is not the fake driver");
  FM_TRY(fm_device_open(ctx, NULL, &d));
  return fm_device_close(d);
}

static void *thread(void *start) {
  struct fm_context ctx;
  enum fm_status status = FM_OK;
  fm_context_init(&ctx);
  ctx.quiet = true;
  pthread_barrier_wait(start);
  for (int i = 0; i < ROUNDS && status == FM_OK; i++) status = list_and_open(&ctx);
  if (status != FM_OK) fprintf(stderr, "failed: %s\n", ctx.message);
  fm_context_free(&ctx);
  return status == FM_OK ? NULL : start;
}

static int act(void) {
  pthread_t threads[THREADS];
  pthread_barrier_t start;
  int bad = 0;
  pthread_barrier_init(&start, NULL, THREADS);
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, thread, &start) != 0) return 2;
  for (int i = 0; i < THREADS; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    bad += failed != NULL;
  }
  pthread_barrier_destroy(&start);
  return bad;
}

static void test_threads_open_at_once(void **state) {
  (void)state;
  assert_int_equal(run_again(self, "act", FM_FAKE_OPENCL), 0);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2 && strcmp(argv[1], "act") == 0) return act();
  const struct CMUnitTest tests[] = {TEST(test_threads_open_at_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
