#include "net/net.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/internal.h"
#include "op/norm.h"
#include "op/simple.h"

/* Offset, size, first and last use of every tensor. */
static void print_plan(const struct fm_net *net) {
  struct fm_context *ctx = fm_device_context(net->d);
  fm_note(ctx, "plan: %zu tensors, %zu steps, %d buffers, %.1f MiB with parameters", net->tape.tensors,
          net->tape.count, net->chunks, (double)net->bytes / 0x1p20);
  for (size_t i = 0; i < net->tape.tensors; i++) {
    const struct fm_acts *a = &net->tape.tensor[i];
    const struct fm_slot *s = &net->slot[i];
    fm_note(
        ctx,
        "plan: tensor %4zu  %d x %4d x %3d x %3d halo %d  buffer %d at %10zu, %10zu bytes, steps %d to %d", i,
        a->n, a->c, a->h, a->w, a->halo, s->chunk, s->offset, s->bytes, s->first, s->last);
  }
}

void fm_net_fuse(const struct fm_device *d, enum fm_net_mode mode, struct fm_graph *g) {
  fm_graph_fuse(g, mode != FM_NET_TRAIN);
  if (mode == FM_NET_INFER) fm_graph_join(g, fm_device_facts(d));
}

enum fm_status fm_net_make(struct fm_device *d, const struct fm_backbone *b, enum fm_net_mode mode, int batch,
                           struct fm_size size, const struct fm_weights *weights, struct fm_net **out) {
  struct fm_context *ctx = fm_device_context(d);
  *out = NULL;
  if (batch < 1 || batch > 4096)
    return fm_error(ctx, FM_USAGE, "the batch is %d; it must be from 1 to 4096", batch);
  struct fm_net *net = fm_alloc(ctx, 1, sizeof *net);
  if (!net) return FM_MEMORY;
  net->d = d;
  net->mode = mode;
  net->made_for = net->batch = net->inner = batch;
  net->block = fm_device_facts(d)->block;
  net->momentum = b->momentum;
  size_t before = fm_device_live(d).bytes;
  enum fm_status status = fm_backbone_build(ctx, b, size, &net->graph);
  if (status == FM_OK) {
    fm_net_fuse(d, mode, &net->graph);
    net->inner = fm_net_inner_batch(d, &net->graph, mode, batch);
    net->store = fm_alloc(ctx, (size_t)net->graph.count, sizeof *net->store);
    status = net->store ? FM_OK : FM_MEMORY;
  }
  if (status == FM_OK) status = fm_tape_make(ctx, &net->graph, mode, net->inner, net->block, &net->tape);
  if (status == FM_OK) status = fm_net_choose(net);
  if (status == FM_OK) status = fm_net_make_parameters(net);
  if (status == FM_OK) status = fm_net_make_prepared(net);
  if (status == FM_OK) status = fm_net_place(net);
  if (status == FM_OK) status = fm_net_write_weights(net, weights);
  net->bytes = fm_device_live(d).bytes - before;
  if (status != FM_OK) {
    fm_net_free(net);
    return status;
  }
  if (fm_verbose("memory")) print_plan(net);
  *out = net;
  return FM_OK;
}

void fm_net_free(struct fm_net *net) {
  if (!net) return;
  struct fm_device *d = net->d;
  struct fm_context *ctx = fm_device_context(d);
  for (int i = 0; i < 1 + FM_TAPS && net->part; i++) /* these are views that net->part owns */
    net->tape.tensor[fm_net_whole_tensor(net, i)].buffer = (struct fm_buffer){0};
  /* Views that overlap go the other way round than they came: see fm_buffer_view. */
  for (size_t i = net->tape.tensors; i-- > 0;) fm_buffer_free(d, &net->tape.tensor[i].buffer);
  for (int i = (net->made_for + net->inner - 1) / net->inner * (1 + FM_TAPS); net->part && i-- > 0;)
    fm_buffer_free(d, &net->part[i]);
  for (int i = 0; i < 1 + FM_TAPS; i++) fm_buffer_free(d, &net->full[i].buffer);
  fm_free(ctx, net->part);
  for (int i = 0; net->chunk && i < net->chunks; i++) fm_buffer_free(d, &net->chunk[i]);
  for (int i = 0; net->store && i < net->graph.count; i++) {
    struct node_store *s = &net->store[i];
    struct fm_buffer *const views[] = {&s->weights, &s->dweights, &s->shift,
                                       &s->dshift,  &s->running,  &s->stat};
    for (int k = 0; k < 6; k++) fm_buffer_free(d, views[k]);
  }
  struct fm_buffer *const own[] = {&net->v.weights, &net->v.gradient, &net->v.running,
                                   &net->stats,     &net->ready,      &net->scratch};
  for (int k = 0; k < 6; k++) fm_buffer_free(d, own[k]);
  for (size_t i = 0; net->prepared && i < net->tape.count; i++) fm_buffer_free(d, &net->prepared[i]);
  fm_free(ctx, net->prepared);
  fm_free(ctx, net->call);
  fm_free(ctx, net->expand);
  fm_free(ctx, net->chunk);
  fm_free(ctx, net->chunk_bytes);
  fm_free(ctx, net->slot);
  fm_free(ctx, net->store);
  fm_tape_free(ctx, &net->tape);
  if (net->graph.ctx) fm_graph_free(&net->graph);
  fm_free(ctx, net);
}

int fm_net_batch(const struct fm_net *net) {
  return net->made_for;
}
struct fm_device *fm_net_device(const struct fm_net *net) {
  return net->d;
}
const struct fm_net_vectors *fm_net_vectors(const struct fm_net *net) {
  return &net->v;
}
void fm_net_set_momentum(struct fm_net *net, float momentum) {
  net->momentum = momentum;
}

void fm_net_reflect(struct fm_net *net) {
  net->reflect = true;
}

void fm_net_set_batch(struct fm_net *net, int batch) {
  net->batch = batch < 1 ? 1 : batch > net->made_for ? net->made_for : batch;
  for (int i = 0; i < 1 + FM_TAPS; i++) net->full[i].n = net->batch;
  if (fm_net_chunked(net)) return;
  for (size_t i = 0; i < net->tape.tensors; i++) net->tape.tensor[i].n = net->batch;
}

const struct fm_acts *fm_net_input(const struct fm_net *net) {
  return fm_net_chunked(net) ? &net->full[0] : &net->tape.tensor[net->tape.input];
}
const struct fm_acts *fm_net_tap(const struct fm_net *net, int tap) {
  return fm_net_chunked(net) ? &net->full[1 + tap] : &net->tape.tensor[net->tape.tap[tap]];
}
const struct fm_acts *fm_net_tap_gradient(const struct fm_net *net, int tap) {
  return &net->tape.tensor[net->tape.tap_gradient[tap]];
}
const struct fm_acts *fm_net_input_gradient(const struct fm_net *net) {
  return &net->tape.tensor[net->tape.input_gradient];
}

/* out (+)= the convolution of in, forward or back. */
static void convolve(struct fm_net *net, size_t i, const struct fm_acts *in, const struct fm_buffer *bias,
                     const struct fm_acts *res, struct fm_limits limits, const struct fm_acts *out) {
  const struct fm_conv_args args = {.in = in,
                                    .out = out,
                                    .weights = fm_net_weights_of(net, i),
                                    .bias = bias,
                                    .res = res,
                                    .limits = limits,
                                    .scratch = &net->scratch};
  fm_conv_run(net->d, &net->call[i], &args);
}

/* A depthwise convolution together with the expansion before it. */
static void expand(struct fm_net *net, size_t i, const struct fm_acts *in, const struct fm_acts *out) {
  const struct fm_step *s = &net->tape.step[i];
  const struct fm_node *n = &net->graph.node[s->node], *wide = &net->graph.node[n->in];
  const struct node_store *own = &net->store[s->node], *before = &net->store[n->in];
  fm_expand_run(net->d, &net->expand[i],
                &(struct fm_expand_args){.in = in,
                                         .out = out,
                                         .wide_weights = &before->weights,
                                         .wide_bias = wide->fold[0] ? &before->shift : NULL,
                                         .weights = &own->weights,
                                         .bias = n->fold[0] ? &own->shift : NULL,
                                         .wide_limits = wide->limits,
                                         .limits = n->limits,
                                         .reflect = net->reflect});
}

static void run_step(struct fm_net *net, size_t i) {
  struct fm_device *d = net->d;
  const struct fm_step *s = &net->tape.step[i];
  const struct fm_node *n = s->node >= 0 ? &net->graph.node[s->node] : NULL;
  struct node_store *store = s->node >= 0 ? &net->store[s->node] : NULL;
  const struct fm_acts *t[4];
  for (int k = 0; k < 4; k++) t[k] = s->t[k] >= 0 ? &net->tape.tensor[s->t[k]] : NULL;
  struct fm_limits limits = n ? n->limits : fm_limits_none;
  struct fm_norm norm = {n ? n->eps : 0, net->momentum};
  switch (s->kind) {
  case FM_STEP_CONV:
    if (net->reflect && n->conv.k > 1) fm_reflect(d, t[0]);
    convolve(net, i, t[0], n->fold[0] ? &store->shift : NULL, t[2], limits, t[1]);
    break;
  case FM_STEP_EXPAND:
    expand(net, i, t[0], t[1]);
    break;
  case FM_STEP_NORM:
    if (net->mode == FM_NET_TRAIN)
      fm_norm_forward(d, &norm, t[0], &store->weights, &store->shift, t[2], limits, &net->scratch,
                      &store->stat, &store->running, t[1]);
    else
      fm_norm_apply(d, t[0], &store->stat, &store->shift, t[2], limits, t[1]);
    break;
  case FM_STEP_ADD:
    fm_acts_add(d, t[0], t[2], limits, t[1]);
    break;
  case FM_STEP_POOL:
    fm_pool(d, t[0], t[1], t[2] ? &t[2]->buffer : NULL);
    break;
  case FM_STEP_RESIZE:
    fm_resize(d, t[0], true, t[2], limits, t[1]);
    break;
  case FM_STEP_MASK:
    fm_mask(d, t[0], limits, t[1]);
    break;
  case FM_STEP_NORM_BACK:
    if (net->mode == FM_NET_TRAIN)
      fm_norm_backward(d, t[0], &store->stat, &store->shift, t[1], limits, t[2], &net->scratch,
                       &store->dweights, &store->dshift, t[3]);
    else {
      if (t[1]) fm_mask(d, t[1], limits, t[2]);
      fm_norm_backward_frozen(d, t[0], &store->stat, &store->shift, t[1] ? fm_limits_none : limits, t[2],
                              t[3]);
    }
    break;
  case FM_STEP_WGRAD:
    fm_conv_run(
        d, &net->call[i],
        &(struct fm_conv_args){.in = t[0], .out = t[1], .scratch = &net->scratch, .dw = &store->dweights});
    break;
  case FM_STEP_DGRAD:
    convolve(net, i, t[0], NULL, s->accumulate ? t[1] : NULL, fm_limits_none, t[1]);
    break;
  case FM_STEP_POOL_BACK:
    fm_pool_backward(d, t[0], t[2], &t[3]->buffer, s->accumulate, t[1]);
    break;
  case FM_STEP_RESIZE_BACK:
    fm_resize_backward(d, t[0], true, s->accumulate, t[1]);
    break;
  case FM_STEP_KINDS:
    break;
  }
}

static void run_steps(struct fm_net *net, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    run_step(net, i);
    if (net->observe) net->observe(net->observe_arg, net, &net->tape.step[i]);
  }
}

void fm_net_forward(struct fm_net *net) {
  int chunks = fm_net_chunked(net) ? (net->batch + net->inner - 1) / net->inner : 1;
  for (int c = 0; c < chunks; c++) {
    if (fm_net_chunked(net)) {
      int left = net->batch - c * net->inner;
      for (size_t i = 0; i < net->tape.tensors; i++)
        net->tape.tensor[i].n = left < net->inner ? left : net->inner;
      for (int i = 0; i < 1 + FM_TAPS; i++)
        net->tape.tensor[fm_net_whole_tensor(net, i)].buffer = net->part[c * (1 + FM_TAPS) + i];
    }
    run_steps(net, 0, net->tape.backward);
  }
}

void fm_net_backward(struct fm_net *net) {
  run_steps(net, net->tape.backward, net->tape.count);
}

void fm_net_observe(struct fm_net *net,
                    void (*observe)(void *arg, const struct fm_net *net, const struct fm_step *step),
                    void *arg) {
  net->observe = observe;
  net->observe_arg = arg;
}
const struct fm_tape *fm_net_tape(const struct fm_net *net) {
  return &net->tape;
}
const struct fm_graph *fm_net_graph(const struct fm_net *net) {
  return &net->graph;
}
