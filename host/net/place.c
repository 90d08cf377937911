#include "base/memory.h"
#include "net/internal.h"
#include "op/norm.h"
#include "op/simple.h"

/* On a CPU inference goes through a batch a few pictures at a time: activations then stay in the cache, which
 * was worth 5 to 30 %. Two, or four where the weights, which every few pictures read again, are too large for
 * any cache. A GPU wants the whole batch. */
int fm_net_inner_batch(const struct fm_device *d, const struct fm_graph *g, enum fm_net_mode mode,
                       int batch) {
  enum { CACHED = 32 << 20 };
  const struct fm_facts *f = fm_device_facts(d);
  size_t bytes = 0;
  for (int i = 0; i < g->count; i++)
    if (g->node[i].kind == FM_NODE_CONV) bytes += fm_conv_weights(&g->node[i].conv, f->block) * sizeof(float);
  int few = bytes > CACHED ? 4 : 2;
  return mode == FM_NET_INFER && f->kind == FM_CLASS_CPU && batch > few ? few : batch;
}

bool fm_net_chunked(const struct fm_net *net) {
  return net->inner < net->made_for;
}

int fm_net_whole_tensor(const struct fm_net *net, int i) {
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
    *a = net->tape.tensor[fm_net_whole_tensor(net, i)];
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
  for (int i = 0; i < 1 + FM_TAPS && fm_net_chunked(net); i++) {
    net->slot[fm_net_whole_tensor(net, i)].bytes = 1;
    net->slot[fm_net_whole_tensor(net, i)].kind = 0;
  }
  size_t most = f->max_allocation < ((size_t)1 << 31) ? f->max_allocation : (size_t)1 << 31;
  most = most / f->base_alignment * f->base_alignment;
  FM_TRY(fm_plan(ctx, net->slot, t->tensors, f->base_alignment, most, &net->chunk_bytes, &net->chunks));
  net->chunk = fm_alloc(ctx, (size_t)net->chunks, sizeof *net->chunk);
  if (!net->chunk) return FM_MEMORY;
  for (int i = 0; i < net->chunks; i++) FM_TRY(fm_buffer_make(d, net->chunk_bytes[i], &net->chunk[i]));
  for (size_t i = 0; i < t->tensors; i++) {
    bool whole = false;
    for (int k = 0; k < 1 + FM_TAPS; k++)
      whole = whole || (fm_net_chunked(net) && fm_net_whole_tensor(net, k) == (int)i);
    if (!whole)
      FM_TRY(fm_buffer_view(d, &net->chunk[net->slot[i].chunk], net->slot[i].offset, net->slot[i].bytes,
                            &t->tensor[i].buffer));
    if (!whole && !t->bytes_only[i]) fm_halo(d, &t->tensor[i]);
  }
  for (int k = 0; k < 1 + FM_TAPS && fm_net_chunked(net); k++) fm_halo(d, &net->full[k]);
  return fm_device_status(d);
}

/* Scratch shared by all nodes. */
static enum fm_status make_scratch(struct fm_net *net) {
  size_t most = 0;
  for (size_t i = 0; i < net->tape.count; i++) {
    const struct fm_step *s = &net->tape.step[i];
    size_t need = net->call[i].work.scratch;
    if (net->mode == FM_NET_TRAIN && (s->kind == FM_STEP_NORM || s->kind == FM_STEP_NORM_BACK))
      need = fm_norm_parts_bytes(&net->tape.tensor[s->t[0]]);
    if (need > most) most = need;
  }
  if (most) FM_TRY(fm_buffer_make(net->d, most, &net->scratch));
  return FM_OK;
}

enum fm_status fm_net_place(struct fm_net *net) {
  if (fm_net_chunked(net)) FM_TRY(make_whole_tensors(net));
  FM_TRY(place_tensors(net));
  return make_scratch(net);
}
