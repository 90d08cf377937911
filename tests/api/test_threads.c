/* Two threads that open a session each, in a fresh process, as the drivers set themselves up only once: both
 * score the same picture alike, twenty times over. */
#define _XOPEN_SOURCE 700
#include "flawmap.h"

#include "method/tiny.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIDE = 64, THREADS = 2, PROCESSES = 20 };

struct work {
  const char *model;
  pthread_barrier_t *start;
  float score;
  char message[256];
};

static void score(struct work *w, struct fm_session *s) {
  static unsigned char rgb[SIDE * SIDE * 3]; /* black */
  struct fm_picture p = {.size = sizeof p, .width = SIDE, .height = SIDE, .pixels = rgb};
  struct fm_detector *d = NULL;
  const struct fm_detector_options o = {.size = sizeof o, .untrained = 1};
  if (fm_detector_open(s, w->model, &o, &d) == 0 && fm_detector_score(d, 1, &p) == 0) w->score = p.score;
  fm_detector_close(d);
}

static void *open_and_score(void *user) {
  struct work *w = user;
  struct fm_session *s;
  pthread_barrier_wait(w->start);
  if (fm_session_open(NULL, &s) == 0) score(w, s);
  if (fm_session_failed(s)) snprintf(w->message, sizeof w->message, "%s", fm_session_message(s));
  fm_session_close(s);
  return NULL;
}

static int two_threads(const char *model) {
  pthread_t thread[THREADS];
  pthread_barrier_t start;
  struct work work[THREADS];
  pthread_barrier_init(&start, NULL, THREADS);
  for (int i = 0; i < THREADS; i++) {
    work[i] = (struct work){.model = model, .start = &start, .score = -1};
    if (pthread_create(&thread[i], NULL, open_and_score, &work[i]) != 0) return 2;
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  pthread_barrier_destroy(&start);
  for (int i = 0; i < THREADS; i++)
    if (!(work[i].score > 0) || work[i].score != work[0].score || work[i].message[0]) {
      fprintf(stderr, "thread %d: %g, not %g; %s\n", i, (double)work[i].score, (double)work[0].score,
              work[i].message);
      return 1;
    }
  return 0;
}

static void sessions_of_threads(void **state) {
  struct tiny t;
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 1;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  char self[512], command[1100];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  assert_in_range(length, 1, sizeof self - 1);
  self[length] = 0;
  snprintf(command, sizeof command, "'%s' '%s'", self, t.model);
  for (int i = 0; i < PROCESSES; i++) assert_int_equal(system(command), 0);
  tiny_close(&t);
}

int main(int argc, char **argv) {
  if (argc == 2) return two_threads(argv[1]);
  const struct CMUnitTest tests[] = {TEST(sessions_of_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
