/* A test in a process of its own: what may end the process, or needs another driver than the machine's. */
#ifndef FM_TESTS_DEVICE_AGAIN_H
#define FM_TESTS_DEVICE_AGAIN_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs program with one argument, with the driver in that folder (fake/opencl.c; NULL: the machine's), and
 * gives its status as waitpid does. */
static inline int run_again(const char *program, const char *argument, const char *driver) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    if (driver) setenv("LD_LIBRARY_PATH", driver, 1);
    execl(program, program, argument, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

#endif
