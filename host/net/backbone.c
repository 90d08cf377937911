#include "net/backbone.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define EPS 1e-5f
#define EPS_LITE 1e-3f

/* Names are put together from a prefix and a suffix into a buffer that lives long enough. */
struct name {
  char text[FM_NAME];
};
#define NAME(...) make_name(__VA_ARGS__).text
static struct name __attribute__((format(printf, 1, 2))) make_name(const char *format, ...);

#include <stdarg.h>
static struct name make_name(const char *format, ...) {
  struct name n;
  va_list args;
  va_start(args, format);
  vsnprintf(n.text, sizeof n.text, format, args);
  va_end(args);
  return n;
}

static int relu(struct fm_graph *g, int x) {
  return fm_graph_activate(g, x, fm_limits_relu);
}

static int conv_norm(struct fm_graph *g, int x, int cout, int k, int stride, const char *conv,
                     const char *norm) {
  return fm_graph_norm(g, fm_graph_conv(g, x, cout, k, stride, conv), EPS, norm);
}

static int channels(const struct fm_graph *g, int x) {
  return g->failed ? 0 : g->node[x].c;
}

/* Residual block: two 3x3 convolutions (width 0), or 1x1, 3x3, 1x1 with planes * width in the middle. */
static int residual(struct fm_graph *g, int x, int planes, int stride, int width, const char *at) {
  int cin = channels(g, x), cout = width ? planes * 4 : planes, y;
  if (width) {
    int mid = planes * width;
    y = relu(g, conv_norm(g, x, mid, 1, 1, NAME("%s.conv1", at), NAME("%s.bn1", at)));
    y = relu(g, conv_norm(g, y, mid, 3, stride, NAME("%s.conv2", at), NAME("%s.bn2", at)));
    y = conv_norm(g, y, cout, 1, 1, NAME("%s.conv3", at), NAME("%s.bn3", at));
  } else {
    y = relu(g, conv_norm(g, x, planes, 3, stride, NAME("%s.conv1", at), NAME("%s.bn1", at)));
    y = conv_norm(g, y, planes, 3, 1, NAME("%s.conv2", at), NAME("%s.bn2", at));
  }
  if (stride != 1 || cin != cout)
    x = conv_norm(g, x, cout, 1, stride, NAME("%s.downsample.0", at), NAME("%s.downsample.1", at));
  return relu(g, fm_graph_add(g, x, y));
}

static int stage(struct fm_graph *g, int x, int planes, int blocks, int stride, int width, const char *at) {
  for (int i = 0; i < blocks; i++) x = residual(g, x, planes, i ? 1 : stride, width, NAME("%s.%d", at, i));
  return x;
}

/* He et al. 2015, as torchvision has it. */
static void build_resnet(struct fm_graph *g, int x, const struct fm_backbone *b) {
  x = fm_graph_pool(g, relu(g, conv_norm(g, x, 64, 7, 2, "conv1", "bn1")));
  g->tap[0] = stage(g, x, 64, b->depth[0], 1, b->width, "layer1");
  g->tap[1] = stage(g, g->tap[0], 128, b->depth[1], 2, b->width, "layer2");
  g->tap[2] = stage(g, g->tap[1], 256, b->depth[2], 2, b->width, "layer3");
}

/* Exchange of an HRNet module: out_i = ReLU(sum over j of x_j brought to branch i's size and channels). */
static int exchange(struct fm_graph *g, const int *x, int n, int i, const char *at) {
  int total = -1;
  for (int j = 0; j < n; j++) {
    int y = x[j];
    if (j > i) {
      y = conv_norm(g, y, channels(g, x[i]), 1, 1, NAME("%s.fuse_layers.%d.%d.0", at, i, j),
                    NAME("%s.fuse_layers.%d.%d.1", at, i, j));
      y = fm_graph_resize(g, y, x[i]);
    }
    for (int k = 0; k < i - j; k++) {
      bool last = k == i - j - 1;
      y = conv_norm(g, y, channels(g, last ? x[i] : x[j]), 3, 2,
                    NAME("%s.fuse_layers.%d.%d.%d.0", at, i, j, k),
                    NAME("%s.fuse_layers.%d.%d.%d.1", at, i, j, k));
      if (!last) y = relu(g, y);
    }
    total = total < 0 ? y : fm_graph_add(g, total, y);
  }
  return relu(g, total);
}

static void module(struct fm_graph *g, int *x, int n, const char *at) {
  int out[4];
  for (int i = 0; i < n; i++)
    x[i] = stage(g, x[i], channels(g, x[i]), 4, 1, 0, NAME("%s.branches.%d", at, i));
  for (int i = 0; i < n; i++) out[i] = exchange(g, x, n, i, at);
  memcpy(x, out, (size_t)n * sizeof *x);
}

/* Wang et al. 2020. */
static void build_hrnet(struct fm_graph *g, int x, const struct fm_backbone *b) {
  int c = b->width, branch[4];
  x = relu(g, conv_norm(g, x, 64, 3, 2, "conv1", "bn1"));
  x = relu(g, conv_norm(g, x, 64, 3, 2, "conv2", "bn2"));
  x = stage(g, x, 64, 4, 1, 1, "layer1");
  branch[0] = relu(g, conv_norm(g, x, c, 3, 1, "transition1.0.0", "transition1.0.1"));
  branch[1] = relu(g, conv_norm(g, x, 2 * c, 3, 2, "transition1.1.0.0", "transition1.1.0.1"));
  module(g, branch, 2, "stage2.0");
  branch[2] = relu(g, conv_norm(g, branch[1], 4 * c, 3, 2, "transition2.2.0.0", "transition2.2.0.1"));
  for (int i = 0; i < 4; i++) module(g, branch, 3, NAME("stage3.%d", i));
  branch[3] = relu(g, conv_norm(g, branch[2], 8 * c, 3, 2, "transition3.3.0.0", "transition3.3.0.1"));
  for (int i = 0; i < 3; i++) module(g, branch, 4, NAME("stage4.%d", i));
  memcpy(g->tap, branch, sizeof g->tap);
}

/* EfficientNet-lite0 up to stride 16 (blocks 0 to 10): Tan, Le 2019 without squeeze-and-excitation, ReLU6. */
static void build_lite0(struct fm_graph *g, int x, const struct fm_backbone *b) {
  static const struct {
    int repeats, k, stride, expand, c;
  } group[] = {{1, 3, 1, 1, 16}, {2, 3, 2, 6, 24}, {2, 5, 2, 6, 40}, {3, 3, 2, 6, 80}, {3, 5, 1, 6, 112}};
  int block = 0, tap = 0;
  (void)b;
  x = fm_graph_norm(g, fm_graph_conv_same(g, x, 32, 3, 2, false, "_conv_stem"), EPS_LITE, "_bn0");
  x = fm_graph_activate(g, x, fm_limits_relu6);
  for (size_t i = 0; i < sizeof group / sizeof *group; i++)
    for (int r = 0; r < group[i].repeats; r++, block++) {
      int cin = channels(g, x), mid = cin * group[i].expand, stride = r ? 1 : group[i].stride, y = x;
      if (group[i].expand != 1) {
        y = fm_graph_conv_same(g, y, mid, 1, 1, false, NAME("_blocks.%d._expand_conv", block));
        y = fm_graph_activate(g, fm_graph_norm(g, y, EPS_LITE, NAME("_blocks.%d._bn0", block)),
                              fm_limits_relu6);
      }
      y = fm_graph_conv_same(g, y, mid, group[i].k, stride, true, NAME("_blocks.%d._depthwise_conv", block));
      y = fm_graph_activate(g, fm_graph_norm(g, y, EPS_LITE, NAME("_blocks.%d._bn1", block)),
                            fm_limits_relu6);
      y = fm_graph_conv_same(g, y, group[i].c, 1, 1, false, NAME("_blocks.%d._project_conv", block));
      y = fm_graph_norm(g, y, EPS_LITE, NAME("_blocks.%d._bn2", block));
      x = stride == 1 && cin == group[i].c ? fm_graph_add(g, x, y) : y;
      if (block == 2 || block == 4 || block == 10) g->tap[tap++] = x;
    }
}

/* ResNet50-v2 (He et al. 2016, pre-activation) as gluon has it; taps are the stage sums, or what follows
 * them. */
static void build_resnet50_v2(struct fm_graph *g, int x, const struct fm_backbone *b) {
  static const int blocks[3] = {3, 4, 6}, planes[3] = {64, 128, 256};
  x = fm_graph_norm(g, x, EPS, "bn0");
  x = fm_graph_conv(g, x, 64, 7, 2, "conv1");
  x = fm_graph_pool(g, relu(g, fm_graph_norm(g, x, EPS, "bn1")));
  for (int s = 0; s < 3; s++) {
    for (int i = 0; i < blocks[s]; i++) {
      struct name at = make_name("layer%d.%d", s + 1, i);
      int mid = planes[s], stride = s && i == 0 ? 2 : 1;
      int y = relu(g, fm_graph_norm(g, x, EPS, NAME("%s.bn1", at.text)));
      if (b->post && s && i == 0) g->tap[s - 1] = y;
      if (i == 0) x = fm_graph_conv(g, y, 4 * mid, 1, stride, NAME("%s.downsample", at.text));
      y = fm_graph_conv(g, y, mid, 1, 1, NAME("%s.conv1", at.text));
      y = relu(g, fm_graph_norm(g, y, EPS, NAME("%s.bn2", at.text)));
      y = fm_graph_conv(g, y, mid, 3, stride, NAME("%s.conv2", at.text));
      y = relu(g, fm_graph_norm(g, y, EPS, NAME("%s.bn3", at.text)));
      x = fm_graph_add(g, x, fm_graph_conv(g, y, 4 * mid, 1, 1, NAME("%s.conv3", at.text)));
    }
    if (!b->post) g->tap[s] = x;
  }
  if (b->post) g->tap[2] = relu(g, fm_graph_norm(g, x, EPS, "bn_post"));
}

const struct fm_backbone fm_backbones[] = {
    {"efficientnet_lite0",
     "0.3 G multiply-adds a picture; the default",
     FM_INIT_KAIMING,
     0.1f,
     build_lite0,
     {0},
     0,
     false},
    {"resnet18", "1.8 G multiply-adds", FM_INIT_KAIMING, 0.1f, build_resnet, {2, 2, 2}, 0, false},
    {"resnet34", "3.9 G multiply-adds", FM_INIT_KAIMING, 0.1f, build_resnet, {3, 4, 6}, 0, false},
    {"resnet50", "4.3 G multiply-adds", FM_INIT_KAIMING, 0.1f, build_resnet, {3, 4, 6}, 1, false},
    {"wide_resnet50_2", "12 G multiply-adds", FM_INIT_KAIMING, 0.1f, build_resnet, {3, 4, 6}, 2, false},
    {"hrnet18", "5 G multiply-adds", FM_INIT_UNIFORM, 0.1f, build_hrnet, {0}, 18, false},
    {"hrnet32",
     "11 G multiply-adds; CDO's published backbone",
     FM_INIT_UNIFORM,
     0.1f,
     build_hrnet,
     {0},
     32,
     false},
    {"hrnet48", "22 G multiply-adds", FM_INIT_UNIFORM, 0.1f, build_hrnet, {0}, 48, false},
    {"resnet50_v2",
     "4.3 G multiply-adds, pre-activation",
     FM_INIT_KAIMING,
     0.1f,
     build_resnet50_v2,
     {0},
     0,
     false},
    {"resnet50_v2_post",
     "the same, taps behind norm and ReLU",
     FM_INIT_KAIMING,
     0.1f,
     build_resnet50_v2,
     {0},
     0,
     true},
};
const int fm_backbone_count = (int)(sizeof fm_backbones / sizeof *fm_backbones);

enum fm_status fm_backbone_find(struct fm_context *ctx, const char *name,
                                const struct fm_backbone **backbone) {
  char names[512] = "";
  size_t used = 0;
  for (int i = 0; i < fm_backbone_count; i++) {
    if (strcmp(fm_backbones[i].name, name) == 0) {
      *backbone = &fm_backbones[i];
      return FM_OK;
    }
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", fm_backbones[i].name);
  }
  return fm_error(ctx, FM_USAGE, "there is no backbone '%s'; there are %s", name, names);
}

enum fm_status fm_backbone_build(struct fm_context *ctx, const struct fm_backbone *b, struct fm_size size,
                                 struct fm_graph *g) {
  *g = (struct fm_graph){.ctx = ctx};
  for (int i = 0; i < 2; i++) {
    int side = i ? size.height : size.width;
    if (side < 32 || side > 4096 || side % 32)
      return fm_error(ctx, FM_USAGE, "the %s is %d; it must be a multiple of 32 from 32 to 4096",
                      size.width == size.height ? "size"
                      : i                       ? "height"
                                                : "width",
                      side);
  }
  b->build(g, fm_graph_input(g, size), b);
  if (g->failed) {
    fm_graph_free(g);
    return FM_MEMORY;
  }
  fm_graph_drop(g);
  return FM_OK;
}
