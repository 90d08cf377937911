/* CDO's steps: small sets get more epochs, through the same rates; the training ends where its map gains no
 * more, and one that was stopped ends where it would have. Published recipes know nothing of it. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include <math.h>

enum { PICTURES = 9, BATCHES = 3, STEPS = 30 }; /* judged each 6 steps: each second epoch */

/* A judge that says what it was told to. */
struct script {
  struct fm_context *ctx;
  const double *value;
  int calls, stop_at;
};

static enum fm_status say(void *user, const struct fm_weights *learned, double *value) {
  struct script *s = user;
  assert_true(learned->total > 0 && isfinite(learned->value[0]));
  *value = s->value[s->calls++];
  if (s->calls == s->stop_at) atomic_store(&s->ctx->stop, true);
  return FM_OK;
}

struct setting {
  struct tiny t;
  struct fm_expert expert;
  struct fm_train train;
  struct script script;
};

static void open_setting(struct fm_context *ctx, struct setting *s, const double *value) {
  const struct fm_backbone *backbone;
  tiny_open(ctx, &s->t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "cdo", &s->t.fit.recipe));
  s->t.fit.recipe.size = fm_square(64);
  s->t.fit.recipe.batch = 4;
  s->t.fit.recipe.epochs = 2;
  s->t.fit.recipe.steps = STEPS;
  ASSERT_OK(ctx, fm_backbone_find(ctx, s->t.fit.recipe.backbone, &backbone));
  ASSERT_OK(ctx, fm_expert_load(ctx, backbone, NULL, true, &s->expert));
  s->script = (struct script){.ctx = ctx, .value = value};
  s->train = (struct fm_train){.recipe = s->t.fit.recipe,
                               .category = "gear",
                               .samples = s->t.category.train,
                               .count = PICTURES,
                               .data_hash = "0123456789abcdef",
                               .expert = &s->expert,
                               .checkpoint = s->t.checkpoint,
                               .log = s->t.log,
                               .judge = say,
                               .judge_user = &s->script};
}

static void close_setting(struct setting *s) {
  fm_expert_free(&s->expert);
  tiny_close(&s->t);
}

static enum fm_status fit(struct setting *s, struct fm_weights *learned) {
  return fm_method_of(&s->train.recipe)->fit(s->t.d, &s->train, learned);
}

/* The first and last rates in the log, and how many epochs there are. */
static int rates(struct fm_context *ctx, const char *path, double *first, double *last) {
  size_t size;
  char *text = (char *)read_all(ctx, path, &size), *line = text;
  int epochs = 0;
  for (double lr; line && (line = strchr(line, '\n')) && line[1]; epochs++, line++) {
    assert_int_equal(sscanf(line + 1, "%*d,%*d,%lf", &lr), 1);
    if (!epochs) *first = lr;
    *last = lr;
  }
  fm_free(ctx, text);
  return epochs;
}

static void small_sets_get_more_epochs(void **state) {
  struct fm_context *ctx = *state;
  struct fm_recipe r, published;
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "cdo", &r));
  assert_true(r.steps == 500 && r.epochs == 50 && r.batch == 16);
  assert_int_equal(fm_recipe_epochs(&r, 44), 167); /* 3 batches */
  assert_int_equal(fm_recipe_epochs(&r, 256), 50); /* 16 */
  assert_int_equal(fm_recipe_epochs(&r, 1), 500);
  ASSERT_OK(ctx, fm_recipe_read(ctx, "cdo", &published));
  assert_int_equal(published.steps, 0);
  assert_int_equal(fm_recipe_epochs(&published, 1), 50);
  static const double gains[] = {.1, .2, .3, .4, .5};
  struct setting s;
  struct fm_weights w;
  double first, last;
  open_setting(ctx, &s, gains);
  ASSERT_OK(ctx, fit(&s, &w));
  assert_int_equal(s.script.calls, 5);
  assert_int_equal(rates(ctx, s.t.log, &first, &last), STEPS / BATCHES);
  /* Two epochs' worth of rates over ten. */
  assert_true(fabs(first - r.lr) < 1e-9 && fabs(last - r.lr * pow(r.lr_decay, 2 * 0.9)) < 1e-9);
  fm_weights_free(&w);
  close_setting(&s);
}

static void ends_where_nothing_is_gained(void **state) {
  struct fm_context *ctx = *state;
  static const double values[] = {.3, .4, .404, .35, .9}; /* .404 is no gain */
  struct setting s;
  struct fm_weights all, parts;
  double first, last;
  open_setting(ctx, &s, values);
  ASSERT_OK(ctx, fit(&s, &all));
  assert_int_equal(s.script.calls, 4);
  assert_int_equal(rates(ctx, s.t.log, &first, &last), 8);
  for (int stop_at = 3; stop_at <= 4; stop_at++) { /* after a judgement; after the one that ends it */
    struct fm_checkpoint from;
    s.script = (struct script){.ctx = ctx, .value = values, .stop_at = stop_at};
    enum fm_status status = fit(&s, &parts);
    if (stop_at == 4 && status == FM_OK) { /* it had ended */
      atomic_store(&ctx->stop, false);
      fm_weights_free(&parts);
    } else {
      assert_int_equal(status, FM_STOPPED);
      fm_error_clear(ctx);
      atomic_store(&ctx->stop, false);
    }
    ASSERT_OK(ctx, fm_checkpoint_read(ctx, s.t.checkpoint, &from));
    s.script.stop_at = 0;
    s.train.resume = &from;
    ASSERT_OK(ctx, fit(&s, &parts));
    s.train.resume = NULL;
    assert_int_equal(s.script.calls, 4);
    assert_memory_equal(all.value, parts.value, all.total * sizeof *all.value);
    fm_weights_free(&parts);
    fm_checkpoint_free(ctx, &from);
  }
  fm_weights_free(&all);
  close_setting(&s);
}

/* Without steps nobody is asked. */
static void published_recipes_are_not_judged(void **state) {
  struct fm_context *ctx = *state;
  struct setting s;
  struct fm_weights w;
  double first, last;
  open_setting(ctx, &s, NULL);
  s.train.recipe.steps = 0;
  ASSERT_OK(ctx, fit(&s, &w));
  assert_int_equal(s.script.calls, 0);
  assert_int_equal(rates(ctx, s.t.log, &first, &last), 2);
  fm_weights_free(&w);
  close_setting(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(small_sets_get_more_epochs), TEST(ends_where_nothing_is_gained),
                                     TEST(published_recipes_are_not_judged)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
