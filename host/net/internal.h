/* What the files of a network on a device share: net.c makes and runs it, choose.c chooses its kernels,
 * place.c gives its tensors memory, pack.c moves parameters. Nobody else includes this. */
#ifndef FM_NET_INTERNAL_H
#define FM_NET_INTERNAL_H

#include "net/net.h"
#include "net/plan.h"
#include "net/tape.h"
#include "op/variant.h"

/* What a node has on the device. Offsets count numbers in the vectors. */
struct node_store {
  size_t at, count;          /* weights (conv: packed; norm: gamma) */
  size_t shift_at, channels; /* conv: folded bias; norm: beta; padded channels */
  size_t running_at, stat_at;
  struct fm_buffer weights, dweights, shift, dshift, running, stat;
};

struct fm_net {
  struct fm_device *d;
  enum fm_net_mode mode;
  int made_for, inner, batch, block; /* inner: pictures that go through the tape at a time */
  float momentum;
  bool reflect; /* padding */
  struct fm_graph graph;
  struct fm_tape tape;
  struct fm_slot *slot;
  size_t *chunk_bytes;
  int chunks;
  struct fm_buffer *chunk;
  struct node_store *store;
  struct fm_net_vectors v;
  struct fm_acts full[1 + FM_TAPS]; /* where inner < made_for: input and taps of the whole batch */
  struct fm_buffer *part;           /* [chunks of the batch][1 + FM_TAPS]: views of them */
  size_t running_count, stat_count;
  struct fm_call *call;     /* how each step's convolution is computed */
  struct fm_expand *expand; /* the same of steps that expand */
  struct fm_buffer
      *prepared; /* a step's frozen weights in the layout of its call; trained ones share `ready` */
  struct fm_buffer stats, ready, scratch;
  size_t bytes;
  void (*observe)(void *arg, const struct fm_net *net, const struct fm_step *step);
  void *observe_arg;
};

/* net.c: the passes over a new graph */
void fm_net_fuse(const struct fm_device *d, enum fm_net_mode mode, struct fm_graph *g);

/* place.c */
int fm_net_inner_batch(const struct fm_device *d, const struct fm_graph *g, enum fm_net_mode mode, int batch);
bool fm_net_chunked(const struct fm_net *net);            /* inner < made_for */
int fm_net_whole_tensor(const struct fm_net *net, int i); /* of the input (0) and the taps (1..) */
enum fm_status fm_net_place(struct fm_net *net);          /* every tensor, and the scratch */

/* choose.c */
enum fm_status fm_net_choose(struct fm_net *net);
enum fm_status fm_net_make_prepared(struct fm_net *net);
void fm_net_prepare_frozen(struct fm_net *net); /* whenever frozen weights were written */
/* What step i reads: its call's layout, prepared here where the weights are trained. */
const struct fm_buffer *fm_net_weights_of(struct fm_net *net, size_t i);

/* pack.c */
enum fm_status fm_net_make_parameters(struct fm_net *net);

#endif
