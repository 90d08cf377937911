/* Several pictures at a time, with maps and masks. Pictures are read from portable pixmaps (P6), as most
 * tools write them.
 *
 *   cc batch.c $(pkg-config --cflags --libs flawmap) -o batch && ./batch MODEL PICTURE.ppm... */
#include <flawmap.h>

#include <stdio.h>
#include <stdlib.h>

static int read_pixmap(const char *path, struct fm_picture *p) {
  FILE *file = fopen(path, "rb");
  int width = 0, height = 0, most = 0;
  if (!file) return 0;
  int right = fscanf(file, "P6 %d %d %d", &width, &height, &most) == 3 && fgetc(file) != EOF && most == 255 &&
              width > 0 && height > 0 && width <= 16384 && height <= 16384;
  size_t pixels = right ? (size_t)width * (size_t)height : 0;
  unsigned char *rgb = right ? malloc(3 * pixels) : NULL;
  right = rgb && fread(rgb, 3, pixels, file) == pixels;
  fclose(file);
  *p = (struct fm_picture){.size = sizeof *p,
                           .width = width,
                           .height = height,
                           .pixels = rgb,
                           .map = right ? malloc(pixels * sizeof(float)) : NULL,
                           .mask = right ? malloc(pixels) : NULL};
  return right && p->map && p->mask;
}

static void print(const char *path, const struct fm_picture *p) {
  size_t over = 0, pixels = (size_t)p->width * (size_t)p->height;
  float least = p->map[0];
  for (size_t i = 0; i < pixels; i++) {
    over += p->mask[i] != 0;
    if (p->map[i] < least) least = p->map[i];
  }
  printf("%s: %s, score %g, map from %g, %zu pixels in %ld regions\n", path, p->flagged ? "flawed" : "good",
         (double)p->score, (double)least, over, p->region_count);
}

static int run(struct fm_session *session, int argc, char **argv) {
  struct fm_detector *detector = NULL;
  const struct fm_detector_options options = {.size = sizeof options, .at_once = 8, .untrained = 1};
  int count = argc - 2, read = 0, failed = 1;
  struct fm_picture *picture = calloc((size_t)count, sizeof *picture);
  while (picture && read < count && read_pixmap(argv[2 + read], &picture[read])) read++;
  if (read < count)
    fprintf(stderr, "batch: '%s' cannot be read as a portable pixmap\n", argv[2 + read]);
  else if (fm_detector_open(session, argv[1], &options, &detector) == 0)
    failed = fm_detector_score(detector, count, picture);
  for (int i = 0; i < count && !failed; i++) print(argv[2 + i], &picture[i]);
  fm_detector_close(detector);
  for (int i = 0; picture && i < count; i++) {
    free((void *)picture[i].pixels);
    free(picture[i].map);
    free(picture[i].mask);
  }
  free(picture);
  return failed;
}

int main(int argc, char **argv) {
  struct fm_session *session;
  int failed = 1;
  if (argc < 3) {
    fprintf(stderr, "usage: batch MODEL PICTURE.ppm...\n");
    return 2;
  }
  if (fm_session_open(NULL, &session) == 0) failed = run(session, argc, argv);
  if (fm_session_failed(session)) fprintf(stderr, "batch: %s\n", fm_session_message(session));
  fm_session_close(session);
  return failed ? 1 : 0;
}
