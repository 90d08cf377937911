#include "net/graph.h"

#include "base/log.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int add_node(struct fm_graph *g, struct fm_node node) {
  if (g->failed ||
      fm_grow(g->ctx, (void **)&g->node, &g->capacity, (size_t)g->count, sizeof *g->node) != FM_OK) {
    g->failed = true;
    return 0;
  }
  g->node[g->count] = node;
  return g->count++;
}

/* A node like its input. */
static struct fm_node after(const struct fm_graph *g, int in, enum fm_node_kind kind) {
  struct fm_node node = {.kind = kind, .in = in, .res = -1, .limits = fm_limits_none};
  if (!g->failed) {
    node.c = g->node[in].c;
    node.h = g->node[in].h;
    node.w = g->node[in].w;
  }
  return node;
}

static void set_name(struct fm_node *node, const char *name) {
  snprintf(node->name, FM_NAME, "%s", name);
}

int fm_graph_input(struct fm_graph *g, struct fm_size size) {
  return add_node(g,
                  (struct fm_node){
                      .kind = FM_NODE_INPUT, .in = -1, .res = -1, .c = 3, .h = size.height, .w = size.width});
}

static int conv(struct fm_graph *g, int in, int cout, int k, int stride, bool depthwise, int ho, int wo,
                int pad_y, int pad_x, const char *name) {
  struct fm_node node = after(g, in, FM_NODE_CONV);
  bool picture = node.c == 3;
  node.conv = (struct fm_conv){node.c, cout, k, stride, pad_y, pad_x, depthwise, picture};
  node.c = cout;
  node.h = ho;
  node.w = wo;
  set_name(&node, name);
  return add_node(g, node);
}

int fm_graph_conv(struct fm_graph *g, int in, int cout, int k, int stride, const char *name) {
  if (g->failed) return 0;
  int pad = k / 2, h = g->node[in].h, w = g->node[in].w;
  return conv(g, in, cout, k, stride, false, (h + 2 * pad - k) / stride + 1, (w + 2 * pad - k) / stride + 1,
              pad, pad, name);
}

int fm_graph_conv_same(struct fm_graph *g, int in, int cout, int k, int stride, bool depthwise,
                       const char *name) {
  if (g->failed) return 0;
  int out[2], pad[2];
  const int n[2] = {g->node[in].h, g->node[in].w};
  for (int i = 0; i < 2; i++) {
    out[i] = (n[i] + stride - 1) / stride;
    int total = (out[i] - 1) * stride + k - n[i];
    pad[i] = total > 0 ? total / 2 : 0;
  }
  return conv(g, in, cout, k, stride, depthwise, out[0], out[1], pad[0], pad[1], name);
}

int fm_graph_norm(struct fm_graph *g, int in, float eps, const char *name) {
  struct fm_node node = after(g, in, FM_NODE_NORM);
  node.eps = eps;
  set_name(&node, name);
  return add_node(g, node);
}

int fm_graph_activate(struct fm_graph *g, int in, struct fm_limits limits) {
  struct fm_node node = after(g, in, FM_NODE_ADD);
  node.limits = limits;
  return add_node(g, node);
}

int fm_graph_add(struct fm_graph *g, int a, int b) {
  struct fm_node node = after(g, a, FM_NODE_ADD);
  node.res = b;
  return add_node(g, node);
}

int fm_graph_pool(struct fm_graph *g, int in) {
  struct fm_node node = after(g, in, FM_NODE_POOL);
  node.h = (node.h - 1) / 2 + 1;
  node.w = (node.w - 1) / 2 + 1;
  return add_node(g, node);
}

int fm_graph_resize(struct fm_graph *g, int in, int like) {
  struct fm_node node = after(g, in, FM_NODE_RESIZE);
  if (!g->failed) {
    node.h = g->node[like].h;
    node.w = g->node[like].w;
  }
  return add_node(g, node);
}

static bool is_tap(const struct fm_graph *g, int i) {
  for (int t = 0; t < FM_TAPS; t++)
    if (g->tap[t] == i) return true;
  return false;
}

static bool bare(const struct fm_node *n) {
  return n->limits.low == -INFINITY && n->limits.high == INFINITY;
}

static void print_graph(const struct fm_graph *g, const char *title) {
  static const char *const names[] = {"input", "conv", "norm", "add", "pool", "resize", "dead"};
  fm_note(g->ctx, "graph, %s:", title);
  for (int i = 0; i < g->count; i++) {
    const struct fm_node *n = &g->node[i];
    if (n->kind == FM_NODE_DEAD) continue;
    char more[96] = "";
    if (n->kind == FM_NODE_CONV)
      snprintf(more, sizeof more, " %dx%d/%d%s", n->conv.k, n->conv.k, n->conv.stride,
               n->conv.depthwise ? " depthwise" : "");
    fm_note(g->ctx, "%4d %-6s in %4d res %4d  %4d x %d x %d%s%s%s%s %s", i, names[n->kind], n->in, n->res,
            n->c, n->h, n->w, more,
            bare(n)                     ? ""
            : n->limits.high < INFINITY ? " relu6"
                                        : " relu",
            is_tap(g, i) ? " TAP" : "", n->expands ? " with its input" : "", n->name);
  }
}

void fm_graph_drop(struct fm_graph *g) {
  if (g->failed) return;
  for (int i = g->count - 1; i >= 0; i--) {
    bool used = is_tap(g, i) || g->node[i].kind == FM_NODE_INPUT;
    for (int j = i + 1; j < g->count && !used; j++)
      used = g->node[j].kind != FM_NODE_DEAD && (g->node[j].in == i || g->node[j].res == i);
    if (!used) g->node[i].kind = FM_NODE_DEAD;
  }
  if (fm_verbose("graph")) print_graph(g, "without dead nodes");
}

/* True where i feeds node `by` alone, and nobody looks at it. */
static bool only_for(const struct fm_graph *g, int i, int by) {
  if (is_tap(g, i)) return false;
  for (int j = i + 1; j < g->count; j++) {
    const struct fm_node *n = &g->node[j];
    if (n->kind == FM_NODE_DEAD || j == by) continue;
    if (n->in == i || n->res == i) return false;
  }
  return true;
}

/* Node `tail` becomes its input `head` with something more behind it; the head is gone. It takes the tail's
 * place in the order, where the residual is known to be there. */
static void absorb(struct fm_graph *g, int head, int tail) {
  struct fm_node kept = g->node[tail];
  g->node[tail] = g->node[head];
  g->node[head].kind = FM_NODE_DEAD;
  g->node[tail].limits = kept.limits;
}

void fm_graph_fuse(struct fm_graph *g, bool fold) {
  if (g->failed) return;
  for (int i = 0; i < g->count; i++) {
    struct fm_node *n = &g->node[i];
    if (n->kind == FM_NODE_NORM && fold) {
      struct fm_node *head = &g->node[n->in];
      if (head->kind == FM_NODE_CONV && head->res < 0 && bare(head) && !head->fold[0] &&
          only_for(g, n->in, i)) {
        struct fm_node norm = *n;
        absorb(g, n->in, i);
        memcpy(n->fold, norm.name, FM_NAME);
        n->eps = norm.eps;
      }
    } else if (n->kind == FM_NODE_ADD) {
      int a = n->in, b = n->res;
      /* a sum goes into whichever operand can take it, the later one first; a bare activation into its input
       */
      for (int turn = 0; turn < 2; turn++) {
        int head = (b < 0) || ((a > b) == (turn == 0)) ? a : b;
        if (head < 0 || (b < 0 && turn)) break;
        struct fm_node *h = &g->node[head];
        bool able = h->kind == FM_NODE_CONV || h->kind == FM_NODE_NORM || h->kind == FM_NODE_RESIZE ||
                    (h->kind == FM_NODE_ADD && b < 0);
        if (b < 0 && h->kind == FM_NODE_CONV && !fold) able = false; /* training masks by a norm or a sum */
        if (!able || !bare(h) || (b >= 0 && h->res >= 0) || !only_for(g, head, i)) continue;
        int other = b < 0 ? h->res : head == a ? b : a;
        absorb(g, head, i);
        n->res = other;
        break;
      }
    }
  }
  if (fm_verbose("graph")) print_graph(g, fold ? "folded and fused" : "fused");
}

struct fm_expand fm_graph_expand(const struct fm_graph *g, int node) {
  const struct fm_node *n = &g->node[node], *wide = &g->node[n->in];
  return (struct fm_expand){
      .wide = wide->conv, .depthwise = n->conv, .h = wide->h, .w = wide->w, .out_h = n->h, .out_w = n->w};
}

void fm_graph_join(struct fm_graph *g, const struct fm_facts *f) {
  if (g->failed) return;
  for (int i = 0; i < g->count; i++) {
    struct fm_node *n = &g->node[i];
    if (n->kind != FM_NODE_CONV || n->res >= 0) continue;
    struct fm_node *wide = &g->node[n->in];
    if (wide->kind != FM_NODE_CONV || wide->res >= 0 || !only_for(g, n->in, i)) continue;
    const struct fm_expand e = fm_graph_expand(g, i);
    n->expands = wide->inside = fm_expand_pays(f, &e);
  }
  if (fm_verbose("graph")) print_graph(g, "expansions joined");
}

double fm_graph_macs(const struct fm_graph *g) {
  double sum = 0;
  for (int i = 0; i < g->count; i++) {
    const struct fm_node *n = &g->node[i];
    struct fm_acts out = {.n = 1, .h = n->h, .w = n->w};
    if (n->kind == FM_NODE_CONV) sum += fm_conv_macs(&n->conv, &out);
  }
  return sum;
}

void fm_graph_free(struct fm_graph *g) {
  fm_free(g->ctx, g->node);
  g->node = NULL;
  g->count = 0;
  g->capacity = 0;
}
