/* Shapes of networks, one after the other: which row and tile is taken. */
#include "check/tune.h"

#include "base/log.h"
#include "base/memory.h"
#include "check/tune_internal.h"
#include "net/net.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_BATCHES = 3, QUICK_SHAPES = 6, QUICK_TILES = 2 };
static const double long_run = 0.03; /* seconds of one run above which fewer pictures are measured */

/* A shape, and the numbers of pictures that the networks compute it for, few before many. */
struct shape {
  struct fm_tuned_line line; /* for this device */
  struct fm_tune_case at[MOST_BATCHES];
  int count;
};

struct tuner {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_tune_options *o;
  struct fm_tuned *t;
  struct fm_tune_result *result;
  struct shape *shape;
  size_t count, capacity;
};

static void add_batch(struct shape *s, const struct fm_tune_case *c) {
  int i = s->count;
  for (int k = 0; k < s->count; k++)
    if (s->at[k].in.n == c->in.n) return;
  if (s->count == MOST_BATCHES) return;
  for (; i > 0 && s->at[i - 1].in.n > c->in.n; i--) s->at[i] = s->at[i - 1];
  s->at[i] = *c;
  s->count++;
}

static enum fm_status collect(void *arg, const struct fm_conv *conv, enum fm_conv_way way,
                              const struct fm_acts *in, const struct fm_acts *out) {
  struct tuner *u = arg;
  const struct fm_tune_case c = {*conv, way, *in, *out};
  struct fm_call call;
  struct fm_tuned_line line;
  fm_conv_choose(u->d, conv, way, in, out, NULL, &call);
  fm_tuned_begin(fm_device_facts(u->d), &call.shape, &line);
  size_t i = 0;
  while (i < u->count && strcmp(u->shape[i].line.shape, line.shape) != 0) i++;
  if (i == u->count) {
    FM_TRY(fm_grow(u->ctx, (void **)&u->shape, &u->capacity, u->count, sizeof *u->shape));
    u->shape[u->count++] = (struct shape){.line = line};
  }
  add_batch(&u->shape[i], &c);
  return FM_OK;
}

static enum fm_status collect_all(struct tuner *u) {
  const struct fm_tune_options *o = u->o;
  for (int i = 0; i < o->count; i++) {
    const struct fm_backbone *b = o->networks[i];
    FM_TRY(fm_net_each_conv(u->d, b, FM_NET_INFER, 1, fm_square(o->size), collect, u));
    FM_TRY(fm_net_each_conv(u->d, b, FM_NET_INFER, o->batch, fm_square(o->size), collect, u));
    FM_TRY(fm_net_each_conv(u->d, b, FM_NET_TRAIN, o->batch, fm_square(o->size), collect, u));
  }
  return FM_OK;
}

/* What a row can do for one number of pictures. */
struct best {
  const struct fm_variant *row;
  struct fm_tile tile;
  double seconds;
};

/* Tries the tiles of a row; best->seconds stays INFINITY where none computes right or comes near `limit`. */
static enum fm_status try_row(struct tuner *u, struct fm_tune_bench *b, const struct fm_variant *row,
                              double limit, struct best *best) {
  struct fm_tile list[FM_TILES];
  const struct fm_facts *f = fm_device_facts(u->d);
  *best = (struct best){.row = row, .seconds = INFINITY};
  int count = fm_variant_tiles(f, &b->rule.call.shape, row, list);
  if (u->o->quick && count > QUICK_TILES) count = QUICK_TILES;
  for (int i = 0; i < count; i++) {
    struct fm_tune_way way;
    bool agrees = false;
    double seconds = INFINITY;
    enum fm_status status = fm_tune_way_make(b, row, &list[i], &way);
    if (status == FM_OK) status = fm_tune_agrees(b, &way, &agrees);
    if (status == FM_OK && agrees) status = fm_tune_time(b, &way, fmin(limit, best->seconds), &seconds);
    fm_tune_way_free(b, &way);
    FM_TRY(status);
    u->result->tried++;
    u->result->wrong += !agrees;
    if (seconds >= best->seconds) continue;
    best->seconds = seconds;
    best->tile = list[i];
  }
  return FM_OK;
}

static bool may_take(const struct fm_facts *f, const struct fm_shape *s, const struct fm_variant *row) {
  return fm_variant_fits(f, s, row) && (!s->kept || row->error <= FM_KEPT_ERROR);
}

/* The best for one number of pictures, beside the rule's choice; a ratio of 1 where it is that. */
struct found {
  struct best best;
  struct fm_tune_pairs pairs;
};

static enum fm_status confirm(struct fm_tune_bench *b, struct found *w) {
  struct fm_tune_way way;
  const struct fm_call *rule = &b->rule.call;
  w->pairs = (struct fm_tune_pairs){.ratio = 1, .seconds = b->seconds, .calm = true};
  if (w->best.row == rule->variant && fm_tile_same(&w->best.tile, &rule->tile)) return FM_OK;
  enum fm_status status = fm_tune_way_make(b, w->best.row, &w->best.tile, &way);
  if (status == FM_OK) status = fm_tune_ratio(b, &way, &w->pairs);
  fm_tune_way_free(b, &way);
  return status;
}

/* only: no other row than this, or NULL. */
static enum fm_status try_batch(struct tuner *u, struct fm_tune_bench *b, const struct fm_variant *only,
                                struct found *w) {
  const struct fm_variant *row;
  *w = (struct found){.best = {.row = b->rule.call.variant, .tile = b->rule.call.tile, .seconds = INFINITY}};
  for (int i = 0; (row = fm_variant_at(i)); i++) {
    struct best best;
    if (!may_take(fm_device_facts(u->d), &b->rule.call.shape, row) || (only && row != only)) continue;
    FM_TRY(try_row(u, b, row, fmin(b->seconds, w->best.seconds), &best));
    if (best.seconds < w->best.seconds) w->best = best;
  }
  return confirm(b, w);
}

static enum fm_status put(struct tuner *u, struct fm_tuned_line *line, const struct found *w) {
  snprintf(line->row, sizeof line->row, "%s", w->best.row->name);
  line->tile = w->best.tile;
  line->us = (int)fmin(fmax(1, 1e6 * w->pairs.seconds), 999999999);
  line->rule_us = (int)fmin(fmax(1, 1e6 * w->pairs.seconds * w->pairs.ratio), 999999999);
  return fm_tuned_put(u->ctx, u->t, line);
}

/* On a slow device many pictures take what few take, many times. */
static enum fm_status open_bench(struct tuner *u, struct fm_tune_case *c, struct fm_tune_bench *b) {
  for (;;) {
    enum fm_status status = fm_tune_open(u->d, c, b);
    if (status != FM_OK || b->seconds <= long_run || c->in.n == 1) return status;
    fm_tune_close(b);
    c->in.n = c->out.n = (c->in.n + 3) / 4;
  }
}

/* The row is chosen at the fewest pictures; where there are more it may only take another tile. *row: what
 * holds so far, NULL at the fewest; *lost: the row that was chosen is not surely as fast here as the rule's.
 */
static enum fm_status try_one(struct tuner *u, struct fm_tune_bench *b, struct fm_tuned_line *line,
                              const struct fm_variant **row, struct fm_tile *tile, bool *lost) {
  const struct fm_call *rule = &b->rule.call;
  struct found w;
  FM_TRY(try_batch(u, b, *row, &w));
  const struct fm_tune_pairs *p = &w.pairs;
  bool gained = p->calm && p->ratio * (1 - u->o->gain) >= 1, other = *row && *row != rule->variant;
  u->result->disturbed += !p->calm;
  *lost = other && (!p->calm || p->ratio < 1);
  if (!gained && (!other || *lost)) w = (struct found){{rule->variant, rule->tile, 0}, {1, b->seconds, true}};
  bool same = *row ? fm_tile_same(tile, &w.best.tile) : !gained;
  *row = w.best.row;
  *tile = w.best.tile;
  u->result->us += 1e6 * p->seconds;
  u->result->rule_us += 1e6 * p->seconds * p->ratio;
  return same || *lost ? FM_OK : put(u, line, &w);
}

static enum fm_status try_shape(struct tuner *u, struct shape *s) {
  const struct fm_variant *row = NULL;
  struct fm_tile tile = {0};
  fm_tuned_drop(u->t, &s->line);
  for (int i = 0; i < s->count; i++) {
    struct fm_tune_bench b;
    bool lost = false;
    s->line.from = i ? s->at[i].in.n : 1;
    enum fm_status status = open_bench(u, &s->at[i], &b);
    if (status == FM_OK) status = try_one(u, &b, &s->line, &row, &tile, &lost);
    fm_tune_close(&b);
    if (status != FM_OK || lost) fm_tuned_drop(u->t, &s->line); /* never half of a shape */
    FM_TRY(status);
    if (lost) break;
  }
  return FM_OK;
}

static enum fm_status try_all(struct tuner *u) {
  struct fm_progress p;
  enum fm_status status = FM_OK;
  fm_progress_begin(&p, u->ctx, "tuning", 0, (long)u->count);
  for (size_t i = 0; status == FM_OK && i < u->count; i++) {
    snprintf(p.detail, sizeof p.detail, "%s", u->shape[i].line.shape);
    status = try_shape(u, &u->shape[i]);
    u->result->shapes += status == FM_OK;
    if (status == FM_OK && u->o->keep) status = u->o->keep(u->o->arg, u->t);
    p.firsts = atomic_load(&u->ctx->firsts); /* compiling is what this work is made of */
    fm_progress_step(&p, 1);
  }
  fm_progress_end(&p);
  return status;
}

enum fm_status fm_tune_run(struct fm_device *d, const struct fm_tune_options *o, struct fm_tuned *t,
                           struct fm_tune_result *result) {
  struct tuner u = {.d = d, .ctx = fm_device_context(d), .o = o, .t = t, .result = result};
  *result = (struct fm_tune_result){0};
  enum fm_status status = collect_all(&u);
  if (o->quick && u.count > QUICK_SHAPES) u.count = QUICK_SHAPES;
  if (status == FM_OK) status = try_all(&u);
  fm_free(u.ctx, u.shape);
  return status;
}
