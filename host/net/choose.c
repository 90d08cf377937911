/* Which kernels compute the convolutions of a network, and their weights in the layouts of those kernels. */
#include "base/log.h"
#include "base/memory.h"
#include "net/internal.h"
#include "op/tuned.h"

static bool is_conv(const struct fm_step *s) {
  return s->kind == FM_STEP_CONV || s->kind == FM_STEP_DGRAD || s->kind == FM_STEP_WGRAD;
}

/* A frozen network with a way back computes the same bits as one without: scores do not depend on who asks.
 */
static enum fm_conv_way way_of(enum fm_net_mode mode, const struct fm_step *s) {
  if (s->kind == FM_STEP_DGRAD) return FM_CONV_BACK;
  if (s->kind == FM_STEP_WGRAD) return FM_CONV_WEIGHTS;
  return mode == FM_NET_TRAIN ? FM_CONV_KEPT : FM_CONV_FORWARD;
}

enum fm_status fm_net_choose(struct fm_net *net) {
  struct fm_context *ctx = fm_device_context(net->d);
  net->call = fm_alloc(ctx, net->tape.count, sizeof *net->call);
  net->expand = fm_alloc(ctx, net->tape.count, sizeof *net->expand);
  net->prepared = fm_alloc(ctx, net->tape.count, sizeof *net->prepared);
  if (!net->call || !net->expand || !net->prepared) return FM_MEMORY;
  FM_TRY(fm_tuned_load(net->d));
  for (size_t i = 0; i < net->tape.count; i++) {
    const struct fm_step *s = &net->tape.step[i];
    if (s->kind == FM_STEP_EXPAND) net->expand[i] = fm_graph_expand(&net->graph, s->node);
    if (!is_conv(s)) continue;
    fm_conv_choose(net->d, &net->graph.node[s->node].conv, way_of(net->mode, s), &net->tape.tensor[s->t[0]],
                   &net->tape.tensor[s->t[1]], NULL, &net->call[i]);
    if (fm_verbose("choose")) fm_variant_say(net->d, &net->call[i]);
  }
  return FM_OK;
}

enum fm_status fm_net_each_conv(struct fm_device *d, const struct fm_backbone *b, enum fm_net_mode mode,
                                int batch, struct fm_size size, fm_net_visit *visit, void *arg) {
  struct fm_context *ctx = fm_device_context(d);
  struct fm_graph graph;
  struct fm_tape tape = {0};
  FM_TRY(fm_backbone_build(ctx, b, size, &graph));
  fm_net_fuse(d, mode, &graph);
  enum fm_status status = fm_tape_make(ctx, &graph, mode, fm_net_inner_batch(d, &graph, mode, batch),
                                       fm_device_facts(d)->block, &tape);
  for (size_t i = 0; status == FM_OK && i < tape.count; i++) {
    const struct fm_step *s = &tape.step[i];
    if (is_conv(s))
      status = visit(arg, &graph.node[s->node].conv, way_of(mode, s), &tape.tensor[s->t[0]],
                     &tape.tensor[s->t[1]]);
  }
  fm_tape_free(ctx, &tape);
  fm_graph_free(&graph);
  return status;
}

/* Trained weights change at every step and are prepared just before they are read, all in one place. Frozen
 * ones keep theirs. */
enum fm_status fm_net_make_prepared(struct fm_net *net) {
  size_t most = 0;
  for (size_t i = 0; i < net->tape.count; i++) {
    size_t bytes = net->call[i].work.prepared;
    if (bytes > most) most = bytes;
    if (bytes && net->mode != FM_NET_TRAIN) FM_TRY(fm_buffer_make(net->d, bytes, &net->prepared[i]));
  }
  if (most && net->mode == FM_NET_TRAIN) FM_TRY(fm_buffer_make(net->d, most, &net->ready));
  return FM_OK;
}

void fm_net_prepare_frozen(struct fm_net *net) {
  if (net->mode == FM_NET_TRAIN) return;
  for (size_t i = 0; i < net->tape.count; i++)
    if (net->call[i].work.prepared)
      fm_conv_prepare(net->d, &net->call[i], &net->store[net->tape.step[i].node].weights, &net->prepared[i]);
}

const struct fm_buffer *fm_net_weights_of(struct fm_net *net, size_t i) {
  const struct fm_buffer *packed = &net->store[net->tape.step[i].node].weights;
  if (!net->call[i].work.prepared) return packed;
  if (net->mode != FM_NET_TRAIN) return &net->prepared[i];
  fm_conv_prepare(net->d, &net->call[i], packed, &net->ready);
  return &net->ready;
}
