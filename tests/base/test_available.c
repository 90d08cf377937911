/* What a container's limits leave: files of control groups, made here, as they are and as they should not be.
 */
#define _POSIX_C_SOURCE 200809L
#include "base/available.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20 };
static char mount[64];

static void put(const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", mount, name);
  for (char *slash = path + strlen(mount) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
    *slash = 0;
    mkdir(path, 0777);
  }
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

/* A mount point without anything, and the membership of a process in it. */
static int set_up(void **state) {
  (void)state;
  strcpy(mount, "/tmp/flawmap-groups-XXXXXX");
  return mkdtemp(mount) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", mount);
  return system(command);
}

static size_t left(const char *membership) {
  char path[256];
  put("membership", membership);
  snprintf(path, sizeof path, "%s/membership", mount);
  return fm_memory_left_of_groups(mount, path);
}

static void no_groups(void **state) {
  (void)state;
  assert_true(fm_memory_left_of_groups(mount, "/nowhere/at/all") == SIZE_MAX);
  assert_true(left("") == SIZE_MAX);
  assert_true(left("0::/a/b\n") == SIZE_MAX);
  assert_true(left("no colons\n:\n::\n0:\n4:memory\n") == SIZE_MAX);
}

/* Inside a container its own limit lies at the mount point, whatever path the process sees. */
static void a_container(void **state) {
  (void)state;
  put("memory.max", "536870912\n");
  put("memory.current", "134217728\n");
  put("memory.stat", "anon 100663296\nfile 33554432\ninactive_file 33554432\nactive_file 0\n");
  assert_int_equal(left("0::/\n"), 416 * MIB);
  assert_int_equal(left("0::/../../elsewhere\n"), 416 * MIB);
  assert_int_equal(left("0::/docker/0123\n"), 416 * MIB);
  put("memory.high", "268435456\n");
  assert_int_equal(left("0::/\n"), 160 * MIB);
}

/* Each group that the process's lies in limits it too. */
static void groups_in_groups(void **state) {
  (void)state;
  put("a/memory.max", "104857600\n");
  put("a/memory.current", "41943040\n");
  put("a/b/memory.max", "max\n");
  put("a/b/memory.current", "1048576\n");
  put("a/b/c/memory.max", "83886080\n");
  put("a/b/c/memory.current", "1048576\n");
  assert_int_equal(left("0::/a/b/c\n"), 60 * MIB);
  assert_int_equal(left("0::/a/b\n"), 60 * MIB);
  assert_true(left("0::/\n") == SIZE_MAX);
  put("a/b/c/memory.max", "3145728\n");
  assert_int_equal(left("0::/a/b/c\n"), 2 * MIB);
}

static void version_1(void **state) {
  (void)state;
  put("memory/job/memory.limit_in_bytes", "209715200\n");
  put("memory/job/memory.usage_in_bytes", "157286400\n");
  put("memory/job/memory.stat", "cache 1\ninactive_file 1\ntotal_inactive_file 52428800\n");
  assert_int_equal(left("5:cpu:/\n4:memory:/job\n0::/\n"), 100 * MIB);
  assert_int_equal(left("4:hugetlb,memory:/job\n"), 100 * MIB);
  assert_true(left("4:memory_of_others:/job\n5:cpu,cpuacct:/job\n") == SIZE_MAX);
  put("memory/memory.limit_in_bytes", "9223372036854771712\n"); /* what version 1 says for no limit */
  assert_int_equal(left("4:memory:/job\n"), 100 * MIB);
}

/* A limit that is not understood is none, and usage that is not understood is not counted. */
static void odd_files(void **state) {
  static const char *const none[] = {
      "max", "", "\n", "-1\n", "lots\n", "12 MB\n", "99999999999999999999999\n"};
  (void)state;
  put("memory.current", "1048576\n");
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    put("memory.max", none[i]);
    assert_true(left("0::/\n") == SIZE_MAX);
  }
  put("memory.max", "0\n");
  assert_int_equal(left("0::/\n"), 0);
  put("memory.max", "2097152");
  assert_int_equal(left("0::/\n"), MIB);
  put("memory.current", "9223372036854775807\n"); /* more than the limit */
  assert_int_equal(left("0::/\n"), 0);
  put("memory.current", "none\n");
  assert_int_equal(left("0::/\n"), 2 * MIB);
  put("memory.current", "1048576\n");
  put("memory.stat", "inactive_file 99999999999\n"); /* more than is used */
  assert_int_equal(left("0::/\n"), 2 * MIB);
  put("memory.stat", "inactive_file");
  assert_int_equal(left("0::/\n"), MIB);
}

static void huge_files(void **state) {
  (void)state;
  enum { SIZE = 1 << 20 };
  char *text = malloc(SIZE + 1);
  assert_non_null(text);
  memset(text, '7', SIZE);
  text[SIZE] = 0;
  put("memory.max", text);
  put("memory.current", text);
  put("memory.stat", text);
  assert_true(left("0::/\n") == SIZE_MAX);
  memset(text, '/', SIZE); /* a path that fits nowhere */
  memcpy(text, "0::", 3);
  put("memory.max", "1048576\n");
  assert_int_equal(left(text), MIB);
  free(text);
}

/* A sanitizer's own memory counts as the process's data, terabytes of it: any limit ends the process. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { LIMITS_CAN_BE_SET = 0 };
#else
enum { LIMITS_CAN_BE_SET = 1 };
#endif

static void own_limits(void **state) {
  (void)state;
  if (!LIMITS_CAN_BE_SET) skip();
  struct rlimit before, limit;
  size_t resident = fm_memory_resident();
  assert_true(resident > 0);
  assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
  limit = before;
  limit.rlim_cur = 1 << 30;
  assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
  size_t available = fm_memory_available();
  assert_true(available > 0 && available < 1 << 30);
  limit.rlim_cur = 1; /* nothing is left, which is not "unknown" */
  assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
  available = fm_memory_available();
  assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
  assert_int_equal(available, 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(no_groups), IN_FOLDER(a_container), IN_FOLDER(groups_in_groups),  IN_FOLDER(version_1),
      IN_FOLDER(odd_files), IN_FOLDER(huge_files),  cmocka_unit_test(own_limits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
