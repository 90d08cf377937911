/* A network as a graph: nodes in an order in which each comes after its inputs, described once for a picture
 * size, rewritten by passes. No layer has hidden state; parameters are names (weights.h).
 *
 * FLAWMAP_VERBOSE=graph prints the graph after each pass. */
#ifndef FM_NET_GRAPH_H
#define FM_NET_GRAPH_H

#include "base/size.h"
#include "op/expand.h"

enum fm_node_kind {
  FM_NODE_INPUT,  /* the picture */
  FM_NODE_CONV,   /* weights NAME.weight */
  FM_NODE_NORM,   /* NAME.weight, .bias, .running_mean, .running_var */
  FM_NODE_ADD,    /* in + res; without res a bare activation */
  FM_NODE_POOL,   /* 3x3, stride 2, padding 1 */
  FM_NODE_RESIZE, /* bilinear, aligned corners, to the node's size */
  FM_NODE_DEAD    /* taken away by a pass */
};

enum { FM_NAME = 64, FM_TAPS = 3 };

struct fm_node {
  enum fm_node_kind kind;
  int in, res; /* nodes; -1: none. res is added before the activation */
  int c, h, w;
  struct fm_limits limits; /* activation behind it */
  struct fm_conv conv;
  float eps;          /* of a norm, or of the norm folded into a conv */
  char name[FM_NAME]; /* of the parameters */
  char fold[FM_NAME]; /* conv: name of the norm folded into it; "" none */
  bool expands;       /* a depthwise conv that computes its input, a 1x1 conv, along with itself */
  bool inside;        /* that 1x1 conv: its result is never a tensor */
};

struct fm_graph {
  struct fm_context *ctx;
  struct fm_node *node;
  int count;
  size_t capacity;
  int tap[FM_TAPS]; /* nodes at strides 4, 8, 16 */
  bool failed;      /* out of memory while building: checked once at the end */
};

/* The builders return the new node's index; after a failure any further call is harmless. `format` makes the
 * name. */
int fm_graph_input(struct fm_graph *g, struct fm_size size);
int fm_graph_conv(struct fm_graph *g, int in, int cout, int k, int stride, const char *name);
int fm_graph_conv_same(
    struct fm_graph *g, int in, int cout, int k, int stride, bool depthwise,
    const char *name); /* TensorFlow's padding: output ceil(n / stride), the larger half at the end */
int fm_graph_norm(struct fm_graph *g, int in, float eps, const char *name);
int fm_graph_activate(struct fm_graph *g, int in, struct fm_limits limits);
int fm_graph_add(struct fm_graph *g, int a, int b);
int fm_graph_pool(struct fm_graph *g, int in);
int fm_graph_resize(struct fm_graph *g, int in, int like);

/* Passes. drop: what no tap needs becomes dead. fuse: folds a norm into the convolution before it (fold:
 * true, for frozen statistics) and sums and activations into the node before them. */
void fm_graph_drop(struct fm_graph *g);
void fm_graph_fuse(struct fm_graph *g, bool fold);

/* Joins expansions with the depthwise convolutions behind them, where this device computes both in one kernel
 * (op/expand.h): for inference, after fuse. */
void fm_graph_join(struct fm_graph *g, const struct fm_facts *f);

/* The two convolutions of a node that expands. */
struct fm_expand fm_graph_expand(const struct fm_graph *g, int node);

double fm_graph_macs(const struct fm_graph *g); /* multiply-adds of all convolutions for one picture */
void fm_graph_free(struct fm_graph *g);

#endif
