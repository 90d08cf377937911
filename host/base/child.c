#define _POSIX_C_SOURCE 200809L
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

/* In the child, which never returns: only what may be called after a fork. */
static void become(const struct fm_child *child) {
  int nothing = open("/dev/null", O_RDWR);
  bool ready = nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 &&
               dup2(child->quiet ? nothing : STDERR_FILENO, STDOUT_FILENO) >= 0 &&
               (!child->quiet || dup2(nothing, STDERR_FILENO) >= 0) &&
               (!child->folder || chdir(child->folder) == 0);
  if (ready) execvp(child->argv[0], (char *const *)(uintptr_t)child->argv);
  _exit(NOT_FOUND);
}

/* Looks whether it has ended twenty times a second, so that a stop is heard. */
static enum fm_status wait_for(struct fm_context *ctx, pid_t pid, const char *name, int *result) {
  const struct timespec pause = {.tv_nsec = 50000000};
  bool stopped = false;
  for (;;) {
    pid_t got = waitpid(pid, result, stopped ? 0 : WNOHANG);
    if (got == pid) break;
    if (got < 0 && errno != EINTR)
      return fm_error(ctx, FM_IO, "cannot wait for %s: %s", name, strerror(errno));
    if (ctx->stop && !stopped) {
      stopped = true;
      kill(pid, SIGTERM);
    }
    if (!stopped) nanosleep(&pause, NULL);
  }
  return stopped ? fm_error(ctx, FM_STOPPED, "stopped while %s was running", name) : FM_OK;
}

enum fm_status fm_child_run(struct fm_context *ctx, const struct fm_child *child, int *status) {
  int result = 0;
  pid_t pid = fork();
  if (pid < 0) return fm_error(ctx, FM_IO, "cannot run %s: %s", child->argv[0], strerror(errno));
  if (pid == 0) become(child);
  FM_TRY(wait_for(ctx, pid, child->argv[0], &result));
  *status = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
  return FM_OK;
}
