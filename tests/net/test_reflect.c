/* Padding by reflection, in whole networks, against double precision. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "net/net.h"
#include "net/reference.h"

enum { WIDE = 64, HIGH = 96, BATCH = 2, N = 3 * WIDE * HIGH };

static void compare(struct fm_context *ctx, struct fm_device *d, struct fm_net *net, struct reference *r,
                    const char *name) {
  for (int t = 0; t < FM_TAPS; t++) {
    size_t count = (size_t)reference_tap_count(r, t);
    float *got = fm_alloc(ctx, BATCH * count, sizeof *got);
    ASSERT_OK(ctx, fm_acts_read(d, fm_net_tap(net, t), got));
    double worst = 0, scale = 0;
    for (size_t i = 0; i < count; i++) {
      worst = fmax(worst, fabs((double)got[count + i] - reference_tap(r, t)[i]));
      scale = fmax(scale, fabs(reference_tap(r, t)[i]));
    }
    if (!(worst <= 1e-4 * scale)) fail_msg("%s, tap %d: off by %g of %g", name, t + 1, worst, scale);
    fm_free(ctx, got);
  }
}

/* Twice: the halos of the first run are those of other tensors in the second. */
static void check(struct fm_context *ctx, struct fm_device *d, const char *name) {
  const struct fm_backbone *b;
  struct fm_graph g;
  struct fm_weights w;
  struct fm_net *net;
  struct reference r;
  ASSERT_OK(ctx, fm_backbone_find(ctx, name, &b));
  ASSERT_OK(ctx, fm_backbone_build(ctx, b, (struct fm_size){WIDE, HIGH}, &g));
  ASSERT_OK(ctx, fm_weights_make(&g, &w));
  fm_graph_free(&g);
  fm_weights_fill(&w, 3, "expert.");
  ASSERT_OK(ctx, fm_net_make(d, b, FM_NET_INFER, BATCH, (struct fm_size){WIDE, HIGH}, &w, &net));
  fm_net_reflect(net);
  reference_open(ctx, b, (struct fm_size){WIDE, HIGH}, &w, &r);
  r.reflect = true;
  struct fm_rng rng = fm_rng_stream(5, name);
  float *pictures = fm_alloc(ctx, BATCH * N, sizeof *pictures);
  static double picture[N];
  for (int i = 0; i < BATCH * N; i++) pictures[i] = 2 * fm_rng_uniform(&rng) - 1;
  for (int i = 0; i < N; i++) picture[i] = (double)pictures[N + i];
  reference_run(&r, picture);
  for (int turn = 0; turn < 2; turn++) {
    ASSERT_OK(ctx, fm_acts_write(d, fm_net_input(net), pictures));
    fm_net_forward(net);
    compare(ctx, d, net, &r, name);
  }
  fm_free(ctx, pictures);
  reference_close(&r);
  fm_net_free(net);
  fm_weights_free(&w);
}

static void whole_networks(void **state) {
  static const char *const names[] = {"efficientnet_lite0", "resnet18", "resnet50_v2", "hrnet18"};
  struct fm_context *ctx = *state;
  struct fm_device *d;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check(ctx, d, names[i]);
  ASSERT_OK(ctx, fm_device_close(d));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(whole_networks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
