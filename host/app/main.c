/* flawmap COMMAND ...: finds the command, runs it, turns its status into a message and an exit status:
 * 0 done, 1 failed, 2 wrong usage, 3 done and something flawed was found. */
#define _POSIX_C_SOURCE 200809L
#include "app/commands.h"
#include "app/crash.h"
#include "base/log.h"
#include "base/print.h"
#include "base/standard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fm_context context; /* the signal handler needs it */

static void on_signal(int number) {
  (void)number;
  if (atomic_exchange(&context.stop, true)) _Exit(130); /* a second Ctrl-C does not wait */
}

static void print_help(void) {
  fm_print("flawmap finds flaws in pictures of products; from good pictures alone it learns what good looks "
           "like.\n\n"
           "usage: flawmap COMMAND ...\n");
  for (size_t i = 0; i < fm_command_count; i++)
    fm_print("  %-10s %s\n", fm_commands[i].name, fm_commands[i].about);
  fm_print("\n'flawmap COMMAND --help' explains a command. Start with: flawmap doctor\n");
}

static enum fm_status dispatch(int argc, char **argv, int *exit_status) {
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
      strcmp(argv[1], "help") == 0) {
    print_help();
    *exit_status = argc < 2 ? 2 : 0;
    return FM_OK;
  }
  if (strcmp(argv[1], "--version") == 0) {
    const char *commit = fm_commit(), *end = strchr(commit, '-');
    fm_print("flawmap %s", fm_version());
    if (commit[0]) fm_print(" (%.10s%s)", commit, end ? end : "");
    fm_print("\n");
    return FM_OK;
  }
  if (strcmp(argv[1], "--list-options") == 0) {
    for (size_t i = 0; i < fm_command_count; i++)
      fm_print("%s\t%s\n", fm_commands[i].name, fm_commands[i].about);
    return FM_OK;
  }
  const struct fm_command *command = fm_command_find(argv[1]);
  if (command) return command->run(&context, argc - 2, argv + 2, exit_status);
  const char *names[64];
  for (size_t i = 0; i < fm_command_count; i++) names[i] = fm_commands[i].name;
  const char *near = fm_nearest(argv[1], names, fm_command_count);
  return fm_error(&context, FM_USAGE, "there is no command '%s'%s%s%s", argv[1],
                  near ? "; did you mean " : "", near ? near : "; 'flawmap --help' lists them",
                  near ? "?" : "");
}

int main(int argc, char **argv) {
  fm_standard_begin();
  fm_context_init(&context);
  fm_crash_begin();
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  struct sigaction hangup;
  if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) /* not under nohup */
    sigaction(SIGHUP, &action, NULL);
  action.sa_handler = SIG_IGN; /* a file over the limit of `ulimit -f` is a write that fails */
  sigaction(SIGXFSZ, &action, NULL);
  int exit_status = 0;
  enum fm_status status = dispatch(argc, argv, &exit_status);
  if (status != FM_OK) {
    fprintf(stderr, "flawmap: %s\n", context.message[0] ? context.message : fm_status_text(status));
    exit_status = status == FM_USAGE ? 2 : status == FM_STOPPED ? 130 : 1;
  }
  if (getenv(
          "FLAWMAP_FAULT")) /* a sweep reads these: how many operations there were, what was left allocated */
    fprintf(stderr, "fault: alloc %ld file %ld device %ld live %ld\n", context.fault[FM_FAULT_ALLOC].count,
            context.fault[FM_FAULT_FILE].count, context.fault[FM_FAULT_DEVICE].count,
            context.live_allocations);
  fm_context_free(&context);
  if (!fm_standard_end() && (exit_status == 0 || exit_status == 3)) exit_status = 1;
  fm_crash_end();
  return exit_status;
}
