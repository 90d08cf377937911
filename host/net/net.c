#include "net/net.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/plan.h"
#include "net/tape.h"
#include "op/norm.h"
#include "op/simple.h"

#include <math.h>
#include <string.h>

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
  struct fm_buffer stats, flipped, parts;
  size_t bytes;
  void (*observe)(void *arg, const struct fm_net *net, const struct fm_step *step);
  void *observe_arg;
};

static size_t pad_to(size_t n, size_t to) {
  return (n + to - 1) / to * to;
}

/* Views begin at multiples of the device's alignment. */
static size_t reserve(const struct fm_net *net, size_t *total, size_t count) {
  size_t at = *total;
  *total += pad_to(count, fm_device_facts(net->d)->base_alignment / sizeof(float));
  return at;
}

static void lay_out_parameters(struct fm_net *net) {
  for (int i = 0; i < net->graph.count; i++) {
    const struct fm_node *n = &net->graph.node[i];
    struct node_store *s = &net->store[i];
    s->channels = pad_to((size_t)n->c, (size_t)net->block);
    if (n->kind == FM_NODE_CONV) {
      s->count = fm_conv_weights(&n->conv, net->block);
      s->at = reserve(net, &net->v.count, s->count);
      if (n->fold[0]) s->shift_at = reserve(net, &net->v.count, s->channels);
    } else if (n->kind == FM_NODE_NORM) {
      s->count = s->channels;
      s->at = reserve(net, &net->v.count, s->channels);
      s->shift_at = reserve(net, &net->v.count, s->channels);
      s->running_at = reserve(net, &net->running_count, 2 * s->channels);
      s->stat_at = reserve(net, &net->stat_count, 5 * s->channels);
    }
  }
}

static enum fm_status view(struct fm_net *net, const struct fm_buffer *all, size_t at, size_t count,
                           struct fm_buffer *part) {
  return fm_buffer_view(net->d, all, at * sizeof(float), count * sizeof(float), part);
}

static enum fm_status make_parameters(struct fm_net *net) {
  struct fm_device *d = net->d;
  bool train = net->mode == FM_NET_TRAIN;
  FM_TRY(fm_buffer_make(d, net->v.count * sizeof(float), &net->v.weights));
  if (train) FM_TRY(fm_buffer_make(d, net->v.count * sizeof(float), &net->v.gradient));
  if (train) FM_TRY(fm_buffer_fill(d, &net->v.gradient, 0)); /* the gaps between views stay zero */
  FM_TRY(fm_buffer_make(d, net->running_count * sizeof(float), &net->v.running));
  FM_TRY(fm_buffer_make(d, net->stat_count * sizeof(float), &net->stats));
  for (int i = 0; i < net->graph.count; i++) {
    const struct fm_node *n = &net->graph.node[i];
    struct node_store *s = &net->store[i];
    if (n->kind != FM_NODE_CONV && n->kind != FM_NODE_NORM) continue;
    bool shift = n->kind == FM_NODE_NORM || n->fold[0];
    FM_TRY(view(net, &net->v.weights, s->at, s->count, &s->weights));
    if (shift) FM_TRY(view(net, &net->v.weights, s->shift_at, s->channels, &s->shift));
    if (train) FM_TRY(view(net, &net->v.gradient, s->at, s->count, &s->dweights));
    if (train && shift) FM_TRY(view(net, &net->v.gradient, s->shift_at, s->channels, &s->dshift));
    if (n->kind == FM_NODE_NORM) {
      FM_TRY(view(net, &net->v.running, s->running_at, 2 * s->channels, &s->running));
      FM_TRY(view(net, &net->stats, s->stat_at, 5 * s->channels, &s->stat));
    }
  }
  return FM_OK;
}

/* On a CPU inference goes through a batch two pictures at a time: activations then stay in the cache, which
 * was worth 5 to 30 % (docs/speed.md). A GPU wants the whole batch. */
static int inner_batch(const struct fm_device *d, enum fm_net_mode mode, int batch) {
  enum { AT_A_TIME = 2 };
  const struct fm_facts *f = fm_device_facts(d);
  return mode == FM_NET_INFER && f->kind == FM_CLASS_CPU && batch > AT_A_TIME ? AT_A_TIME : batch;
}

static bool chunked(const struct fm_net *net) {
  return net->inner < net->made_for;
}

static int whole_tensor(const struct fm_net *net, int i) {
  return i == 0 ? net->tape.input : net->tape.tap[i - 1];
}

/* Input and taps of the whole batch, and their views a chunk; the tape's own tensors of these are never used.
 */
static enum fm_status make_whole_tensors(struct fm_net *net) {
  struct fm_device *d = net->d;
  int chunks = (net->made_for + net->inner - 1) / net->inner;
  net->part = fm_alloc(fm_device_context(d), (size_t)chunks * (1 + FM_TAPS), sizeof *net->part);
  if (!net->part) return FM_MEMORY;
  for (int i = 0; i < 1 + FM_TAPS; i++) {
    struct fm_acts *a = &net->full[i];
    *a = net->tape.tensor[whole_tensor(net, i)];
    a->n = net->made_for;
    size_t bytes, each;
    if (!fm_acts_bytes(a, &bytes))
      return fm_error(fm_device_context(d), FM_LIMIT,
                      "a batch of %d pictures of this size is too large; use a smaller --batch",
                      net->made_for);
    FM_TRY(fm_buffer_make(d, bytes, &a->buffer));
    size_t row = (size_t)(a->w + 2 * a->halo), plane = row * (size_t)(a->h + 2 * a->halo);
    each = (size_t)net->inner * (size_t)fm_acts_blocks(a) * plane * (size_t)a->block * sizeof(float);
    for (int c = 0; c < chunks;
         c++) /* the tail a tile may read past a chunk lies in the next one, or in the slack */
      FM_TRY(fm_buffer_view(d, &a->buffer, (size_t)c * each, bytes - (size_t)c * each,
                            &net->part[c * (1 + FM_TAPS) + i]));
  }
  return FM_OK;
}

/* First and last step of every tensor; what the caller touches lives as long as it may. */
static void find_lifetimes(struct fm_net *net) {
  struct fm_tape *t = &net->tape;
  int end = (int)t->count;
  for (size_t i = 0; i < t->tensors; i++) net->slot[i] = (struct fm_slot){.first = end, .last = -1};
  for (int i = 0; i < end; i++)
    for (int k = 0; k < 4; k++) {
      int id = t->step[i].t[k];
      if (id < 0) continue;
      if (i < net->slot[id].first) net->slot[id].first = i;
      if (i > net->slot[id].last) net->slot[id].last = i;
    }
  net->slot[t->input].first = -1;
  for (int k = 0; k < FM_TAPS; k++) {
    struct fm_slot *tap = &net->slot[t->tap[k]];
    if (net->mode == FM_NET_INFER) {
      tap->last = end;
      continue;
    }
    if (tap->last < (int)t->backward) tap->last = (int)t->backward;
    struct fm_slot *g = &net->slot[t->tap_gradient[k]];
    g->first = (int)t->backward;
    if (g->last < g->first) g->last = g->first;
  }
  if (t->input_gradient >= 0) net->slot[t->input_gradient].last = end;
}

/* Tensors with a halo share memory with tensors of the same shape only (plan.h): the halo is zeroed once, not
 * at every run. The kind is the index of the first tensor of that shape, from 1; 0: no halo. */
static int halo_kind(const struct fm_tape *t, size_t i) {
  const struct fm_acts *a = &t->tensor[i];
  if (a->halo == 0 || t->bytes_only[i]) return 0;
  for (size_t k = 0; k < i; k++) {
    const struct fm_acts *b = &t->tensor[k];
    if (!t->bytes_only[k] && a->c == b->c && a->h == b->h && a->w == b->w && a->halo == b->halo &&
        a->block == b->block)
      return (int)k + 1;
  }
  return (int)i + 1;
}

static enum fm_status place_tensors(struct fm_net *net) {
  struct fm_device *d = net->d;
  struct fm_context *ctx = fm_device_context(d);
  const struct fm_facts *f = fm_device_facts(d);
  struct fm_tape *t = &net->tape;
  net->slot = fm_alloc(ctx, t->tensors, sizeof *net->slot);
  if (!net->slot) return FM_MEMORY;
  find_lifetimes(net);
  for (size_t i = 0; i < t->tensors; i++) {
    if (!fm_acts_bytes(&t->tensor[i], &net->slot[i].bytes))
      return fm_error(ctx, FM_LIMIT,
                      "pictures of this size make tensors of more than 2^31 numbers; use a smaller --size");
    if (t->bytes_only[i]) net->slot[i].bytes /= sizeof(float);
  }
  for (size_t i = 0; i < t->tensors; i++) net->slot[i].kind = halo_kind(t, i);
  for (int i = 0; i < 1 + FM_TAPS && chunked(net); i++) {
    net->slot[whole_tensor(net, i)].bytes = 1;
    net->slot[whole_tensor(net, i)].kind = 0;
  }
  size_t most = f->max_allocation < ((size_t)1 << 31) ? f->max_allocation : (size_t)1 << 31;
  most = most / f->base_alignment * f->base_alignment;
  FM_TRY(fm_plan(ctx, net->slot, t->tensors, f->base_alignment, most, &net->chunk_bytes, &net->chunks));
  net->chunk = fm_alloc(ctx, (size_t)net->chunks, sizeof *net->chunk);
  if (!net->chunk) return FM_MEMORY;
  for (int i = 0; i < net->chunks; i++) FM_TRY(fm_buffer_make(d, net->chunk_bytes[i], &net->chunk[i]));
  for (size_t i = 0; i < t->tensors; i++) {
    bool whole = false;
    for (int k = 0; k < 1 + FM_TAPS; k++) whole = whole || (chunked(net) && whole_tensor(net, k) == (int)i);
    if (!whole)
      FM_TRY(fm_buffer_view(d, &net->chunk[net->slot[i].chunk], net->slot[i].offset, net->slot[i].bytes,
                            &t->tensor[i].buffer));
    if (!whole && !t->bytes_only[i]) fm_halo(d, &t->tensor[i]);
  }
  for (int k = 0; k < 1 + FM_TAPS && chunked(net); k++) fm_halo(d, &net->full[k]);
  return fm_device_status(d);
}

/* Scratch shared by all nodes. */
static enum fm_status make_scratch(struct fm_net *net) {
  size_t flipped = 0, parts = 0;
  for (size_t i = 0; i < net->tape.count; i++) {
    const struct fm_step *s = &net->tape.step[i];
    const struct fm_node *n = s->node >= 0 ? &net->graph.node[s->node] : NULL;
    size_t need = 0;
    if (s->kind == FM_STEP_DGRAD) {
      size_t flip = fm_conv_flip_bytes(&n->conv, net->block);
      if (flip > flipped) flipped = flip;
    } else if (s->kind == FM_STEP_WGRAD) {
      need = fm_conv_parts_bytes(net->d, &n->conv, &net->tape.tensor[s->t[0]], &net->tape.tensor[s->t[1]]);
    } else if (s->kind == FM_STEP_MEASURE || s->kind == FM_STEP_NORM_BACK) {
      need = fm_norm_parts_bytes(net->d, &net->tape.tensor[s->t[0]]);
    }
    if (need > parts) parts = need;
  }
  if (flipped) FM_TRY(fm_buffer_make(net->d, flipped, &net->flipped));
  if (parts) FM_TRY(fm_buffer_make(net->d, parts, &net->parts));
  return FM_OK;
}

enum fm_status fm_net_make(struct fm_device *d, const struct fm_backbone *b, enum fm_net_mode mode, int batch,
                           int size, const struct fm_weights *weights, struct fm_net **out) {
  struct fm_context *ctx = fm_device_context(d);
  *out = NULL;
  if (batch < 1 || batch > 4096)
    return fm_error(ctx, FM_USAGE, "a batch of %d is not possible; 1 to 4096", batch);
  struct fm_net *net = fm_alloc(ctx, 1, sizeof *net);
  if (!net) return FM_MEMORY;
  net->d = d;
  net->mode = mode;
  net->made_for = net->batch = batch;
  net->inner = inner_batch(d, mode, batch);
  net->block = fm_device_facts(d)->block;
  net->momentum = b->momentum;
  size_t before = fm_device_live(d).bytes;
  enum fm_status status = fm_backbone_build(ctx, b, size, &net->graph);
  if (status == FM_OK) {
    fm_graph_fuse(&net->graph, mode != FM_NET_TRAIN);
    net->store = fm_alloc(ctx, (size_t)net->graph.count, sizeof *net->store);
    status = net->store ? FM_OK : FM_MEMORY;
  }
  if (status == FM_OK) {
    lay_out_parameters(net);
    status = fm_tape_make(ctx, &net->graph, mode, net->inner, net->block, &net->tape);
  }
  if (status == FM_OK && chunked(net)) status = make_whole_tensors(net);
  if (status == FM_OK) status = make_parameters(net);
  if (status == FM_OK) status = place_tensors(net);
  if (status == FM_OK) status = make_scratch(net);
  if (status == FM_OK) status = fm_net_write_weights(net, weights);
  net->bytes = fm_device_live(d).bytes - before;
  if (status != FM_OK) {
    fm_net_free(net);
    return status;
  }
  if (fm_verbose("memory")) fm_net_print_plan(net);
  *out = net;
  return FM_OK;
}

void fm_net_free(struct fm_net *net) {
  if (!net) return;
  struct fm_device *d = net->d;
  struct fm_context *ctx = fm_device_context(d);
  for (int i = 0; i < 1 + FM_TAPS && net->part; i++) /* these are views that net->part owns */
    net->tape.tensor[whole_tensor(net, i)].buffer = (struct fm_buffer){0};
  for (size_t i = 0; i < net->tape.tensors; i++) fm_buffer_free(d, &net->tape.tensor[i].buffer);
  for (int i = 0; net->part && i < (net->made_for + net->inner - 1) / net->inner * (1 + FM_TAPS); i++)
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
                                   &net->stats,     &net->flipped,    &net->parts};
  for (int k = 0; k < 6; k++) fm_buffer_free(d, own[k]);
  fm_free(ctx, net->chunk);
  fm_free(ctx, net->chunk_bytes);
  fm_free(ctx, net->slot);
  fm_free(ctx, net->store);
  fm_tape_free(ctx, &net->tape);
  if (net->graph.ctx) fm_graph_free(&net->graph);
  fm_free(ctx, net);
}

size_t fm_net_bytes(const struct fm_net *net) {
  return net->bytes;
}
double fm_net_macs(const struct fm_net *net) {
  return fm_graph_macs(&net->graph);
}
int fm_net_batch(const struct fm_net *net) {
  return net->made_for;
}
const struct fm_net_vectors *fm_net_vectors(const struct fm_net *net) {
  return &net->v;
}
void fm_net_set_momentum(struct fm_net *net, float momentum) {
  net->momentum = momentum;
}

void fm_net_set_batch(struct fm_net *net, int batch) {
  net->batch = batch < 1 ? 1 : batch > net->made_for ? net->made_for : batch;
  for (int i = 0; i < 1 + FM_TAPS; i++) net->full[i].n = net->batch;
  if (chunked(net)) return;
  for (size_t i = 0; i < net->tape.tensors; i++) net->tape.tensor[i].n = net->batch;
}

const struct fm_acts *fm_net_input(const struct fm_net *net) {
  return chunked(net) ? &net->full[0] : &net->tape.tensor[net->tape.input];
}
const struct fm_acts *fm_net_tap(const struct fm_net *net, int tap) {
  return chunked(net) ? &net->full[1 + tap] : &net->tape.tensor[net->tape.tap[tap]];
}
const struct fm_acts *fm_net_tap_gradient(const struct fm_net *net, int tap) {
  return &net->tape.tensor[net->tape.tap_gradient[tap]];
}
const struct fm_acts *fm_net_input_gradient(const struct fm_net *net) {
  return &net->tape.tensor[net->tape.input_gradient];
}

static void run_step(struct fm_net *net, const struct fm_step *s) {
  struct fm_device *d = net->d;
  const struct fm_node *n = s->node >= 0 ? &net->graph.node[s->node] : NULL;
  struct node_store *store = s->node >= 0 ? &net->store[s->node] : NULL;
  const struct fm_acts *t[4];
  for (int k = 0; k < 4; k++) t[k] = s->t[k] >= 0 ? &net->tape.tensor[s->t[k]] : NULL;
  struct fm_limits limits = n ? n->limits : fm_limits_none;
  struct fm_norm norm = {n ? n->eps : 0, net->momentum};
  switch (s->kind) {
  case FM_STEP_CONV:
    fm_conv_forward(d, &n->conv, t[0], &store->weights, n->fold[0] ? &store->shift : NULL, t[2], limits,
                    t[1]);
    break;
  case FM_STEP_MEASURE:
    fm_norm_measure(d, &norm, t[0], &store->weights, &net->parts, &store->stat, &store->running);
    break;
  case FM_STEP_APPLY:
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
      fm_norm_backward(d, t[0], &store->stat, t[1], limits, s->keep, t[2], &net->parts, &store->dweights,
                       &store->dshift, t[3]);
    else {
      if (s->keep) fm_mask(d, t[1], limits, t[2]);
      fm_norm_backward_frozen(d, t[0], &store->stat, t[1], s->keep ? fm_limits_none : limits, t[2], t[3]);
    }
    break;
  case FM_STEP_WGRAD:
    fm_conv_weight_gradient(d, &n->conv, t[0], t[1], &net->parts, &store->dweights);
    break;
  case FM_STEP_DGRAD:
    fm_conv_input_gradient(d, &n->conv, t[0], &store->weights, &net->flipped, s->accumulate, t[1]);
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
    run_step(net, &net->tape.step[i]);
    if (net->observe) net->observe(net->observe_arg, net, &net->tape.step[i]);
  }
}

void fm_net_forward(struct fm_net *net) {
  int chunks = chunked(net) ? (net->batch + net->inner - 1) / net->inner : 1;
  for (int c = 0; c < chunks; c++) {
    if (chunked(net)) {
      int left = net->batch - c * net->inner;
      for (size_t i = 0; i < net->tape.tensors; i++)
        net->tape.tensor[i].n = left < net->inner ? left : net->inner;
      for (int i = 0; i < 1 + FM_TAPS; i++)
        net->tape.tensor[whole_tensor(net, i)].buffer = net->part[c * (1 + FM_TAPS) + i];
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

/* Copies c numbers of src into a padded place of dst. */
static void put(float *dst, size_t at, const float *src, int c) {
  memcpy(dst + at, src, (size_t)c * sizeof *src);
}

/* Convolution with a frozen norm behind it: w' = w s, b' = beta - mean s, s = gamma / sqrt(var + eps). */
static enum fm_status pack_folded(const struct fm_net *net, int i, const struct fm_weights *w,
                                  float *packed) {
  const struct fm_node *n = &net->graph.node[i];
  const struct node_store *s = &net->store[i];
  const float *weight = fm_weights_at(w, n->name, "weight");
  const float *gamma = fm_weights_at(w, n->fold, "weight"), *beta = fm_weights_at(w, n->fold, "bias");
  const float *mean = fm_weights_at(w, n->fold, "running_mean"),
              *var = fm_weights_at(w, n->fold, "running_var");
  size_t each = (size_t)n->conv.k * (size_t)n->conv.k * (n->conv.depthwise ? 1 : (size_t)n->conv.cin);
  float *scaled = fm_alloc(w->ctx, each * (size_t)n->c, sizeof *scaled);
  if (!scaled) return FM_MEMORY;
  for (size_t o = 0; o < (size_t)n->c; o++) {
    double scale = gamma[o] / sqrt((double)var[o] + (double)n->eps);
    for (size_t k = 0; k < each; k++) scaled[o * each + k] = (float)(weight[o * each + k] * scale);
    packed[s->shift_at + o] = (float)(beta[o] - mean[o] * scale);
  }
  fm_conv_pack(&n->conv, net->block, scaled, packed + s->at);
  fm_free(w->ctx, scaled);
  return FM_OK;
}

void fm_net_pack(const struct fm_net *net, const struct fm_weights *w, float *packed) {
  for (int i = 0; i < net->graph.count; i++) {
    const struct fm_node *n = &net->graph.node[i];
    const struct node_store *s = &net->store[i];
    if (n->kind == FM_NODE_CONV) {
      fm_conv_pack(&n->conv, net->block, fm_weights_at(w, n->name, "weight"), packed + s->at);
    } else if (n->kind == FM_NODE_NORM) {
      put(packed, s->at, fm_weights_at(w, n->name, "weight"), n->c);
      put(packed, s->shift_at, fm_weights_at(w, n->name, "bias"), n->c);
    }
  }
}

void fm_net_unpack(const struct fm_net *net, const float *packed, struct fm_weights *w) {
  for (int i = 0; i < net->graph.count; i++) {
    const struct fm_node *n = &net->graph.node[i];
    const struct node_store *s = &net->store[i];
    if (n->kind == FM_NODE_CONV) {
      fm_conv_unpack(&n->conv, net->block, packed + s->at, fm_weights_at(w, n->name, "weight"));
    } else if (n->kind == FM_NODE_NORM) {
      memcpy(fm_weights_at(w, n->name, "weight"), packed + s->at, (size_t)n->c * sizeof(float));
      memcpy(fm_weights_at(w, n->name, "bias"), packed + s->shift_at, (size_t)n->c * sizeof(float));
    }
  }
}

static void pack_running(const struct fm_net *net, const struct fm_weights *w, float *running, float *stat) {
  for (int i = 0; i < net->graph.count; i++) {
    const struct fm_node *n = &net->graph.node[i];
    const struct node_store *s = &net->store[i];
    if (n->kind != FM_NODE_NORM) continue;
    const float *gamma = fm_weights_at(w, n->name, "weight"),
                *mean = fm_weights_at(w, n->name, "running_mean");
    const float *var = fm_weights_at(w, n->name, "running_var");
    put(running, s->running_at, mean, n->c);
    put(running, s->running_at + s->channels, var, n->c);
    put(stat, s->stat_at, mean, n->c);
    for (size_t c = 0; c < (size_t)n->c; c++) {
      double rstd = 1 / sqrt((double)var[c] + (double)n->eps);
      stat[s->stat_at + s->channels + c] = (float)(gamma[c] * rstd);
      stat[s->stat_at + 2 * s->channels + c] = (float)rstd;
    }
  }
}

enum fm_status fm_net_write_weights(struct fm_net *net, const struct fm_weights *w) {
  struct fm_context *ctx = fm_device_context(net->d);
  float *packed = fm_alloc(ctx, net->v.count, sizeof *packed);
  float *running = fm_alloc(ctx, net->running_count, sizeof *running),
        *stat = fm_alloc(ctx, net->stat_count, sizeof *stat);
  enum fm_status status = packed && running && stat ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    fm_net_pack(net, w, packed);
    pack_running(net, w, running, stat);
    for (int i = 0; i < net->graph.count && status == FM_OK; i++)
      if (net->graph.node[i].kind == FM_NODE_CONV && net->graph.node[i].fold[0])
        status = pack_folded(net, i, w, packed);
  }
  if (status == FM_OK)
    status = fm_buffer_write(net->d, &net->v.weights, 0, packed, net->v.count * sizeof *packed);
  if (status == FM_OK)
    status = fm_buffer_write(net->d, &net->v.running, 0, running, net->running_count * sizeof *running);
  if (status == FM_OK) status = fm_buffer_write(net->d, &net->stats, 0, stat, net->stat_count * sizeof *stat);
  fm_free(ctx, packed);
  fm_free(ctx, running);
  fm_free(ctx, stat);
  return status;
}

enum fm_status fm_net_read_weights(struct fm_net *net, struct fm_weights *w) {
  struct fm_context *ctx = fm_device_context(net->d);
  float *packed = fm_alloc(ctx, net->v.count, sizeof *packed);
  float *running = fm_alloc(ctx, net->running_count, sizeof *running);
  enum fm_status status = packed && running ? FM_OK : FM_MEMORY;
  if (status == FM_OK)
    status = fm_buffer_read(net->d, &net->v.weights, 0, packed, net->v.count * sizeof *packed);
  if (status == FM_OK)
    status = fm_buffer_read(net->d, &net->v.running, 0, running, net->running_count * sizeof *running);
  if (status == FM_OK) {
    fm_net_unpack(net, packed, w);
    for (int i = 0; i < net->graph.count; i++) {
      const struct fm_node *n = &net->graph.node[i];
      const struct node_store *s = &net->store[i];
      if (n->kind != FM_NODE_NORM) continue;
      memcpy(fm_weights_at(w, n->name, "running_mean"), running + s->running_at,
             (size_t)n->c * sizeof(float));
      memcpy(fm_weights_at(w, n->name, "running_var"), running + s->running_at + s->channels,
             (size_t)n->c * sizeof(float));
    }
  }
  fm_free(ctx, packed);
  fm_free(ctx, running);
  return status;
}

void fm_net_print_plan(const struct fm_net *net) {
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
