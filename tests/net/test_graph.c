/* Graphs: what the passes must keep and take away, and the weights each backbone asks for. */
#include "test.h"

#include "net/weights.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *name;
  int channels[FM_TAPS];
  size_t
      tensors;  /* parameters and running statistics, as the published definitions have them up to the taps */
  double gmacs; /* a picture of 256x256 */
} known[] = {{"resnet18", {64, 128, 256}, 75, 1.83},   {"resnet34", {64, 128, 256}, 145, 0},
             {"resnet50", {256, 512, 1024}, 215, 0},   {"wide_resnet50_2", {256, 512, 1024}, 215, 12.00},
             {"hrnet18", {18, 36, 72}, 0, 0},          {"hrnet32", {32, 64, 128}, 0, 0},
             {"hrnet48", {48, 96, 192}, 0, 0},         {"efficientnet_lite0", {24, 40, 112}, 0, 0.32},
             {"resnet50_v2", {256, 512, 1024}, 0, 4.3}};

static void backbones(void **state) {
  struct fm_context *ctx = *state;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    const struct fm_backbone *b;
    struct fm_graph g;
    struct fm_weights w;
    ASSERT_OK(ctx, fm_backbone_find(ctx, known[i].name, &b));
    ASSERT_OK(ctx, fm_backbone_build(ctx, b, fm_square(256), &g));
    ASSERT_OK(ctx, fm_weights_make(&g, &w));
    for (int t = 0; t < FM_TAPS; t++) {
      assert_int_equal(g.node[g.tap[t]].c, known[i].channels[t]);
      assert_int_equal(g.node[g.tap[t]].h, 64 >> t);
    }
    if (known[i].tensors) assert_int_equal(w.count, known[i].tensors);
    if (known[i].gmacs > 0) assert_true(fabs(fm_graph_macs(&g) * 1e-9 / known[i].gmacs - 1) < 0.03);
    fm_weights_free(&w);
    fm_graph_free(&g);
  }
}

static int count_kind(const struct fm_graph *g, enum fm_node_kind kind) {
  int n = 0;
  for (int i = 0; i < g->count; i++) n += g->node[i].kind == kind;
  return n;
}

/* Frozen, a ResNet is convolutions and one pool; training keeps its norms, and both keep sums and activations
 * inside. */
static void fusing(void **state) {
  struct fm_context *ctx = *state;
  for (int fold = 0; fold < 2; fold++) {
    const struct fm_backbone *b;
    struct fm_graph g;
    ASSERT_OK(ctx, fm_backbone_find(ctx, "resnet18", &b));
    ASSERT_OK(ctx, fm_backbone_build(ctx, b, fm_square(64), &g));
    fm_graph_fuse(&g, fold);
    assert_int_equal(count_kind(&g, FM_NODE_CONV), 15);
    assert_int_equal(count_kind(&g, FM_NODE_NORM), fold ? 0 : 15);
    assert_int_equal(count_kind(&g, FM_NODE_ADD), 0);
    assert_int_equal(count_kind(&g, FM_NODE_POOL), 1);
    fm_graph_free(&g);
  }
}

static void wrong_wishes(void **state) {
  struct fm_context *ctx = *state;
  const struct fm_backbone *b;
  struct fm_graph g;
  assert_int_equal(fm_backbone_find(ctx, "resnet19", &b), FM_USAGE);
  assert_non_null(strstr(ctx->message, "resnet18"));
  fm_error_clear(ctx);
  ASSERT_OK(ctx, fm_backbone_find(ctx, "resnet18", &b));
  assert_int_equal(fm_backbone_build(ctx, b, fm_square(100), &g), FM_USAGE);
  fm_error_clear(ctx);
  assert_int_equal(fm_backbone_build(ctx, b, (struct fm_size){64, 100}, &g), FM_USAGE);
  assert_non_null(strstr(ctx->message, "multiple of 32"));
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(backbones), TEST(fusing), TEST(wrong_wishes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
