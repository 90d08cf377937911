/* Semi-supervised training and training on few pictures: what is drawn, what is remembered, what is refused.
 */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"

#include "base/memory.h"
#include "base/rng.h"
#include "model/real.h"

#include <stdlib.h>

/* ---- drawing, on a list without files ---- */

enum { KINDS = 3, EACH = 6, TEST = KINDS * EACH + 2 };

struct list {
  struct fm_sample test[TEST];
  char name[TEST][8], mask[5];
  struct fm_category category;
};

/* broken 0-5, dent 0-5 (5 without mask), good 0-1, scratch 0-5 */
static void list_make(struct list *l) {
  static char kind[4][8] = {"broken", "dent", "good", "scratch"}, name[] = "list";
  strcpy(l->mask, "mask");
  int n = 0;
  for (int k = 0; k < 4; k++)
    for (int i = 0; i < (k == 2 ? 2 : EACH); i++, n++) {
      snprintf(l->name[n], sizeof l->name[n], "%03d", i);
      bool masked = k != 2 && !(k == 1 && i == 5);
      l->test[n] = (struct fm_sample){.path = l->name[n],
                                      .name = l->name[n],
                                      .kind = kind[k],
                                      .flawed = k != 2,
                                      .mask = masked ? l->mask : NULL};
    }
  l->category = (struct fm_category){.name = name, .test = l->test, .test_count = TEST};
}

static size_t of_kind(const char *text, const char *kind) {
  size_t n = 0;
  for (const char *at = text; (at = strstr(at, kind)); at++) n++;
  return n;
}

static void drawn_evenly(void **state) {
  struct fm_context *ctx = *state;
  struct list l;
  list_make(&l);
  char *before = NULL, *text, *again, *other;
  bool differs = false;
  for (size_t n = 1; n <= 17; n++) {
    ASSERT_OK(ctx, fm_real_draw(ctx, &l.category, 42, n, &text));
    ASSERT_OK(ctx, fm_real_draw(ctx, &l.category, 42, n, &again));
    ASSERT_OK(ctx, fm_real_draw(ctx, &l.category, 7, n, &other));
    assert_string_equal(text, again);
    differs |= strcmp(text, other) != 0;
    assert_true(fm_real_valid(text));
    assert_int_equal(fm_real_count(text), n);
    assert_int_equal(of_kind(text, "good"), 0);
    assert_null(strstr(text, "dent/005"));
    size_t most = 0, least = TEST;
    for (int k = 0; k < KINDS; k++) {
      size_t some = of_kind(text, (const char *[]){"broken/", "dent/", "scratch/"}[k]);
      most = some > most ? some : most;
      least = some < least ? some : least;
    }
    assert_true(most - least <= 1);
    /* More of them include those of fewer. */
    struct fm_sample *samples;
    size_t count;
    for (char *line = before; line && *line; line = strchr(line, '\n') + 1) {
      char one[32];
      snprintf(one, sizeof one, "%.*s", (int)(strchr(line, '\n') - line + 1), line);
      assert_non_null(strstr(text, one));
    }
    ASSERT_OK(ctx, fm_real_samples(ctx, &l.category, text, &samples, &count));
    assert_int_equal(count, n);
    for (size_t i = 0; i < count; i++) assert_true(samples[i].flawed && samples[i].mask);
    fm_free(ctx, samples);
    fm_free(ctx, before);
    fm_free(ctx, again);
    fm_free(ctx, other);
    before = text;
  }
  fm_free(ctx, before);
  assert_true(differs);
  assert_int_equal(fm_real_draw(ctx, &l.category, 42, 18, &text), FM_USAGE);
  assert_null(text);
  assert_non_null(strstr(ctx->message, "17"));
  fm_error_clear(ctx);
  for (int i = 0; i < TEST; i++) l.test[i].mask = NULL;
  assert_int_equal(fm_real_draw(ctx, &l.category, 42, 1, &text), FM_USAGE);
  assert_non_null(strstr(ctx->message, "no flawed test pictures with masks"));
  fm_error_clear(ctx);
}

/* A file in any order gives the list's; what is not there is named with its line. */
static void named_by_a_file(void **state) {
  struct fm_context *ctx = *state;
  struct folder folder = folder_make();
  struct list l;
  char path[512], *text;
  struct fm_sample *samples;
  size_t count;
  list_make(&l);
  folder_path(&folder, "list.txt", path);
  static const char lines[] = "scratch/002\r\n\nbroken/001 \nscratch/002";
  folder_put(ctx, &folder, "list.txt", lines, sizeof lines - 1);
  ASSERT_OK(ctx, fm_real_read(ctx, &l.category, path, &text));
  assert_string_equal(text, "broken/001\nscratch/002\n");
  fm_free(ctx, text);
  static const char wrong[] = "scratch/002\ncrack/001\n";
  folder_put(ctx, &folder, "list.txt", wrong, sizeof wrong - 1);
  assert_int_equal(fm_real_read(ctx, &l.category, path, &text), FM_USAGE);
  assert_non_null(strstr(ctx->message, "line 2"));
  assert_non_null(strstr(ctx->message, "crack/001"));
  fm_error_clear(ctx);
  static const char *const bad[][2] = {
      {"good/001\n", "good one"}, {"dent/005\n", "no mask"}, {"dent/9\n", "not there"}};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fm_real_samples(ctx, &l.category, bad[i][0], &samples, &count), FM_USAGE);
    assert_non_null(strstr(ctx->message, bad[i][1]));
    fm_error_clear(ctx);
  }
  static const char *const invalid[] = {"a/b", "ab\n", "a/b\n\n", "a/\033b\n", "\n"};
  for (int i = 0; i < 5; i++) assert_false(fm_real_valid(invalid[i]));
  assert_true(fm_real_valid("") && fm_real_valid("a/b\n") && fm_real_count(NULL) == 0);
  folder_remove(&folder);
}

/* ---- training ---- */

static void same_bytes(struct fm_context *ctx, const char *a, const char *b) {
  unsigned char *x, *y;
  size_t n, m;
  ASSERT_OK(ctx, fm_file_read(ctx, a, (size_t)1 << 30, &x, &n));
  ASSERT_OK(ctx, fm_file_read(ctx, b, (size_t)1 << 30, &y, &m));
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
  fm_free(ctx, x);
  fm_free(ctx, y);
}

/* The n-th allocation or read fails: a status and a message, and no leak (seen by the teardown). */
static void failures_are_reported(void **state) {
  struct fm_context *ctx = *state;
  struct folder folder = folder_make();
  struct list l;
  char path[512];
  list_make(&l);
  folder_path(&folder, "list.txt", path);
  folder_put(ctx, &folder, "list.txt", "dent/001\n", 9);
  for (int mode = 0; mode < 2; mode++) {
    struct fm_fault *fault = &ctx->fault[mode ? FM_FAULT_FILE : FM_FAULT_ALLOC];
    enum fm_status status = FM_MEMORY;
    for (long n = 1; status != FM_OK; n++) {
      char *drawn = NULL, *read = NULL;
      struct fm_sample *samples = NULL;
      size_t count;
      fm_error_clear(ctx);
      fault->count = 0;
      fault->fail_at = n;
      status = fm_real_draw(ctx, &l.category, 1, 4, &drawn);
      if (status == FM_OK) status = fm_real_read(ctx, &l.category, path, &read);
      if (status == FM_OK) status = fm_real_samples(ctx, &l.category, drawn, &samples, &count);
      fm_free(ctx, drawn);
      fm_free(ctx, read);
      fm_free(ctx, samples);
      assert_int_equal(status == FM_OK, ctx->status == FM_OK);
      assert_int_equal(ctx->live_allocations, 0);
      assert_true(n < 1000);
    }
    fault->fail_at = 0;
  }
  folder_remove(&folder);
}

/* The model remembers them, the test set is without them; their masks are what is learned. */
static void learns_from_flaws(void **state) {
  struct tiny t;
  struct fm_model plain, m, other, loaded;
  tiny_open(*state, &t);
  t.fit.recipe.mom = false; /* the only flaws are the real ones */
  t.fit.recipe.reestimate = false;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &plain));
  assert_null(plain.data.real);
  t.fit.recipe.real_anomalies = 2;
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  assert_int_equal(fm_real_count(m.data.real), 2);
  assert_int_equal(m.data.learned, 9);
  assert_int_equal(m.image.n, 2); /* thresholds from good ones only */
  assert_true(memcmp(m.learned.value, plain.learned.value, m.learned.total * sizeof(float)) != 0);
  ASSERT_OK(t.ctx, fm_model_load(t.ctx, t.model, NULL, &loaded));
  char *before_it =
      NULL; /* every flawed picture gets the mask of the one before it, the first that of the last */
  for (int turn = 0; turn < 2; turn++)
    for (size_t i = 0; i < t.category.test_count; i++) {
      struct fm_sample *sample = &t.category.test[i];
      char *own = sample->mask;
      if (own && turn) sample->mask = before_it;
      if (own) before_it = own;
    }
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &other));
  assert_true(memcmp(m.learned.value, other.learned.value, m.learned.total * sizeof(float)) != 0);
  fm_model_free(&other);
  assert_string_equal(loaded.data.real, m.data.real);
  size_t before = t.category.test_count;
  assert_int_equal(fm_real_leave_out(t.ctx, &t.category, loaded.data.real), 2);
  assert_int_equal(t.category.test_count, before - 2);
  assert_int_equal(fm_real_leave_out(t.ctx, &t.category, loaded.data.real), 0);
  fm_model_free(&plain);
  fm_model_free(&m);
  fm_model_free(&loaded);
  tiny_close(&t);
}

/* Stopped after every step and resumed without the option: the same bytes. Other flaws are refused. */
static void resumes_with_its_flaws(void **state) {
  struct tiny t;
  bool given[FM_FIELDS] = {false};
  char whole[512], list[512];
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 1;
  t.fit.recipe.real_anomalies = 2;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  memcpy(whole, t.model, sizeof whole);
  tiny_name(&t, "cut.flawmap");
  t.ctx->stop = true;
  assert_int_equal(tiny_fit(&t), FM_STOPPED);
  fm_error_clear(t.ctx);
  t.fit.resume = true;
  t.fit.given = given;
  t.fit.recipe.real_anomalies = 0;
  assert_int_equal(tiny_fit(&t), FM_STOPPED);
  fm_error_clear(t.ctx);
  t.ctx->stop = false;
  given[fm_field_find("real-anomalies")] = true;
  t.fit.recipe.real_anomalies = 1;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "--real-anomalies is 1"));
  fm_error_clear(t.ctx);
  given[fm_field_find("real-anomalies")] = false;
  t.fit.recipe.real_anomalies = 0;
  const struct fm_sample *last = &t.category.test[t.category.test_count - 1];
  char line[128];
  snprintf(line, sizeof line, "%s/%s\n", last->kind, last->name);
  folder_put(t.ctx, &t.folder, "list.txt", line, strlen(line));
  t.fit.real_list = folder_path(&t.folder, "list.txt", list);
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "other flawed pictures"));
  fm_error_clear(t.ctx);
  t.fit.real_list = NULL;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  same_bytes(t.ctx, whole, t.model);
  /* It is finished: the same list is fine, another one is not. */
  ASSERT_OK(t.ctx, tiny_fit(&t));
  t.fit.real_list = list;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  fm_error_clear(t.ctx);
  tiny_close(&t);
}

/* A list in a file, on the canvas of 2025. */
static void learns_from_a_list(void **state) {
  struct tiny t;
  struct fm_model m;
  char list[512], line[128];
  tiny_open(*state, &t);
  const struct fm_sample *s = &t.category.test[0];
  while (!s->flawed) s++;
  snprintf(line, sizeof line, "%s/%s\n", s->kind, s->name);
  folder_put(t.ctx, &t.folder, "list.txt", line, strlen(line));
  t.fit.real_list = folder_path(&t.folder, "list.txt", list);
  t.fit.recipe.epochs = 1;
  t.fit.recipe.patch_canvas = 128;
  ASSERT_OK(t.ctx, fm_recipe_set(t.ctx, &t.fit.recipe, "variant", "2025", "here"));
  ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m));
  assert_string_equal(m.data.real, line);
  assert_int_equal(m.recipe.real_anomalies, 1);
  fm_model_free(&m);
  size_t count = t.category.test_count;
  t.category.test_count = 0; /* as in a folder of good pictures */
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  fm_error_clear(t.ctx);
  t.fit.real_list = NULL;
  t.fit.recipe.real_anomalies = 1;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "no flawed test pictures with masks"));
  fm_error_clear(t.ctx);
  t.category.test_count = count;
  tiny_close(&t);
}

/* ---- few pictures ---- */

/* It looks at the pictures that the seed chooses, and at no other: those have lost their files. */
static void chosen_by_the_seed(void **state) {
  struct tiny t;
  static char nowhere[] = "/nowhere";
  uint32_t order[2][11];
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 1;
  t.fit.recipe.shots = 3;
  for (int seed = 0; seed < 2; seed++) {
    struct fm_rng rng = fm_rng_stream((uint64_t)seed, "shots");
    char *path[11];
    fm_rng_permutation(&rng, order[seed], 11);
    for (int i = 0; i < 11; i++) {
      struct fm_sample *s = &t.category.train[order[seed][i]];
      path[i] = s->path;
      if (i >= 3) s->path = nowhere;
    }
    t.fit.recipe.seed = seed;
    ASSERT_OK(t.ctx, tiny_fit(&t));
    for (int i = 0; i < 11; i++) t.category.train[order[seed][i]].path = path[i];
  }
  assert_memory_not_equal(order[0], order[1], 3 * sizeof order[0][0]);
  tiny_close(&t);
}

static void few_pictures(void **state) {
  struct tiny t;
  struct fm_model m[4];
  tiny_open(*state, &t);
  t.fit.recipe.epochs = 2;
  static const long seed[4] = {1, 1, 2, 1}, shots[4] = {2, 2, 2, 1};
  for (int i = 0; i < 4; i++) {
    t.fit.recipe.seed = seed[i];
    t.fit.recipe.shots = shots[i];
    ASSERT_OK(t.ctx, fm_fit_run(t.d, &t.fit, &m[i]));
    assert_int_equal(m[i].data.learned, shots[i]);
    assert_int_equal(m[i].data.held, 0);
    assert_int_equal(m[i].image.n, shots[i]);
    assert_false(m[i].image.kept);
  }
  size_t bytes = m[0].learned.total * sizeof(float);
  assert_memory_equal(m[0].learned.value, m[1].learned.value, bytes);
  assert_true(memcmp(m[0].learned.value, m[2].learned.value, bytes) != 0);
  for (int i = 0; i < 4; i++) fm_model_free(&m[i]);
  /* All of them: any more are refused. An epoch has one step as long as they fit into a batch. */
  t.fit.recipe.shots = 3;
  t.fit.recipe.batch = 32;
  ASSERT_OK(t.ctx, tiny_fit(&t));
  unsigned char *log;
  size_t size;
  ASSERT_OK(t.ctx, fm_file_read(t.ctx, t.log, 1 << 20, &log, &size));
  assert_non_null(strstr((char *)log, "\n1,1,"));
  assert_non_null(strstr((char *)log, "\n2,2,"));
  fm_free(t.ctx, log);
  t.fit.recipe.shots = 12;
  assert_int_equal(tiny_fit(&t), FM_USAGE);
  assert_non_null(strstr(t.ctx->message, "11 good"));
  fm_error_clear(t.ctx);
  tiny_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(drawn_evenly),           TEST(named_by_a_file),
                                     TEST(failures_are_reported),  TEST(learns_from_flaws),
                                     TEST(resumes_with_its_flaws), TEST(learns_from_a_list),
                                     TEST(chosen_by_the_seed),     TEST(few_pictures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
