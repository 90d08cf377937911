/* Goldens that are wrong in a known way: which group is called wrong, and by which of its figures. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "check/golden.h"
#include "device/device.h"
#include "file/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOLDEN FM_SOURCE_DIR "/models/goldens/resnet18-b2-s64.safetensors"

/* The golden with `most` of the tensors whose names begin with `prefix` multiplied by `factor`, as a file. */
static void write_wrong(struct fm_context *ctx, const char *prefix, int most, float factor, const char *to) {
  struct fm_safetensors *file;
  struct fm_safetensors_out *out;
  const char *key;
  ASSERT_OK(ctx, fm_safetensors_read(ctx, GOLDEN, &file));
  ASSERT_OK(ctx, fm_safetensors_out_open(ctx, &out));
  for (size_t i = 0; (key = fm_safetensors_meta_key(file, i)); i++)
    ASSERT_OK(ctx, fm_safetensors_out_meta(out, key, fm_safetensors_meta(file, key)));
  size_t count = fm_safetensors_count(file);
  float **values = calloc(count, sizeof *values);
  for (size_t i = 0; i < count; i++) {
    const struct fm_tensor *t = fm_safetensors_at(file, i);
    values[i] = calloc(t->count + 1, sizeof **values);
    ASSERT_OK(ctx, fm_safetensors_floats(ctx, file, t->name, t->dims, t->shape, values[i]));
    bool wrong = strncmp(t->name, prefix, strlen(prefix)) == 0 && most-- > 0;
    for (size_t k = 0; wrong && k < t->count; k++) values[i][k] *= factor;
    ASSERT_OK(ctx, fm_safetensors_out_tensor(out, t->name, FM_F32, t->dims, t->shape, values[i]));
  }
  ASSERT_OK(ctx, fm_safetensors_out_write(out, to));
  fm_safetensors_out_free(out);
  for (size_t i = 0; i < count; i++) free(values[i]);
  free(values);
  fm_safetensors_free(ctx, file);
}

static void verify(struct fm_context *ctx, const char *prefix, int most, float factor,
                   struct fm_golden_result *result) {
  char folder[] = "/tmp/flawmap-test-XXXXXX", path[sizeof folder + 32];
  struct fm_device *d;
  struct fm_safetensors *file;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/golden.safetensors", folder);
  write_wrong(ctx, prefix, most, factor, path);
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  ASSERT_OK(ctx, fm_safetensors_read(ctx, path, &file));
  ASSERT_OK(ctx, fm_golden_verify(d, file, result));
  fm_safetensors_free(ctx, file);
  ASSERT_OK(ctx, fm_device_close(d));
  unlink(path);
  rmdir(folder);
}

static void met_as_it_is(void **state) {
  struct fm_golden_result r;
  verify(*state, "grad.", 0, 1, &r);
  assert_true(r.good && !r.unclear && r.groups == 8);
  assert_null(fm_golden_wrong(&r));
}

/* Every gradient is a hundredth off, which one of them may be: the median says so, and it is no rounding. */
static void wrong_by_the_median(void **state) {
  struct fm_golden_result r;
  verify(*state, "grad.", 1000, 1.01f, &r);
  const struct fm_golden_group *wrong = fm_golden_wrong(&r);
  assert_false(r.good || r.unclear);
  assert_non_null(wrong);
  assert_string_equal(wrong->name, "grad");
  assert_true(fm_golden_by_median(wrong));
}

/* Of every group a number is wrong: none passes, and the first of them is named. */
static void every_group_is_judged(void **state) {
  static const char *const groups[] = {"expert", "apprentice", "map",     "loss",
                                       "grad",   "gradnorm",   "stepped", "running"};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    struct fm_golden_result r;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "%s%s", groups[i], strcmp(groups[i], "grad") == 0 ? "." : "");
    verify(*state, prefix, 1, -1, &r);
    assert_false(r.good || r.unclear);
    assert_string_equal(fm_golden_wrong(&r)->name, groups[i]);
    assert_false(fm_golden_by_median(fm_golden_wrong(&r)));
  }
}

/* What an excused group is not: the one that is called wrong. */
static void unclear_is_not_wrong(void **state) {
  struct fm_golden_result r = {.groups = 2,
                               .group = {{.name = "grad", .unclear = true}, {.name = "stepped"}}};
  (void)state;
  assert_string_equal(fm_golden_wrong(&r)->name, "stepped");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(met_as_it_is), TEST(wrong_by_the_median),
                                     TEST(every_group_is_judged), TEST(unclear_is_not_wrong)};
  return cmocka_run_group_tests_name("golden", tests, NULL, NULL);
}
