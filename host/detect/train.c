#define _POSIX_C_SOURCE 200809L
#include "detect/train.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "detect/cdo.h"
#include "file/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_train *t;
  struct fm_cdo_trainer *trainer;
  struct fm_loader *loader;
  struct fm_checkpoint state; /* weights and moments in it are up to date only when it is written */
  struct fm_progress progress;
  double lr, began; /* of the epoch at hand; began: seconds */
};

/* ---- state: device to checkpoint and back ---- */

static enum fm_status move_moments(struct run *r, bool to_device) {
  struct fm_net *net = fm_cdo_trainer_apprentice(r->trainer);
  const struct fm_buffer *moments = fm_cdo_trainer_moments(r->trainer);
  size_t count = fm_net_vectors(net)->count, bytes = count * sizeof(float);
  float *packed = fm_alloc(r->ctx, count, sizeof *packed);
  if (!packed) return FM_MEMORY;
  enum fm_status status = FM_OK;
  for (int i = 0; i < 2 && status == FM_OK; i++) {
    if (to_device) {
      memset(packed, 0, bytes);
      fm_net_pack(net, &r->state.moment[i], packed);
      status = fm_buffer_write(r->d, &moments[i], 0, packed, bytes);
    } else {
      status = fm_buffer_read(r->d, &moments[i], 0, packed, bytes);
      if (status == FM_OK) fm_net_unpack(net, packed, &r->state.moment[i]);
    }
  }
  fm_free(r->ctx, packed);
  return status;
}

/* The log is kept in the checkpoint and written as a whole, so both always tell of the same epochs. */
static enum fm_status write_log(const struct run *r) {
  return fm_file_write(r->ctx, r->t->log, r->state.log, strlen(r->state.log));
}

static enum fm_status save(struct run *r) {
  if (r->t->checkpoint) {
    FM_TRY(fm_net_read_weights(fm_cdo_trainer_apprentice(r->trainer), &r->state.weights));
    FM_TRY(move_moments(r, false));
    FM_TRY(fm_checkpoint_write(r->ctx, &r->state, r->t->checkpoint));
  }
  return r->t->log ? write_log(r) : FM_OK;
}

static void copy_weights(struct fm_weights *to, const struct fm_weights *from) {
  memcpy(to->value, from->value, from->total * sizeof *from->value);
}

static enum fm_status begin_state(struct run *r) {
  const struct fm_train *t = r->t;
  const struct fm_backbone *backbone;
  struct fm_checkpoint *s = &r->state;
  FM_TRY(fm_checkpoint_make(r->ctx, &t->recipe, s));
  FM_TRY(fm_backbone_find(r->ctx, t->recipe.backbone, &backbone));
  snprintf(s->data_hash, sizeof s->data_hash, "%s", t->data_hash);
  memcpy(s->expert_hash, t->expert->hash, sizeof s->expert_hash);
  fm_weights_init(&s->weights, backbone->init, (uint64_t)t->recipe.seed);
  const char *log = "epoch,step,lr,loss,tap1,tap2,tap3,seconds\n";
  if (t->resume) {
    s->epoch = t->resume->epoch;
    s->batch = t->resume->batch;
    s->step = t->resume->step;
    s->seconds = t->resume->seconds;
    memcpy(s->sums, t->resume->sums, sizeof s->sums);
    copy_weights(&s->weights, &t->resume->weights);
    for (int i = 0; i < 2; i++) copy_weights(&s->moment[i], &t->resume->moment[i]);
    log = t->resume->log;
  }
  fm_free(r->ctx, s->log);
  s->log = fm_strdup(r->ctx, log);
  if (t->real && !(s->real = fm_strdup(r->ctx, t->real))) return FM_MEMORY;
  return s->log ? FM_OK : FM_MEMORY;
}

/* What training takes is known before anything is taken: one line, and a refusal in numbers. */
static enum fm_status plan_memory(struct run *r, const struct fm_cdo_options *o) {
  size_t before = fm_device_live(r->d).bytes;
  fm_device_rehearse(r->d, true);
  enum fm_status status =
      fm_cdo_trainer_make(r->d, o, &r->t->expert->weights, &r->state.weights, &r->trainer);
  size_t bytes = fm_device_live(r->d).bytes - before;
  fm_cdo_trainer_free(r->trainer);
  r->trainer = NULL;
  fm_device_rehearse(r->d, false);
  FM_TRY(status);
  char what[120];
  snprintf(what, sizeof what, "train %s with batches of %d at %d x %d", o->backbone->name, o->batch, o->size,
           o->size);
  return fm_memory_check(r->d, what, bytes, "use a smaller --batch or --size");
}

static enum fm_status begin_trainer(struct run *r) {
  const struct fm_recipe *recipe = &r->t->recipe;
  size_t batch = (size_t)recipe->batch;
  struct fm_preprocess preprocess;
  FM_TRY(fm_recipe_preprocess(r->ctx, recipe, &preprocess));
  struct fm_cdo_options o = {.batch = (int)(batch < r->t->count ? batch : r->t->count),
                             .size = fm_preprocess_side(&preprocess),
                             .gamma = (float)recipe->gamma,
                             .overlap = recipe->oom,
                             .twice = fm_recipe_2025(recipe),
                             .adam = fm_recipe_adam(recipe)};
  FM_TRY(fm_backbone_find(r->ctx, recipe->backbone, &o.backbone));
  FM_TRY(plan_memory(r, &o));
  FM_TRY(fm_cdo_trainer_make(r->d, &o, &r->t->expert->weights, &r->state.weights, &r->trainer));
  fm_net_set_momentum(fm_cdo_trainer_apprentice(r->trainer), (float)recipe->momentum);
  return r->t->resume ? move_moments(r, true) : FM_OK;
}

static enum fm_status loader_options(const struct run *r, struct fm_loader_options *o) {
  const struct fm_train *t = r->t;
  *o = (struct fm_loader_options){.samples = t->samples,
                                  .count = t->count,
                                  .batch = (int)t->recipe.batch,
                                  .shuffle = true,
                                  .masks = true,
                                  .synthetic = fm_recipe_synthetic(&t->recipe, t->category),
                                  .seed = (uint64_t)t->recipe.seed,
                                  .first_epoch = (int)r->state.epoch,
                                  .epochs = (int)t->recipe.epochs,
                                  .first_batch = (size_t)r->state.batch};
  return fm_recipe_preprocess(r->ctx, &t->recipe, &o->preprocess);
}

/* ---- the loop ---- */

static double learning_rate(const struct fm_recipe *recipe, long epoch) {
  double lr = recipe->lr;
  for (long i = 0; i < epoch; i++) lr *= recipe->lr_decay;
  return recipe->lr_drop && epoch >= recipe->lr_drop ? lr / 10 : lr;
}

/* What the gradient is multiplied by, so that its norm is clip at most (as PyTorch does it). */
static float clipped(const struct fm_recipe *recipe, double norm) {
  return recipe->clip > 0 && norm > recipe->clip ? (float)(recipe->clip / (norm + 1e-6)) : 1;
}

/* Unit vectors are at most 2 apart, so a tap's term is at most 4 times the batch. (What is not finite was
 * seen before.) */
static enum fm_status check_loss(struct run *r, const struct fm_cdo_loss *loss) {
  double most = 4.01 * FM_TAPS * (double)r->t->recipe.batch;
  if (fabs((double)loss->total) <= most) return FM_OK;
  return fm_error(r->ctx, FM_NUMERIC,
                  "the loss is %g, but cannot be more than %g: the device computes wrong ('flawmap verify' "
                  "tells); the last checkpoint is good",
                  (double)loss->total, most);
}

static enum fm_status step(struct run *r, const struct fm_batch *batch) {
  struct fm_checkpoint *s = &r->state;
  struct fm_cdo_loss loss;
  double norm;
  FM_TRY(fm_cdo_trainer_load(r->trainer, (int)batch->count, batch->rgb, batch->mask));
  FM_TRY(fm_cdo_trainer_gradient(r->trainer, &loss, &norm));
  FM_TRY(check_loss(r, &loss));
  fm_cdo_trainer_update(r->trainer, ++s->step, r->lr, clipped(&r->t->recipe, norm));
  s->batch++;
  s->sums[0] += (double)loss.total;
  for (int i = 0; i < FM_TAPS; i++) s->sums[i + 1] += (double)loss.part[i][0];
  snprintf(r->progress.detail, sizeof r->progress.detail, "epoch %ld/%ld, loss %.4f", s->epoch + 1,
           r->t->recipe.epochs, s->sums[0] / (double)s->batch);
  fm_progress_step(&r->progress, 1);
  return FM_OK;
}

/* Adds the epoch's row to the log, and moves the state to the next epoch. */
static enum fm_status end_epoch(struct run *r) {
  struct fm_checkpoint *s = &r->state;
  double now = fm_seconds(), seconds = s->seconds + now - r->began;
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, r->ctx);
  fm_text_append(&text, s->log);
  fm_csv_begin(&csv, &text);
  fm_csv_integer(&csv, s->epoch + 1);
  fm_csv_integer(&csv, s->step);
  fm_csv_number(&csv, r->lr);
  for (int i = 0; i < FM_LOSS_SUMS; i++) fm_csv_number(&csv, s->sums[i] / (double)s->batch);
  fm_csv_number(&csv, round(seconds * 1000) / 1000);
  fm_csv_row(&csv);
  char *log;
  FM_TRY(fm_text_take(&text, &log, NULL));
  fm_free(r->ctx, s->log);
  s->log = log;
  if (!isatty(STDERR_FILENO))
    fm_note(r->ctx, "epoch %ld of %ld: loss %.5f, learning rate %.3g, %.1f s", s->epoch + 1,
            r->t->recipe.epochs, s->sums[0] / (double)s->batch, r->lr, seconds);
  s->epoch++;
  s->batch = 0;
  s->seconds = 0;
  memset(s->sums, 0, sizeof s->sums);
  r->began = now;
  r->lr = learning_rate(&r->t->recipe, s->epoch);
  return save(r);
}

static enum fm_status stopped(struct run *r) {
  struct fm_checkpoint *s = &r->state;
  s->seconds += fm_seconds() - r->began;
  if (s->batch) FM_TRY(save(r)); /* else the epoch's end has just been saved */
  return fm_error(r->ctx, FM_STOPPED, "stopped after %ld steps, in epoch %ld of %ld%s%s%s", s->step,
                  s->epoch + 1, r->t->recipe.epochs, r->t->checkpoint ? "; the state is in '" : "",
                  r->t->checkpoint ? r->t->checkpoint : "", r->t->checkpoint ? "'" : "");
}

static enum fm_status run_epochs(struct run *r) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    FM_TRY(step(r, &batch));
    if (batch.last) FM_TRY(end_epoch(r));
    if (r->ctx->stop) return stopped(r);
  }
}

/* The running statistics as the mean over one more epoch's full batches, with their synthetic anomalies; the
 * weights stay. They lag behind moving weights otherwise. */
static enum fm_status reestimate(struct run *r) {
  struct fm_loader_options o;
  struct fm_loader *loader;
  FM_TRY(loader_options(r, &o));
  o.first_epoch = o.epochs;
  o.epochs++;
  o.first_batch = 0;
  FM_TRY(fm_loader_open(r->ctx, &o, &loader));
  enum fm_status status = FM_OK;
  for (int k = 1; status == FM_OK; k++) {
    struct fm_batch batch;
    status = fm_loader_next(loader, &batch);
    if (status != FM_OK || !batch.count || (k > 1 && batch.count < (size_t)o.batch)) break;
    status = fm_cdo_trainer_load(r->trainer, (int)batch.count, batch.rgb, batch.mask);
    if (status == FM_OK) fm_cdo_trainer_measure(r->trainer, 1.0f / (float)k);
    if (status == FM_OK) status = fm_device_finish(r->d);
    if (status == FM_OK && r->ctx->stop) status = stopped(r);
  }
  fm_loader_close(loader);
  return status;
}

static enum fm_status train(struct run *r) {
  struct fm_loader_options o;
  struct fm_recipe const *recipe = &r->t->recipe;
  FM_TRY(loader_options(r, &o));
  if (r->t->log) FM_TRY(write_log(r)); /* a place that cannot be written is seen now, not after an epoch */
  FM_TRY(begin_trainer(r));
  if (r->state.epoch < recipe->epochs) {
    FM_TRY(fm_loader_open(r->ctx, &o, &r->loader));
    long batches = (long)fm_loader_batches(r->loader);
    char text[160];
    snprintf(text, sizeof text, "training %.128s", r->t->category);
    r->lr = learning_rate(recipe, r->state.epoch);
    r->began = fm_seconds();
    fm_progress_begin(&r->progress, r->ctx, text, r->state.epoch * batches + r->state.batch,
                      recipe->epochs * batches);
    enum fm_status status = run_epochs(r);
    fm_progress_end(&r->progress);
    FM_TRY(status);
  }
  if (recipe->reestimate) FM_TRY(reestimate(r));
  return fm_net_read_weights(fm_cdo_trainer_apprentice(r->trainer), &r->state.weights);
}

enum fm_status fm_train_run(struct fm_device *d, const struct fm_train *t, struct fm_weights *weights) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .t = t};
  enum fm_status status = begin_state(&r);
  if (status == FM_OK) status = train(&r);
  fm_loader_close(r.loader);
  fm_cdo_trainer_free(r.trainer);
  if (status == FM_OK) {
    *weights = r.state.weights;
    r.state.weights = (struct fm_weights){0};
  }
  fm_checkpoint_free(r.ctx, &r.state);
  return status;
}
