#define _POSIX_C_SOURCE 200809L
#include "device/signals.h"

#include <stddef.h>

static const int deadly[FM_DEADLY_SIGNALS] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL};

void fm_handlers_note(struct fm_handlers *handlers) {
  for (int i = 0; i < FM_DEADLY_SIGNALS; i++) sigaction(deadly[i], NULL, &handlers->action[i]);
}

void fm_handlers_restore(const struct fm_handlers *handlers) {
  for (int i = 0; i < FM_DEADLY_SIGNALS; i++) {
    const struct sigaction *a = &handlers->action[i];
    if ((a->sa_flags & SA_SIGINFO) || (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN))
      sigaction(deadly[i], a, NULL);
  }
}
