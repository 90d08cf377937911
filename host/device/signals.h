/* A driver's compiler puts its own handlers of deadly signals in place of the program's (LLVM's, when PoCL's
 * devices are first asked for). Those of the program are noted before and put back after. */
#ifndef FM_DEVICE_SIGNALS_H
#define FM_DEVICE_SIGNALS_H

#include <signal.h>

/* SIGABRT, SIGSEGV, SIGBUS, SIGILL; not SIGFPE, which PoCL must catch: its kernels divide by zero. */
enum { FM_DEADLY_SIGNALS = 4 };
struct fm_handlers {
  struct sigaction action[FM_DEADLY_SIGNALS];
};

void fm_handlers_note(struct fm_handlers *handlers);

/* Where the program had a handler of its own; else the driver's stays. */
void fm_handlers_restore(const struct fm_handlers *handlers);

#endif
