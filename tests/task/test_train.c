/* The training: it learns, it repeats, it goes on where it was stopped, it says what is wrong. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "base/memory.h"

static void loss_falls(void **state) {
  struct tiny t;
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 6;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  double first = logged_loss(t.ctx, t.log, 1), last = logged_loss(t.ctx, t.log, 6);
  if (!(last < 0.8 * first)) fail_msg("loss %g at first, %g at last", first, last);
  assert_false(fm_file_exists(t.checkpoint));
  struct fm_model m;
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  assert_int_equal(m.data.learned, 9);
  assert_int_equal(m.data.held, 2);
  assert_int_equal(m.image.n, 2);
  assert_false(m.expert.trained);
  assert_true(m.image.value > 0);
  fm_model_free(&m);
  tiny_close(&t);
}

/* One picture a step, no statistics anew, every picture trains: the thresholds then promise nothing. */
static void batch_of_one(void **state) {
  struct tiny t;
  tiny_open(*state, &t);
  t.fit.recipe.batch = 1;
  t.fit.recipe.epochs = 1;
  t.fit.recipe.hold_out = 0;
  t.fit.recipe.reestimate = false;
  t.fit.recipe.mom = t.fit.recipe.oom = false;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  struct fm_model m;
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &m));
  assert_int_equal(m.data.learned, 11);
  assert_int_equal(m.image.n, 11);
  assert_false(m.image.kept);
  assert_non_null(strstr(m.image.origin, "11 pictures that the model learned from"));
  fm_model_free(&m);
  tiny_close(&t);
}

/* ctx->stop set before the start stops after each step: six runs, cut at every place there is. */
static void resumes_anywhere(void **state) {
  struct tiny t;
  bool given[FM_FIELDS] = {false};
  char whole[512];
  tiny_open(*state, &t);
  ASSERT_OK(t.ctx, tiny_fit(&t));
  memcpy(whole, t.model, sizeof whole);
  tiny_name(&t, "again.flawmap");
  ASSERT_OK(t.ctx, tiny_fit(&t));
  assert_same_file(t.ctx, whole, t.model);
  tiny_name(&t, "cut.flawmap");
  t.fit.resume = true;
  for (int cut = 0; cut < 6; cut++) {
    t.ctx->stop = true;
    assert_int_equal(tiny_fit(&t), FM_STOPPED);
    fm_error_clear(t.ctx);
    t.ctx->stop = false;
    assert_true(fm_file_exists(t.checkpoint));
    assert_false(fm_file_exists(t.model));
    /* Options that were not given are the checkpoint's; those that are may agree. */
    t.fit.recipe.gamma = 3;
    given[fm_field_find("batch")] = true;
    t.fit.given = given;
  }
  ASSERT_OK(t.ctx, tiny_fit(&t));
  assert_same_file(t.ctx, whole, t.model);
  assert_false(fm_file_exists(t.checkpoint));
  /* Once more: it is finished, and left alone. */
  ASSERT_OK(t.ctx, tiny_fit(&t));
  tiny_close(&t);
}

/* Statistics estimated anew forget those of the training, whatever its momentum was; the weights stay. */
static void statistics_anew(void **state) {
  struct tiny t;
  struct fm_model m[3];
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 1;
  for (int i = 0; i < 3; i++) {
    t.fit.recipe.momentum = i == 1 ? 0.7 : 0.1;
    t.fit.recipe.reestimate = i < 2;
    ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m[i]));
  }
  const struct fm_weights *a = &m[0].learned, *b = &m[1].learned, *c = &m[2].learned;
  assert_memory_equal(a->value, b->value, a->total * sizeof *a->value);
  for (size_t i = 0; i < a->count; i++) {
    const struct fm_weight *item = &a->item[i];
    int differs = memcmp(a->value + item->offset, c->value + item->offset, item->count * sizeof *a->value);
    assert_true((differs != 0) == !item->trained);
  }
  for (int i = 0; i < 3; i++) fm_model_free(&m[i]);
  tiny_close(&t);
}

static void conflicts_are_named(void **state) {
  struct tiny t;
  bool given[FM_FIELDS] = {false};
  tiny_open(*state, &t);
  /* Kernels that are still to be compiled would hear the stop first, and there would be no checkpoint. */
  ASSERT_OK(t.ctx, tiny_fit(&t));
  ASSERT_OK(t.ctx, fm_file_remove(t.ctx, t.model));
  t.fit.resume = true;
  t.ctx->stop = true;
  assert_int_equal(tiny_fit(&t), FM_STOPPED);
  t.ctx->stop = false;
  fm_error_clear(t.ctx);
  t.fit.recipe.lr = 1e-3;
  given[fm_field_find("lr")] = true;
  t.fit.given = given;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "--lr is 0.001"));
  assert_non_null(strstr(t.ctx->message, "0.0004"));
  fm_error_clear(t.ctx);
  given[fm_field_find("lr")] = false;
  t.category.train_count--;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "other pictures"));
  fm_error_clear(t.ctx);
  t.category.train_count++;
  /* A checkpoint cut short is an error, and stays. */
  size_t size;
  unsigned char *bytes = read_all(t.ctx, t.checkpoint, &size);
  ASSERT_OK(t.ctx, fm_file_write(t.ctx, t.checkpoint, bytes, size - 5));
  fm_free(t.ctx, bytes);
  assert_int_equal(tiny_fit(&t), FM_FORMAT);
  fm_error_clear(t.ctx);
  assert_true(fm_file_exists(t.checkpoint));
  tiny_close(&t);
}

/* Weights that grow more and more from epoch to epoch: a sentence, and the checkpoint of the epoch before. */
static void explosion_stops(void **state) {
  struct tiny t;
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 20;
  t.fit.recipe.lr_decay = 1000;
  t.fit.recipe.weight_decay = 100;
  assert_int_equal(tiny_fit(&t), FM_NUMERIC);
  assert_non_null(strstr(t.ctx->message, "--lr"));
  fm_error_clear(t.ctx);
  assert_true(fm_file_exists(t.checkpoint));
  assert_false(fm_file_exists(t.model));
  struct fm_checkpoint c;
  ASSERT_OK(t.ctx, fm_checkpoint_read(t.ctx, t.checkpoint, &c)); /* finite, or it would be refused */
  fm_checkpoint_free(t.ctx, &c);
  tiny_close(&t);
}

static void recipe_values(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r, s;
  fm_recipe_default(&r);
  assert_int_equal(fm_recipe_set(ctx, &r, "epochs", "0", "here"), FM_USAGE);
  assert_non_null(strstr(ctx->message, "epochs"));
  fm_error_clear(ctx);
  static const char *const bad[][2] = {{"lr", "nan"},    {"lr", ""},      {"batch", "2.5"},
                                       {"mom", "maybe"}, {"size", "1e9"}, {"hold-out", "95%"},
                                       {"speed", "1"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(fm_recipe_set(ctx, &r, bad[i][0], bad[i][1], "here"), FM_USAGE);
    fm_error_clear(ctx);
  }
  ASSERT_OK(ctx, fm_recipe_read(ctx, "cdo", &r));
  assert_string_equal(r.backbone, "hrnet32");
  assert_true(r.hold_out == 0 && !r.reestimate && r.false_alarms == 0.01 && r.seed == 111);
  ASSERT_OK(ctx, fm_recipe_check(ctx, &r));
  memset(&s, 0, sizeof s);
  for (int i = 0; i < FM_FIELDS; i++) {
    char value[FM_FIELD_VALUE];
    if (!fm_recipe_has(&r, i)) continue;
    fm_recipe_get(&r, i, value);
    ASSERT_OK(ctx, fm_recipe_set(ctx, &s, fm_fields[i].key, value, "here"));
  }
  assert_true(s.lr == r.lr && s.patches == r.patches && s.skip_background == r.skip_background);
  assert_int_equal(fm_recipe_read(ctx, "nonsense", &r), FM_USAGE);
  assert_non_null(strstr(ctx->message, "--recipe list"));
  fm_error_clear(ctx);
  r.size = fm_square(100);
  assert_int_equal(fm_recipe_check(ctx, &r), FM_USAGE);
  fm_error_clear(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(recipe_values),   TEST(loss_falls),          TEST(batch_of_one),    TEST(resumes_anywhere),
      TEST(statistics_anew), TEST(conflicts_are_named), TEST(explosion_stops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
