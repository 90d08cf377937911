/* Which kernels the rule of op/variant.h picks on GPUs that are not here: for each of the targets below a
 * line for each kernel and options, of all convolutions of a few networks: target, family, file, kernel,
 * options, multiply-adds, separated by tabs. figures.py compiles them. `picks FAMILY`: 3x3, 1x1, ... is what
 * the convolution is, not the kernel.
 *
 * Facts are what drivers say of such cards; what the rule asks of them. */
#include "device/internal.h"
#include "net/backbone.h"
#include "op/variant.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *target;
  int units, registers;
  size_t max_group, local_memory;
} cards[] = {{"gfx90a", 104, 256, 256, 64 << 10}, {"gfx942", 304, 256, 256, 64 << 10},
             {"gfx1030", 36, 256, 256, 64 << 10}, {"gfx1100", 48, 256, 256, 64 << 10},
             {"sm_80", 108, 256, 1024, 48 << 10}, {"sm_90", 132, 256, 1024, 48 << 10},
             {"dg2", 512, 128, 1024, 64 << 10},   {"tgl", 96, 128, 512, 64 << 10}};

static const char *const networks[] = {"resnet18", "efficientnet_lite0", "wide_resnet50_2"};
enum { SIZE = 256, MOST = 4096 };

struct pick {
  char family[24];
  const struct fm_variant *row;
  struct fm_launch launch;
  double macs;
};
static struct pick picks[MOST];
static int count;

static void note(const char *family, const struct fm_call *call, double macs) {
  for (int k = 0; k < call->work.launches; k++) {
    const struct fm_launch *l = &call->work.launch[k];
    int i = 0;
    while (i < count && (strcmp(picks[i].family, family) != 0 || picks[i].row != call->variant ||
                         strcmp(picks[i].launch.kernel, l->kernel) != 0 ||
                         strcmp(picks[i].launch.options, l->options) != 0))
      i++;
    if (i == MOST) return;
    if (i == count) {
      picks[count].row = call->variant;
      picks[count].launch = *l;
      picks[count].macs = 0;
      snprintf(picks[count++].family, sizeof picks[0].family, "%s", family);
    }
    picks[i].macs += macs;
  }
}

/* One convolution on its way forward, or both ways of training. */
static void look(struct fm_device *d, const struct fm_graph *g, const struct fm_node *n, int batch,
                 bool train) {
  const struct fm_node *from = &g->node[n->in];
  struct fm_acts in = {batch, n->conv.cin, from->h, from->w, 0, 4, {0}},
                 out = {batch, n->c, n->h, n->w, 0, 4, {0}};
  struct fm_call call;
  char kind[16], family[24];
  double macs = fm_conv_macs(&n->conv, &out);
  snprintf(kind, sizeof kind, "%s%dx%d", n->conv.depthwise ? "depthwise " : "", n->conv.k, n->conv.k);
  fm_conv_choose(d, &n->conv, train ? FM_CONV_KEPT : FM_CONV_FORWARD, &in, &out, NULL, &call);
  snprintf(family, sizeof family, "%s%s", kind, n->conv.stride > 1 ? "/2" : "");
  note(family, &call, macs);
  if (!train) return;
  if (from->kind != FM_NODE_INPUT) {
    fm_conv_choose(d, &n->conv, FM_CONV_BACK, &out, &in, NULL, &call);
    snprintf(family, sizeof family, "%s%s", kind, n->conv.stride > 1 ? "/2 dx" : "");
    note(family, &call, macs);
  }
  fm_conv_choose(d, &n->conv, FM_CONV_WEIGHTS, &in, &out, NULL, &call);
  snprintf(family, sizeof family, "%s dw", kind);
  note(family, &call, macs);
}

static enum fm_status walk(struct fm_context *ctx, struct fm_device *d) {
  static const struct {
    int batch;
    bool train;
  } passes[] = {{1, false}, {16, false}, {16, true}};
  for (size_t k = 0; k < sizeof networks / sizeof *networks; k++) {
    const struct fm_backbone *backbone;
    struct fm_graph g;
    FM_TRY(fm_backbone_find(ctx, networks[k], &backbone));
    FM_TRY(fm_backbone_build(ctx, backbone, SIZE, &g));
    for (int i = 0; i < g.count; i++)
      for (size_t p = 0; p < sizeof passes / sizeof *passes && g.node[i].kind == FM_NODE_CONV; p++)
        look(d, &g, &g.node[i], passes[p].batch, passes[p].train);
    fm_graph_free(&g);
  }
  return FM_OK;
}

/* Matrix products and searches of half a tile and more; how much work they are follows from the pictures. */
static void products(const char *target, const struct fm_facts *f) {
  static const struct {
    const char *file, *kernel, *options;
  } kernels[] = {{"gemm.cl", "gemm_tiled", "-D TURNED=0 -D FINISH=0"},
                 {"gemm.cl", "gemm_tiled", "-D TURNED=0 -D FINISH=2"},
                 {"gemm.cl", "gemm_tiled", "-D TURNED=1 -D FINISH=1"},
                 {"neighbour.cl", "nearest_tiled", "-D ALL=0"},
                 {"neighbour.cl", "nearest_tiled", "-D ALL=1"}};
  struct fm_product_tile tile;
  if (!fm_product_tile(f, &tile)) return;
  for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
    printf("%s\tproducts\t%s\t%s\t%s %s\t0\n", target, kernels[i].file, kernels[i].kernel, tile.options,
           kernels[i].options);
}

int main(void) {
  for (size_t c = 0; c < sizeof cards / sizeof *cards; c++) {
    struct fm_context ctx;
    fm_context_init(&ctx);
    struct fm_device d = {.ctx = &ctx,
                          .facts = {.kind = FM_CLASS_GPU,
                                    .compute_units = cards[c].units,
                                    .native_float_width = 1,
                                    .block = 4,
                                    .group = 64,
                                    .registers = cards[c].registers,
                                    .fast_fma = true,
                                    .local_memory_real = true,
                                    .max_group = cards[c].max_group,
                                    .local_memory = cards[c].local_memory,
                                    .global_memory = (size_t)16 << 30,
                                    .max_allocation = (size_t)4 << 30,
                                    .base_alignment = 128}};
    count = 0;
    enum fm_status status = walk(&ctx, &d);
    if (status != FM_OK) {
      fprintf(stderr, "picks: %s\n", ctx.message);
      return 1;
    }
    for (int i = 0; i < count; i++)
      printf("%s\t%s\t%s\t%s\t%s\t%.0f\n", cards[c].target, picks[i].family, picks[i].row->file,
             picks[i].launch.kernel, picks[i].launch.options, picks[i].macs);
    products(cards[c].target, &d.facts);
  }
  return 0;
}
