/* Scores pictures that a program has in memory; here one that is drawn.
 *
 *   cc score.c $(pkg-config --cflags --libs flawmap) -o score && ./score MODEL */
#include <flawmap.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 256, REGIONS = 16 };

static int score(struct fm_session *session, const char *model) {
  struct fm_detector *detector;
  const struct fm_detector_options options = {.size = sizeof options, .untrained = 1};
  if (fm_detector_open(session, model, &options, &detector) != 0) return 1;

  /* A grey picture: a bright disc. A camera's would come from its driver. */
  static unsigned char pixels[SIDE * SIDE];
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      pixels[y * SIDE + x] = (x - 128) * (x - 128) + (y - 128) * (y - 128) < 90 * 90 ? 200 : 40;

  struct fm_picture_region region[REGIONS];
  struct fm_picture picture = {.size = sizeof picture,
                               .width = SIDE,
                               .height = SIDE,
                               .pixels = pixels,
                               .order = FLAWMAP_GREY,
                               .regions = region,
                               .region_room = REGIONS};
  int failed = fm_detector_score(detector, 1, &picture);
  if (!failed) {
    printf("%s: score %g, threshold %g\n", picture.flagged ? "flawed" : "good", (double)picture.score,
           fm_detector_threshold(detector));
    for (long i = 0; i < picture.region_count && i < REGIONS; i++)
      printf("  %ld pixels at %d, %d, peak %g\n", region[i].area, region[i].x, region[i].y, region[i].peak);
  }
  fm_detector_close(detector);
  return failed;
}

int main(int argc, char **argv) {
  struct fm_session *session;
  if (argc != 2) {
    fprintf(stderr, "usage: score MODEL\n");
    return 2;
  }
  if (fm_session_open(NULL, &session) == 0) score(session, argv[1]);
  int failed = fm_session_failed(session);
  if (failed) fprintf(stderr, "score: %s\n", fm_session_message(session));
  fm_session_close(session);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
