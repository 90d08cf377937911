/* PatchCore's bank: features of every cell of every good picture that shows the picture itself (not what came
 * in by turning it, data/standard.h), projected to few numbers, a coreset of
 * them, and the chosen ones' full features, kept from the first look where they are few, else from a second
 * look at the pictures.
 *
 * Where it goes on from a model, that one's bank comes before the new pictures' cells. The choice goes on
 * with all of the bank as its members; where its limit leaves no room for more, it begins again among both.
 */
#include "method/patchcore.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "method/taps.h"
#include "op/coreset.h"
#include "op/gemm.h"
#include "op/neighbour.h"
#include "op/order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t KEEP_BYTES = (size_t)1 << 30;

struct member {
  uint32_t point; /* a row of the old bank, or behind those a new cell */
  size_t row;     /* of the bank */
};

struct job {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_train *t;
  int cells, dimensions, width,
      points_width;        /* of a picture; of a feature, in whole blocks; of a projected one */
  size_t old;              /* rows of the bank to go on from */
  size_t points, want;     /* those and all new cells; of the bank */
  size_t taken;            /* new cells so far */
  uint32_t *place;         /* [new cells] picture * cells + cell; NULL: all of them, in that order */
  unsigned char *covered;  /* [cells] */
  struct fm_buffer inside; /* of a batch, the features of cells that are learned from; else `feature` */
  size_t most;             /* bytes of features that are kept */
  bool keep;
  struct fm_patches patches;
  struct fm_buffer feature, map, projected; /* of a batch [cells][width]; [width][points_width]; a batch's */
  struct fm_coreset coreset;
  float *batch, *kept;   /* features of a batch as on the device; of all new cells [..][dimensions] */
  struct member *member; /* by point */
  size_t next;           /* the first of them that has not been met */
  struct fm_weights learned;
};

/* Of the bank to go on from. */
static const float *old_values(const struct job *j, const char *name) {
  const struct fm_weights *w = &j->t->on->learned;
  return w->value + fm_weights_find(w, name)->offset;
}

/* New ones. */
static size_t cells_of(const struct job *j) {
  return j->points - j->old;
}

/* Some cells show nothing of the picture, or what is ignored. */
static bool chooses_cells(const struct job *j) {
  return j->t->standard && fm_standard_chooses(j->t->standard);
}

/* picture * cells + cell of a point that is new. */
static size_t place_of(const struct job *j, size_t point) {
  return j->place ? j->place[point - j->old] : point - j->old;
}

/* ---- sizes ---- */

/* How many features the share of all pictures is, without the limit. */
static size_t share(const struct job *j) {
  const struct fm_model *on = j->t->on;
  size_t pictures = j->t->count + (on ? on->data.learned : 0);
  return (size_t)((double)(pictures * (size_t)j->cells) * j->t->recipe.coreset);
}

static enum fm_status sizes(struct job *j, const struct fm_net *net) {
  const struct fm_recipe *r = &j->t->recipe;
  const struct fm_acts *one = fm_net_tap(net, FM_PATCHCORE_TAP), *two = fm_net_tap(net, FM_PATCHCORE_TAP + 1);
  j->cells = one->h * one->w;
  j->dimensions = fm_patch_dimensions(fm_patchcore_official(r), (int)r->dimensions, one->c, two->c);
  j->width = fm_bank_width(j->d, j->dimensions);
  j->points_width = r->projection > 0 && r->projection < j->dimensions ? (int)r->projection : j->width;
  const struct fm_model *on = j->t->on;
  size_t kept, pictures = j->t->count + (on ? on->data.learned : 0);
  j->old = on ? fm_weights_find(&on->learned, "bank")->shape[0] : 0;
  if (!fm_mul(j->t->count, (size_t)j->cells, &j->points) || !fm_add(j->points, j->old, &j->points) ||
      j->points > INT32_MAX || pictures > 1 << 24)
    return fm_error(j->ctx, FM_LIMIT,
                    "%zu pictures of %d cells are too many for PatchCore; use fewer (--shots)", j->t->count,
                    j->cells);
  j->keep = fm_mul(cells_of(j), (size_t)j->dimensions * sizeof(float), &kept) && kept <= j->most;
  j->want = share(j);
  if (j->want < j->old) j->want = j->old; /* never fewer than there were but for the limit */
  if (j->want < 1) j->want = 1;
  if (r->bank_limit && j->want > (size_t)r->bank_limit) j->want = (size_t)r->bank_limit;
  return FM_OK;
}

static bool projects(const struct job *j) {
  return j->points_width != j->width;
}

static size_t batch_cells(const struct job *j) {
  return (size_t)fm_taps_batch(j->t) * (size_t)j->cells;
}

static enum fm_status make_features(struct job *j, const struct fm_net *net) {
  const struct fm_patch_kind kind = fm_patchcore_kind(&j->t->recipe);
  FM_TRY(fm_patches_make(j->d, fm_net_tap(net, FM_PATCHCORE_TAP), fm_net_tap(net, FM_PATCHCORE_TAP + 1),
                         &kind, false, &j->patches));
  size_t bytes = batch_cells(j) * (size_t)j->width * sizeof(float);
  if (chooses_cells(j)) FM_TRY(fm_buffer_make(j->d, bytes, &j->inside));
  return fm_buffer_make(j->d, bytes, &j->feature);
}

static void free_features(struct job *j) {
  fm_patches_free(j->d, &j->patches);
  fm_buffer_free(j->d, &j->feature);
  fm_buffer_free(j->d, &j->inside);
}

static enum fm_status make_points(struct job *j) {
  FM_TRY(fm_coreset_make(j->d, j->points, j->points_width, &j->coreset));
  if (!projects(j)) return FM_OK;
  size_t columns = (size_t)j->points_width * sizeof(float);
  FM_TRY(fm_buffer_make(j->d, (size_t)j->width * columns, &j->map));
  return fm_buffer_make(j->d, batch_cells(j) * columns, &j->projected);
}

static void free_points(struct job *j) {
  fm_coreset_free(j->d, &j->coreset);
  fm_buffer_free(j->d, &j->map);
  fm_buffer_free(j->d, &j->projected);
}

/* ---- memory ---- */

/* What the host holds, and what the coreset and, right after the fit, the model take. */
static size_t other_bytes(const struct job *j) {
  struct fm_coreset_options o = {.want = j->want};
  size_t row = (size_t)j->dimensions * sizeof(float),
         host = batch_cells(j) * (size_t)j->width * sizeof(float);
  if (j->keep) host += cells_of(j) * row;
  if (chooses_cells(j)) host += cells_of(j) * sizeof *j->place;
  return host + fm_coreset_bytes(j->d, &j->coreset, &o) +
         j->want * (3 * row + FM_SHADOW * sizeof(float) + 4 * sizeof(struct member));
}

static enum fm_status rehearse(struct job *j, const struct fm_backbone *backbone, struct fm_size size,
                               size_t *bytes) {
  struct fm_net *net;
  size_t before = fm_device_live(j->d).bytes;
  FM_TRY(fm_net_make(j->d, backbone, FM_NET_INFER, fm_taps_batch(j->t), size, &j->t->expert->weights, &net));
  size_t net_bytes = fm_device_live(j->d).bytes - before; /* fm_taps_bytes counts it */
  enum fm_status status = sizes(j, net);
  if (status == FM_OK) status = make_features(j, net);
  if (status == FM_OK) status = make_points(j);
  if (status == FM_OK) *bytes = fm_device_live(j->d).bytes - before - net_bytes + other_bytes(j);
  fm_net_free(net);
  free_features(j);
  free_points(j);
  return status;
}

enum fm_status fm_patchcore_memory(struct fm_device *d, const struct fm_train *t, size_t *bytes) {
  struct job j = {.d = d, .ctx = fm_device_context(d), .t = t, .most = KEEP_BYTES};
  const struct fm_backbone *backbone;
  struct fm_preprocess preprocess;
  size_t taps, most = fm_device_facts(d)->max_allocation;
  FM_TRY(fm_backbone_find(j.ctx, t->recipe.backbone, &backbone));
  FM_TRY(fm_recipe_preprocess(j.ctx, &t->recipe, &preprocess));
  FM_TRY(fm_taps_bytes(d, t, &taps));
  fm_device_rehearse(d, true);
  enum fm_status status = rehearse(&j, backbone, fm_preprocess_size(&preprocess), bytes);
  fm_device_rehearse(d, false);
  FM_TRY(status);
  *bytes += taps;
  size_t points = j.points * (size_t)j.points_width * sizeof(float);
  if (most && points > most)
    return fm_error(j.ctx, FM_MEMORY,
                    "the features of %zu pictures take %.0f MiB in one buffer, and '%s' allows %.0f MiB; use "
                    "fewer pictures (--shots) or a smaller --projection",
                    t->count, (double)points / 0x1p20, fm_device_facts(d)->name, (double)most / 0x1p20);
  return FM_OK;
}

/* ---- the first look: projected features ---- */

/* A random linear map as the authors': uniform in +-1/sqrt(D); rows past the last number stay zero. */
static enum fm_status write_map(struct job *j) {
  size_t columns = (size_t)j->points_width, rows = (size_t)j->width;
  struct fm_rng rng = fm_rng_stream((uint64_t)j->t->recipe.seed, "patchcore.projection");
  float *map = fm_alloc(j->ctx, rows * columns, sizeof *map), scale = (float)(1 / sqrt(j->dimensions));
  if (!map) return FM_MEMORY;
  for (size_t i = 0; i < (size_t)j->dimensions * columns; i++)
    map[i] = (2 * fm_rng_uniform_at(&rng, i) - 1) * scale;
  enum fm_status status = fm_buffer_write(j->d, &j->map, 0, map, rows * columns * sizeof *map);
  fm_free(j->ctx, map);
  return status;
}

/* Features are points from `at` on. */
static enum fm_status add_points(struct job *j, const struct fm_buffer *feature, int rows, size_t at) {
  if (projects(j)) FM_TRY(fm_gemm(j->d, rows, j->points_width, j->width, feature, &j->map, &j->projected));
  fm_coreset_add(j->d, &j->coreset, projects(j) ? &j->projected : feature, rows, (int)at);
  return fm_device_status(j->d);
}

/* The bank to go on from as the first points. */
static enum fm_status add_old(struct job *j) {
  size_t dims = (size_t)j->dimensions, width = (size_t)j->width, most = batch_cells(j);
  for (size_t at = 0; at < j->old; at += most) {
    size_t n = j->old - at < most ? j->old - at : most;
    const float *row = old_values(j, "bank") + at * dims;
    memset(j->batch, 0, n * width * sizeof *j->batch);
    for (size_t i = 0; i < n; i++) memcpy(j->batch + i * width, row + i * dims, dims * sizeof *row);
    FM_TRY(fm_buffer_write(j->d, &j->feature, 0, j->batch, n * width * sizeof *j->batch));
    FM_TRY(add_points(j, &j->feature, (int)n, at));
  }
  return FM_OK;
}

static enum fm_status begin_first(struct job *j, const struct fm_net *net) {
  FM_TRY(sizes(j, net));
  FM_TRY(make_features(j, net));
  FM_TRY(make_points(j));
  j->batch = fm_alloc(j->ctx, batch_cells(j) * (size_t)j->width, sizeof *j->batch);
  if (j->keep) j->kept = fm_alloc(j->ctx, cells_of(j) * (size_t)j->dimensions, sizeof *j->kept);
  if (chooses_cells(j)) {
    j->place = fm_alloc(j->ctx, cells_of(j), sizeof *j->place);
    j->covered = fm_alloc(j->ctx, (size_t)j->cells, 1);
    if (!j->place || !j->covered) return FM_MEMORY;
  }
  if (!j->batch || (j->keep && !j->kept)) return FM_MEMORY;
  if (projects(j)) FM_TRY(write_map(j));
  return add_old(j);
}

static enum fm_status read_features(struct job *j, const struct fm_buffer *feature, size_t rows) {
  return fm_buffer_read(j->d, feature, 0, j->batch, rows * (size_t)j->width * sizeof *j->batch);
}

static void run_features(struct job *j, const struct fm_net *net) {
  fm_patches_run(j->d, &j->patches, fm_net_tap(net, FM_PATCHCORE_TAP), fm_net_tap(net, FM_PATCHCORE_TAP + 1),
                 &j->feature);
}

/* The features of cells that show the picture itself, one behind the other: in runs, as they lie in a line.
 */
static enum fm_status gather_inside(struct job *j, const struct fm_taps *taps, size_t *rows) {
  const struct fm_acts *grid = fm_net_tap(taps->net, FM_PATCHCORE_TAP);
  size_t cells = (size_t)j->cells, row = (size_t)j->width * sizeof(float);
  struct fm_preprocess p;
  FM_TRY(fm_train_preprocess(j->ctx, j->t, &p));
  *rows = 0;
  for (size_t i = 0; i < (size_t)taps->count; i++) {
    fm_standard_covered(p.standard, &taps->adjusted[i], fm_preprocess_size(&p), p.size,
                        (struct fm_size){grid->w, grid->h}, j->covered);
    for (size_t q = 0, end; q < cells; q = end + 1) {
      for (end = q; end < cells && j->covered[end]; end++)
        j->place[j->taken + *rows + end - q] = (uint32_t)((taps->first + i) * cells + end);
      if (end > q)
        FM_TRY(fm_buffer_copy(j->d, &j->feature, (i * cells + q) * row, &j->inside, *rows * row,
                              (end - q) * row));
      *rows += end - q;
    }
  }
  return FM_OK;
}

static enum fm_status take_first(void *user, const struct fm_taps *taps) {
  struct job *j = user;
  if (!j->batch) FM_TRY(begin_first(j, taps->net));
  run_features(j, taps->net);
  size_t rows = (size_t)taps->count * (size_t)j->cells, at = j->taken, dims = (size_t)j->dimensions;
  if (chooses_cells(j)) FM_TRY(gather_inside(j, taps, &rows));
  const struct fm_buffer *feature = chooses_cells(j) ? &j->inside : &j->feature;
  if (!rows) return FM_OK;
  j->taken += rows;
  FM_TRY(add_points(j, feature, (int)rows, j->old + at));
  if (!j->keep) return FM_OK;
  FM_TRY(read_features(j, feature, rows));
  for (size_t r = 0; r < rows; r++)
    memcpy(j->kept + (at + r) * dims, j->batch + r * (size_t)j->width, dims * sizeof *j->kept);
  return FM_OK;
}

/* The points are what was learned from. */
static enum fm_status count_points(struct job *j) {
  j->points = j->old + j->taken;
  if (!j->points)
    return fm_error(j->ctx, FM_USAGE,
                    "nothing of these pictures is looked at: in one pose nothing is seen in nearly all of "
                    "them (add --align off), or --ignore covers it");
  if (j->want > j->points) j->want = j->points;
  fm_coreset_trim(j->d, &j->coreset, j->points);
  return FM_OK;
}

/* ---- the choice ---- */

static int by_point(const void *a, const void *b) {
  const struct member *x = a, *y = b;
  return x->point < y->point ? -1 : x->point > y->point;
}

static int draw_starts(const struct job *j, uint32_t start[FM_CORESET_STARTS]) {
  struct fm_rng rng = fm_rng_stream((uint64_t)j->t->recipe.seed, "patchcore.starts");
  int starts = j->points < FM_CORESET_STARTS ? (int)j->points : FM_CORESET_STARTS;
  for (int i = 0; i < starts;) { /* without repetition */
    int k = 0;
    start[i] = (uint32_t)fm_rng_integer(&rng, 0, (int64_t)j->points);
    while (k < i && start[k] != start[i]) k++;
    if (k == i) i++;
  }
  return starts;
}

/* There is room for more than the bank that there is. */
static bool goes_on(const struct job *j) {
  return j->old && j->want > j->old;
}

static void tell(const struct job *j, size_t count) {
  const struct fm_recipe *r = &j->t->recipe;
  if (r->bank_limit && share(j) > (size_t)r->bank_limit)
    fm_note(j->ctx, "note: the bank is cut from %zu to %ld features (--bank-limit)", share(j), r->bank_limit);
  if (j->old && goes_on(j))
    fm_note(j->ctx, "patchcore: %zu features of the new pictures join %zu", count - j->old, j->old);
  if (count < j->want)
    fm_note(j->ctx, "note: the bank has %zu features instead of %zu: all others coincide with one of them",
            count, j->want);
}

static enum fm_status choose(struct job *j, size_t *count) {
  uint32_t start[FM_CORESET_STARTS], *point = fm_alloc(j->ctx, j->want, sizeof *point);
  j->member = fm_alloc(j->ctx, j->want, sizeof *j->member);
  if (!point || !j->member) {
    fm_free(j->ctx, point);
    return FM_MEMORY;
  }
  size_t before = goes_on(j) ? j->old : 0;
  struct fm_coreset_options o = {.start = start,
                                 .starts = before ? 0 : draw_starts(j, start),
                                 .before = before,
                                 .want = j->want - before,
                                 .text = "choosing features"};
  for (size_t i = 0; i < before; i++) point[i] = (uint32_t)i;
  enum fm_status status = fm_coreset_run(j->d, &j->coreset, &o, point + before, count);
  *count += before;
  if (status == FM_OK && *count == 0) { /* all features are the same one */
    point[0] = 0;
    *count = 1;
  }
  if (status == FM_OK) tell(j, *count);
  for (size_t i = 0; i < *count; i++) j->member[i] = (struct member){point[i], i};
  fm_free(j->ctx, point);
  return status;
}

/* ---- the bank ---- */

static enum fm_status make_learned(struct job *j, size_t count) {
  struct fm_weights *w = &j->learned;
  size_t cells = (size_t)j->cells, pictures = j->t->on ? j->t->on->data.learned : 0;
  *w = (struct fm_weights){.ctx = j->ctx};
  FM_TRY(fm_weights_add(w, "bank", 2, (size_t[]){count, (size_t)j->dimensions}, false));
  FM_TRY(fm_weights_add(w, "picture", 1, &count, false));
  FM_TRY(fm_weights_add(w, "cell", 1, &count, false));
  FM_TRY(fm_weights_allocate(w));
  for (size_t i = 0; i < count; i++) {
    size_t point = j->member[i].point;
    bool old = point < j->old;
    size_t place = old ? 0 : place_of(j, point), picture = pictures + place / cells;
    w->value[w->item[1].offset + i] = old ? old_values(j, "picture")[point] : (float)picture;
    w->value[w->item[2].offset + i] = old ? old_values(j, "cell")[point] : (float)(place % cells);
  }
  return FM_OK;
}

static void put(struct job *j, size_t row, const float *feature) {
  memcpy(j->learned.value + j->learned.item[0].offset + row * (size_t)j->dimensions, feature,
         (size_t)j->dimensions * sizeof *feature);
}

/* The second look: members come by point, as the pictures do. */
static enum fm_status take_second(void *user, const struct fm_taps *taps) {
  struct job *j = user;
  size_t begin = taps->first * (size_t)j->cells, rows = (size_t)taps->count * (size_t)j->cells,
         all = j->learned.item[0].shape[0];
  if (!j->feature.mem) FM_TRY(make_features(j, taps->net));
  run_features(j, taps->net);
  FM_TRY(read_features(j, &j->feature, rows));
  for (; j->next < all; j->next++) {
    size_t place = place_of(j, j->member[j->next].point);
    if (place >= begin + rows) break;
    put(j, j->member[j->next].row, j->batch + (place - begin) * (size_t)j->width);
  }
  return FM_OK;
}

/* Rows that are alike come to lie together, which makes searches quick (op/neighbour.h). */
static enum fm_status order_bank(struct job *j, size_t count) {
  enum { TILE = 32 };
  size_t dims = (size_t)j->dimensions, numbers[3] = {dims, 1, 1};
  uint32_t *order = fm_alloc(j->ctx, count, sizeof *order);
  float *before = fm_alloc(j->ctx, count, dims * sizeof *before),
        *bank = j->learned.value + j->learned.item[0].offset;
  enum fm_status status = order && before ? fm_order_rows(j->ctx, bank, count, dims, TILE, order) : FM_MEMORY;
  for (int w = 0; w < 3 && status == FM_OK; w++) { /* bank, picture, cell */
    float *value = j->learned.value + j->learned.item[w].offset;
    size_t n = numbers[w];
    memcpy(before, value, count * n * sizeof *before);
    for (size_t i = 0; i < count; i++) memcpy(value + i * n, before + order[i] * n, n * sizeof *value);
  }
  fm_free(j->ctx, order);
  fm_free(j->ctx, before);
  return status;
}

static enum fm_status fill_bank(struct job *j, size_t count) {
  size_t dims = (size_t)j->dimensions;
  for (size_t i = 0; i < count; i++) {
    size_t point = j->member[i].point;
    if (point < j->old) put(j, i, old_values(j, "bank") + point * dims);
    if (point >= j->old && j->keep) put(j, i, j->kept + (point - j->old) * dims);
  }
  if (j->keep) return FM_OK;
  qsort(j->member, count, sizeof *j->member, by_point);
  while (j->next < count && j->member[j->next].point < j->old) j->next++;
  return fm_taps_run(j->d, j->t, "fetching the chosen features", take_second, j);
}

static enum fm_status learn(struct job *j) {
  size_t count;
  FM_TRY(fm_taps_run(j->d, j->t, "looking at good pictures", take_first, j));
  FM_TRY(count_points(j));
  FM_TRY(choose(j, &count));
  free_features(j);
  free_points(j);
  FM_TRY(make_learned(j, count));
  FM_TRY(fill_bank(j, count));
  return order_bank(j, count);
}

enum fm_status fm_patchcore_fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned) {
  return fm_patchcore_learn(d, t, KEEP_BYTES, learned);
}

enum fm_status fm_patchcore_learn(struct fm_device *d, const struct fm_train *t, size_t keep,
                                  struct fm_weights *learned) {
  struct job j = {.d = d, .ctx = fm_device_context(d), .t = t, .most = keep};
  enum fm_status status = learn(&j);
  free_features(&j);
  free_points(&j);
  fm_free(j.ctx, j.batch);
  fm_free(j.ctx, j.kept);
  fm_free(j.ctx, j.place);
  fm_free(j.ctx, j.covered);
  fm_free(j.ctx, j.member);
  if (status == FM_OK)
    *learned = j.learned;
  else
    fm_weights_free(&j.learned);
  return status;
}
