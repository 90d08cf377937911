/* New pictures join a reference, and a model's refinement: what was there stays or stands aside for what
 * shows more, and limits rise where nothing tells that the old pictures would still pass. */
#define _XOPEN_SOURCE 700
#include "method/tiny.h"
#include "refine/f2pad_internal.h"
#include "refine/join.h"

#include <math.h>
#include <stdlib.h>

enum { SIZE = 64, PIXELS = SIZE * SIZE, CELLS = SIZE / 8 * (SIZE / 8) };

struct setting {
  struct tiny t;
  struct fm_model m; /* of all pictures but two; its expert is what references are seen with */
};

static void open_setting(struct fm_context *ctx, struct setting *s) {
  tiny_open(ctx, &s->t);
  ASSERT_OK(ctx, fm_recipe_begin(ctx, "padim", &s->t.fit.recipe));
  s->t.fit.recipe.size = fm_square(SIZE);
  s->t.fit.recipe.channels = 20;
  s->t.fit.recipe.refine = true;
  ASSERT_OK(ctx, tiny_fit(&s->t));
  ASSERT_OK(ctx, fm_model_load(ctx, s->t.model, NULL, &s->m));
  assert_true(s->m.refinement.there);
}

static void close_setting(struct setting *s) {
  fm_model_free(&s->m);
  tiny_close(&s->t);
}

static struct fm_train train_of(const struct setting *s, const struct fm_sample *samples, size_t count) {
  return (struct fm_train){
      .recipe = s->m.recipe, .category = "gear", .samples = samples, .count = count, .expert = &s->m.expert};
}

/* The largest difference of a picture's colours from another's. */
static int apart(const unsigned char *a, const unsigned char *b) {
  int most = 0;
  for (int i = 0; i < 4 * PIXELS; i++)
    if (i % 4 < 3 && abs(a[i] - b[i]) > most) most = abs(a[i] - b[i]);
  return most;
}

static void check_rows(struct fm_context *ctx, const struct fm_reference *joined,
                       const struct fm_reference *part, int first) {
  float *all, *own;
  ASSERT_OK(ctx, fm_reference_features(ctx, joined, &all));
  ASSERT_OK(ctx, fm_reference_features(ctx, part, &own));
  for (size_t row = 0, found = 0; row < joined->rows; row++) {
    int picture = joined->origin ? joined->origin[2 * row] : (int)row;
    if (picture < first || picture >= first + (int)part->count) continue;
    if (joined->origin) {
      assert_int_equal(picture, first + part->origin[2 * found]);
      assert_int_equal(joined->origin[2 * row + 1], part->origin[2 * found + 1]);
    }
    for (size_t k = 0; k < part->columns; k++) {
      size_t c = k / (part->columns / part->channels); /* half a level each time that it is packed */
      float most = 0.51f * joined->step[c];
      assert_true(fabsf(all[row * part->columns + k] - own[found * part->columns + k]) <= most + 1e-6f);
    }
    found++;
  }
  fm_free(ctx, all);
  fm_free(ctx, own);
}

/* A few: all of them are there, pictures and rows. */
static void few_join(void **state) {
  struct setting s;
  open_setting(*state, &s);
  struct fm_context *ctx = s.t.ctx;
  for (int kind = 0; kind < FM_REFERENCE_KINDS; kind++) {
    struct fm_train old = train_of(&s, s.t.category.train, 4),
                    fresh = train_of(&s, s.t.category.train + 4, 3);
    struct fm_reference a, b, joined;
    unsigned char *first, *then, *all;
    ASSERT_OK(ctx, fm_reference_fit(s.t.d, &old, (enum fm_reference_kind)kind, &a));
    ASSERT_OK(ctx, fm_reference_fit(s.t.d, &fresh, (enum fm_reference_kind)kind, &b));
    ASSERT_OK(ctx, fm_reference_join(s.t.d, &fresh, &a, &joined));
    assert_int_equal(joined.kind, kind);
    assert_int_equal(joined.count, 7);
    assert_int_equal(joined.rows, a.rows + b.rows);
    ASSERT_OK(ctx, fm_reference_pictures(ctx, &a, &first));
    ASSERT_OK(ctx, fm_reference_pictures(ctx, &b, &then));
    ASSERT_OK(ctx, fm_reference_pictures(ctx, &joined, &all));
    for (int i = 0; i < 7; i++) {
      const unsigned char *own = i < 4 ? first + i * 4 * PIXELS : then + (i - 4) * 4 * PIXELS;
      assert_true(apart(all + i * 4 * PIXELS, own) <= 8); /* packed once more */
    }
    check_rows(ctx, &joined, &a, 0);
    check_rows(ctx, &joined, &b, 4);
    unsigned char *const pictures[] = {first, then, all};
    struct fm_reference *const references[] = {&a, &b, &joined};
    for (int i = 0; i < 3; i++) {
      fm_free(ctx, pictures[i]);
      fm_reference_free(ctx, references[i]);
    }
  }
  close_setting(&s);
}

/* More than are kept: copies of one picture make room for what looks otherwise. */
static void many_join(void **state) {
  enum { COPIES = 46, NEW = 5 };
  struct setting s;
  open_setting(*state, &s);
  struct fm_context *ctx = s.t.ctx;
  struct fm_sample copies[COPIES];
  for (int i = 0; i < COPIES; i++) copies[i] = s.t.category.train[0];
  for (int kind = 0; kind < FM_REFERENCE_KINDS; kind++) {
    struct fm_train old = train_of(&s, copies, COPIES), fresh = train_of(&s, s.t.category.train + 1, NEW);
    struct fm_reference a, b, joined;
    unsigned char *then, *all;
    ASSERT_OK(ctx, fm_reference_fit(s.t.d, &old, (enum fm_reference_kind)kind, &a));
    ASSERT_OK(ctx, fm_reference_fit(s.t.d, &fresh, (enum fm_reference_kind)kind, &b));
    ASSERT_OK(ctx, fm_reference_join(s.t.d, &fresh, &a, &joined));
    assert_int_equal(joined.count, FM_REFERENCE_PICTURES);
    assert_true(joined.rows <= FM_REFERENCE_ROWS);
    ASSERT_OK(ctx, fm_reference_pictures(ctx, &b, &then));
    ASSERT_OK(ctx, fm_reference_pictures(ctx, &joined, &all));
    int there = 0;
    for (int i = 0; i < NEW; i++) {
      int nearest = 255;
      for (int k = 0; k < FM_REFERENCE_PICTURES; k++) {
        int d = apart(then + i * 4 * PIXELS, all + k * 4 * PIXELS);
        nearest = d < nearest ? d : nearest;
      }
      there += nearest <= 8;
    }
    assert_true(there >= (kind == FM_REFERENCE_BLEND ? NEW : NEW - 2));
    fm_free(ctx, then);
    fm_free(ctx, all);
    fm_reference_free(ctx, &a);
    fm_reference_free(ctx, &b);
    fm_reference_free(ctx, &joined);
  }
  close_setting(&s);
}

/* The model's refinement: with pictures from before among the held-out ones limits are measured anew, else
 * none falls. */
static void limits_rise(void **state) {
  struct setting s;
  open_setting(*state, &s);
  struct fm_context *ctx = s.t.ctx;
  struct fm_train fresh = train_of(&s, s.t.category.train, 3);
  const struct fm_sample *held = s.t.category.train + 3;
  size_t count = s.m.refinement.reference.count;
  struct fm_refinement *r = &s.m.refinement;
  for (int known = 0; known < 2; known++) {
    float limit[CELLS * 4], most = 1e6f;
    r->limit[1] = r->usual[1] = most; /* what no picture reaches */
    double q99 = r->q99, threshold = r->threshold.value;
    size_t cells = (size_t)(r->height * r->width);
    assert_true(cells <= sizeof limit / sizeof *limit);
    memcpy(limit, r->limit, cells * sizeof *limit);
    ASSERT_OK(ctx, fm_f2pad_join(s.t.d, &s.m, &fresh, held, 5, known));
    if (r->off) break; /* drawn flaws may say so where the model is measured anew */
    assert_int_equal(r->reference.count, count + 3 * (size_t)(known + 1));
    for (size_t i = 0; i < cells && !known; i++) assert_true(r->limit[i] >= limit[i]);
    if (!known) assert_true(r->q99 >= q99 && r->threshold.value == threshold && r->usual[1] == most);
    if (known) assert_true(r->limit[1] < most && r->usual[1] < most && r->threshold.n == 5);
  }
  assert_false(r->off);
  close_setting(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(few_join), TEST(many_join), TEST(limits_rise)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
