/* The nine backbones, each a short function that describes a graph with taps at strides 4, 8 and 16.
 * Parameter names are those of torchvision (ResNets), of the published HRNet weights, and of the packages of
 * the other two. */
#ifndef FM_NET_BACKBONE_H
#define FM_NET_BACKBONE_H

#include "net/graph.h"

/* Untrained weights: see fm_weights_init. */
enum fm_init { FM_INIT_KAIMING, FM_INIT_UNIFORM };

struct fm_backbone {
  const char *name;
  const char *about; /* one line for help */
  enum fm_init init;
  float momentum; /* of the running statistics */
  void (*build)(struct fm_graph *g, int input, const struct fm_backbone *b);
  int depth[3]; /* ResNets: blocks a stage */
  int width;    /* ResNets: factor of the bottleneck's width, 0: basic blocks; HRNets: channels of branch 0 */
  bool post;    /* resnet50_v2: taps behind the norm and ReLU that follow */
};

extern const struct fm_backbone fm_backbones[];
extern const int fm_backbone_count;

/* By name; FM_USAGE with the names there are. "resnet50_v2_post" has the taps behind norm and ReLU. */
enum fm_status fm_backbone_find(struct fm_context *ctx, const char *name,
                                const struct fm_backbone **backbone);

/* The graph for pictures of that size, without dead nodes: width and height are multiples of 32 from 32 to
 * 4096. */
enum fm_status fm_backbone_build(struct fm_context *ctx, const struct fm_backbone *b, struct fm_size size,
                                 struct fm_graph *g);

#endif
