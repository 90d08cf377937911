/* The training of CFLOW-AD: pictures in batches, their fibres in random order, a step of Adam for each few
 * hundred of them, tap after tap. Without rotation a picture's features never change, so they are kept where
 * they have room; the steps are the same to the bit either way. */
#include "method/cflow.h"
#include "method/session.h"

#include "base/memory.h"
#include "base/rng.h"
#include "net/net.h"
#include "op/adam.h"
#include "op/simple.h"
#include "score/radix.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { KEEP_MIB = 2048 }; /* features that are kept at most */

/* One tap's flow and what its steps read. */
struct tap {
  struct fm_flow_shape shape;
  struct fm_flow *flow;
  struct fm_buffer moment[2], fibres, place, list, losses;
  int area, rows, steps; /* cells of a picture; fibres a step; steps a batch of pictures */
  int *places, *lists;   /* on the host */
  uint32_t *order;
  float *loss;
};

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_train *t;
  struct fm_training session;
  struct fm_loader *loader;
  struct fm_net *net;
  struct fm_buffer rgb;
  unsigned char *turned; /* a batch of rotated pictures; NULL: none are */
  bool *seen;            /* pictures whose features are kept; NULL: none are */
  struct fm_size size;   /* of the pictures */
  int batch;
  long batches; /* of a pass */
  struct tap tap[FM_TAPS];
};

/* ---- making ---- */

static enum fm_status sizes(struct run *r) {
  const struct fm_recipe *recipe = &r->t->recipe;
  struct fm_preprocess preprocess;
  struct fm_flow_shape shape[FM_TAPS];
  FM_TRY(fm_recipe_preprocess(r->ctx, recipe, &preprocess));
  FM_TRY(fm_cflow_shapes(r->ctx, recipe, shape));
  r->size = fm_preprocess_size(&preprocess);
  r->batch = (size_t)recipe->batch < r->t->count ? (int)recipe->batch : (int)r->t->count;
  r->batches = (long)r->t->count / r->batch;
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &r->tap[i];
    tap->shape = shape[i];
    tap->area = shape[i].width * shape[i].height;
    size_t fibres = (size_t)r->batch * (size_t)tap->area;
    if (fibres > INT_MAX / 4)
      return fm_error(r->ctx, FM_LIMIT,
                      "%d pictures of %d x %d have too many features; use a smaller --batch", r->batch,
                      r->size.width, r->size.height);
    tap->rows = (size_t)recipe->fibres < fibres ? (int)recipe->fibres : (int)fibres;
    tap->steps = (int)fibres / tap->rows; /* what is left over is dropped, as published */
  }
  return FM_OK;
}

/* Bytes of the features of so many pictures at a tap. */
static size_t fibre_bytes(const struct run *r, const struct tap *tap, size_t pictures) {
  return pictures * (size_t)tap->area * (size_t)fm_flow_width(r->d, &tap->shape) * sizeof(float);
}

static bool may_keep(const struct run *r) {
  size_t all = 0, largest = 0, limit = fm_device_facts(r->d)->max_allocation;
  for (int i = 0; i < FM_TAPS; i++) {
    size_t bytes = fibre_bytes(r, &r->tap[i], r->t->count);
    all += bytes;
    if (bytes > largest) largest = bytes;
  }
  size_t cells = r->t->count * (size_t)r->tap[0].area;
  return !(r->t->recipe.rotate > 0) && all <= (size_t)KEEP_MIB << 20 && largest <= limit && cells < INT_MAX;
}

static enum fm_status make_tap(struct run *r, int i) {
  struct tap *tap = &r->tap[i];
  struct fm_device *d = r->d;
  size_t fibres = (size_t)r->batch * (size_t)tap->area, steps = (size_t)tap->steps,
         list = fm_flow_list_count(&tap->shape, tap->rows) * steps;
  FM_TRY(fm_cflow_flow(d, &r->session.state.weights, i, &tap->shape, FM_FLOW_TRAIN, tap->rows, &tap->flow));
  for (int k = 0; k < 2; k++) {
    FM_TRY(fm_buffer_make(d, fm_flow_count(tap->flow) * sizeof(float), &tap->moment[k]));
    FM_TRY(fm_buffer_fill(d, &tap->moment[k], 0));
  }
  FM_TRY(fm_buffer_make(d, fibre_bytes(r, tap, r->seen ? r->t->count : (size_t)r->batch), &tap->fibres));
  FM_TRY(fm_buffer_make(d, fibres * sizeof(int), &tap->place));
  FM_TRY(fm_buffer_make(d, list * sizeof(int), &tap->list));
  FM_TRY(fm_buffer_make(d, (steps > fibres ? steps : fibres) * sizeof(float), &tap->losses));
  tap->places = fm_alloc(r->ctx, fibres, sizeof *tap->places);
  tap->order = fm_alloc(r->ctx, fibres, sizeof *tap->order);
  tap->lists = fm_alloc(r->ctx, list, sizeof *tap->lists);
  tap->loss = fm_alloc(r->ctx, fibres, sizeof *tap->loss);
  return tap->places && tap->order && tap->lists && tap->loss ? FM_OK : FM_MEMORY;
}

static void unmake(struct run *r) {
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &r->tap[i];
    struct fm_buffer *const own[] = {&tap->moment[0], &tap->moment[1], &tap->fibres,
                                     &tap->place,     &tap->list,      &tap->losses};
    void **const host[] = {(void **)&tap->places, (void **)&tap->order, (void **)&tap->lists,
                           (void **)&tap->loss};
    fm_flow_free(tap->flow);
    tap->flow = NULL;
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) fm_buffer_free(r->d, own[k]);
    for (size_t k = 0; k < sizeof host / sizeof *host; k++) {
      fm_free(r->ctx, *host[k]);
      *host[k] = NULL;
    }
  }
  fm_net_free(r->net);
  r->net = NULL;
  fm_buffer_free(r->d, &r->rgb);
  fm_free(r->ctx, r->turned);
  fm_free(r->ctx, r->seen);
  r->turned = NULL;
  r->seen = NULL;
}

static enum fm_status make(struct run *r) {
  const struct fm_backbone *backbone;
  size_t bytes = (size_t)r->batch * fm_size_pixels(r->size) * 3;
  FM_TRY(fm_backbone_find(r->ctx, r->t->recipe.backbone, &backbone));
  if (may_keep(r) && !(r->seen = fm_alloc(r->ctx, r->t->count, sizeof *r->seen))) return FM_MEMORY;
  if (r->t->recipe.rotate > 0 && !(r->turned = fm_alloc_aligned(r->ctx, bytes, 1))) return FM_MEMORY;
  FM_TRY(fm_net_make(r->d, backbone, FM_NET_INFER, r->batch, r->size, &r->t->expert->weights, &r->net));
  if (fm_cflow_reflects(&r->t->recipe)) fm_net_reflect(r->net);
  FM_TRY(fm_buffer_make(r->d, bytes + 16, &r->rgb));
  for (int i = 0; i < FM_TAPS; i++) FM_TRY(make_tap(r, i));
  return FM_OK;
}

/* What training takes is known before anything is taken: one line, and a refusal in numbers. */
static enum fm_status plan_memory(struct run *r) {
  size_t before = fm_device_live(r->d).bytes;
  fm_device_rehearse(r->d, true);
  enum fm_status status = make(r);
  size_t bytes = fm_device_live(r->d).bytes - before;
  bool kept = r->seen != NULL;
  unmake(r);
  fm_device_rehearse(r->d, false);
  FM_TRY(status);
  char what[120];
  snprintf(what, sizeof what, "train flows on %s at %d x %d%s", r->t->recipe.backbone, r->size.width,
           r->size.height, kept ? ", features kept" : "");
  return fm_memory_check(r->d, what, bytes, "use a smaller --batch, --size or --fibres");
}

/* ---- state: device to checkpoint and back ---- */

static void exchange(const struct run *r, int i, struct fm_weights *w, float *packed, bool pack) {
  for (int k = 0; k < r->tap[i].shape.blocks; k++) {
    struct fm_flow_block block = fm_cflow_block(w, i, k);
    if (pack)
      fm_flow_pack(r->tap[i].flow, k, &block, packed);
    else
      fm_flow_unpack(r->tap[i].flow, k, packed, &block);
  }
}

/* Weights (only from the device: they were made with the flow) and both moments of a tap. */
static enum fm_status move_tap(struct run *r, int i, bool to_device) {
  struct fm_checkpoint *s = &r->session.state;
  struct tap *tap = &r->tap[i];
  size_t bytes = fm_flow_count(tap->flow) * sizeof(float);
  struct fm_weights *const sets[3] = {&s->moment[0], &s->moment[1], &s->weights};
  const struct fm_buffer *const from[3] = {&tap->moment[0], &tap->moment[1], fm_flow_weights(tap->flow)};
  float *packed = fm_alloc(r->ctx, bytes, 1);
  if (!packed) return FM_MEMORY;
  enum fm_status status = FM_OK;
  for (int k = 0; k < (to_device ? 2 : 3) && status == FM_OK; k++) {
    if (to_device) {
      memset(packed, 0, bytes);
      exchange(r, i, sets[k], packed, true);
      status = fm_buffer_write(r->d, from[k], 0, packed, bytes);
    } else {
      status = fm_buffer_read(r->d, from[k], 0, packed, bytes);
      if (status == FM_OK) exchange(r, i, sets[k], packed, false);
    }
  }
  fm_free(r->ctx, packed);
  return status;
}

static enum fm_status broken(struct run *r, double value) {
  return fm_error(r->ctx, FM_NUMERIC,
                  "the training diverged: %g; use a smaller learning rate (--lr) and continue from the last "
                  "checkpoint (--resume)",
                  value);
}

static enum fm_status gather(void *user) {
  struct run *r = user;
  const struct fm_weights *w = &r->session.state.weights;
  for (int i = 0; i < FM_TAPS; i++) FM_TRY(move_tap(r, i, false));
  for (size_t i = 0; i < w->total; i++)
    if (!isfinite(w->value[i])) return broken(r, (double)w->value[i]);
  return FM_OK;
}

/* ---- pictures to fibres ---- */

/* Turned about the middle by an angle of (seed, pass, picture), nearest pixel, black outside. */
static void turn(struct run *r, const struct fm_batch *batch, size_t i, unsigned char *out) {
  char stream[48];
  snprintf(stream, sizeof stream, "cflow.rotate.%d", batch->epoch);
  struct fm_rng rng = fm_rng_stream((uint64_t)r->t->recipe.seed, stream);
  double u = 2 * (double)fm_rng_uniform_at(&rng, batch->pictures[i]) - 1;
  double angle = u * r->t->recipe.rotate * (3.14159265358979323846 / 180), c = cos(angle), s = sin(angle);
  size_t width = (size_t)r->size.width, height = (size_t)r->size.height;
  const unsigned char *in = batch->rgb + i * width * height * 3;
  double middle_x = (double)width / 2, middle_y = (double)height / 2;
  for (size_t y = 0; y < height; y++)
    for (size_t x = 0; x < width; x++) {
      double dx = (double)x + 0.5 - middle_x, dy = (double)y + 0.5 - middle_y;
      double from_x = floor(c * dx + s * dy + middle_x), from_y = floor(c * dy - s * dx + middle_y);
      bool inside = from_x >= 0 && from_y >= 0 && from_x < (double)width && from_y < (double)height;
      size_t from = inside ? ((size_t)from_y * width + (size_t)from_x) * 3 : 0;
      for (size_t k = 0; k < 3; k++) out[(y * width + x) * 3 + k] = inside ? in[from + k] : 0;
    }
}

static enum fm_status encode(struct run *r, const struct fm_batch *batch, bool turned) {
  size_t pixels = fm_size_pixels(r->size) * 3;
  const unsigned char *rgb = batch->rgb;
  for (size_t i = 0; i < batch->count && turned; i++) turn(r, batch, i, r->turned + i * pixels);
  if (turned) rgb = r->turned;
  fm_net_set_batch(r->net, (int)batch->count);
  FM_TRY(fm_buffer_write(r->d, &r->rgb, 0, rgb, batch->count * pixels));
  fm_picture(r->d, &r->rgb, fm_net_input(r->net));
  fm_net_forward(r->net);
  return FM_OK;
}

/* The batch's features into the taps' fibres: picture i of it in place i, or in its own place where all are
 * kept. */
static enum fm_status look(struct run *r, const struct fm_batch *batch) {
  bool all_seen = r->seen != NULL;
  for (size_t i = 0; i < batch->count && all_seen; i++) all_seen = r->seen[batch->pictures[i]];
  if (all_seen) return FM_OK;
  FM_TRY(encode(r, batch, r->turned != NULL));
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &r->tap[i];
    if (!r->seen) fm_flow_take(tap->flow, fm_net_tap(r->net, i), 0, (int)batch->count, &tap->fibres, 0);
    for (size_t k = 0; k < batch->count && r->seen; k++)
      fm_flow_take(tap->flow, fm_net_tap(r->net, i), (int)k, 1, &tap->fibres,
                   (int)batch->pictures[k] * tap->area);
  }
  for (size_t i = 0; i < batch->count && r->seen; i++) r->seen[batch->pictures[i]] = true;
  return FM_OK;
}

/* ---- the loop ---- */

/* A cosine from lr to lr_last over the epochs; before it, in the first `warmup` epochs, a line from lr_first
 * to where the cosine begins. */
static double learning_rate(const struct run *r, long epoch, long batch) {
  const struct fm_recipe *recipe = &r->t->recipe;
  long of = recipe->passes * r->batches, at = epoch < recipe->warmup ? recipe->warmup : epoch;
  double turn = 3.14159265358979323846 * (double)at / (double)recipe->epochs;
  double lr = recipe->lr_last + (recipe->lr - recipe->lr_last) * (1 + cos(turn)) / 2;
  if (epoch >= recipe->warmup) return lr;
  double part = (double)(batch + epoch * of) / (double)(recipe->warmup * of);
  return recipe->lr_first + part * (lr - recipe->lr_first);
}

static enum fm_status write_order(struct run *r, const struct fm_batch *batch, int i) {
  struct tap *tap = &r->tap[i];
  char stream[80];
  uint32_t fibres = (uint32_t)r->batch * (uint32_t)tap->area, area = (uint32_t)tap->area;
  size_t list = fm_flow_list_count(&tap->shape, tap->rows);
  snprintf(stream, sizeof stream, "cflow.order.tap%d.%d.%zu", i + 1, batch->epoch, batch->index);
  struct fm_rng rng = fm_rng_stream((uint64_t)r->t->recipe.seed, stream);
  fm_rng_permutation(&rng, tap->order, fibres);
  for (uint32_t k = 0; k < fibres; k++) {
    uint32_t picture = tap->order[k] / area;
    tap->places[k] = (int)((r->seen ? batch->pictures[picture] : picture) * area + tap->order[k] % area);
  }
  for (int k = 0; k < tap->steps; k++)
    fm_flow_list(&tap->shape, tap->places + k * tap->rows, tap->rows, tap->lists + (size_t)k * list);
  FM_TRY(fm_buffer_write(r->d, &tap->place, 0, tap->places, fibres * sizeof *tap->places));
  return fm_buffer_write(r->d, &tap->list, 0, tap->lists, list * (size_t)tap->steps * sizeof *tap->lists);
}

/* All of a tap's steps of a batch. done: batches before this one. */
static enum fm_status train_tap(struct run *r, const struct fm_batch *batch, int i, long done) {
  struct tap *tap = &r->tap[i];
  struct fm_adam adam = fm_recipe_adam(&r->t->recipe);
  int list = (int)fm_flow_list_count(&tap->shape, tap->rows);
  adam.lr = r->session.lr;
  FM_TRY(write_order(r, batch, i));
  for (int k = 0; k < tap->steps; k++) {
    fm_flow_step(tap->flow, &tap->fibres, &tap->place, k * tap->rows, tap->rows, &tap->list, k * list,
                 &tap->losses, k);
    fm_adam_step(r->d, &adam, done * tap->steps + k + 1, NULL, fm_flow_count(tap->flow),
                 fm_flow_weights(tap->flow), fm_flow_gradient(tap->flow), &tap->moment[0], &tap->moment[1]);
    fm_flow_prepare(tap->flow);
  }
  return fm_device_status(r->d);
}

static enum fm_status train_batch(struct run *r, const struct fm_batch *batch) {
  struct fm_checkpoint *s = &r->session.state;
  double loss[FM_LOSS_SUMS] = {0};
  long done = s->epoch * r->t->recipe.passes * r->batches + s->batch;
  r->session.lr = learning_rate(r, s->epoch, s->batch);
  FM_TRY(look(r, batch));
  for (int i = 0; i < FM_TAPS; i++) FM_TRY(train_tap(r, batch, i, done));
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &r->tap[i];
    FM_TRY(fm_buffer_read(r->d, &tap->losses, 0, tap->loss, (size_t)tap->steps * sizeof *tap->loss));
    for (int k = 0; k < tap->steps; k++) loss[i + 1] += (double)tap->loss[k] / tap->steps;
    loss[0] += loss[i + 1];
    s->step += tap->steps;
  }
  if (!isfinite(loss[0])) return broken(r, loss[0]);
  fm_training_batch(&r->session, loss);
  return FM_OK;
}

/* The loader's epochs are passes here; their last batch counts only where it is full. */
static enum fm_status run_passes(struct run *r) {
  struct fm_training *s = &r->session;
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    if (batch.count < (size_t)r->batch) continue;
    FM_TRY(train_batch(r, &batch));
    if (s->state.batch == r->t->recipe.passes * r->batches) FM_TRY(fm_training_epoch(s));
    if (r->ctx->stop) return fm_training_stopped(s);
  }
}

static enum fm_status open_loader(struct run *r, bool training) {
  const struct fm_checkpoint *s = &r->session.state;
  long passes = r->t->recipe.passes;
  struct fm_loader_options o = {.samples = r->t->samples, .count = r->t->count, .batch = r->batch};
  if (training) {
    o.shuffle = true;
    o.seed = (uint64_t)r->t->recipe.seed;
    o.first_epoch = (int)(s->epoch * passes + s->batch / r->batches);
    o.epochs = (int)(r->t->recipe.epochs * passes);
    o.first_batch = (size_t)(s->batch % r->batches);
  }
  FM_TRY(fm_train_preprocess(r->ctx, r->t, &o.preprocess));
  return fm_loader_open(r->ctx, &o, &r->loader);
}

static enum fm_status train(struct run *r) {
  if (r->session.state.epoch >= r->t->recipe.epochs) return FM_OK;
  FM_TRY(open_loader(r, true));
  fm_training_begin(&r->session, r->t->recipe.passes * r->batches);
  enum fm_status status = run_passes(r);
  fm_progress_end(&r->session.progress);
  fm_loader_close(r->loader);
  r->loader = NULL;
  return status;
}

/* ---- what is beyond doubt ---- */

/* A tap's l over the training pictures as they are. keys: room for all of them. */
static enum fm_status score_batch(struct run *r, const struct fm_batch *batch, uint32_t *keys[FM_TAPS]) {
  FM_TRY(encode(r, batch, false));
  for (int i = 0; i < FM_TAPS; i++) {
    struct tap *tap = &r->tap[i];
    int count = (int)batch->count * tap->area;
    for (int k = 0; k < count; k++) tap->places[k] = k;
    FM_TRY(fm_buffer_write(r->d, &tap->place, 0, tap->places, (size_t)count * sizeof *tap->places));
    fm_flow_take(tap->flow, fm_net_tap(r->net, i), 0, (int)batch->count, &tap->fibres, 0);
    for (int at = 0; at < count; at += tap->rows)
      fm_flow_score(tap->flow, &tap->fibres, &tap->place, at, count - at < tap->rows ? count - at : tap->rows,
                    &tap->losses);
    FM_TRY(fm_buffer_read(r->d, &tap->losses, 0, tap->loss, (size_t)count * sizeof *tap->loss));
    for (int k = 0; k < count; k++) {
      if (!isfinite(tap->loss[k])) return broken(r, (double)tap->loss[k]);
      *keys[i]++ = fm_score_key(tap->loss[k]);
    }
  }
  return FM_OK;
}

static enum fm_status score_all(struct run *r, uint32_t *keys[FM_TAPS]) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    FM_TRY(score_batch(r, &batch, keys));
    if (r->ctx->stop) return fm_training_stopped(&r->session);
  }
}

/* The quantile `normal-share` of each tap's l. */
static enum fm_status find_maxima(struct run *r) {
  float *maxima = fm_cflow_maxima(&r->session.state.weights);
  uint32_t *keys[FM_TAPS] = {NULL}, *at[FM_TAPS] = {NULL};
  enum fm_status status = open_loader(r, false);
  for (int i = 0; i < FM_TAPS && status == FM_OK; i++) {
    at[i] = keys[i] = fm_alloc(r->ctx, r->t->count * (size_t)r->tap[i].area, sizeof *keys[i]);
    if (!keys[i]) status = FM_MEMORY;
  }
  if (status == FM_OK) status = score_all(r, at);
  for (int i = 0; i < FM_TAPS && status == FM_OK; i++) {
    size_t count = r->t->count * (size_t)r->tap[i].area;
    status = fm_sort_u32(r->ctx, keys[i], count);
    size_t at_share = (size_t)(r->t->recipe.normal_share * (double)(count - 1));
    if (status == FM_OK) maxima[i] = fm_score_of_key(keys[i][at_share]);
  }
  for (int i = 0; i < FM_TAPS; i++) fm_free(r->ctx, keys[i]);
  fm_loader_close(r->loader);
  r->loader = NULL;
  return status;
}

static enum fm_status begin(struct run *r) {
  struct fm_training *s = &r->session;
  FM_TRY(fm_training_open(r->ctx, r->t, s));
  s->gather = gather;
  s->user = r;
  FM_TRY(sizes(r));
  FM_TRY(fm_cflow_init(&r->t->recipe, &s->state.weights));
  fm_training_weights(s);
  if (r->t->resume) FM_TRY(fm_cflow_check(&s->state.weights, r->t->checkpoint ? r->t->checkpoint : ""));
  FM_TRY(plan_memory(r));
  FM_TRY(make(r));
  for (int i = 0; i < FM_TAPS && r->t->resume; i++) FM_TRY(move_tap(r, i, true));
  return FM_OK;
}

enum fm_status fm_cflow_fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .t = t};
  enum fm_status status = begin(&r);
  if (status == FM_OK) status = train(&r);
  if (status == FM_OK) status = find_maxima(&r);
  if (status == FM_OK) status = gather(&r);
  fm_loader_close(r.loader);
  unmake(&r);
  if (status == FM_OK) {
    *learned = r.session.state.weights;
    r.session.state.weights = (struct fm_weights){0};
  }
  fm_training_close(&r.session);
  return status;
}
