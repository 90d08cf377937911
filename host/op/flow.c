#include "op/flow.h"

#include "base/memory.h"
#include "op/flow_internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static int whole(int n, int block) {
  return (n + block - 1) / block * block;
}

static struct flow_sizes sizes_of(const struct fm_device *d, const struct fm_flow_shape *shape) {
  int cb = fm_device_facts(d)->block;
  struct flow_sizes n = {.t = shape->channels / 2, .half = shape->condition / 2};
  n.s = shape->channels - n.t;
  n.s1 = whole(n.s, cb);
  n.s2 = whole(n.t, cb);
  n.width = n.s1 + n.s2;
  n.hidden = 2 * (n.s + shape->condition);
  n.across = whole(n.hidden + 1, cb);
  n.side = shape->width > shape->height ? shape->width : shape->height;
  n.w1x = (shape->condition + 1) * n.across;
  n.w2 = n.w1x + n.s * n.across;
  n.scale = n.w2 + (n.hidden + 1) * 2 * n.s2;
  n.offset = n.scale + n.width;
  n.block = n.offset + n.width;
  return n;
}

int fm_flow_width(const struct fm_device *d, const struct fm_flow_shape *shape) {
  return sizes_of(d, shape).width;
}
int fm_flow_rows(const struct fm_flow *f) {
  return f->rows;
}
size_t fm_flow_count(const struct fm_flow *f) {
  return (size_t)f->shape.blocks * (size_t)f->n.block;
}
const struct fm_buffer *fm_flow_weights(const struct fm_flow *f) {
  return &f->weights;
}
const struct fm_buffer *fm_flow_gradient(const struct fm_flow *f) {
  return &f->gradient;
}

/* ---- packing ---- */

/* Where channel c lies in a row of fibres. */
static int place_of(const struct flow_sizes *n, int c) {
  return c < n->s ? c : n->s1 + c - n->s;
}

static void move(float *packed, float *plain, bool pack) {
  if (pack)
    *packed = *plain;
  else
    *plain = *packed;
}

static void exchange(const struct fm_flow *f, const struct fm_flow_block *b, float *packed, bool pack) {
  const struct flow_sizes *n = &f->n;
  int inputs = n->s + f->shape.condition;
  for (int o = 0; o < n->hidden; o++) {
    move(&packed[n->half * n->across + o], &b->b1[o], pack);
    for (int i = 0; i < inputs; i++) {
      int c = i - n->s, row = c < 0 ? f->shape.condition + 1 + i : c < n->half ? c : c + 1;
      move(&packed[(size_t)row * (size_t)n->across + (size_t)o],
           &b->w1[(size_t)o * (size_t)inputs + (size_t)i], pack);
    }
  }
  for (int o = 0; o < 2 * n->t; o++) {
    int column = o < n->t ? o : n->s2 + o - n->t;
    float *at = packed + n->w2 + column;
    for (int i = 0; i < n->hidden; i++)
      move(&at[(size_t)i * 2 * (size_t)n->s2], &b->w2[(size_t)o * (size_t)n->hidden + (size_t)i], pack);
    move(&at[(size_t)n->hidden * 2 * (size_t)n->s2], &b->b2[o], pack);
  }
  for (int c = 0; c < f->shape.channels; c++) {
    move(&packed[n->scale + place_of(n, c)], &b->scale[c], pack);
    move(&packed[n->offset + place_of(n, c)], &b->offset[c], pack);
  }
}

void fm_flow_pack(const struct fm_flow *f, int block, const struct fm_flow_block *from, float *packed) {
  exchange(f, from, packed + (size_t)block * (size_t)f->n.block, true);
}

void fm_flow_unpack(const struct fm_flow *f, int block, const float *packed, struct fm_flow_block *to) {
  exchange(f, to, (float *)packed + (size_t)block * (size_t)f->n.block, false);
}

/* ---- making ---- */

static enum fm_status write_weights(struct fm_flow *f, const struct fm_flow_block *block) {
  struct fm_context *ctx = fm_device_context(f->d);
  float *packed = fm_alloc(ctx, fm_flow_count(f), sizeof *packed);
  if (!packed) return FM_MEMORY;
  for (int k = 0; k < f->shape.blocks; k++) fm_flow_pack(f, k, &block[k], packed);
  enum fm_status status = fm_buffer_write(f->d, &f->weights, 0, packed, fm_flow_count(f) * sizeof *packed);
  fm_free(ctx, packed);
  return status;
}

/* (sin(p w_k), cos(p w_k)) for k = 0.., w_k = 10000^(-2 k / half), and 1 for the bias. */
static enum fm_status write_condition(struct fm_flow *f) {
  struct fm_context *ctx = fm_device_context(f->d);
  int half = f->n.half, side = f->n.side;
  size_t count = (size_t)side * ((size_t)half + 1);
  float *table = fm_alloc(ctx, count, sizeof *table);
  if (!table) return FM_MEMORY;
  for (int p = 0; p < side; p++) {
    float *row = table + (size_t)p * ((size_t)half + 1);
    for (int k = 0; k < half / 2; k++) {
      double w = exp(-2.0 * k * log(1e4) / half);
      row[2 * k] = (float)sin(p * w);
      row[2 * k + 1] = (float)cos(p * w);
    }
    row[half] = 1;
  }
  enum fm_status status = fm_buffer_write(f->d, &f->condition, 0, table, count * sizeof *table);
  fm_free(ctx, table);
  return status;
}

/* R of a block as the product U R' needs it, and as U R does. */
static void pack_matrix(const struct fm_flow *f, const float *mixing, float *mix, float *unmix) {
  size_t channels = (size_t)f->shape.channels, width = (size_t)f->n.width;
  for (size_t i = 0; i < channels; i++)
    for (size_t j = 0; j < channels; j++) {
      size_t to = (size_t)place_of(&f->n, (int)i), from = (size_t)place_of(&f->n, (int)j);
      mix[from * width + to] = unmix[to * width + from] = mixing[i * channels + j];
    }
}

static void pack_permutation(const struct fm_flow *f, const float *mixing, int *mix, int *unmix) {
  for (int j = 0; j < f->n.width; j++) mix[j] = unmix[j] = -1;
  for (int i = 0; i < f->shape.channels; i++) {
    int to = place_of(&f->n, i), from = place_of(&f->n, (int)mixing[i]);
    mix[to] = from;
    unmix[from] = to;
  }
}

static size_t mixing_count(const struct fm_flow *f) {
  size_t width = (size_t)f->n.width;
  return f->shape.mixing ? width * width : width;
}

static enum fm_status write_mixing(struct fm_flow *f, const struct fm_flow_block *block) {
  struct fm_context *ctx = fm_device_context(f->d);
  size_t count = mixing_count(f), bytes = count * sizeof(float);
  void *mix = fm_alloc(ctx, count, sizeof(float)), *unmix = fm_alloc(ctx, count, sizeof(float));
  enum fm_status status = mix && unmix ? FM_OK : FM_MEMORY;
  for (int k = 0; k < f->shape.blocks && status == FM_OK; k++) {
    if (f->shape.mixing)
      pack_matrix(f, block[k].mixing, mix, unmix);
    else
      pack_permutation(f, block[k].mixing, mix, unmix);
    status = fm_buffer_write(f->d, &f->mix, (size_t)k * bytes, mix, bytes);
    if (status == FM_OK && f->use != FM_FLOW_SCORE)
      status = fm_buffer_write(f->d, &f->unmix, (size_t)k * bytes, unmix, bytes);
  }
  fm_free(ctx, mix);
  fm_free(ctx, unmix);
  return status;
}

/* copies * one * two floats, which kernels must be able to count with an int. */
static enum fm_status make(struct fm_flow *f, int copies, int one, int two, struct fm_buffer *b) {
  size_t count;
  if (!fm_mul((size_t)copies, (size_t)one, &count) || !fm_mul(count, (size_t)two, &count) || count > INT_MAX)
    return fm_error(fm_device_context(f->d), FM_LIMIT,
                    "a flow of %d blocks on %d channels is too large for %d feature vectors at a time; use "
                    "fewer --fibres or --blocks",
                    f->shape.blocks, f->shape.channels, f->rows);
  return fm_buffer_make(f->d, count * sizeof(float), b);
}

static enum fm_status make_buffers(struct fm_flow *f) {
  const struct flow_sizes *n = &f->n;
  int blocks = f->shape.blocks, rows = f->rows, chunks = (rows + FLOW_CHUNK - 1) / FLOW_CHUNK;
  bool back = f->use != FM_FLOW_SCORE, train = f->use == FM_FLOW_TRAIN;
  FM_TRY(make(f, blocks, n->block, 1, &f->weights));
  FM_TRY(make(f, n->side, n->half + 1, 1, &f->condition));
  FM_TRY(make(f, blocks, (int)mixing_count(f), 1, &f->mix));
  FM_TRY(make(f, blocks, n->width, 1, &f->gamma));
  FM_TRY(make(f, blocks, 1, 1, &f->sums));
  FM_TRY(make(f, blocks, 2 * n->side, n->across, &f->table));
  FM_TRY(make(f, back ? blocks + 1 : 2, rows, n->width, &f->x));
  FM_TRY(make(f, back ? blocks : 1, rows, n->across, &f->r));
  FM_TRY(make(f, back ? blocks : 1, rows, 2 * n->s2, &f->a));
  FM_TRY(make(f, train ? blocks : 1, rows, n->width, &f->u));
  FM_TRY(make(f, 1, rows, 1, &f->logdet));
  FM_TRY(make(f, 1, rows, 1, &f->loss));
  FM_TRY(make(f, 1, rows, 1, &f->lb));
  if (!back) return FM_OK;
  FM_TRY(make(f, blocks, (int)mixing_count(f), 1, &f->unmix));
  FM_TRY(make(f, blocks, n->across, n->s1, &f->w1t));
  FM_TRY(make(f, blocks, 2 * n->s2, n->across, &f->w2t));
  FM_TRY(make(f, 1, rows, n->width, &f->xb));
  FM_TRY(make(f, 1, rows, 2 * n->s2, &f->ab));
  FM_TRY(make(f, 1, rows, n->across, &f->hb));
  FM_TRY(make(f, train ? blocks : 1, rows, n->width, &f->ub));
  if (!train) return FM_OK;
  FM_TRY(make(f, blocks, n->block, 1, &f->gradient));
  FM_TRY(make(f, blocks, 2 * n->side, n->across, &f->by_place));
  return make(f, blocks * chunks, 2, n->width, &f->parts);
}

enum fm_status fm_flow_make(struct fm_device *d, const struct fm_flow_shape *shape, enum fm_flow_use use,
                            int rows, const struct fm_flow_block *block, struct fm_flow **flow) {
  *flow = NULL;
  struct fm_flow *f = fm_alloc(fm_device_context(d), 1, sizeof *f);
  if (!f) return FM_MEMORY;
  f->d = d;
  f->shape = *shape;
  f->n = sizes_of(d, shape);
  f->use = use;
  f->rows = rows;
  enum fm_status status = make_buffers(f);
  if (status == FM_OK) status = write_weights(f, block);
  if (status == FM_OK) status = write_condition(f);
  if (status == FM_OK) status = write_mixing(f, block);
  if (status != FM_OK) {
    fm_flow_free(f);
    return status;
  }
  fm_flow_prepare(f);
  *flow = f;
  return FM_OK;
}

void fm_flow_free(struct fm_flow *f) {
  if (!f) return;
  struct fm_buffer *const own[] = {
      &f->weights, &f->gradient, &f->condition, &f->mix,  &f->unmix, &f->gamma,    &f->sums, &f->table,
      &f->w1t,     &f->w2t,      &f->x,         &f->r,    &f->a,     &f->u,        &f->xb,   &f->ab,
      &f->hb,      &f->ub,       &f->logdet,    &f->loss, &f->lb,    &f->by_place, &f->parts};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(f->d, own[i]);
  fm_free(fm_device_context(f->d), f);
}

/* ---- lists ---- */

size_t fm_flow_list_count(const struct fm_flow_shape *shape, int rows) {
  int side = shape->width > shape->height ? shape->width : shape->height;
  return 2 * ((size_t)side + 1 + (size_t)rows);
}

void fm_flow_list(const struct fm_flow_shape *shape, const int *place, int rows, int *list) {
  int side = shape->width > shape->height ? shape->width : shape->height;
  for (int xy = 0; xy < 2; xy++) {
    int *start = list + (size_t)xy * ((size_t)side + 1 + (size_t)rows), *member = start + side + 1;
    memset(start, 0, ((size_t)side + 1) * sizeof *start);
    for (int pass = 0; pass < 2; pass++) {
      for (int r = 0; r < rows; r++) {
        int cell = place[r], p = xy ? cell / shape->width % shape->height : cell % shape->width;
        if (pass)
          member[start[p]++] = r;
        else
          start[p + 1]++;
      }
      for (int p = 0; p < side && !pass; p++) start[p + 1] += start[p];
    }
    for (int p = side; p > 0; p--) start[p] = start[p - 1]; /* the second pass moved each to the next one's */
    start[0] = 0;
  }
}
