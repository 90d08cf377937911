/* What the method auto tries: as much as all of the command has time for, what follows the choice included,
 * and what is left out would be tried within the minutes that are said. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "data/folder.h"
#include "data/make.h"
#include "task/auto_plan.h"

#include <string.h>

struct setting {
  struct folder folder;
  struct fm_dataset set;
  struct fm_category category;
  struct fm_recipe wish;
  bool given[FM_FIELDS];
  struct fm_auto how;
};

static void open(struct fm_context *ctx, struct setting *s) {
  char data[512];
  const struct fm_make_options make = {
      .size = 64, .train = 4, .test_good = 1, .per_kind = 1, .product = "gear"};
  *s = (struct setting){.folder = folder_make()};
  ASSERT_OK(ctx, fm_make_dataset(ctx, folder_path(&s->folder, "data", data), &make));
  ASSERT_OK(ctx, fm_dataset_open(ctx, data, NULL, &s->set));
  ASSERT_OK(ctx, fm_category_open(ctx, &s->set, "gear", &s->category));
  fm_recipe_default(&s->wish);
  s->how = (struct fm_auto){.category = &s->category, .wish = &s->wish, .given = s->given};
}

static void close(struct fm_context *ctx, struct setting *s) {
  fm_category_close(ctx, &s->category);
  fm_dataset_close(ctx, &s->set);
  folder_remove(&s->folder);
}

/* As of so many pictures: their number decides, nobody looks at them. */
static int tried(struct fm_context *ctx, struct setting *s, double minutes, size_t pictures,
                 struct fm_auto_plan *plan) {
  const struct fm_auto_load load = {pictures, pictures < 150 ? pictures * 4 / 5 : 120,
                                    pictures < 200 ? pictures / 5 : 40, 2};
  int count = 0;
  s->how.minutes = minutes;
  ASSERT_OK(ctx, fm_auto_plan(ctx, &s->how, &load, plan));
  for (int i = 0; i < plan->count; i++) count += plan->candidate[i].minutes <= 0;
  return count;
}

static void what_fits(void **state) {
  struct fm_context *ctx = *state;
  struct setting s;
  struct fm_auto_plan plan, more;
  open(ctx, &s);
  assert_int_equal(tried(ctx, &s, 1e-3, 209, &plan), 1); /* one in any case */
  assert_true(plan.candidate[0].minutes <= 0);
  int before = 0;
  for (double minutes = 1; minutes <= 20; minutes++) {
    int count = tried(ctx, &s, minutes, 209, &plan);
    assert_in_range(count, before, plan.count);
    assert_true(plan.seconds < 60 * minutes || count == 1); /* trials leave time for what follows */
    before = count;
  }
  assert_int_equal(before, FM_AUTO_ROWS);
  /* Many pictures take longer. */
  assert_true(tried(ctx, &s, 5, 2000, &more) < tried(ctx, &s, 5, 209, &plan));
  close(ctx, &s);
}

static void minutes_that_would_do(void **state) {
  struct fm_context *ctx = *state;
  static const size_t pictures[] = {20, 209, 900};
  struct setting s;
  struct fm_auto_plan plan, again;
  int left_out = 0;
  open(ctx, &s);
  for (size_t k = 0; k < sizeof pictures / sizeof *pictures; k++)
    for (double minutes = 0.1; minutes < 10; minutes *= 1.7) {
      tried(ctx, &s, minutes, pictures[k], &plan);
      for (int i = 0; i < plan.count; i++) {
        if (plan.candidate[i].minutes <= 0) continue;
        assert_true(plan.candidate[i].minutes >= minutes);
        tried(ctx, &s, plan.candidate[i].minutes, pictures[k], &again);
        assert_true(again.candidate[i].minutes <= 0);
        left_out++;
      }
    }
  assert_true(left_out > 20);
  close(ctx, &s);
}

/* Without sharpening there is time for more. */
static void sharpening_is_reckoned(void **state) {
  struct fm_context *ctx = *state;
  struct setting s;
  struct fm_auto_plan with, without;
  int more = 0;
  open(ctx, &s);
  s.wish.refine = false;
  for (double minutes = 1; minutes <= 8; minutes++) {
    s.given[fm_field_find("refine")] = false;
    int count = tried(ctx, &s, minutes, 209, &with);
    s.given[fm_field_find("refine")] = true;
    more += tried(ctx, &s, minutes, 209, &without) - count;
    assert_false(without.candidate[0].recipe.refine);
  }
  assert_true(more > 2);
  close(ctx, &s);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(what_fits), TEST(minutes_that_would_do),
                                     TEST(sharpening_is_reckoned)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
