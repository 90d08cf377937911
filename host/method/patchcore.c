/* PatchCore as a row of the table of detectors: scores, and the way back to the picture. */
#include "method/patchcore.h"

#include "base/memory.h"
#include "method/methods.h"
#include "method/taps.h"
#include "op/neighbour.h"

#include <math.h>
#include <string.h>

static void defaults(struct fm_recipe *r) {
  strcpy(r->resize, "pil");
  strcpy(r->features, "concat");
  r->dimensions = 1024;
  r->fine = 2;
  r->coreset = 0.1;
  r->projection = 128;
  r->neighbours = 1;
  r->learn_all = true;
}

bool fm_patchcore_official(const struct fm_recipe *recipe) {
  return strcmp(recipe->features, "official") == 0;
}

struct fm_patch_kind fm_patchcore_kind(const struct fm_recipe *r) {
  return (struct fm_patch_kind){fm_patchcore_official(r), (int)r->dimensions, r->fine};
}

static enum fm_status check(struct fm_context *ctx, const struct fm_recipe *r) {
  if (strcmp(r->features, "concat") != 0 && !fm_patchcore_official(r))
    return fm_error(ctx, FM_USAGE, "--features %s is not known; there are concat and official", r->features);
  return FM_OK;
}

/* ---- the model ---- */

static const struct fm_weight *tensor(const struct fm_model *m, const char *name, int dims) {
  const struct fm_weight *w = fm_weights_find(&m->learned, name);
  return w && w->dims == dims && w->shape[0] > 0 ? w : NULL;
}

/* Whole numbers from 0 to most - 1. */
static bool all_below(const struct fm_model *m, const struct fm_weight *w, size_t most) {
  const float *v = m->learned.value + w->offset;
  for (size_t i = 0; i < w->count; i++)
    if (!(v[i] >= 0 && v[i] < (float)most && v[i] == floorf(v[i]))) return false;
  return true;
}

static enum fm_status accept(const struct fm_model *m, const char *path) {
  const struct fm_weight *bank = tensor(m, "bank", 2), *picture = tensor(m, "picture", 1),
                         *cell = tensor(m, "cell", 1);
  struct fm_acts tap[FM_TAPS];
  if (m->learned.count != 3 || !bank || !picture || !cell || picture->count != bank->shape[0] ||
      cell->count != bank->shape[0])
    return fm_error(
        m->ctx, FM_FORMAT,
        "'%s' is damaged: PatchCore's tensors patchcore.bank, .picture and .cell are missing or do not fit "
        "together; train it again",
        path);
  FM_TRY(fm_taps_shapes(m->ctx, &m->recipe, tap));
  const struct fm_acts *one = &tap[FM_PATCHCORE_TAP], *two = &tap[FM_PATCHCORE_TAP + 1];
  size_t want = (size_t)fm_patch_dimensions(fm_patchcore_official(&m->recipe), (int)m->recipe.dimensions,
                                            one->c, two->c),
         cells = (size_t)one->h * (size_t)one->w;
  if (bank->shape[1] != want || bank->shape[0] > INT32_MAX)
    return fm_error(m->ctx, FM_FORMAT,
                    "'%s' is damaged: patchcore.bank has rows of %zu numbers, but the network %s gives %zu; "
                    "train it again",
                    path, bank->shape[1], m->recipe.backbone, want);
  if (!all_below(m, picture, fm_model_samples(m)) || !all_below(m, cell, cells))
    return fm_error(m->ctx, FM_FORMAT,
                    "'%s' is damaged: patchcore.picture or .cell points outside %zu pictures of %zu cells; "
                    "train it again",
                    path, fm_model_samples(m), cells);
  return FM_OK;
}

/* ---- scores ---- */

struct own {
  struct fm_patches patches;
  struct fm_bank bank;
  struct fm_search search, around; /* of cells; of the bank's row that a picture's farthest cell is next to */
  struct fm_buffer feature, slope; /* [cells][width] */
  struct fm_buffer row, mean;      /* one of them, for the weight of the picture's score */
  int cells;                       /* of a picture */
};

static const float *bank_of(const struct fm_scorer *s) {
  const struct fm_weights *w = &s->model->learned;
  return w->value + fm_weights_find(w, "bank")->offset;
}

static enum fm_status make_bank(struct fm_scorer *s, struct own *own) {
  const struct fm_recipe *recipe = &s->model->recipe;
  int rows = (int)fm_weights_find(&s->model->learned, "bank")->shape[0];
  int k = (int)recipe->neighbours < rows ? (int)recipe->neighbours : rows,
      b = (int)recipe->reweight < rows ? (int)recipe->reweight : rows;
  FM_TRY(fm_bank_make(s->d, rows, own->patches.dimensions, bank_of(s), &own->bank));
  FM_TRY(fm_search_make(s->d, &own->bank, s->batch * own->cells, k, &own->search));
  if (b < 2) return FM_OK; /* one neighbour has all the weight, and would leave nothing of the score */
  size_t width = (size_t)own->bank.width * sizeof(float);
  FM_TRY(fm_search_make(s->d, &own->bank, 1, b, &own->around));
  FM_TRY(fm_buffer_make(s->d, width, &own->row));
  return fm_buffer_make(s->d, sizeof(float), &own->mean);
}

static enum fm_status begin(struct fm_scorer *s) {
  const struct fm_recipe *recipe = &s->model->recipe;
  struct own *own = s->own = fm_alloc(fm_device_context(s->d), 1, sizeof *own);
  if (!own) return FM_MEMORY;
  FM_TRY(fm_scorer_net(s, 0, &s->model->expert.weights));
  const struct fm_acts *tap = fm_net_tap(s->net[0], FM_PATCHCORE_TAP);
  s->height = tap->h;
  s->width = tap->w;
  own->cells = tap->h * tap->w;
  const struct fm_patch_kind kind = fm_patchcore_kind(recipe);
  FM_TRY(fm_patches_make(s->d, tap, fm_net_tap(s->net[0], FM_PATCHCORE_TAP + 1), &kind, s->gradient,
                         &own->patches));
  size_t bytes, cells = (size_t)s->batch * (size_t)own->cells;
  if (!fm_mul(cells, (size_t)own->patches.width * sizeof(float), &bytes))
    return fm_error(fm_device_context(s->d), FM_LIMIT, "features of %zu cells are too many", cells);
  FM_TRY(fm_buffer_make(s->d, bytes, &own->feature));
  if (s->gradient) FM_TRY(fm_buffer_make(s->d, bytes, &own->slope));
  return make_bank(s, own);
}

static void end(struct fm_scorer *s) {
  struct own *own = s->own;
  if (!own) return;
  struct fm_buffer *const buffer[] = {&own->feature, &own->slope, &own->row, &own->mean};
  fm_patches_free(s->d, &own->patches);
  fm_bank_free(s->d, &own->bank);
  fm_search_free(s->d, &own->search);
  fm_search_free(s->d, &own->around);
  for (size_t i = 0; i < sizeof buffer / sizeof *buffer; i++) fm_buffer_free(s->d, buffer[i]);
  fm_free(fm_device_context(s->d), own);
}

static enum fm_status attend(struct fm_scorer *s, int count, const int *cell) {
  struct own *own = s->own;
  return fm_search_only(s->d, &own->search, count, cell);
}

/* Rows that came from the picture at hand are passed over. */
static enum fm_status without(struct fm_scorer *s) {
  struct own *own = s->own;
  struct fm_context *ctx = fm_device_context(s->d);
  const struct fm_weights *w = &s->model->learned;
  const float *picture = w->value + fm_weights_find(w, "picture")->offset;
  if (s->without < 0) return fm_bank_hide(s->d, &own->bank, NULL);
  int left = 0, need = own->around.k > own->search.k ? own->around.k : own->search.k;
  bool *hidden = fm_alloc(ctx, (size_t)own->bank.rows, sizeof *hidden);
  if (!hidden) return FM_MEMORY;
  for (int i = 0; i < own->bank.rows; i++) left += !(hidden[i] = (int)picture[i] == s->without);
  enum fm_status status = FM_OK;
  if (left < need)
    status = fm_error(ctx, FM_USAGE, "the bank has too few features without those of a picture (%d of %d)",
                      left, own->bank.rows);
  else
    status = fm_bank_hide(s->d, &own->bank, hidden);
  fm_free(ctx, hidden);
  return status;
}

enum fm_status fm_patchcore_neighbours(struct fm_scorer *s, int *index) {
  const struct own *own = s->own;
  return fm_buffer_read(s->d, &own->search.index, 0, index,
                        (size_t)s->n * (size_t)own->cells * (size_t)own->search.k * sizeof *index);
}

static float factor_of(const struct own *own) {
  return 1.0f / (float)own->patches.dimensions;
}

/* e = mean over the neighbours of |f - m|^2 / D. */
static void cells(struct fm_scorer *s) {
  struct own *own = s->own;
  fm_patches_run(s->d, &own->patches, fm_net_tap(s->net[0], FM_PATCHCORE_TAP),
                 fm_net_tap(s->net[0], FM_PATCHCORE_TAP + 1), &own->feature);
  fm_search_run(s->d, &own->bank, &own->search, s->n * own->cells, &own->feature, factor_of(own), &s->cells);
}

/* de/df = 2 (f - m) / D, the neighbours fixed; tap 1 (stride 4) is not looked at. */
static void back(struct fm_scorer *s) {
  struct own *own = s->own;
  fm_search_back(s->d, &own->bank, &own->search, s->n * own->cells, &own->feature, factor_of(own), &s->slope,
                 &own->slope);
  for (int i = 0; i < FM_PATCHCORE_TAP; i++)
    fm_buffer_fill(s->d, &fm_net_tap_gradient(s->net[0], i)->buffer, 0);
  fm_patches_back(s->d, &own->patches, &own->slope, fm_net_tap_gradient(s->net[0], FM_PATCHCORE_TAP),
                  fm_net_tap_gradient(s->net[0], FM_PATCHCORE_TAP + 1));
}

static double distance_of(const float *a, const float *b, int count) {
  double sum = 0;
  for (int i = 0; i < count; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
  return sqrt(sum);
}

/* The paper's equation 7: 1 - softmax over the b rows nearest to the cell's own neighbour m, of their
 * distances to the cell's feature, at m. The largest distance is taken out of the exponents. */
static enum fm_status weight_of(struct fm_scorer *s, int cell, double *weight) {
  struct own *own = s->own;
  struct fm_context *ctx = fm_device_context(s->d);
  int row, around[FM_NEIGHBOURS], b = own->around.k, dims = own->bank.dimensions;
  size_t width = (size_t)own->bank.width * sizeof(float), k = (size_t)own->search.k;
  float *f = fm_alloc(ctx, (size_t)own->bank.width, sizeof *f);
  if (!f) return FM_MEMORY;
  enum fm_status status =
      fm_buffer_read(s->d, &own->search.index, (size_t)cell * k * sizeof row, &row, sizeof row);
  if (status == FM_OK) status = fm_buffer_read(s->d, &own->feature, (size_t)cell * width, f, width);
  if (status == FM_OK)
    status = fm_buffer_copy(s->d, &own->bank.row, (size_t)row * width, &own->row, 0, width);
  if (status == FM_OK) fm_search_run(s->d, &own->bank, &own->around, 1, &own->row, 1, &own->mean);
  if (status == FM_OK)
    status = fm_buffer_read(s->d, &own->around.index, 0, around, (size_t)b * sizeof *around);
  if (status == FM_OK) {
    double distance[FM_NEIGHBOURS], most = 0, sum = 0,
                                    own_one = distance_of(f, bank_of(s) + (size_t)row * (size_t)dims, dims);
    for (int i = 0; i < b; i++) {
      distance[i] = distance_of(f, bank_of(s) + (size_t)around[i] * (size_t)dims, dims);
      most = fmax(most, distance[i]);
    }
    for (int i = 0; i < b; i++) sum += exp(distance[i] - most);
    *weight = 1 - exp(own_one - most) / sum;
  }
  fm_free(ctx, f);
  return status;
}

/* The farthest of the cells that count; -1: none does. */
static int farthest(const float *e, int cells, const unsigned char *covered) {
  int far = -1;
  for (int q = 0; q < cells; q++)
    if ((!covered || covered[q]) && (far < 0 || !(e[q] <= e[far]))) far = q; /* a NaN stays visible */
  return far;
}

/* The farthest cell's distance as the map shows it, before enlarging and smoothing; 0 where none counts. */
static enum fm_status picture(struct fm_scorer *s, int n, const float *maps, float *scores) {
  struct own *own = s->own;
  struct fm_context *ctx = fm_device_context(s->d);
  size_t count = (size_t)own->cells;
  (void)maps;
  float *e = fm_alloc(ctx, count, sizeof *e);
  unsigned char *covered = fm_alloc(ctx, count, 1);
  enum fm_status status = e && covered ? FM_OK : FM_MEMORY;
  for (int i = 0; i < n && status == FM_OK; i++) {
    double weight = 1;
    bool some = fm_scorer_covered(s, i, (struct fm_size){s->width, s->height}, covered);
    status = fm_buffer_read(s->d, &s->cells, (size_t)i * count * sizeof *e, e, count * sizeof *e);
    int far = farthest(e, own->cells, some ? covered : NULL);
    if (status == FM_OK && far >= 0 && own->around.k) status = weight_of(s, i * own->cells + far, &weight);
    double most = far < 0 ? 0 : (double)e[far];
    scores[i] = (float)(weight * (s->method->root ? sqrt(most) : most));
  }
  fm_free(ctx, e);
  fm_free(ctx, covered);
  return status;
}

const struct fm_method fm_method_patchcore = {.name = "patchcore",
                                              .about = "distances to features of good parts",
                                              .prefix = "patchcore.",
                                              .bit = FM_PATCHCORE,
                                              .root = true,
                                              .anywhere = true,
                                              .defaults = defaults,
                                              .check = check,
                                              .memory = fm_patchcore_memory,
                                              .fit = fm_patchcore_fit,
                                              .accept = accept,
                                              .begin = begin,
                                              .end = end,
                                              .cells = cells,
                                              .attend = attend,
                                              .back = back,
                                              .without = without,
                                              .without_from = 120,
                                              .picture = picture};
