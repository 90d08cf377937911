/* What trainings by gradient share: the seconds of an epoch go on where an interrupted run left them. */
#define _XOPEN_SOURCE 700
#include "data/folder.h"

#include "base/memory.h"
#include "method/session.h"

#include <stdlib.h>

/* The last number of the last row. */
static double last_number(struct fm_context *ctx, const char *path) {
  unsigned char *bytes;
  size_t size;
  ASSERT_OK(ctx, fm_file_read(ctx, path, 1 << 20, &bytes, &size));
  double value = strtod(strrchr((char *)bytes, ',') + 1, NULL);
  fm_free(ctx, bytes);
  return value;
}

static void seconds_go_on(void **state) {
  struct fm_context *ctx = *state;
  struct folder folder = folder_make();
  struct fm_expert expert = {0};
  struct fm_training s;
  char log[512], header[] = "epoch,step,lr,loss,tap1,tap2,tap3,seconds\n";
  const double loss[FM_LOSS_SUMS] = {1, 0, 0, 0};
  struct fm_checkpoint resume = {.batch = 1, .step = 1, .seconds = 1000, .log = header};
  struct fm_train t = {.category = "x", .data_hash = "0", .expert = &expert, .resume = &resume};
  fm_recipe_default(&t.recipe);
  t.recipe.epochs = 3;
  t.log = folder_path(&folder, "log.csv", log);
  ASSERT_OK(ctx, fm_training_open(ctx, &t, &s));
  fm_training_begin(&s, 2);
  fm_training_batch(&s, loss);
  ASSERT_OK(ctx, fm_training_epoch(&s));
  double first = last_number(ctx, log);
  assert_true(first >= 1000 && first < 1100);
  fm_training_batch(&s, loss);
  fm_training_batch(&s, loss);
  ASSERT_OK(ctx, fm_training_epoch(&s)); /* the next epoch begins at nothing */
  assert_true(last_number(ctx, log) < 100);
  fm_progress_end(&s.progress);
  fm_training_close(&s);
  /* Stopped again in the same epoch: the checkpoint keeps both parts. */
  ASSERT_OK(ctx, fm_training_open(ctx, &t, &s));
  fm_training_begin(&s, 3);
  fm_training_batch(&s, loss);
  assert_int_equal(fm_training_stopped(&s), FM_STOPPED);
  assert_true(s.state.seconds >= 1000 && s.state.seconds < 1100);
  fm_error_clear(ctx);
  fm_progress_end(&s.progress);
  fm_training_close(&s);
  folder_remove(&folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(seconds_go_on)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
