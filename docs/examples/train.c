/* Learns from a folder of good pictures, shows how far it is, and stops well at Ctrl-C.
 *
 *   cc train.c $(pkg-config --cflags --libs flawmap) -o train && ./train DATA MODEL [OPTION VALUE]... */
#include <flawmap.h>

#include <signal.h>
#include <stdio.h>

static struct fm_session *session;

static void interrupt(int signal_number) {
  (void)signal_number;
  fm_session_cancel(session);
}

static void log_line(void *user, const char *text) {
  (void)user;
  fprintf(stderr, "%s\n", text);
}

static int progress(void *user, const char *text, long done, long total) {
  int *percent = user, now = total > 0 ? (int)(100 * done / total) : 0;
  if (now != *percent) fprintf(stderr, "%s: %d %%\n", text, *percent = now);
  return 0; /* go on */
}

int main(int argc, char **argv) {
  int percent = -1;
  if (argc < 3 || argc % 2 == 0) {
    fprintf(stderr, "usage: train DATA MODEL [OPTION VALUE]...\n");
    return 2;
  }
  if (fm_session_open(NULL, &session) == 0) {
    signal(SIGINT, interrupt);
    fm_session_log(session, log_line, NULL);
    fm_session_progress(session, progress, &percent);
    fm_train(session, argv[1], argv[2], (const char *const *)argv + 3); /* argv ends with NULL */
    signal(SIGINT, SIG_DFL);
  }
  int failed = fm_session_failed(session);
  if (failed) fprintf(stderr, "train: %s\n", fm_session_message(session));
  fm_session_close(session);
  return failed ? 1 : 0;
}
