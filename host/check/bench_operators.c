#include "base/log.h"
#include "base/memory.h"
#include "base/sort.h"
#include "check/bench_internal.h"
#include "op/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 15 };

struct sample {
  struct fm_step_facts facts;
  double time[MOST_ROUNDS];
};

/* The steps of a pass in their order, the same in every round. Round -1 warms up and makes the list. */
struct recorder {
  struct fm_context *ctx;
  struct fm_device *d;
  struct fm_bench *bench;
  struct sample *sample;
  size_t count, capacity, at;
  int round;
  double begin;
  enum fm_status status;       /* of the steps seen by observe */
  struct fm_loss_scratch loss; /* training */
  struct fm_buffer mask, result, distance, map, scratch, parts;
  struct fm_gaussian gaussian;
};

static void begin_step(struct recorder *r) {
  r->begin = fm_seconds();
}

static enum fm_status end_step(struct recorder *r, const struct fm_step_facts *facts) {
  FM_TRY(fm_device_finish(r->d));
  double seconds = fm_seconds() - r->begin;
  if (atomic_load(&r->ctx->stop)) return fm_error(r->ctx, FM_STOPPED, "stopped while measuring");
  if (r->round < 0) {
    FM_TRY(fm_grow(r->ctx, (void **)&r->sample, &r->capacity, r->count, sizeof *r->sample));
    r->sample[r->count++] = (struct sample){.facts = *facts};
  } else {
    r->sample[r->at++].time[r->round] = seconds;
  }
  return FM_OK;
}

/* What is no step of a network; bytes of the tensors it reads and writes. */
static enum fm_status end_named(struct recorder *r, const char *name, const struct fm_acts *a, double bytes) {
  struct fm_step_facts facts = {.bytes = bytes};
  snprintf(facts.name, sizeof facts.name, "%s", name);
  if (a) snprintf(facts.shape, sizeof facts.shape, "%d x %d %dx%d", a->n, a->c, a->h, a->w);
  return end_step(r, &facts);
}

/* After a failure there is nothing to stop here: it sticks. */
static void observe(void *arg, const struct fm_net *net, const struct fm_step *step) {
  struct recorder *r = arg;
  struct fm_step_facts facts;
  fm_net_step_facts(net, step, &facts);
  if (r->status == FM_OK) r->status = end_step(r, &facts);
  begin_step(r);
}

static enum fm_status run_net(struct recorder *r, struct fm_net *net, void (*pass)(struct fm_net *)) {
  fm_net_observe(net, observe, r);
  begin_step(r);
  pass(net);
  fm_net_observe(net, NULL, NULL);
  return r->status;
}

static enum fm_status infer_round(struct recorder *r) {
  const struct fm_bench_pass *p = r->bench->pass;
  struct fm_net *net[2];
  for (int i = 0; i < 2; i++) {
    net[i] = r->bench->scorer->net[i];
    FM_TRY(run_net(r, net[i], fm_net_forward));
  }
  const struct fm_acts *grid = fm_net_tap(net[0], 0);
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *tap = fm_net_tap(net[0], i);
    begin_step(r);
    fm_discrepancy(r->d, tap, fm_net_tap(net[1], i), grid->h, grid->w, i > 0, &r->distance, NULL, NULL);
    FM_TRY(end_named(r, "discrepancy", tap, 2 * fm_step_bytes(tap)));
  }
  const struct fm_acts map = {.n = p->batch, .c = 1, .h = p->size, .w = p->size, .block = 1};
  begin_step(r);
  fm_enlarge(r->d, &r->distance, grid->n, grid->h, grid->w, &r->map, p->size, p->size);
  FM_TRY(end_named(r, "enlarge", &map, fm_step_bytes(&map)));
  begin_step(r);
  fm_gaussian_run(r->d, &r->gaussian, &r->map, &r->scratch, grid->n, p->size, p->size);
  FM_TRY(end_named(r, "gaussian", &map, 4 * fm_step_bytes(&map)));
  begin_step(r);
  FM_TRY(fm_scorer_read(r->bench->scorer, p->batch, r->bench->maps, NULL));
  return end_named(r, "read map", &map, 2 * fm_step_bytes(&map));
}

static enum fm_status train_round(struct recorder *r) {
  struct fm_cdo_trainer *t = r->bench->trainer;
  struct fm_net *expert = fm_cdo_trainer_expert(t), *net = fm_cdo_trainer_apprentice(t);
  const struct fm_loss_options options = {2, true};
  const struct fm_acts *grid = fm_net_tap(net, 0);
  int size = r->bench->pass->size;
  FM_TRY(run_net(r, expert, fm_net_forward));
  FM_TRY(run_net(r, net, fm_net_forward));
  for (int i = 0; i < FM_TAPS; i++) {
    const struct fm_acts *tap = fm_net_tap(net, i);
    begin_step(r);
    fm_loss_tap(r->d, &options, fm_net_tap(expert, i), tap, grid->h, grid->w, &r->mask, size, size, &r->loss,
                &r->result, fm_net_tap_gradient(net, i));
    FM_TRY(end_named(r, "loss", tap, 3 * fm_step_bytes(tap)));
  }
  FM_TRY(run_net(r, net, fm_net_backward));
  const struct fm_net_vectors *v = fm_net_vectors(net);
  begin_step(r);
  fm_norm2(r->d, v->count, &v->gradient, 0, &r->parts, &r->result);
  FM_TRY(end_named(r, "gradient norm", NULL, (double)v->count * sizeof(float)));
  begin_step(r);
  fm_cdo_trainer_update(t, ++r->bench->step, 4e-4);
  return end_named(r, "adam", NULL, 7 * (double)v->count * sizeof(float));
}

static enum fm_status make_buffers(struct recorder *r) {
  const struct fm_bench_pass *p = r->bench->pass;
  struct fm_device *d = r->d;
  size_t pixels = (size_t)p->batch * (size_t)p->size * (size_t)p->size;
  if (!p->train) {
    FM_TRY(fm_buffer_make(d, pixels / 16 * sizeof(float), &r->distance));
    FM_TRY(fm_buffer_make(d, pixels * sizeof(float), &r->map));
    FM_TRY(fm_buffer_make(d, pixels * sizeof(float), &r->scratch));
    return fm_gaussian_make(d, 4, &r->gaussian);
  }
  struct fm_net *net = fm_cdo_trainer_apprentice(r->bench->trainer);
  const struct fm_acts *grid = fm_net_tap(net, 0);
  FM_TRY(fm_loss_scratch_make(d, p->batch, grid->h, grid->w, &r->loss));
  FM_TRY(fm_buffer_make(d, 4 * sizeof(float), &r->result));
  FM_TRY(fm_buffer_make(d, fm_norm2_bytes(d, fm_net_vectors(net)->count), &r->parts));
  FM_TRY(fm_buffer_make(d, pixels, &r->mask));
  return fm_buffer_write(d, &r->mask, 0, r->bench->mask, pixels);
}

static void free_buffers(struct recorder *r) {
  struct fm_buffer *const own[] = {&r->mask, &r->result, &r->distance, &r->map, &r->scratch, &r->parts};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(r->d, own[i]);
  fm_loss_scratch_free(r->d, &r->loss);
  fm_gaussian_free(r->d, &r->gaussian);
  fm_free(r->ctx, r->sample);
}

static int by_total(const void *a, const void *b) {
  const struct fm_bench_operator *x = a, *y = b;
  return (x->total < y->total) - (x->total > y->total);
}

/* A row for each name and shape: the medians of its steps, added. */
static enum fm_status gather(struct recorder *r, int rounds, struct fm_bench_operators *o) {
  o->row = fm_alloc(r->ctx, r->count, sizeof *o->row);
  if (!o->row) return FM_MEMORY;
  for (size_t i = 0; i < r->count; i++) {
    struct sample *s = &r->sample[i];
    fm_sort_doubles(s->time, (size_t)rounds);
    size_t k = 0;
    while (k < o->count && (strcmp(o->row[k].facts.name, s->facts.name) != 0 ||
                            strcmp(o->row[k].facts.shape, s->facts.shape) != 0))
      k++;
    if (k == o->count) o->row[o->count++].facts = s->facts;
    o->row[k].total += s->time[rounds / 2];
    o->row[k].count++;
    o->total += s->time[rounds / 2];
  }
  for (size_t k = 0; k < o->count; k++) o->row[k].seconds = o->row[k].total / (double)o->row[k].count;
  qsort(o->row, o->count, sizeof *o->row, by_total);
  return FM_OK;
}

enum fm_status fm_bench_operators_run(struct fm_device *d, const struct fm_bench_pass *pass, int rounds,
                                      struct fm_bench_operators *o) {
  struct fm_bench bench;
  struct recorder r = {.ctx = fm_device_context(d), .d = d, .bench = &bench};
  *o = (struct fm_bench_operators){0};
  if (rounds > MOST_ROUNDS) rounds = MOST_ROUNDS;
  enum fm_status status = fm_bench_open(d, pass, &bench);
  if (status == FM_OK) status = make_buffers(&r);
  for (r.round = -1; r.round < rounds && status == FM_OK; r.round++) {
    r.at = 0;
    status = pass->train ? train_round(&r) : infer_round(&r);
  }
  if (status == FM_OK) status = gather(&r, rounds, o);
  free_buffers(&r);
  fm_bench_close(&bench);
  return status;
}

void fm_bench_operators_free(struct fm_context *ctx, struct fm_bench_operators *o) {
  fm_free(ctx, o->row);
  *o = (struct fm_bench_operators){0};
}
