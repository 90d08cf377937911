#include "method/cdo_train.h"

#include "base/memory.h"
#include "method/cdo.h"
#include "method/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct run {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_train *t;
  struct fm_cdo_trainer *trainer;
  struct fm_loader *loader;
  struct fm_training session;
  int steps_open; /* steps whose outcome is not known yet */
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
      fm_net_pack(net, &r->session.state.moment[i], packed);
      status = fm_buffer_write(r->d, &moments[i], 0, packed, bytes);
    } else {
      status = fm_buffer_read(r->d, &moments[i], 0, packed, bytes);
      if (status == FM_OK) fm_net_unpack(net, packed, &r->session.state.moment[i]);
    }
  }
  fm_free(r->ctx, packed);
  return status;
}

static enum fm_status gather(void *user) {
  struct run *r = user;
  FM_TRY(fm_net_read_weights(fm_cdo_trainer_apprentice(r->trainer), &r->session.state.weights));
  return move_moments(r, false);
}

static enum fm_status begin_state(struct run *r) {
  const struct fm_train *t = r->t;
  const struct fm_backbone *backbone;
  FM_TRY(fm_training_open(r->ctx, t, &r->session));
  r->session.gather = gather;
  r->session.user = r;
  FM_TRY(fm_backbone_find(r->ctx, t->recipe.backbone, &backbone));
  fm_weights_init(&r->session.state.weights, backbone->init, (uint64_t)t->recipe.seed);
  fm_training_weights(&r->session);
  return FM_OK;
}

/* What training takes is known before anything is taken: one line, and a refusal in numbers. */
static enum fm_status plan_memory(struct run *r, const struct fm_cdo_options *o) {
  size_t before = fm_device_live(r->d).bytes;
  fm_device_rehearse(r->d, true);
  enum fm_status status =
      fm_cdo_trainer_make(r->d, o, &r->t->expert->weights, &r->session.state.weights, &r->trainer);
  size_t bytes = fm_device_live(r->d).bytes - before;
  fm_cdo_trainer_free(r->trainer);
  r->trainer = NULL;
  fm_device_rehearse(r->d, false);
  FM_TRY(status);
  char what[120];
  snprintf(what, sizeof what, "train %s with batches of %d at %d x %d", o->backbone->name, o->batch,
           o->size.width, o->size.height);
  return fm_memory_check(r->d, what, bytes, "use a smaller --batch or --size");
}

static enum fm_status begin_trainer(struct run *r) {
  const struct fm_recipe *recipe = &r->t->recipe;
  size_t batch = (size_t)recipe->batch;
  struct fm_preprocess preprocess;
  FM_TRY(fm_recipe_preprocess(r->ctx, recipe, &preprocess));
  struct fm_cdo_options o = {.batch = (int)(batch < r->t->count ? batch : r->t->count),
                             .size = fm_preprocess_size(&preprocess),
                             .gamma = (float)recipe->gamma,
                             .overlap = recipe->oom,
                             .twice = fm_recipe_2025(recipe),
                             .adam = fm_recipe_adam(recipe)};
  FM_TRY(fm_backbone_find(r->ctx, recipe->backbone, &o.backbone));
  FM_TRY(plan_memory(r, &o));
  FM_TRY(fm_cdo_trainer_make(r->d, &o, &r->t->expert->weights, &r->session.state.weights, &r->trainer));
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
                                  .first_epoch = (int)r->session.state.epoch,
                                  .epochs = (int)r->session.epochs,
                                  .first_batch = (size_t)r->session.state.batch};
  return fm_train_preprocess(r->ctx, t, &o->preprocess);
}

/* ---- the loop ---- */

/* More epochs than the recipe's, for the sake of steps, go through the same rates more slowly. */
static double learning_rate(const struct fm_recipe *recipe, long epoch, long epochs) {
  double lr = recipe->lr, at = (double)epoch * (double)recipe->epochs / (double)epochs;
  if (epochs > recipe->epochs) lr *= pow(recipe->lr_decay, at);
  for (long i = 0; epochs <= recipe->epochs && i < epoch; i++) lr *= recipe->lr_decay;
  return recipe->lr_drop && at >= (double)recipe->lr_drop ? lr / 10 : lr;
}

/* Unit vectors are at most 2 apart, so a tap's term is at most 4 times the batch. (What is not finite was
 * seen before.) */
static enum fm_status check_loss(struct run *r, const struct fm_cdo_loss *loss) {
  double most = 4.01 * FM_TAPS * (double)r->t->recipe.batch;
  if (fabs((double)loss->total) <= most) return FM_OK;
  return fm_error(r->ctx, FM_NUMERIC,
                  "the loss is %g but can be at most %g: the device computes wrong (check with 'flawmap "
                  "verify'); the last checkpoint is good",
                  (double)loss->total, most);
}

/* Only enqueues. */
static enum fm_status step(struct run *r, const struct fm_batch *batch) {
  struct fm_training *s = &r->session;
  FM_TRY(fm_cdo_trainer_load(r->trainer, (int)batch->count, batch->rgb, batch->mask));
  fm_cdo_trainer_gradient(r->trainer, r->t->recipe.clip);
  s->lr = learning_rate(&r->t->recipe, s->state.epoch, s->epochs);
  fm_cdo_trainer_update(r->trainer, ++s->state.step, s->lr);
  r->steps_open++;
  return FM_OK;
}

/* What steps came to, but of the last `most`. */
static enum fm_status outcomes(struct run *r, int most) {
  for (; r->steps_open > most; r->steps_open--) {
    struct fm_cdo_loss loss;
    double norm, sums[FM_LOSS_SUMS];
    FM_TRY(fm_cdo_trainer_outcome(r->trainer, &loss, &norm));
    FM_TRY(check_loss(r, &loss));
    sums[0] = (double)loss.total;
    for (int i = 0; i < FM_TAPS; i++) sums[i + 1] = (double)loss.part[i][0];
    fm_training_batch(&r->session, sums);
  }
  return FM_OK;
}

/* ---- when it ends ---- */

/* Five judgements in the least steps; two without a gain of half a hundredth end it. */
enum { JUDGEMENTS = 5, MOST_IDLE = 2 };
static const double gain = 0.005;

static bool gains_no_more(const struct run *r) {
  return r->session.state.idle >= MOST_IDLE;
}

/* At the end of an epoch in which one became due. The judgement is part of the state, so a
 * training that goes on after a stop ends where it would have. */
static enum fm_status judge(struct run *r) {
  struct fm_checkpoint *s = &r->session.state;
  const struct fm_train *t = r->t;
  long each = (t->recipe.steps + JUDGEMENTS - 1) / JUDGEMENTS;
  double value;
  if (!each || !t->judge || s->step / each == (s->step - s->batch) / each) return FM_OK;
  FM_TRY(fm_net_read_weights(fm_cdo_trainer_apprentice(r->trainer), &s->weights));
  FM_TRY(t->judge(t->judge_user, &s->weights, &value));
  bool better = value > s->best + gain;
  fm_note(r->ctx, "after %ld steps pieces drawn on held-out good pictures are found with an AP of %.1f %%%s",
          s->step, 100 * value, better ? "" : ", no gain");
  s->idle = better ? 0 : s->idle + 1;
  if (better) s->best = value;
  if (gains_no_more(r))
    fm_note(r->ctx, "the training ends here: its map gains no more (--steps 0 trains all epochs)");
  return FM_OK;
}

/* The host looks at a step when the next one has been enqueued, so that the device never waits for it; but
 * nothing is saved before all that went into it was found good. */
static enum fm_status run_epochs(struct run *r) {
  for (;;) {
    struct fm_batch batch;
    FM_TRY(fm_cdo_trainer_loaded(r->trainer)); /* the next batch may take this one's place */
    FM_TRY(fm_loader_next(r->loader, &batch));
    if (!batch.count) return FM_OK;
    FM_TRY(step(r, &batch));
    const bool stop = r->ctx->stop;
    FM_TRY(outcomes(r, batch.last || stop ? 0 : 1));
    if (batch.last) FM_TRY(judge(r));
    if (batch.last) FM_TRY(fm_training_epoch(&r->session));
    if (gains_no_more(r)) return FM_OK;
    if (stop) return fm_training_stopped(&r->session);
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
    if (status == FM_OK) status = fm_cdo_trainer_loaded(r->trainer);
    if (status == FM_OK && r->ctx->stop) status = fm_training_stopped(&r->session);
  }
  fm_loader_close(loader);
  return status;
}

static enum fm_status train(struct run *r) {
  struct fm_loader_options o;
  const struct fm_recipe *recipe = &r->t->recipe;
  FM_TRY(loader_options(r, &o));
  FM_TRY(begin_trainer(r));
  if (r->session.state.epoch < r->session.epochs && !gains_no_more(r)) {
    FM_TRY(fm_loader_open(r->ctx, &o, &r->loader));
    fm_training_begin(&r->session, (long)fm_loader_batches(r->loader));
    enum fm_status status = run_epochs(r);
    fm_progress_end(&r->session.progress);
    FM_TRY(status);
  }
  if (recipe->reestimate) FM_TRY(reestimate(r));
  return fm_net_read_weights(fm_cdo_trainer_apprentice(r->trainer), &r->session.state.weights);
}

enum fm_status fm_train_run(struct fm_device *d, const struct fm_train *t, struct fm_weights *weights) {
  struct run r = {.d = d, .ctx = fm_device_context(d), .t = t};
  enum fm_status status = begin_state(&r);
  if (status == FM_OK) status = train(&r);
  fm_cdo_trainer_free(r.trainer); /* waits until the last batch has been read */
  fm_loader_close(r.loader);
  if (status == FM_OK) {
    *weights = r.session.state.weights;
    r.session.state.weights = (struct fm_weights){0};
  }
  fm_training_close(&r.session);
  return status;
}
