#include "base/memory.h"
#include "net/internal.h"

#include <math.h>
#include <string.h>

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

enum fm_status fm_net_make_parameters(struct fm_net *net) {
  lay_out_parameters(net);
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
  if (status == FM_OK) {
    fm_net_prepare_frozen(net);
    status = fm_device_status(net->d);
  }
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
