#define _POSIX_C_SOURCE 200809L
#include "method/session.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "file/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The log is kept in the checkpoint and written as a whole, so both always tell of the same epochs. */
static enum fm_status write_log(const struct fm_training *s) {
  return s->t->log ? fm_file_write(s->ctx, s->t->log, s->state.log, strlen(s->state.log)) : FM_OK;
}

enum fm_status fm_training_open(struct fm_context *ctx, const struct fm_train *t, struct fm_training *s) {
  struct fm_checkpoint *state = &s->state;
  *s = (struct fm_training){.ctx = ctx, .t = t, .epochs = fm_recipe_epochs(&t->recipe, t->count)};
  FM_TRY(fm_checkpoint_make(ctx, &t->recipe, state));
  snprintf(state->data_hash, sizeof state->data_hash, "%s", t->data_hash);
  memcpy(state->expert_hash, t->expert->hash, sizeof state->expert_hash);
  if (t->real && !(state->real = fm_strdup(ctx, t->real))) return FM_MEMORY;
  const char *log = "epoch,step,lr,loss,tap1,tap2,tap3,seconds\n";
  if (t->resume) {
    state->epoch = t->resume->epoch;
    state->batch = t->resume->batch;
    state->step = t->resume->step;
    state->seconds = t->resume->seconds;
    state->best = t->resume->best;
    state->idle = t->resume->idle;
    memcpy(state->sums, t->resume->sums, sizeof state->sums);
    log = t->resume->log;
  }
  fm_free(ctx, state->log);
  state->log = fm_strdup(ctx, log);
  return state->log ? write_log(s) : FM_MEMORY;
}

static void copy(struct fm_weights *to, const struct fm_weights *from) {
  memcpy(to->value, from->value, from->total * sizeof *from->value);
}

void fm_training_weights(struct fm_training *s) {
  const struct fm_checkpoint *from = s->t->resume;
  if (!from && s->t->on) copy(&s->state.weights, &s->t->on->learned);
  if (!from) return;
  copy(&s->state.weights, &from->weights);
  for (int i = 0; i < 2; i++) copy(&s->state.moment[i], &from->moment[i]);
}

void fm_training_close(struct fm_training *s) {
  fm_checkpoint_free(s->ctx, &s->state);
}

static enum fm_status save(struct fm_training *s) {
  if (s->t->checkpoint) {
    FM_TRY(s->gather(s->user));
    FM_TRY(fm_checkpoint_write(s->ctx, &s->state, s->t->checkpoint));
  }
  return write_log(s);
}

void fm_training_begin(struct fm_training *s, long batches) {
  snprintf(s->text, sizeof s->text, "training %.128s", s->t->category);
  s->began = fm_seconds();
  fm_progress_begin(&s->progress, s->ctx, s->text, s->state.epoch * batches + s->state.batch,
                    s->epochs * batches);
}

void fm_training_batch(struct fm_training *s, const double loss[FM_LOSS_SUMS]) {
  struct fm_checkpoint *state = &s->state;
  state->batch++;
  for (int i = 0; i < FM_LOSS_SUMS; i++) state->sums[i] += loss[i];
  snprintf(s->progress.detail, sizeof s->progress.detail, "epoch %ld/%ld, loss %.4f", state->epoch + 1,
           s->epochs, state->sums[0] / (double)state->batch);
  fm_progress_step(&s->progress, 1);
}

/* Adds the epoch's row to the log, and moves the state to the next epoch. */
enum fm_status fm_training_epoch(struct fm_training *s) {
  struct fm_checkpoint *state = &s->state;
  double now = fm_seconds(), seconds = state->seconds + now - s->began;
  struct fm_text text;
  struct fm_csv csv;
  fm_text_begin(&text, s->ctx);
  fm_text_append(&text, state->log);
  fm_csv_begin(&csv, &text);
  fm_csv_integer(&csv, state->epoch + 1);
  fm_csv_integer(&csv, state->step);
  fm_csv_number(&csv, s->lr);
  for (int i = 0; i < FM_LOSS_SUMS; i++) fm_csv_number(&csv, state->sums[i] / (double)state->batch);
  fm_csv_number(&csv, round(seconds * 1000) / 1000);
  fm_csv_row(&csv);
  char *log;
  FM_TRY(fm_text_take(&text, &log, NULL));
  fm_free(s->ctx, state->log);
  state->log = log;
  if (!isatty(STDERR_FILENO))
    fm_note(s->ctx, "epoch %ld of %ld: loss %.5f, learning rate %.3g, %.1f s", state->epoch + 1, s->epochs,
            state->sums[0] / (double)state->batch, s->lr, seconds);
  state->epoch++;
  state->batch = 0;
  state->seconds = 0;
  memset(state->sums, 0, sizeof state->sums);
  s->began = now;
  return save(s);
}

enum fm_status fm_training_stopped(struct fm_training *s) {
  struct fm_checkpoint *state = &s->state;
  const char *path = s->t->checkpoint;
  state->seconds += fm_seconds() - s->began;
  if (state->batch) FM_TRY(save(s)); /* else the epoch's end has just been saved */
  return fm_error(s->ctx, FM_STOPPED, "stopped after %ld steps, in epoch %ld of %ld%s%s%s", state->step,
                  state->epoch + 1, s->epochs, path ? "; the state has been saved in '" : "",
                  path ? path : "", path ? "'" : "");
}
