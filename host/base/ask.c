/* A question put to a copy of this process: base/child.h. */
#define _DEFAULT_SOURCE
#include "base/child.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In memory that both processes see. */
struct shared {
  bool answered;
  enum fm_status status;
  char message[sizeof((struct fm_context *)0)->message];
  long count[FM_FAULT_KINDS];
  _Alignas(16) char answer[];
};

/* The copy dies as drivers make programs die: the handlers are the parent's, and no core file is left. */
static void die_plainly(void) {
  static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) signal(signals[i], SIG_DFL);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0});
}

/* In the copy, which never returns. */
static void answer(struct fm_context *ctx, const struct fm_question *question, struct shared *shared,
                   int out) {
  die_plainly();
  if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) _exit(1);
  ctx->quiet = true;
  shared->status = question->ask(ctx, question->given, shared->answer);
  memcpy(shared->message, ctx->message, sizeof shared->message);
  for (int i = 0; i < FM_FAULT_KINDS; i++) shared->count[i] = ctx->fault[i].count;
  shared->answered = true;
  _exit(0); /* without the drivers' own goodbyes, which may crash */
}

/* Keeps the end of what comes. */
static void listen_to(int in, struct fm_child_end *end) {
  char piece[256];
  for (ssize_t n; (n = read(in, piece, sizeof piece)) > 0;) {
    size_t used = strlen(end->said), room = sizeof end->said - 1, more = (size_t)n;
    size_t gone = used + more > room ? used + more - room : 0;
    memmove(end->said, end->said + gone, used - gone);
    memcpy(end->said + used - gone, piece, more);
    end->said[used - gone + more] = 0;
    for (char *c = end->said + used - gone; c < end->said + used - gone + more; c++)
      if (!*c) *c = ' ';
  }
}

static void join_lines(char *text) {
  char joined[sizeof((struct fm_child_end *)0)->said] = "";
  size_t used = 0;
  for (char *rest = text, *line; (line = strtok_r(rest, "\r\n", &rest));) {
    int n = snprintf(joined + used, sizeof joined - used, "%s%s", used ? "; " : "", line);
    if (n < 0 || used + (size_t)n >= sizeof joined) break;
    used += (size_t)n;
  }
  memcpy(text, joined, sizeof joined);
}

/* Until it has ended; looks twenty times a second, so that a stop and the limit are heard. */
static enum fm_status attend(struct fm_context *ctx, pid_t pid, int in, double seconds,
                             struct fm_child_end *end) {
  const struct timespec pause = {.tv_nsec = 50000000};
  double until = fm_seconds() + seconds;
  int result = 0;
  bool stopped = false;
  for (pid_t got; (got = waitpid(pid, &result, WNOHANG)) != pid;) {
    if (got < 0 && errno != EINTR)
      return fm_error(ctx, FM_IO, "cannot wait for a process: %s", strerror(errno));
    listen_to(in, end);
    if (!stopped && atomic_load(&ctx->stop)) stopped = kill(pid, SIGKILL) == 0;
    if (!stopped && !end->late && fm_seconds() > until) end->late = kill(pid, SIGKILL) == 0;
    nanosleep(&pause, NULL);
  }
  listen_to(in, end);
  join_lines(end->said);
  if (stopped) return fm_error(ctx, FM_STOPPED, "stopped while waiting for a driver");
  if (WIFSIGNALED(result) && !end->late) end->signal = WTERMSIG(result);
  return FM_OK;
}

static enum fm_status ask(struct fm_context *ctx, const struct fm_question *question, struct shared *shared,
                          const int pipes[2], struct fm_child_end *end) {
  fcntl(pipes[0], F_SETFL, O_NONBLOCK);
  fflush(stdout);
  pid_t pid = fork();
  if (pid < 0) return fm_error(ctx, FM_IO, "cannot start a process: %s", strerror(errno));
  if (pid == 0) answer(ctx, question, shared, pipes[1]);
  FM_TRY(attend(ctx, pid, pipes[0], question->seconds, end));
  if (!shared->answered) return FM_DEVICE;
  end->signal = 0; /* it had answered before: what it died of does not matter */
  for (int i = 0; i < FM_FAULT_KINDS; i++) ctx->fault[i].count = shared->count[i];
  return shared->status == FM_OK ? FM_OK : fm_error(ctx, shared->status, "%s", shared->message);
}

enum fm_status fm_child_ask(struct fm_context *ctx, const struct fm_question *question, void *answer,
                            struct fm_child_end *end) {
  *end = (struct fm_child_end){0};
  int pipes[2];
  size_t size = sizeof(struct shared) + question->size;
  if (pipe(pipes) != 0) return fm_error(ctx, FM_IO, "cannot make a pipe: %s", strerror(errno));
  struct shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  enum fm_status status = FM_MEMORY;
  if (shared == MAP_FAILED) {
    fm_error(ctx, FM_MEMORY, "no memory to share with another process: %s", strerror(errno));
  } else {
    status = ask(ctx, question, shared, pipes, end);
    memcpy(answer, shared->answer, question->size);
    munmap(shared, size);
  }
  close(pipes[0]);
  close(pipes[1]);
  return status;
}
