/* The self-test's rows of what detects: CDO's loss, maps, PatchCore, CFLOW-AD; and the bench. (PaDiM:
 * check_padim.c.) */
#include "op/coreset.h"
#include "op/flow.h"
#include "op/gemm.h"
#include "op/lanes.h"
#include "op/loss.h"
#include "op/map.h"
#include "op/neighbour.h"
#include "op/patch.h"
#include "op/selfcheck.h"

#include "base/memory.h"

#include <limits.h>

/* ---- CDO ---- */

/* A tap half as large as the grid, so that it is resized while it is read. */
static enum fm_status cdo_run(struct fm_trial *t, struct fm_loss_scratch *scratch,
                              struct fm_unit_pair *pair) {
  enum { N = 2, C = 20, H = 6, W = 8, SIDE = 16 };
  const struct fm_trial_shape tap = {N, C, H / 2, W / 2, 1}, flat = {N, C, H / 2, W / 2, 0};
  struct fm_acts e, a, de, da;
  struct fm_buffer mask, result, slope;
  FM_TRY(fm_trial_tensor(t, "expert", tap, &e));
  FM_TRY(fm_trial_tensor(t, "apprentice", tap, &a));
  FM_TRY(fm_trial_blank(t, flat, &de));
  FM_TRY(fm_trial_blank(t, flat, &da));
  FM_TRY(fm_trial_bytes(t, "mask", (size_t)N * SIDE * SIDE, &mask));
  FM_TRY(fm_trial_room(t, 4, &result));
  FM_TRY(fm_trial_numbers(t, "slope", (size_t)N * H * W, &slope));
  FM_TRY(fm_loss_scratch_make(t->d, N, H, W, scratch));
  FM_TRY(fm_unit_pair_make(t->d, &e, pair));
  unsigned char half[N * SIDE * SIDE]; /* every other row is flawed */
  for (int i = 0; i < N * SIDE * SIDE; i++) half[i] = i / SIDE % 4 < 2;
  FM_TRY(fm_buffer_write(t->d, &mask, 0, half, sizeof half));
  fm_loss_tap_twice(t->d, &(struct fm_loss_options){2, true}, &e, &a, H, W, &mask, SIDE, SIDE, scratch, pair,
                    &result, &da);
  FM_TRY(
      fm_trial_rows_are(t, "the discrepancy", &scratch->distance, N, H * W, H * W, 0.297114316, 19.8105497));
  FM_TRY(fm_trial_rows_are(t, "CDO's loss", &result, 1, 4, 4, 1.12967435, 2.99358349));
  FM_TRY(fm_trial_tensor_is(t, "CDO's gradient", &da, -0.0239815624, 0.204871427));
  fm_discrepancy_back(t->d, &e, &a, H, W, &slope, scratch, &de, &da);
  FM_TRY(fm_trial_tensor_is(t, "the discrepancy's gradient to the expert", &de, -5.655376, 4.60187663));
  FM_TRY(fm_trial_tensor_is(t, "the discrepancy's gradient to the apprentice", &da, 1.92889425, 4.44006672));
  fm_discrepancy(t->d, &e, &a, H, W, true, &scratch->distance, NULL, NULL);
  return fm_trial_rows_are(t, "discrepancies added up", &scratch->distance, N, H * W, H * W, 0.525383822,
                           39.6844189);
}

static enum fm_status cdo(struct fm_trial *t) {
  struct fm_loss_scratch scratch = {0};
  struct fm_unit_pair pair = {0};
  enum fm_status status = cdo_run(t, &scratch, &pair);
  fm_unit_pair_free(t->d, &pair);
  fm_loss_scratch_free(t->d, &scratch);
  return status;
}
const struct fm_selfcheck fm_check_cdo = {"cdo", cdo};

/* ---- maps ---- */

/* Two radii: of a wide one a CPU makes rows pixel by pixel. */
static enum fm_status smooth(struct fm_trial *t, const struct fm_buffer *y, int n, int h, int w) {
  static const struct {
    const char *what;
    double sigma, along, size;
  } cases[] = {{"smoothing a map", 1.5, 16.0249646, 22.1485901},
               {"smoothing a map widely", 13, 0.695055001, 4.49746933}};
  size_t count = (size_t)(n * h * w);
  struct fm_buffer scratch;
  FM_TRY(fm_trial_room(t, count, &scratch));
  for (int i = 0; i < 2; i++) {
    struct fm_gaussian g;
    FM_TRY(fm_gaussian_make(t->d, cases[i].sigma, &g));
    fm_gaussian_run(t->d, &g, y, &scratch, n, h, w);
    enum fm_status status =
        fm_trial_rows_are(t, cases[i].what, y, 1, count, count, cases[i].along, cases[i].size);
    fm_gaussian_free(t->d, &g);
    FM_TRY(status);
  }
  return FM_OK;
}

static enum fm_status map(struct fm_trial *t) {
  enum { N = 2, H = 6, W = 7, HO = 21, WO = 90, COUNT = N * HO * WO };
  struct fm_buffer x, y;
  FM_TRY(fm_trial_numbers(t, "x", N * H * W, &x));
  FM_TRY(fm_trial_room(t, COUNT, &y));
  fm_enlarge(t->d, &x, N, H, W, &y, HO, WO);
  FM_TRY(fm_trial_rows_are(t, "enlarging a map", &y, 1, COUNT, COUNT, 19.2932892, 26.0694992));
  FM_TRY(smooth(t, &y, N, HO, WO));
  fm_root(t->d, &y, N, HO, WO, &y);
  return fm_trial_rows_are(t, "the root of a map", &y, 1, COUNT, COUNT, -6.06292418, 10.0852846);
}
const struct fm_selfcheck fm_check_map = {"map", map};

/* ---- PatchCore ---- */

enum { ROWS = 70, DIMENSIONS = 30, WIDTH = 32 }; /* WIDTH: DIMENSIONS in whole blocks of every class */

/* Rows drawn from around +- scale, zero past their dimensions. */
static enum fm_status draw_rows(struct fm_trial *t, const char *name, int rows, float scale, float around,
                                struct fm_buffer *b) {
  size_t count = (size_t)rows * WIDTH;
  float *v = fm_trial_draw(t, name, count);
  enum fm_status status = v ? fm_trial_room(t, count, b) : FM_MEMORY;
  for (size_t i = 0; v && i < count; i++) v[i] = i % WIDTH < DIMENSIONS ? around + scale * v[i] : 0;
  if (status == FM_OK) status = fm_buffer_write(t->d, b, 0, v, count * sizeof *v);
  fm_free(t->ctx, v);
  return status;
}

/* Packed from row 3 on: number k of row r is at [r / lanes][k][r % lanes]. */
static enum fm_status lanes_run(struct fm_trial *t, const struct fm_buffer *packed) {
  struct fm_buffer rows;
  const size_t lanes = (size_t)fm_lanes(t->d), count = packed->bytes / sizeof(float);
  FM_TRY(draw_rows(t, "rows", ROWS, 1, 0, &rows));
  fm_lanes_pack(t->d, &rows, ROWS, WIDTH, 3, packed);
  float *p = fm_alloc(t->ctx, count, sizeof *p), *v = fm_alloc(t->ctx, (ROWS + 3) * WIDTH, sizeof *v);
  enum fm_status status = p && v ? fm_buffer_read(t->d, packed, 0, p, count * sizeof *p) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < (ROWS + 3) * WIDTH; i++)
    v[i] = p[(i / WIDTH / lanes * WIDTH + i % WIDTH) * lanes + i / WIDTH % lanes];
  if (status == FM_OK)
    status = fm_trial_compare(t, "rows side by side", v, (ROWS + 3) * WIDTH, 14.3019523, 26.4244284);
  fm_free(t->ctx, p);
  fm_free(t->ctx, v);
  return status;
}

static enum fm_status lanes(struct fm_trial *t) {
  struct fm_buffer packed;
  FM_TRY(fm_lanes_make(t->d, ROWS + 3, WIDTH, 1, &packed, NULL));
  enum fm_status status = lanes_run(t, &packed);
  fm_buffer_free(t->d, &packed);
  return status;
}
const struct fm_selfcheck fm_check_lanes = {"lanes", lanes};

/* By row: they lie side by side, and a box around all holds the places past the last one, too. */
static enum fm_status shadow_run(struct fm_trial *t, const struct fm_buffer *packed, int groups,
                                 struct fm_shadow *s, struct fm_buffer *box) {
  struct fm_buffer rows;
  const size_t lanes = (size_t)fm_lanes(t->d), count = (size_t)groups * lanes * FM_SHADOW;
  FM_TRY(draw_rows(t, "rows", ROWS, 1, 0, &rows));
  fm_lanes_pack(t->d, &rows, ROWS, WIDTH, 0, packed);
  FM_TRY(fm_shadow_make(t->d, packed, groups, ROWS, WIDTH, s));
  FM_TRY(fm_shadow_boxes(t->d, s, groups, 1, box));
  float *p = fm_alloc(t->ctx, count, sizeof *p), v[ROWS * FM_SHADOW];
  enum fm_status status = p ? fm_buffer_read(t->d, &s->rows, 0, p, count * sizeof *p) : FM_MEMORY;
  for (size_t i = 0; status == FM_OK && i < ROWS * FM_SHADOW; i++)
    v[i] = p[(i / FM_SHADOW / lanes * FM_SHADOW + i % FM_SHADOW) * lanes + i / FM_SHADOW % lanes];
  fm_free(t->ctx, p);
  if (status == FM_OK) status = fm_trial_compare(t, "shadows", v, ROWS * FM_SHADOW, 0.716636527, 23.1398296);
  if (status != FM_OK) return status;
  return fm_trial_rows_are(t, "boxes around shadows", box, 1, 2 * FM_SHADOW, 2 * FM_SHADOW, -5.84060804,
                           9.29056967);
}

static enum fm_status shadow(struct fm_trial *t) {
  struct fm_buffer packed, box = {0};
  struct fm_shadow s = {0};
  int groups;
  FM_TRY(fm_lanes_make(t->d, ROWS, WIDTH, 1, &packed, &groups));
  enum fm_status status = shadow_run(t, &packed, groups, &s, &box);
  fm_shadow_free(t->d, &s);
  fm_buffer_free(t->d, &packed);
  fm_buffer_free(t->d, &box);
  return status;
}
const struct fm_selfcheck fm_check_shadow = {"shadow", shadow};

static enum fm_status coreset_run(struct fm_trial *t, struct fm_coreset *c) {
  enum { WANT = 21 };
  const struct fm_coreset_options o = {
      .start = (const uint32_t[]){5, 44, 61}, .starts = 3, .want = WANT, .text = NULL};
  uint32_t member[WANT];
  size_t count;
  struct fm_buffer rows;
  FM_TRY(draw_rows(t, "rows", ROWS, 0.1f, 0.3f, &rows)); /* distances far below 1, as features have them */
  fm_coreset_add(t->d, c, &rows, ROWS, 0);
  FM_TRY(fm_coreset_run(t->d, c, &o, member, &count));
  float chosen[WANT] = {0};
  for (size_t i = 0; i < count; i++) chosen[i] = (float)member[i];
  FM_TRY(fm_trial_compare(t, "a coreset", chosen, WANT, 120.695485, 187.803088));
  float distance[ROWS];
  FM_TRY(fm_coreset_distances(t->d, c, distance));
  return fm_trial_compare(t, "distances to a coreset", distance, ROWS, -0.320224992, 0.865883304);
}

static enum fm_status coreset(struct fm_trial *t) {
  struct fm_coreset c;
  FM_TRY(fm_coreset_make(t->d, ROWS, WIDTH, &c));
  enum fm_status status = coreset_run(t, &c);
  /* A choice that cannot end well is a wrong answer of these kernels, too. */
  if (status == FM_NUMERIC) {
    fm_error_clear(t->ctx);
    status = fm_trial_compare(t, "a coreset", &(float){0}, 1, 1, 1);
  }
  fm_coreset_free(t->d, &c);
  return status;
}
const struct fm_selfcheck fm_check_coreset = {"coreset", coreset};

/* With one neighbour and with several; every other query anew. */
static enum fm_status search(struct fm_trial *t, const struct fm_bank *bank, int k, bool tiled,
                             const char *const what[3], const double answer[6]) {
  enum { QUERIES = 19 };
  struct fm_search s;
  struct fm_buffer x, mean, slope, dx;
  const size_t found = (size_t)QUERIES * (size_t)k;
  FM_TRY(draw_rows(t, "queries", QUERIES, 0.4f, 0.5f, &x));
  FM_TRY(fm_trial_room(t, QUERIES, &mean));
  FM_TRY(fm_trial_numbers(t, "slope", QUERIES, &slope));
  FM_TRY(fm_trial_room(t, (size_t)QUERIES * WIDTH, &dx));
  FM_TRY(fm_search_make(t->d, bank, QUERIES, k, &s));
  if (tiled && !s.tiled) {
    fm_search_free(t->d, &s);
    return FM_OK;
  }
  if (s.tiled) s.tiled = tiled ? 1 : INT_MAX;
  fm_search_run(t->d, bank, &s, QUERIES, &x, 0.5f, &mean);
  enum fm_status status = fm_trial_ints_are(t, what[0], &s.index, found, answer[0], answer[1]);
  if (status == FM_OK)
    status = fm_trial_rows_are(t, what[1], &mean, 1, QUERIES, QUERIES, answer[2], answer[3]);
  fm_search_back(t->d, bank, &s, QUERIES, &x, 0.5f, &slope, &dx);
  if (status == FM_OK)
    status = fm_trial_rows_are(t, what[2], &dx, QUERIES, WIDTH, DIMENSIONS, answer[4], answer[5]);
  fm_search_free(t->d, &s);
  return status;
}

/* A bank so large that it is searched in two parts; with its tiles' bounds, and every row. Rows lie in
 * places, so that most tiles can be left out; some of the last ones lie between the places, as queries do. */
static enum fm_status neighbour(struct fm_trial *t) {
  enum { BANK = 4700, PLACE = 64, PLACES = 11, LAST = 4300, BETWEEN = 97 };
  struct fm_bank bank;
  float *rows = fm_trial_draw(t, "bank", BANK * DIMENSIONS);
  for (int i = 0; rows && i < BANK * DIMENSIONS; i++) {
    int row = i / DIMENSIONS, at = (row / PLACE * 7 + i % DIMENSIONS * 5) % PLACES;
    rows[i] = 0.2f * rows[i] + (row > LAST && row % BETWEEN == 0 ? 0.5f : (float)at / PLACES);
  }
  enum fm_status status = rows ? fm_bank_make(t->d, BANK, DIMENSIONS, rows, &bank) : FM_MEMORY;
  fm_free(t->ctx, rows);
  FM_TRY(status);
  for (int way = 0; way < 3 && status == FM_OK;
       way++) { /* with bounds, where there are such; without; by tiles */
    status = search(t, &bank, 1, way == 2,
                    (const char *const[]){"the nearest row", "its distance", "that distance's gradient"},
                    (const double[]){15549.551, 19131.967, 2.96427484, 3.66520933, 1.08615139, 3.33266493});
    if (way && status == FM_OK)
      status =
          search(t, &bank, 3, way == 2,
                 (const char *const[]){"the nearest rows", "their mean distance", "that mean's gradient"},
                 (const double[]){12232.3027, 31866.5027, 3.25382624, 4.01241975, 0.21045215, 3.07180338});
    bank.families = 0;
  }
  fm_bank_free(t->d, &bank);
  return status;
}
const struct fm_selfcheck fm_check_neighbour = {"neighbour", neighbour};

static enum fm_status patch_run(struct fm_trial *t, const struct fm_patches *p, const struct fm_acts *tap) {
  const size_t cells = 2 * (size_t)p->h * (size_t)p->w, width = (size_t)p->width,
               used = (size_t)p->dimensions;
  struct fm_buffer feature;
  FM_TRY(fm_trial_room(t, cells * width, &feature));
  fm_patches_run(t->d, p, &tap[0], &tap[1], &feature);
  FM_TRY(fm_trial_rows_are(t, "features of cells", &feature, cells, width, used, 4.76976264, 11.250383));
  fm_patches_back(t->d, p, &feature, &tap[2], &tap[3]); /* the slope's numbers are as good as any */
  FM_TRY(fm_trial_tensor_is(t, "the features' gradient to a tap", &tap[2], -1.70876074, 4.26168733));
  return fm_trial_tensor_is(t, "the features' gradient to a smaller tap", &tap[3], -2.43774552, 16.324289);
}

static enum fm_status patch(struct fm_trial *t) {
  const struct fm_trial_shape one = {2, 18, 6, 8, 1}, two = {2, 7, 3, 4, 0};
  struct fm_patches p;
  struct fm_acts tap[4];
  FM_TRY(fm_trial_tensor(t, "tap1", one, &tap[0]));
  FM_TRY(fm_trial_tensor(t, "tap2", two, &tap[1]));
  FM_TRY(fm_trial_blank(t, one, &tap[2]));
  FM_TRY(fm_trial_blank(t, two, &tap[3]));
  FM_TRY(fm_patches_make(t->d, &tap[0], &tap[1], &(struct fm_patch_kind){.official = true, .dimensions = 37},
                         true, &p));
  enum fm_status status = patch_run(t, &p, tap);
  fm_patches_free(t->d, &p);
  return status;
}
const struct fm_selfcheck fm_check_patch = {"patch", patch};

/* ---- CFLOW-AD ---- */

/* Every row; what lies behind a row of A is no part of it. */
static enum fm_status gemm(struct fm_trial *t) {
  enum { M = 21, COLUMNS = 44, K = 19, ROW = 20 };
  struct fm_buffer a, b, c;
  FM_TRY(fm_trial_numbers(t, "a", M * ROW, &a));
  FM_TRY(fm_trial_numbers(t, "b", K * COLUMNS, &b));
  FM_TRY(fm_trial_room(t, M * COLUMNS, &c));
  const struct fm_product p = {
      .m = M, .n = COLUMNS, .k = K, .a = {&a, 0, ROW, 0}, .b = {&b, 0, COLUMNS, 0}, .c = {&c, 0, COLUMNS, 0}};
  const struct fm_product_row *row;
  for (int i = 0; (row = fm_product_row_at(i)); i++) {
    if (!row->fits(fm_device_facts(t->d), &p)) continue;
    row->run(t->d, &p);
    FM_TRY(fm_trial_rows_are(t, "a matrix product", &c, 1, M * COLUMNS, M * COLUMNS, 4.2192003, 46.7484286));
  }
  return FM_OK;
}
const struct fm_selfcheck fm_check_gemm = {"gemm", gemm};

enum { FLOW_CHANNELS = 21, FLOW_BLOCKS = 2, FLOW_SIDE = 4, FLOW_ROWS = FLOW_SIDE * FLOW_SIDE };

/* Drawn parameters of a flow, a permutation or a matrix between its blocks behind them. */
struct flow_numbers {
  struct fm_flow_block block[FLOW_BLOCKS];
  float *all;
  size_t trained; /* of `all` */
};

static enum fm_status draw_flow(struct fm_trial *t, const struct fm_flow_shape *s, struct flow_numbers *n) {
  const size_t c = FLOW_CHANNELS, half = c / 2, in = c - half + (size_t)s->condition,
               count[] = {2 * in * in, 2 * in, 4 * half * in, 2 * half, c, c};
  for (int i = 0; i < 6; i++) n->trained += count[i] * FLOW_BLOCKS;
  n->all = fm_trial_draw(t, "flow", n->trained + c * c * FLOW_BLOCKS);
  if (!n->all) return FM_MEMORY;
  float *at = n->all, *mixing = n->all + n->trained;
  for (int k = 0; k < FLOW_BLOCKS; k++, mixing += c * c) {
    struct fm_flow_block *b = &n->block[k];
    float **const kinds[] = {&b->w1, &b->b1, &b->w2, &b->b2, &b->scale, &b->offset};
    for (int i = 0; i < 6; at += count[i++]) *kinds[i] = at;
    for (size_t i = 0; i < count[0]; i++) b->w1[i] *= 0.3f;
    for (size_t i = 0; i < count[2]; i++) b->w2[i] *= 0.3f;
    for (size_t i = 0; i < c; i++) b->scale[i] += 9;
    for (size_t i = 0; i < c * c; i++) mixing[i] = s->mixing ? 0.3f * mixing[i] : (float)(i * 8 % c);
    b->mixing = mixing;
  }
  return FM_OK;
}

static enum fm_status flow_gradient_is(struct fm_trial *t, const struct fm_flow *f, struct flow_numbers *n,
                                       const char *what, double along, double size) {
  size_t count = fm_flow_count(f);
  float *packed = fm_alloc(t->ctx, count, sizeof *packed);
  enum fm_status status =
      packed ? fm_buffer_read(t->d, fm_flow_gradient(f), 0, packed, count * sizeof *packed) : FM_MEMORY;
  for (int k = 0; status == FM_OK && k < FLOW_BLOCKS; k++) fm_flow_unpack(f, k, packed, &n->block[k]);
  fm_free(t->ctx, packed);
  return status == FM_OK ? fm_trial_compare(t, what, n->all, n->trained, along, size) : status;
}

struct flow_answer {
  const char *what;
  double along, size;
};

/* Likelihoods, a step of training, the fibres' gradient. */
static enum fm_status flow_run(struct fm_trial *t, struct fm_flow *f, const struct fm_flow_shape *s,
                               struct flow_numbers *n, const struct flow_answer answer[3]) {
  const struct fm_trial_shape shape = {1, FLOW_CHANNELS, FLOW_SIDE, FLOW_SIDE, 1};
  const size_t width = (size_t)fm_flow_width(t->d, s);
  struct fm_acts tap, back;
  struct fm_buffer fibres, place, list, l, slope, rows;
  int places[FLOW_ROWS], lists[4 * FLOW_ROWS + 4 * FLOW_SIDE + 4];
  for (int i = 0; i < FLOW_ROWS; i++) places[i] = (i * 5 + 3) % FLOW_ROWS;
  fm_flow_list(s, places, FLOW_ROWS, lists);
  FM_TRY(fm_trial_tensor(t, "tap", shape, &tap));
  FM_TRY(fm_trial_blank(t, shape, &back));
  FM_TRY(fm_trial_ints(t, FLOW_ROWS, places, &place));
  FM_TRY(fm_trial_ints(t, fm_flow_list_count(s, FLOW_ROWS), lists, &list));
  FM_TRY(fm_trial_room(t, FLOW_ROWS * width, &fibres));
  FM_TRY(fm_trial_room(t, FLOW_ROWS * width, &rows));
  FM_TRY(fm_trial_room(t, FLOW_ROWS + 1, &l));
  FM_TRY(fm_trial_numbers(t, "slope", FLOW_ROWS, &slope));
  fm_flow_prepare(f);
  fm_flow_take(f, &tap, 0, 1, &fibres, 0);
  fm_flow_score(f, &fibres, &place, 0, FLOW_ROWS, &l);
  fm_flow_step(f, &fibres, &place, 0, FLOW_ROWS, &list, 0, &l, FLOW_ROWS);
  FM_TRY(fm_trial_rows_are(t, answer[0].what, &l, 1, FLOW_ROWS + 1, FLOW_ROWS + 1, answer[0].along,
                           answer[0].size));
  FM_TRY(flow_gradient_is(t, f, n, answer[1].what, answer[1].along, answer[1].size));
  fm_flow_back(f, &fibres, &place, 0, FLOW_ROWS, &slope, &rows);
  fm_flow_give(f, &rows, &back);
  return fm_trial_tensor_is(t, answer[2].what, &back, answer[2].along, answer[2].size);
}

static enum fm_status one_flow(struct fm_trial *t, bool mixing, const struct flow_answer answer[3]) {
  const struct fm_flow_shape shape = {FLOW_CHANNELS, FLOW_SIDE, FLOW_SIDE, FLOW_BLOCKS, 8, 1.9f, mixing};
  struct flow_numbers n = {0};
  struct fm_flow *f = NULL;
  enum fm_status status = draw_flow(t, &shape, &n);
  if (status == FM_OK) status = fm_flow_make(t->d, &shape, FM_FLOW_TRAIN, FLOW_ROWS, n.block, &f);
  if (status == FM_OK) status = flow_run(t, f, &shape, &n, answer);
  fm_flow_free(f);
  fm_free(t->ctx, n.all);
  return status;
}

static enum fm_status flow(struct fm_trial *t) {
  enum { COUNT = 37 };
  struct fm_buffer l, e, p, slope;
  FM_TRY(one_flow(t, true,
                  (const struct flow_answer[]){{"likelihoods", -2.69442794, 5.45784041},
                                               {"their gradient", 0.0235073743, 0.173419784},
                                               {"the fibres' gradient", -0.306231108, 0.328439825}}));
  FM_TRY(one_flow(
      t, false,
      (const struct flow_answer[]){{"likelihoods with a permutation", -3.2546556, 6.18592554},
                                   {"their gradient with a permutation", -0.200076779, 0.194282317},
                                   {"the fibres' gradient with a permutation", -0.433133533, 0.446388375}}));
  FM_TRY(fm_trial_numbers(t, "l", COUNT, &l));
  FM_TRY(fm_trial_room(t, COUNT, &e));
  FM_TRY(fm_trial_room(t, COUNT, &p));
  FM_TRY(fm_trial_room(t, COUNT, &slope));
  fm_flow_excess(t->d, &l, COUNT, 0.5f, &e);
  FM_TRY(fm_trial_rows_are(t, "scores of cells", &e, 1, COUNT, COUNT, -2.58633057, 4.79241964));
  fm_flow_unlikely(t->d, &l, COUNT, 0.5f, &p);
  FM_TRY(fm_trial_rows_are(t, "unlikely cells", &p, 1, COUNT, COUNT, -1.38105594, 2.85588965));
  fm_flow_excess_back(t->d, &l, &p, COUNT, 0.5f, &slope);
  return fm_trial_rows_are(t, "the scores' gradient", &slope, 1, COUNT, COUNT, 1.38105594, 2.85588965);
}
const struct fm_selfcheck fm_check_flow = {"flow", flow};

/* ---- the bench ---- */

static enum fm_status bench(struct fm_trial *t) {
  enum { ITEMS = 256 }; /* whole groups of every class */
  const size_t block = (size_t)fm_device_facts(t->d)->block;
  struct fm_buffer x, y, z, sums;
  FM_TRY(fm_trial_room(t, ITEMS * block, &sums));
  FM_LAUNCH(t->d, fm_kernel_get(t->d, "bench.cl", "multiply_add", "-DCHAINS=8"), ITEMS, 1, 1,
            fm_arg_buffer(&sums), fm_arg_int(3), fm_arg_float2(0.999f, 0.001f));
  FM_TRY(fm_trial_rows_are(t, "multiply-adds", &sums, ITEMS, block, 1, -3622.43843, 18460.979));
  FM_TRY(fm_trial_numbers(t, "x", ITEMS * 16, &x));
  FM_TRY(fm_trial_numbers(t, "y", ITEMS * 16, &y));
  FM_TRY(fm_trial_room(t, ITEMS * 16, &z));
  FM_LAUNCH(t->d, fm_kernel_get(t->d, "bench.cl", "triad", ""), ITEMS, 1, 1, fm_arg_buffer(&x),
            fm_arg_buffer(&y), fm_arg_buffer(&z), fm_arg_int((int)(ITEMS * 16 / block)), fm_arg_float(3));
  return fm_trial_rows_are(t, "a triad", &z, 1, ITEMS * 16, ITEMS * 16, -109.453156, 117.010668);
}
const struct fm_selfcheck fm_check_bench = {"bench", bench};
