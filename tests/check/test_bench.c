/* Measuring: operators are the whole pass, seen in pieces; a device's peak has an order of magnitude. */
#include "test.h"

#include "check/bench.h"
#include "device/device.h"
#include "op/peak.h"

#include <math.h>
#include <string.h>

static struct fm_device *open_device(struct fm_context *ctx) {
  struct fm_device *d;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  return d;
}

static const struct fm_bench_operator *find(const struct fm_bench_operators *o, const char *name) {
  for (size_t i = 0; i < o->count; i++)
    if (strcmp(o->row[i].facts.name, name) == 0) return &o->row[i];
  return NULL;
}

/* The operators' multiply-adds are those of the pass; no shape occurs twice; the longest comes first. */
static void check_pass(struct fm_context *ctx, struct fm_device *d, const char *backbone, bool train,
                       int batch) {
  struct fm_bench_pass pass = {.train = train, .batch = batch, .size = 64};
  struct fm_bench_result result;
  struct fm_bench_operators o;
  ASSERT_OK(ctx, fm_backbone_find(ctx, backbone, &pass.backbone));
  ASSERT_OK(ctx, fm_bench_pass_run(d, &pass, 1, 0, &result));
  assert_true(result.time.runs == 1 && result.time.median > 0 && result.bytes > 0);
  ASSERT_OK(ctx, fm_bench_operators_run(d, &pass, 2, &o));
  double flops = 0, total = 0;
  for (size_t i = 0; i < o.count; i++) {
    flops += o.row[i].facts.flops * (double)o.row[i].count;
    total += o.row[i].total;
    assert_true(o.row[i].facts.bytes > 0);
    assert_true(i == 0 || o.row[i].total <= o.row[i - 1].total);
    for (size_t k = 0; k < i; k++)
      assert_false(strcmp(o.row[i].facts.name, o.row[k].facts.name) == 0 &&
                   strcmp(o.row[i].facts.shape, o.row[k].facts.shape) == 0);
  }
  if (!(fabs(flops / result.flops - 1) < 1e-9))
    fail_msg("%s, batch %d: operators have %g FLOPs, the pass %g", backbone, batch, flops, result.flops);
  assert_true(fabs(total / o.total - 1) < 1e-9);
  assert_true((find(&o, "adam") != NULL) == train);
  assert_true((find(&o, "gaussian") != NULL) == !train);
  fm_bench_operators_free(ctx, &o);
}

static void test_operators(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d = open_device(ctx);
  check_pass(ctx, d, "resnet18", false, 1);
  check_pass(ctx, d, "resnet18", false, 5); /* not a multiple of what goes through at a time */
  check_pass(ctx, d, "resnet18", true, 3);
  check_pass(ctx, d, "efficientnet_lite0", true, 2);
  check_pass(ctx, d, "resnet50_v2", true, 1); /* a norm reads the picture */
  ASSERT_OK(ctx, fm_device_close(d));
}

static void test_resnet18_has_the_known_work(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d = open_device(ctx);
  struct fm_bench_pass pass = {.batch = 1, .size = 256};
  struct fm_bench_result result;
  ASSERT_OK(ctx, fm_backbone_find(ctx, "resnet18", &pass.backbone));
  ASSERT_OK(ctx, fm_bench_pass_run(d, &pass, 1, 0, &result));
  /* by hand, G multiply-adds: 7x7 .1541; stage 1 4 x .1510; stages 2 and 3 .0755 + 3 x .1510 + .0084 each */
  assert_true(fabs(result.flops - 4 * 1.83186e9) < 4 * 0.0001e9);
  ASSERT_OK(ctx, fm_device_close(d));
}

static void test_peak(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d = open_device(ctx);
  struct fm_peak p;
  ASSERT_OK(ctx, fm_peak_measure(d, 0, (size_t)4 << 20, &p));
  assert_true(p.flops > 1e8 && p.flops < 1e15);
  assert_true(p.copy > 1e8 && p.copy < 1e14 && p.triad > 1e8 && p.triad < 1e14);
  assert_true(p.wait > 0 && p.wait < 0.1);
  assert_true(p.bytes > 0 && p.bytes <= (size_t)4 << 20);
  ASSERT_OK(ctx, fm_device_close(d));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(test_operators), TEST(test_resnet18_has_the_known_work),
                                     TEST(test_peak)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
