#include "net/tape.h"

#include "base/memory.h"

#include <math.h>

/* State while the tape is made. */
struct maker {
  struct fm_context *ctx;
  const struct fm_graph *g;
  struct fm_tape *tape;
  enum fm_net_mode mode;
  int batch, block;
  int *out, *gradient, *index; /* by node: tensors, -1 none */
  int *halo;                   /* by node: what readers of its output need */
  enum fm_status status;
};

static bool bounded(struct fm_limits l) {
  return l.low > -INFINITY || l.high < INFINITY;
}

static int new_tensor(struct maker *m, int c, int h, int w, int halo, int block, bool bytes_only) {
  struct fm_tape *t = m->tape;
  if (m->status == FM_OK)
    m->status = fm_grow(m->ctx, (void **)&t->tensor, &t->tensor_capacity, t->tensors, sizeof *t->tensor);
  if (m->status == FM_OK)
    m->status =
        fm_grow(m->ctx, (void **)&t->bytes_only, &t->flag_capacity, t->tensors, sizeof *t->bytes_only);
  if (m->status != FM_OK) return -1;
  t->tensor[t->tensors] = (struct fm_acts){m->batch, c, h, w, halo, block, {0}};
  t->bytes_only[t->tensors] = bytes_only;
  return (int)t->tensors++;
}

static void push(struct maker *m, struct fm_step s) {
  struct fm_tape *t = m->tape;
  if (m->status == FM_OK)
    m->status = fm_grow(m->ctx, (void **)&t->step, &t->capacity, t->count, sizeof *t->step);
  if (m->status == FM_OK) t->step[t->count++] = s;
}

/* STEP(kind, node, {tensors}, further fields) */
#define STEP(k, n, ...) push(m, (struct fm_step){.kind = k, .node = n, .t = __VA_ARGS__})

static int max_int(int a, int b) {
  return a > b ? a : b;
}

/* Halos of outputs, from the convolutions that read them. */
static void find_halos(struct maker *m) {
  for (int i = 0; i < m->g->count; i++) {
    const struct fm_node *n = &m->g->node[i];
    if (n->kind != FM_NODE_CONV || n->expands) continue;
    const struct fm_node *in = &m->g->node[n->in];
    m->halo[n->in] = max_int(m->halo[n->in], fm_conv_halo(&n->conv, in->h, in->w, n->h, n->w));
  }
}

/* The halo a gradient tensor of this size needs: the largest any convolution with such an output asks for, so
 * that a gradient can pass from node to node without a copy. */
static int gradient_halo(const struct maker *m, int h, int w) {
  int halo = 0;
  for (int i = 0; i < m->g->count; i++) {
    const struct fm_node *n = &m->g->node[i];
    if (n->kind != FM_NODE_CONV || n->h != h || n->w != w) continue;
    if (m->g->node[n->in].kind == FM_NODE_INPUT && m->mode != FM_NET_GRADIENT) continue;
    const struct fm_node *in = &m->g->node[n->in];
    halo = max_int(halo, fm_conv_back_halo(&n->conv, in->h, in->w, n->h, n->w));
  }
  return halo;
}

static void forward_node(struct maker *m, int i) {
  const struct fm_node *n = &m->g->node[i];
  if (n->kind == FM_NODE_INPUT) {
    bool straight = true; /* pictures have a block of 4 where only convolutions read them */
    for (int j = i + 1; j < m->g->count; j++)
      if (m->g->node[j].kind != FM_NODE_DEAD && m->g->node[j].in == i && m->g->node[j].kind != FM_NODE_CONV)
        straight = false;
    m->out[i] = m->tape->input = new_tensor(m, n->c, n->h, n->w, m->halo[i], straight ? 4 : m->block, false);
    return;
  }
  if (n->inside) return; /* the node behind it does its work */
  int in = m->out[n->expands ? m->g->node[n->in].in : n->in], res = n->res >= 0 ? m->out[n->res] : -1;
  if (n->kind == FM_NODE_POOL && m->mode != FM_NET_INFER)
    m->index[i] = new_tensor(m, n->c, n->h, n->w, m->halo[i], m->block, true);
  int out = m->out[i] = new_tensor(m, n->c, n->h, n->w, m->halo[i], m->block, false);
  if (m->status != FM_OK) return;
  switch (n->kind) {
  case FM_NODE_CONV:
    STEP(n->expands ? FM_STEP_EXPAND : FM_STEP_CONV, i, {in, out, res, -1});
    break;
  case FM_NODE_NORM:
    STEP(FM_STEP_NORM, i, {in, out, res, -1});
    break;
  case FM_NODE_ADD:
    STEP(FM_STEP_ADD, i, {in, out, res, -1});
    break;
  case FM_NODE_POOL:
    STEP(FM_STEP_POOL, i, {in, out, m->index[i], -1});
    break;
  case FM_NODE_RESIZE:
    STEP(FM_STEP_RESIZE, i, {in, out, res, -1});
    break;
  case FM_NODE_INPUT:
  case FM_NODE_DEAD:
    break;
  }
}

static bool wants_gradient(const struct maker *m, int node) {
  return m->g->node[node].kind != FM_NODE_INPUT || m->mode == FM_NET_GRADIENT;
}

static int new_gradient(struct maker *m, int node) {
  const struct fm_node *n = &m->g->node[node];
  return new_tensor(m, n->c, n->h, n->w, gradient_halo(m, n->h, n->w), m->block, false);
}

/* The gradient tensor of a node to write into; *accumulate: it already holds a part. */
static int receive(struct maker *m, int node, bool *accumulate) {
  *accumulate = m->gradient[node] >= 0;
  if (!*accumulate) { m->gradient[node] = new_gradient(m, node); }
  return m->gradient[node];
}

/* Passes a tensor that is a gradient as it stands on to a node: the tensor itself where the node has none yet
 * and nobody else needs it (free), else a sum or a copy. */
static void give(struct maker *m, int node, int tensor, bool is_free) {
  if (!wants_gradient(m, node)) return;
  if (m->gradient[node] < 0 && is_free) {
    m->gradient[node] = tensor;
    return;
  }
  bool accumulate;
  int to = receive(m, node, &accumulate);
  STEP(FM_STEP_ADD, -1, {tensor, to, accumulate ? to : -1, -1});
}

static void backward_node(struct maker *m, int i) {
  const struct fm_node *n = &m->g->node[i];
  int dy = m->gradient[i], y = m->out[i], in = n->in >= 0 ? m->out[n->in] : -1, dx;
  bool masked = bounded(n->limits), accumulate;
  if (dy < 0 || n->kind == FM_NODE_DEAD || n->kind == FM_NODE_INPUT) return;
  switch (n->kind) {
  case FM_NODE_NORM:
    dx = dy;
    if (n->res >= 0) { /* dy becomes dz, which the residual receives */
      dx = new_gradient(m, n->in);
      if (m->status != FM_OK) return;
    }
    STEP(FM_STEP_NORM_BACK, i, {in, n->res >= 0 ? y : -1, dy, dx});
    if (n->res >= 0) give(m, n->res, dy, true);
    give(m, n->in, dx, true);
    break;
  case FM_NODE_CONV:
    if (masked) STEP(FM_STEP_MASK, i, {y, dy, -1, -1});
    if (m->mode == FM_NET_TRAIN) STEP(FM_STEP_WGRAD, i, {in, dy, -1, -1});
    if (wants_gradient(m, n->in)) {
      dx = receive(m, n->in, &accumulate);
      STEP(FM_STEP_DGRAD, i, {dy, dx, -1, -1}, .accumulate = accumulate);
    }
    if (n->res >= 0) give(m, n->res, dy, true);
    break;
  case FM_NODE_ADD:
    if (masked) STEP(FM_STEP_MASK, i, {y, dy, -1, -1});
    if (n->res >= 0) give(m, n->res, dy, false);
    give(m, n->in, dy, true);
    break;
  case FM_NODE_POOL:
    dx = receive(m, n->in, &accumulate);
    STEP(FM_STEP_POOL_BACK, i, {dy, dx, y, m->index[i]}, .accumulate = accumulate);
    break;
  case FM_NODE_RESIZE:
    if (masked) STEP(FM_STEP_MASK, i, {y, dy, -1, -1});
    dx = receive(m, n->in, &accumulate);
    STEP(FM_STEP_RESIZE_BACK, i, {dy, dx, -1, -1}, .accumulate = accumulate);
    if (n->res >= 0) give(m, n->res, dy, true);
    break;
  case FM_NODE_INPUT:
  case FM_NODE_DEAD:
    break;
  }
}

static void make(struct maker *m) {
  struct fm_tape *t = m->tape;
  for (int i = 0; i < m->g->count && m->status == FM_OK; i++)
    if (m->g->node[i].kind != FM_NODE_DEAD) forward_node(m, i);
  for (int k = 0; k < FM_TAPS; k++) t->tap[k] = m->out[m->g->tap[k]];
  t->backward = t->count;
  if (m->mode == FM_NET_INFER) return;
  for (int k = 0; k < FM_TAPS && m->status == FM_OK; k++) {
    t->tap_gradient[k] = m->gradient[m->g->tap[k]] = new_gradient(m, m->g->tap[k]);
  }
  for (int i = m->g->count - 1; i >= 0 && m->status == FM_OK; i--) backward_node(m, i);
  for (int i = 0; i < m->g->count; i++)
    if (m->g->node[i].kind == FM_NODE_INPUT) t->input_gradient = m->gradient[i];
}

enum fm_status fm_tape_make(struct fm_context *ctx, const struct fm_graph *g, enum fm_net_mode mode,
                            int batch, int block, struct fm_tape *tape) {
  *tape = (struct fm_tape){.input_gradient = -1};
  struct maker m = {.ctx = ctx, .g = g, .tape = tape, .mode = mode, .batch = batch, .block = block};
  size_t n = (size_t)g->count;
  int *all = fm_alloc(ctx, 4 * n, sizeof *all);
  if (!all) return FM_MEMORY;
  for (size_t i = 0; i < 3 * n; i++) all[i] = -1;
  m.out = all;
  m.gradient = all + n;
  m.index = all + 2 * n;
  m.halo = all + 3 * n;
  find_halos(&m);
  make(&m);
  fm_free(ctx, all);
  if (m.status != FM_OK) fm_tape_free(ctx, tape);
  return m.status;
}

void fm_tape_free(struct fm_context *ctx, struct fm_tape *tape) {
  fm_free(ctx, tape->step);
  fm_free(ctx, tape->tensor);
  fm_free(ctx, tape->bytes_only);
  *tape = (struct fm_tape){0};
}
