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
  assert_int_equal(fm_session_open(NULL, &s), 0);
  assert_int_not_equal(fm_detector_open(s, t.model, 2, &d), 0); /* its expert is untrained */
  assert_non_null(strstr(fm_session_message(s), "untrained"));
  fm_session_clear(s);
  fm_session_accept_untrained(s, 1);
  assert_int_equal(fm_detector_open(s, t.model, 2, &d), 0);
  struct fm_picture p[16] = {{0}};
  struct fm_image image[16];
  float map[64 * 64];
  for (size_t i = 0; i < count; i++) {
    ASSERT_OK(t.ctx, fm_image_read(t.ctx, t.category.test[i].path, &image[i]));
    p[i] = (struct fm_picture){.width = 64, .height = 64, .rgb = image[i].pixels, .map = i == 1 ? map : NULL};
  }
  assert_int_equal(fm_detector_score(d, (int)count, p), 0);
  for (size_t i = 0; i < count; i++) assert_true(p[i].score == want[i]);
  float most = map[0];
  for (int i = 1; i < 64 * 64; i++) most = fmaxf(most, map[i]);
  assert_true(most == want[1]);
  assert_true(fm_detector_threshold(d) == m.image.value);
  p[0].width = 0;
  assert_int_not_equal(fm_detector_score(d, 1, p), 0);
  assert_true(fm_session_failed(s));
  assert_non_null(strstr(fm_session_message(s), "0 x 64"));
  fm_session_clear(s);
  struct fm_detector *none;
  assert_int_not_equal(fm_detector_open(s, t.category.test[0].path, 1, &none), 0);
  assert_null(none);
  fm_detector_close(d);
  fm_session_close(s);
  for (size_t i = 0; i < count; i++) fm_image_free(t.ctx, &image[i]);
  fm_model_free(&m);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(scores_as_the_program)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
