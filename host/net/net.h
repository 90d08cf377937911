/* A network on a device: for inference (norms folded, memory reused) or for training (batch statistics,
 * everything kept that the backward pass reads). Made once for a batch and a picture size; running it only
 * enqueues. */
#ifndef FM_NET_NET_H
#define FM_NET_NET_H

#include "net/weights.h"
#include "op/conv.h"

enum fm_net_mode { FM_NET_INFER, FM_NET_TRAIN, FM_NET_GRADIENT /* infer, and back to the picture */ };

struct fm_net;

/* weights are copied. batch: pictures at a time. */
enum fm_status fm_net_make(struct fm_device *d, const struct fm_backbone *b, enum fm_net_mode mode, int batch,
                           struct fm_size size, const struct fm_weights *weights, struct fm_net **out);
void fm_net_free(struct fm_net *net);

int fm_net_batch(const struct fm_net *net);
struct fm_device *fm_net_device(const struct fm_net *net);

/* Fewer pictures than made for (the last batch of an epoch), 1..batch. */
void fm_net_set_batch(struct fm_net *net, int batch);

/* The picture tensor to fill (fm_picture), the taps after forward, the places for their gradients before
 * backward. All stay the net's; they change with fm_net_set_batch. */
const struct fm_acts *fm_net_input(const struct fm_net *net);
const struct fm_acts *fm_net_tap(const struct fm_net *net, int tap);
const struct fm_acts *fm_net_tap_gradient(const struct fm_net *net, int tap);
const struct fm_acts *fm_net_input_gradient(const struct fm_net *net); /* FM_NET_GRADIENT only */

void fm_net_forward(struct fm_net *net);
void fm_net_backward(struct fm_net *net);

/* From now on convolutions pad by reflection (the edge pixel not repeated) instead of with zeros, as the
 * encoder of CFLOW-AD's authors does. FM_NET_INFER only: there is no way back. */
void fm_net_reflect(struct fm_net *net);

/* Calls observe(arg, step) behind every step that forward and backward enqueue, for measuring; NULL ends
 * that. */
struct fm_tape;
struct fm_step;
void fm_net_observe(struct fm_net *net,
                    void (*observe)(void *arg, const struct fm_net *net, const struct fm_step *step),
                    void *arg);
const struct fm_tape *fm_net_tape(const struct fm_net *net);
const struct fm_graph *fm_net_graph(const struct fm_net *net);

/* Calls visit for every convolution that such a network would compute, with tensors that have no buffers;
 * nothing is made. The first status that is not FM_OK ends it. */
typedef enum fm_status fm_net_visit(void *arg, const struct fm_conv *conv, enum fm_conv_way way,
                                    const struct fm_acts *in, const struct fm_acts *out);
enum fm_status fm_net_each_conv(struct fm_device *d, const struct fm_backbone *b, enum fm_net_mode mode,
                                int batch, struct fm_size size, fm_net_visit *visit, void *arg);

/* Training: the parameter vector, its gradient, and the running statistics, in the device's packing. */
struct fm_net_vectors {
  size_t count; /* numbers in weights and gradient, a multiple of the block */
  struct fm_buffer weights, gradient, running;
};
const struct fm_net_vectors *fm_net_vectors(const struct fm_net *net);

/* Between a packed host vector of fm_net_vectors().count numbers and named weights (trained ones only). */
void fm_net_pack(const struct fm_net *net, const struct fm_weights *weights, float *packed);
void fm_net_unpack(const struct fm_net *net, const float *packed, struct fm_weights *weights);

/* Weights and running statistics from and to the device; waits. */
enum fm_status fm_net_write_weights(struct fm_net *net, const struct fm_weights *weights);
enum fm_status fm_net_read_weights(struct fm_net *net, struct fm_weights *weights);

/* The running statistics' momentum: 0.1, or 1/k at the k-th batch of a cumulative mean. */
void fm_net_set_momentum(struct fm_net *net, float momentum);

#endif
