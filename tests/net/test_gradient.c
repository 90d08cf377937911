/* The way back through a frozen network to the picture, against differences in double precision. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "net/net.h"
#include "net/reference.h"

#include <string.h>

enum { WIDE = 96, HIGH = 32, BATCH = 2 };

static double weighted(struct reference *r, const double *picture, float *const want[FM_TAPS]) {
  double sum = 0;
  reference_run(r, picture);
  for (int t = 0; t < FM_TAPS; t++)
    for (int i = 0; i < reference_tap_count(r, t); i++) sum += reference_tap(r, t)[i] * (double)want[t][i];
  return sum;
}

/* loss = sum of random weights times taps of the second picture; its slope along a random direction and along
 * the computed gradient itself. */
static void check(struct fm_context *ctx, struct fm_device *d, const char *name) {
  const struct fm_backbone *b;
  struct fm_graph g;
  struct fm_weights w;
  struct fm_net *net;
  struct reference r;
  enum { N = 3 * WIDE * HIGH };
  ASSERT_OK(ctx, fm_backbone_find(ctx, name, &b));
  ASSERT_OK(ctx, fm_backbone_build(ctx, b, (struct fm_size){WIDE, HIGH}, &g));
  ASSERT_OK(ctx, fm_weights_make(&g, &w));
  fm_graph_free(&g);
  fm_weights_fill(&w, 3, "expert.");
  ASSERT_OK(ctx, fm_net_make(d, b, FM_NET_GRADIENT, BATCH, (struct fm_size){WIDE, HIGH}, &w, &net));
  reference_open(ctx, b, (struct fm_size){WIDE, HIGH}, &w, &r);
  struct fm_rng rng = fm_rng_stream(5, name);
  float *pictures = fm_alloc(ctx, BATCH * N, sizeof *pictures),
        *gradient = fm_alloc(ctx, BATCH * N, sizeof *gradient);
  for (int i = 0; i < BATCH * N; i++) pictures[i] = 2 * fm_rng_uniform(&rng) - 1;
  ASSERT_OK(ctx, fm_acts_write(d, fm_net_input(net), pictures));
  fm_net_forward(net);
  float *want[FM_TAPS];
  for (int t = 0; t < FM_TAPS; t++) {
    size_t count = (size_t)reference_tap_count(&r, t);
    float *both = fm_alloc(ctx, 2 * count, sizeof *both);
    for (size_t i = count; i < 2 * count; i++) both[i] = (2 * fm_rng_uniform(&rng) - 1) / (float)count;
    ASSERT_OK(ctx, fm_acts_write(d, fm_net_tap_gradient(net, t), both));
    want[t] = fm_alloc(ctx, count, sizeof(float));
    memcpy(want[t], both + count, count * sizeof(float));
    fm_free(ctx, both);
  }
  fm_net_backward(net);
  ASSERT_OK(ctx, fm_acts_read(d, fm_net_input_gradient(net), gradient));
  double picture[N], moved[N];
  for (int i = 0; i < N; i++) {
    picture[i] = (double)pictures[N + i];
    assert_true(gradient[i] == 0); /* the first picture is not in the loss */
  }
  for (int turn = 0; turn < 2; turn++) {
    double slope = 0, size = 0, h = 1e-6, direction[N];
    for (int i = 0; i < N; i++) {
      direction[i] = turn ? (double)gradient[N + i] : 2 * (double)fm_rng_uniform(&rng) - 1;
      size += direction[i] * direction[i];
    }
    for (int i = 0; i < N; i++) slope += direction[i] / sqrt(size) * (double)gradient[N + i];
    for (int i = 0; i < N; i++) moved[i] = picture[i] + h * direction[i] / sqrt(size);
    double more = weighted(&r, moved, want);
    for (int i = 0; i < N; i++) moved[i] = picture[i] - h * direction[i] / sqrt(size);
    double difference = (more - weighted(&r, moved, want)) / (2 * h), norm = 0;
    for (int i = 0; i < N; i++) norm += (double)gradient[N + i] * (double)gradient[N + i];
    if (!(fabs(slope - difference) <= 2e-3 * sqrt(norm)))
      fail_msg("%s, turn %d: slope %g, differences %g, gradient %g", name, turn, slope, difference,
               sqrt(norm));
  }
  for (int t = 0; t < FM_TAPS; t++) fm_free(ctx, want[t]);
  fm_free(ctx, pictures);
  fm_free(ctx, gradient);
  reference_close(&r);
  fm_net_free(net);
  fm_weights_free(&w);
}

static void to_the_picture(void **state) {
  static const char *const names[] = {"efficientnet_lite0", "resnet18", "resnet50_v2", "hrnet18"};
  struct fm_context *ctx = *state;
  struct fm_device *d;
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check(ctx, d, names[i]);
  ASSERT_OK(ctx, fm_device_close(d));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(to_the_picture)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
