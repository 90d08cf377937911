/* The public API scores as the command line does, and says what is wrong. */
#define _XOPEN_SOURCE 700
#include "flawmap.h"

#include "file/image.h"
#include "method/tiny.h"
#include "task/score_set.h"

#include <math.h>

static void scores_as_the_program(void **state) {
  struct tiny t;
  struct fm_model m;
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 1;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  float want[16] = {0}, peaks[16];
  size_t count = t.category.test_count;
  assert_in_range(count, 3, 16);
  ASSERT_OK(t.ctx,
            fm_score_set_scores(
                t.d, &m, &(struct fm_score_list){.samples = t.category.test, .count = count, .text = "test"},
                want, peaks));
  struct fm_session *s;
  struct fm_detector *d;
  struct fm_detector_options options = {.size = sizeof options, .at_once = 2, .sharpen = -1};
  assert_int_equal(fm_session_open(NULL, &s), 0);
  assert_int_equal(fm_detector_open(s, t.model, &options, &d), FLAWMAP_USAGE); /* its expert is untrained */
  assert_non_null(strstr(fm_session_message(s), "untrained"));
  fm_session_clear(s);
  options.untrained = 1;
  assert_int_equal(fm_detector_open(s, t.model, &options, &d), 0);
  struct fm_picture p[16] = {{0}};
  struct fm_image image[16];
  float map[64 * 64];
  for (size_t i = 0; i < count; i++) {
    ASSERT_OK(t.ctx, fm_image_read(t.ctx, t.category.test[i].path, &image[i]));
    p[i] = (struct fm_picture){.size = sizeof p[i],
                               .width = 64,
                               .height = 64,
                               .pixels = image[i].pixels,
                               .map = i == 1 ? map : NULL};
  }
  assert_int_equal(fm_detector_score(d, (int)count, p), 0);
  for (size_t i = 0; i < count; i++) assert_true(p[i].score == want[i]);
  for (size_t i = 0; i < count; i++) assert_int_equal(p[i].flagged, (double)want[i] > m.image.value);
  float most = map[0];
  for (int i = 1; i < 64 * 64; i++) most = fmaxf(most, map[i]);
  assert_true(most == want[1]);
  assert_true(fm_detector_threshold(d) == m.image.value);
  p[0].width = 0;
  assert_int_equal(fm_detector_score(d, 1, p), FLAWMAP_USAGE);
  assert_int_equal(fm_session_failed(s), FLAWMAP_USAGE);
  assert_non_null(strstr(fm_session_message(s), "0 x 64"));
  fm_session_clear(s);
  struct fm_detector *none;
  assert_int_equal(fm_detector_open(s, t.category.test[0].path, NULL, &none), FLAWMAP_FORMAT);
  assert_null(none);
  fm_detector_close(d);
  fm_session_close(s);
  for (size_t i = 0; i < count; i++) fm_image_free(t.ctx, &image[i]);
  fm_model_free(&m);
  tiny_close(&t);
}

struct heard { /* by a listener */
  char text[8192];
  long steps;
  bool stop;
};

static void hear(void *user, const char *line) {
  struct heard *h = user;
  size_t used = strlen(h->text);
  snprintf(h->text + used, sizeof h->text - used, "%s\n", line);
}

static int follow(void *user, const char *text, long done, long total) {
  struct heard *h = user;
  assert_true(text[0] && done <= total);
  h->steps++;
  return h->stop;
}

/* A session that hears, and a model that it trained by names of options. */
struct trained {
  struct tiny t;
  char data[512];
  struct heard heard;
  struct fm_session *s;
};

static void open_trained(struct fm_context *ctx, struct trained *r) {
  static const char *const options[] = {"method",   "padim", "size",         "64",  "untrained", "yes",
                                        "hold-out", "30%",   "false-alarms", "0.4", NULL};
  *r = (struct trained){0};
  tiny_open(ctx, &r->t);
  folder_path(&r->t.folder, "data", r->data);
  assert_int_equal(fm_session_open(NULL, &r->s), 0);
  fm_session_log(r->s, hear, &r->heard);
  fm_session_progress(r->s, follow, &r->heard);
  if (fm_train(r->s, r->data, r->t.model, options) != 0) fail_msg("%s", fm_session_message(r->s));
}

static void close_trained(struct trained *r) {
  fm_session_close(r->s);
  tiny_close(&r->t);
}

static struct fm_detector *open_model(struct fm_session *s, const char *path, struct fm_detector_options o) {
  struct fm_detector *d;
  o.size = sizeof o;
  o.untrained = 1;
  if (fm_detector_open(s, path, &o, &d) != 0) fail_msg("%s", fm_session_message(s));
  return d;
}

static void learns_by_name(void **state) {
  struct trained r;
  open_trained(*state, &r);
  assert_non_null(strstr(r.heard.text, "good pictures learned"));
  assert_true(r.heard.steps > 0);
  struct fm_detector *d = open_model(r.s, r.t.model, (struct fm_detector_options){0});
  const double before = fm_detector_threshold(d);
  const char *name, *value;
  assert_true(fm_detector_fact(d, 0, &name, &value));
  assert_string_equal(name, "method");
  assert_string_equal(value, "padim");
  assert_false(fm_detector_fact(d, 1000, &name, &value));
  assert_non_null(strstr(fm_detector_threshold_origin(d), "good pictures"));
  fm_detector_close(d);
  /* by hand, into another file */
  char other[512];
  folder_path(&r.t.folder, "other.flawmap", other);
  static const char *const by_hand[] = {"threshold", "123", NULL};
  assert_int_equal(fm_calibrate(r.s, r.t.model, NULL, other, by_hand), 0);
  d = open_model(r.s, other, (struct fm_detector_options){0});
  assert_true(fm_detector_threshold(d) == 123);
  fm_detector_close(d);
  d = open_model(r.s, other, (struct fm_detector_options){.has_threshold = 1, .threshold = 7});
  assert_true(fm_detector_threshold(d) == 7);
  fm_detector_close(d);
  /* more good pictures, in place */
  char good[512];
  folder_path(&r.t.folder, "data/gear/test/good", good);
  assert_int_equal(fm_update(r.s, r.t.model, good, NULL, NULL), 0);
  assert_non_null(strstr(r.heard.text, "joined later"));
  d = open_model(r.s, r.t.model, (struct fm_detector_options){0});
  assert_true(fm_detector_threshold(d) >= before);
  fm_detector_close(d);
  close_trained(&r);
}

static void stops_and_says_what_is_wrong(void **state) {
  struct trained r;
  open_trained(*state, &r);
  char other[512];
  folder_path(&r.t.folder, "stopped.flawmap", other);
  static const char *const options[] = {"method", "padim", "size", "64", "untrained", "yes", NULL};
  r.heard.stop = true;
  assert_int_equal(fm_train(r.s, r.data, other, options), FLAWMAP_STOPPED);
  assert_false(fm_file_exists(other));
  r.heard.stop = false;
  fm_session_clear(r.s);
  fm_session_cancel(r.s);
  assert_int_equal(fm_train(r.s, r.data, other, options), FLAWMAP_STOPPED);
  fm_session_clear(r.s);
  static const char *const wrong[][3] = {{"no-such-option", "1"}, {"device", "0"},    {"o", "x"},
                                         {"help", "yes"},         {"recipe", "list"}, {"size", "7"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(fm_train(r.s, r.data, other, wrong[i]), FLAWMAP_USAGE);
    assert_true(fm_session_message(r.s)[0]);
    fm_session_clear(r.s);
  }
  assert_int_not_equal(fm_train(r.s, "/no/such/folder", other, NULL), 0);
  fm_session_clear(r.s);
  static const char *const odd[] = {"size", NULL};
  assert_int_equal(fm_train(r.s, r.data, other, odd), FLAWMAP_USAGE);
  close_trained(&r);
}

/* Every order and stride of the same picture comes to the same, from a file and from bytes. */
static void pictures_of_every_order(void **state) {
  struct trained r;
  struct fm_context *ctx = *state;
  open_trained(ctx, &r);
  struct fm_image image;
  ASSERT_OK(ctx, fm_image_read(ctx, r.t.category.test[0].path, &image));
  size_t size;
  unsigned char *bytes = read_all(ctx, r.t.model, &size);
  struct fm_detector_options o = {.size = sizeof o, .untrained = 1, .has_threshold = 1, .threshold = 1e-6};
  struct fm_detector *d;
  assert_int_equal(fm_detector_open_bytes(r.s, bytes, size, NULL, &o, &d), 0);
  enum { STRIDE = 64 * 4 + 5 };
  static const int bytes_of[] = {3, 3, 1, 4, 4}, red[] = {0, 2, 0, 0, 2}, blue[] = {2, 0, 0, 2, 0};
  unsigned char room[64 * STRIDE], mask[64 * 64];
  float map[64 * 64], first[64 * 64];
  struct fm_picture_region region[4];
  for (int order = FLAWMAP_RGB; order <= FLAWMAP_BGRA; order++) {
    bool grey = order == FLAWMAP_GREY;
    memset(room, 77, sizeof room);
    for (int y = 0; y < 64; y++)
      for (int x = 0; x < 64; x++) {
        const unsigned char *in = image.pixels + 3 * (64 * y + x);
        unsigned char *out = room + y * STRIDE + x * bytes_of[order];
        out[red[order]] = in[0];
        if (!grey) out[1] = in[1];
        if (!grey) out[blue[order]] = in[2];
      }
    struct fm_picture p = {.size = sizeof p,
                           .width = 64,
                           .height = 64,
                           .pixels = room,
                           .stride = STRIDE,
                           .order = order,
                           .map = map,
                           .mask = mask,
                           .regions = region,
                           .region_room = 4};
    if (fm_detector_score(d, 1, &p) != 0) fail_msg("%s", fm_session_message(r.s));
    if (order == FLAWMAP_RGB) memcpy(first, map, sizeof map);
    assert_int_equal(memcmp(first, map, sizeof map) == 0, !grey);
    assert_true(p.flagged && p.region_count > 0 && region[0].area > 0 && region[0].peak <= (double)p.score);
    assert_int_equal(mask[(int)(region[0].y) * 64 + region[0].x] == 255 ||
                         region[0].area < region[0].width * region[0].height,
                     1);
  }
  struct fm_picture p = {.size = sizeof p, .width = 64, .height = 64, .pixels = room, .stride = 3};
  assert_int_equal(fm_detector_score(d, 1, &p), FLAWMAP_USAGE); /* rows are longer */
  fm_session_clear(r.s);
  p.stride = 0;
  p.order = 9;
  assert_int_equal(fm_detector_score(d, 1, &p), FLAWMAP_USAGE);
  fm_session_clear(r.s);
  p.order = 0;
  p.size = 8;
  assert_int_equal(fm_detector_score(d, 1, &p), FLAWMAP_USAGE);
  fm_session_clear(r.s);
  p.size = sizeof p;
  unsigned char repaired[64 * 64 * 3];
  p.repaired = repaired;
  assert_int_equal(fm_detector_score(d, 1, &p), FLAWMAP_USAGE); /* the model cannot */
  fm_session_clear(r.s);
  fm_detector_close(d);
  assert_int_equal(fm_detector_open_bytes(r.s, bytes, size / 2, "half", &o, &d), FLAWMAP_FORMAT);
  assert_non_null(strstr(fm_session_message(r.s), "half"));
  fm_session_clear(r.s);
  assert_int_not_equal(fm_detector_open_bytes(r.s, NULL, 0, NULL, &o, &d), 0);
  fm_free(ctx, bytes);
  fm_image_free(ctx, &image);
  close_trained(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(scores_as_the_program), TEST(learns_by_name),
                                     TEST(stops_and_says_what_is_wrong), TEST(pictures_of_every_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
