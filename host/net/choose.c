/* Which kernels compute the convolutions of a network, and their weights in the layouts of those kernels. */
#include "base/log.h"
#include "base/memory.h"
#include "net/internal.h"

static bool is_conv(const struct fm_step *s) {
  return s->kind == FM_STEP_CONV || s->kind == FM_STEP_DGRAD || s->kind == FM_STEP_WGRAD;
}

/* A frozen network with a way back computes the same bits as one without: scores do not depend on who asks.
 */
enum fm_status fm_net_choose(struct fm_net *net) {
  const enum fm_conv_way way[FM_STEP_KINDS] = {[FM_STEP_CONV] =
                                                   net->mode == FM_NET_TRAIN ? FM_CONV_KEPT : FM_CONV_FORWARD,
                                               [FM_STEP_DGRAD] = FM_CONV_BACK,
                                               [FM_STEP_WGRAD] = FM_CONV_WEIGHTS};
  struct fm_context *ctx = fm_device_context(net->d);
  net->call = fm_alloc(ctx, net->tape.count, sizeof *net->call);
  net->expand = fm_alloc(ctx, net->tape.count, sizeof *net->expand);
  net->prepared = fm_alloc(ctx, net->tape.count, sizeof *net->prepared);
  if (!net->call || !net->expand || !net->prepared) return FM_MEMORY;
  for (size_t i = 0; i < net->tape.count; i++) {
    const struct fm_step *s = &net->tape.step[i];
    if (s->kind == FM_STEP_EXPAND) net->expand[i] = fm_graph_expand(&net->graph, s->node);
    if (!is_conv(s)) continue;
    fm_conv_choose(net->d, &net->graph.node[s->node].conv, way[s->kind], &net->tape.tensor[s->t[0]],
                   &net->tape.tensor[s->t[1]], NULL, &net->call[i]);
    if (fm_verbose("choose")) fm_variant_say(net->d, &net->call[i]);
  }
  return FM_OK;
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
