#define _POSIX_C_SOURCE 200809L
#include "app/crash.h"

#include "base/print.h"
#include "device/pocl.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  int number;
  const char *name;
} deaths[] = {{SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}};

static char advice[8192]; /* the handlers need it */
static atomic_bool over;  /* what is left is main's own end */

static void put(const char *text) {
  ssize_t written = write(STDERR_FILENO, text, strlen(text));
  (void)written; /* nobody is left to be told */
}

static void on_death(int number) {
  const char *name = "a signal";
  for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
    if (deaths[i].number == number) name = deaths[i].name;
  put("flawmap: ended by ");
  put(name);
  put(advice);
  put("\n");
  _exit(1);
}

static void __attribute__((format(printf, 1, 2))) advise(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fm_vshow(advice, sizeof advice, format, args);
  va_end(args);
}

/* A driver that calls exit (LLVM does, after a fatal error) would end a command in the middle, even with
 * status 0. */
static void on_exit_by_others(void) {
  if (atomic_load(&over)) return;
  put("flawmap: something called exit in the middle of the work");
  put(advice);
  put("\n");
  _exit(1);
}

void fm_crash_end(void) {
  atomic_store(&over, true);
}

void fm_crash_begin(void) {
  atexit(on_exit_by_others);
#ifndef __SANITIZE_ADDRESS__ /* whose report says more */
  char cure[4200];
  bool known = fm_pocl_cache_cure(cure, sizeof cure);
  if (!fm_pocl_has_linker())
    advise(", most likely in the OpenCL driver: PoCL needs a linker, and there is no ld in PATH; 'flawmap "
           "doctor' says more");
  else
    advise(", most likely in the OpenCL driver; 'flawmap doctor' finds out more. If the device is PoCL's "
           "and its cache is damaged, this mends it: %s",
           known ? cure : "delete PoCL's cache folder");
  struct sigaction action = {.sa_handler = on_death, .sa_flags = (int)SA_RESETHAND};
  for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) sigaction(deaths[i].number, &action, NULL);
#endif
}
