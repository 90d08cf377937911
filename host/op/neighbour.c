#include "op/neighbour.h"

#include "base/memory.h"
#include "op/acts.h"
#include "op/lanes.h"
#include "op/tile.h"
#include "op/variant.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A chunk of the bank that stays in the cache of a core while the queries go by, in bytes; and, with k > 1,
 * the values that are written before the smallest are chosen. */
enum { CHUNK_BYTES = 512 << 10, SLICE = 1024, VALUES = 4 << 20 };
/* Tiles of a family; queries that go together: what matters to one of them is looked at for all. */
enum { FAMILY = 32, TOGETHER = 4 };

static int whole(int count, int part) {
  return (count + part - 1) / part;
}

static int tiles_of(const struct fm_bank *b) {
  return b->groups / b->tile;
}

static int rows_of_tile(const struct fm_device *d, const struct fm_bank *b) {
  return b->tile * fm_lanes(d);
}

int fm_bank_width(const struct fm_device *d, int dimensions) {
  int block = fm_device_facts(d)->block;
  return whole(dimensions, block) * block;
}

/* Row-major with padding, some rows at a time. */
static enum fm_status write_rows(struct fm_device *d, const struct fm_bank *b, const float *values,
                                 float *some) {
  size_t width = (size_t)b->width, dims = (size_t)b->dimensions, rows = (size_t)b->rows;
  for (size_t first = 0; first < rows; first += SLICE) {
    size_t now = rows - first < SLICE ? rows - first : SLICE;
    for (size_t r = 0; r < now; r++)
      memcpy(some + r * width, values + (first + r) * dims, dims * sizeof *some);
    FM_TRY(fm_buffer_write(d, &b->row, first * width * sizeof *some, some, now * width * sizeof *some));
  }
  return FM_OK;
}

static enum fm_status bounds(struct fm_device *d, struct fm_bank *b) {
  int beside = fm_device_facts(d)->block;
  if (fm_device_facts(d)->group > 1) return FM_OK;
  b->families = whole(tiles_of(b), FAMILY);
  FM_TRY(fm_shadow_make(d, &b->packed, b->groups, b->rows, b->width, &b->shadow));
  FM_TRY(fm_shadow_boxes(d, &b->shadow, b->tile, beside, &b->tile_box));
  return fm_shadow_boxes(d, &b->shadow, b->tile * FAMILY, beside, &b->family_box);
}

/* The rows, their packed copy, and the squares. */
static enum fm_status fill(struct fm_device *d, struct fm_bank *b, const float *values) {
  struct fm_context *ctx = fm_device_context(d);
  size_t dims = (size_t)b->dimensions, lanes = (size_t)b->groups * (size_t)fm_lanes(d);
  float *some = fm_alloc(ctx, SLICE * (size_t)b->width, sizeof *some);
  b->square = fm_alloc(ctx, lanes, sizeof *b->square);
  enum fm_status status = some && b->square ? FM_OK : FM_MEMORY;
  for (size_t r = 0; r < lanes && status == FM_OK; r++) {
    double sum = 0;
    for (size_t k = 0; k < dims && r < (size_t)b->rows; k++)
      sum += (double)values[r * dims + k] * (double)values[r * dims + k];
    b->square[r] = r < (size_t)b->rows ? (float)sum : INFINITY;
    b->largest = fmaxf(b->largest, (float)sum);
  }
  if (status == FM_OK) status = write_rows(d, b, values, some);
  if (status == FM_OK) status = fm_buffer_write(d, &b->squares, 0, b->square, lanes * sizeof *b->square);
  if (status == FM_OK) fm_lanes_pack(d, &b->row, b->rows, b->width, 0, &b->packed);
  fm_free(ctx, some);
  return status;
}

/* An infinite square is farther than anything, as those past the last row are. */
enum fm_status fm_bank_hide(struct fm_device *d, const struct fm_bank *b, const bool *hidden) {
  struct fm_context *ctx = fm_device_context(d);
  size_t lanes = (size_t)b->groups * (size_t)fm_lanes(d);
  float *square = fm_alloc(ctx, lanes, sizeof *square);
  if (!square) return FM_MEMORY;
  memcpy(square, b->square, lanes * sizeof *square);
  for (size_t r = 0; hidden && r < (size_t)b->rows; r++)
    if (hidden[r]) square[r] = INFINITY;
  enum fm_status status = fm_buffer_write(d, &b->squares, 0, square, lanes * sizeof *square);
  fm_free(ctx, square);
  return status;
}

enum fm_status fm_bank_make(struct fm_device *d, int rows, int dimensions, const float *values,
                            struct fm_bank *bank) {
  const struct fm_facts *f = fm_device_facts(d);
  size_t bytes;
  *bank = (struct fm_bank){.rows = rows, .dimensions = dimensions, .width = fm_bank_width(d, dimensions)};
  bank->tile = f->group == 1 && f->block >= 8 ? 2 : 1; /* 16 accumulators on a CPU, 8 on a GPU */
  bank->px = f->block == 8 ? 5 : 8;                    /* 10 where there are 16 registers */
  if (!fm_mul((size_t)rows, (size_t)bank->width * sizeof(float), &bytes))
    return fm_error(fm_device_context(d), FM_LIMIT, "a bank of %d rows of %d numbers is too large", rows,
                    dimensions);
  enum fm_status status =
      fm_lanes_make(d, (size_t)rows, bank->width, bank->tile, &bank->packed, &bank->groups);
  if (status == FM_OK) status = fm_buffer_make(d, bytes, &bank->row);
  if (status == FM_OK)
    status = fm_buffer_make(d, (size_t)bank->groups * (size_t)fm_lanes(d) * sizeof(float), &bank->squares);
  if (status == FM_OK) status = fill(d, bank, values);
  if (status == FM_OK) status = bounds(d, bank);
  if (status != FM_OK) fm_bank_free(d, bank);
  return status;
}

void fm_bank_free(struct fm_device *d, struct fm_bank *bank) {
  struct fm_buffer *const own[] = {&bank->row, &bank->packed, &bank->squares, &bank->tile_box,
                                   &bank->family_box};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
  fm_shadow_free(d, &bank->shadow);
  fm_free(fm_device_context(d), bank->square);
  bank->square = NULL;
}

/* Tiles whose values of a slice of queries are written at a time, with k > 1. */
static int tiles_at_once(const struct fm_device *d, const struct fm_bank *b) {
  int most = VALUES / SLICE / rows_of_tile(d, b), tiles = tiles_of(b);
  return most < 1 ? 1 : most < tiles ? most : tiles;
}

/* From how many queries on tiles through local memory are taken: half a tile. They need offsets of 32 bits.
 * A CPU's local memory is but more of the same memory. */
static int tiled_from(const struct fm_device *d, const struct fm_bank *b, int n) {
  const struct fm_facts *f = fm_device_facts(d);
  const size_t most = (size_t)1 << 30, width = (size_t)b->width;
  struct fm_product_tile t;
  if (!fm_product_tile(f, &t) || b->tile != 1 || fm_lanes(d) % t.columns || (size_t)n * width >= most ||
      (size_t)b->groups * (size_t)fm_lanes(d) * width >= most)
    return 0;
  return fm_variant_wished("nearest_tiled") ? 1 : f->local_memory_real ? t.rows / 2 : INT_MAX;
}

enum fm_status fm_search_make(struct fm_device *d, const struct fm_bank *bank, int n, int k,
                              struct fm_search *s) {
  int tiles = tiles_of(bank), slice = n < SLICE ? n : SLICE;
  size_t tile = (size_t)rows_of_tile(d, bank) * (size_t)bank->width * sizeof(float), values, list;
  *s = (struct fm_search){.n = n, .k = k, .only = -1};
  if (k < 1 || k > FM_NEIGHBOURS || k > bank->rows || n < 1 || (size_t)n > INT_MAX / FM_NEIGHBOURS)
    return fm_error(fm_device_context(d), FM_USAGE,
                    "%d neighbours of %d rows each cannot be found in a bank of %d rows (%d at most)", k, n,
                    bank->rows, FM_NEIGHBOURS);
  s->tiled = tiled_from(d, bank, n);
  s->each = (int)(CHUNK_BYTES / tile);
  if (s->each < 1) s->each = 1;
  if (s->each > tiles) s->each = tiles;
  size_t parts = (size_t)whole(tiles, s->each);
  values = k > 1 ? (size_t)slice * (size_t)tiles_at_once(d, bank) * (size_t)rows_of_tile(d, bank)
                 : (size_t)n * parts;
  list = k > 1 ? (size_t)slice * (size_t)k : (size_t)n * parts;
  size_t found = (size_t)n * (size_t)k;
  enum fm_status status = fm_buffer_make(d, values * sizeof(float), &s->value);
  if (status == FM_OK) status = fm_buffer_make(d, list * sizeof(int), &s->where);
  if (status == FM_OK) status = fm_buffer_make(d, found * sizeof(int), &s->index);
  if (status == FM_OK) status = fm_buffer_make(d, found * sizeof(float), &s->distance);
  if (status == FM_OK) status = fm_buffer_make(d, (size_t)n * sizeof(int), &s->some);
  if (status == FM_OK) status = fm_buffer_make_order(d, (size_t)n, &s->all);
  if (status != FM_OK) fm_search_free(d, s);
  return status;
}

void fm_search_free(struct fm_device *d, struct fm_search *s) {
  struct fm_buffer *const own[] = {&s->value, &s->where, &s->all, &s->some, &s->index, &s->distance};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) fm_buffer_free(d, own[i]);
}

enum fm_status fm_search_only(struct fm_device *d, struct fm_search *s, int count, const int *list) {
  s->only = count;
  return count > 0 ? fm_buffer_write(d, &s->some, 0, list, (size_t)count * sizeof *list) : FM_OK;
}

static const struct fm_buffer *list_of(const struct fm_search *s) {
  return s->only < 0 ? &s->all : &s->some;
}

static void launch_tiled(struct fm_device *d, const struct fm_bank *b, const struct fm_search *s,
                         const struct fm_buffer *x, int query, int n, int tile, int tiles, int each,
                         bool all) {
  struct fm_product_tile t;
  char options[80];
  fm_product_tile(fm_device_facts(d), &t);
  snprintf(options, sizeof options, "%s -D ALL=%d", t.options, all);
  FM_LAUNCH_GROUPS(d, fm_kernel_get(d, "neighbour.cl", "nearest_tiled", options),
                   ((size_t[3]){(size_t)whole(tiles, each) * t.items, (size_t)whole(n, t.rows), 1}),
                   ((size_t[3]){t.items, 1, 1}), fm_arg_buffer(x), fm_arg_buffer(list_of(s)),
                   fm_arg_buffer(&b->packed), fm_arg_buffer(&b->squares), fm_arg_buffer(&s->value),
                   fm_arg_buffer(&s->where), fm_arg_int4(n, b->width, tiles, each), fm_arg_int2(query, tile));
}

/* The kernel over `tiles` tiles from `tile` on, for `n` queries from `query` on. */
static void launch(struct fm_device *d, const struct fm_bank *b, const struct fm_search *s,
                   const struct fm_buffer *x, int query, int n, int tile, int tiles, int each, bool all) {
  char options[64];
  if (s->tiled && n >= s->tiled) {
    launch_tiled(d, b, s, x, query, n, tile, tiles, each, all);
    return;
  }
  snprintf(options, sizeof options, "-D OB=%d -D PX=%d -D ALL=%d", b->tile, b->px, all);
  size_t queries = (size_t)whole(n, b->px), chunks = (size_t)whole(tiles, each);
  size_t group = (size_t)fm_device_facts(d)->group;
  FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "nearest", options), group == 1 ? queries : chunks * group,
            group == 1 ? chunks : queries, 1, fm_arg_buffer(x), fm_arg_buffer(list_of(s)),
            fm_arg_buffer(&b->packed), fm_arg_buffer(&b->squares), fm_arg_buffer(&s->value),
            fm_arg_buffer(&s->where), fm_arg_int4(n, b->width, tiles, each), fm_arg_int2(query, tile));
}

static void find_near(struct fm_device *d, const struct fm_bank *b, struct fm_search *s, int n,
                      const struct fm_buffer *x) {
  char options[64];
  snprintf(options, sizeof options, "-D OB=%d -D PX=%d -D FAMILY=%d", b->tile, TOGETHER, FAMILY);
  FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "near", options), (size_t)whole(n, TOGETHER), 1, 1,
            fm_arg_buffer(x), fm_arg_buffer(list_of(s)), fm_arg_buffer(&b->packed),
            fm_arg_buffer(&b->squares), fm_arg_buffer(&b->shadow.axes), fm_arg_buffer(&b->shadow.rows),
            fm_arg_buffer(&b->tile_box), fm_arg_buffer(&b->family_box), fm_arg_buffer(&s->index),
            fm_arg_int4(n, b->width, tiles_of(b), b->families), fm_arg_float2(b->largest, b->shadow.loss));
}

static void find_one(struct fm_device *d, const struct fm_bank *b, struct fm_search *s, int n,
                     const struct fm_buffer *x) {
  int tiles = tiles_of(b), parts = whole(tiles, s->each);
  launch(d, b, s, x, 0, n, 0, tiles, s->each, false);
  FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "settle", ""), (size_t)n, 1, 1, fm_arg_buffer(&s->value),
            fm_arg_buffer(&s->where), fm_arg_buffer(list_of(s)), fm_arg_buffer(&s->index),
            fm_arg_int2(n, parts));
}

/* All values of a slice of queries and a part of the bank, then the smallest of them and of those before. */
static void find_several(struct fm_device *d, const struct fm_bank *b, struct fm_search *s, int n,
                         const struct fm_buffer *x) {
  int tiles = tiles_of(b), step = tiles_at_once(d, b), rows = rows_of_tile(d, b);
  size_t group = (size_t)fm_device_facts(d)->group;
  for (int query = 0; query < n; query += SLICE)
    for (int tile = 0; tile < tiles; tile += step) {
      int now = n - query < SLICE ? n - query : SLICE, t = tiles - tile < step ? tiles - tile : step;
      launch(d, b, s, x, query, now, tile, t, t < s->each ? t : s->each, true);
      FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "keep", ""), (size_t)now * group, 1, 1,
                fm_arg_buffer(&s->value), fm_arg_buffer(list_of(s)), fm_arg_buffer(&s->where),
                fm_arg_buffer(&s->index), fm_arg_int4(now, t * rows, s->k, tile * rows),
                fm_arg_int2(query, tile == 0));
    }
}

void fm_search_run(struct fm_device *d, const struct fm_bank *bank, struct fm_search *s, int n,
                   const struct fm_buffer *x, float factor, const struct fm_buffer *mean) {
  int queries = s->only < 0 ? n : s->only;
  if (queries && s->k == 1) (bank->families ? find_near : find_one)(d, bank, s, queries, x);
  if (queries && s->k > 1) find_several(d, bank, s, queries, x);
  FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "distances", ""),
            (size_t)n * (size_t)fm_device_facts(d)->group, 1, 1, fm_arg_buffer(x), fm_arg_buffer(&bank->row),
            fm_arg_buffer(&s->index), fm_arg_buffer(&s->distance), fm_arg_buffer(mean),
            fm_arg_int4(n, bank->width, s->k, 0), fm_arg_float(factor));
}

void fm_search_back(struct fm_device *d, const struct fm_bank *bank, const struct fm_search *s, int n,
                    const struct fm_buffer *x, float factor, const struct fm_buffer *slope,
                    const struct fm_buffer *dx) {
  int blocks = bank->width / fm_device_facts(d)->block;
  FM_LAUNCH(d, fm_kernel_get(d, "neighbour.cl", "distances_back", ""), fm_acts_gx(d, blocks), (size_t)n, 1,
            fm_arg_buffer(x), fm_arg_buffer(&bank->row), fm_arg_buffer(&s->index), fm_arg_buffer(slope),
            fm_arg_buffer(dx), fm_arg_int4(n, bank->width, s->k, 0), fm_arg_float(factor));
}
