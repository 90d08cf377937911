/* What is not looked at: whatever lies there, every method says the same of the picture, and nothing of that
 * place. */
#define _XOPEN_SOURCE 700
#include "flawmap.h"

#include "file/image.h"
#include "method/tiny.h"

enum { SIDE = 64, EDGE = 24 }; /* the corner on the top left of pictures of that size */

static bool hidden(int x, int y) {
  return x < EDGE && y < EDGE;
}

static void write_mask(struct tiny *t, char path[512]) {
  unsigned char pixels[SIDE * SIDE];
  for (int i = 0; i < SIDE * SIDE; i++) pixels[i] = hidden(i % SIDE, i / SIDE) ? 255 : 0;
  const struct fm_image mask = {.width = SIDE, .height = SIDE, .channels = 1, .pixels = pixels};
  folder_path(&t->folder, "mask.png", path);
  ASSERT_OK(t->ctx, fm_png_write(t->ctx, path, &mask));
}

struct scored {
  float map[SIDE * SIDE], score;
};

static void score(struct fm_session *s, struct fm_detector *d, const unsigned char *pixels,
                  struct scored *out) {
  struct fm_picture p = {.size = sizeof p, .width = SIDE, .height = SIDE, .pixels = pixels, .map = out->map};
  if (fm_detector_score(d, 1, &p) != 0) fail_msg("%s", fm_session_message(s));
  out->score = p.score;
}

/* The same picture with a checkerboard where nobody looks. */
static void disturb(const unsigned char *in, unsigned char *out) {
  memcpy(out, in, SIDE * SIDE * 3);
  for (int y = 0; y < EDGE; y++)
    for (int x = 0; x < EDGE; x++) memset(out + 3 * (SIDE * y + x), (x / 3 + y / 3) % 2 ? 255 : 0, 3);
}

static void check(struct fm_session *s, struct tiny *t, const char *model, bool ignores) {
  struct fm_detector *d;
  struct fm_image image;
  const struct fm_detector_options o = {.size = sizeof o, .untrained = 1};
  static struct scored before, after;
  unsigned char other[SIDE * SIDE * 3];
  if (fm_detector_open(s, model, &o, &d) != 0) fail_msg("%s", fm_session_message(s));
  ASSERT_OK(t->ctx, fm_image_read(t->ctx, t->category.test[0].path, &image));
  disturb(image.pixels, other);
  score(s, d, image.pixels, &before);
  score(s, d, other, &after);
  assert_int_equal(memcmp(&before, &after, sizeof before) == 0, ignores);
  float least = before.map[0], most = least;
  for (int i = 0; i < SIDE * SIDE; i++) {
    least = before.map[i] < least ? before.map[i] : least;
    most = before.map[i] > most ? before.map[i] : most;
  }
  assert_true(most > least);
  if (ignores) /* but for the seam, where the map was enlarged */
    for (int y = 0; y < EDGE - 8; y++)
      for (int x = 0; x < EDGE - 8; x++) assert_true(before.map[y * SIDE + x] == least);
  fm_image_free(t->ctx, &image);
  fm_detector_close(d);
}

static void train(struct fm_session *s, const char *data, const char *model, const char *const *options) {
  if (fm_train(s, data, model, options) != 0) fail_msg("%s: %s", options[1], fm_session_message(s));
}

static void every_method(void **state) {
  struct tiny t;
  char mask[512], data[512];
  struct fm_session *s;
  tiny_open(*state, &t);
  write_mask(&t, mask);
  folder_path(&t.folder, "data", data);
  assert_int_equal(fm_session_open(NULL, &s), 0);
  const char *const runs[][8] = {{"method", "padim"},
                                 {"method", "patchcore"},
                                 {"method", "cflow", "epochs", "1"},
                                 {"method", "cdo", "epochs", "1"},
                                 {"method", "patchcore", "tile", "32"},
                                 {"method", "padim", "tile", "48"},
                                 {"method", "patchcore", "light", "gain", "align", "auto"}};
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    const char *options[20] = {NULL};
    int n = 0;
    while (n < 8 && runs[i][n]) {
      options[n] = runs[i][n];
      n++;
    }
    const char *const rest[] = {"size", "64", "untrained", "yes", "false-alarms", "0.4", "ignore", mask};
    memcpy(options + n, rest, sizeof rest);
    train(s, data, t.model, options);
    check(s, &t, t.model, true);
  }
  const char *const plain[] = {"method", "padim",        "size", "64", "untrained",
                               "yes",    "false-alarms", "0.4",  NULL};
  train(s, data, t.model, plain);
  check(s, &t, t.model, false);
  fm_session_close(s);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(every_method)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
