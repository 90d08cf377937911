/* Nearest rows against a plain search in double, and the gradient against finite differences of that. */
#include "fixture.h"
#include "op/neighbour.h"
#include "patchcore_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* kind 0: uniform, 1: far from zero (what cancels), 2: the bank has every row twice (ties), 3: its second
 * half is its first, 4: rows and queries lie in a few places, far from zero, in the bank one after the other
 */
struct shape {
  int queries, rows, dimensions, k, kind;
};

static const struct shape table[] = {
    {1, 1, 1, 1, 0},       {3, 2, 5, 2, 0},      {7, 33, 17, 1, 0},    {20, 70, 16, 1, 2},
    {5, 200, 40, 9, 2},    {33, 1500, 24, 1, 0}, {9, 130, 160, 64, 0}, {1100, 90, 3, 3, 0},
    {40, 3000, 152, 1, 1}, {70, 5000, 96, 1, 0}, {10, 4500, 20, 5, 0}, {25, 300, 1024, 1, 0},
    {12, 9000, 300, 1, 0}, {11, 64, 31, 64, 2},  {20, 640, 12, 1, 3},  {9, 9000, 16, 1, 3},
    {6, 600, 8, 7, 3},     {90, 9000, 40, 1, 4}, {33, 5000, 152, 1, 4}};

static double squared(const struct shape *s, const double *x, const double *m) {
  double sum = 0;
  for (int k = 0; k < s->dimensions; k++) sum += (x[k] - m[k]) * (x[k] - m[k]);
  return sum;
}

struct found {
  double distance;
  int row;
};

static int compare(const void *a, const void *b) {
  const struct found *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return x->row < y->row ? -1 : x->row > y->row;
}

struct problem {
  const struct shape *s;
  double *x, *bank;
  const int *index;
  const double *slope;
  double factor;
};

/* sum of slope * mean over the fixed neighbours. */
static double loss(void *user) {
  struct problem *p = user;
  double sum = 0;
  for (int q = 0; q < p->s->queries; q++)
    for (int i = 0; i < p->s->k; i++)
      sum += p->slope[q] * p->factor / p->s->k *
             squared(p->s, p->x + (size_t)q * (size_t)p->s->dimensions,
                     p->bank + (size_t)p->index[q * p->s->k + i] * (size_t)p->s->dimensions);
  return sum;
}

static void check_gradient(struct fixture *f, struct problem *p, const double *got) {
  size_t dims = (size_t)p->s->dimensions, count = (size_t)p->s->queries * dims;
  double *want = calloc(count, sizeof *want);
  for (int q = 0; q < p->s->queries; q++)
    for (int i = 0; i < p->s->k; i++)
      for (size_t c = 0; c < dims; c++)
        want[(size_t)q * dims + c] +=
            2 * p->slope[q] * p->factor / p->s->k *
            (p->x[(size_t)q * dims + c] - p->bank[(size_t)p->index[q * p->s->k + i] * dims + c]);
  gradient_check(f, "neighbour", loss, p, p->x, count, want);
  same(f, "gradient", got, want, count, 1e-5);
  free(want);
}

/* The device's choice: as near as the nearest to rounding, its distance right, in order, the lowest of equal
 * rows. */
static void check_rows(struct fixture *f, const struct problem *p, const int *index, const float *distance,
                       const float *mean) {
  const struct shape *s = p->s;
  struct found *all = malloc((size_t)s->rows * sizeof *all);
  for (int q = 0; q < s->queries; q++) {
    const double *x = p->x + (size_t)q * (size_t)s->dimensions;
    double sum = 0, scale = 0;
    for (int r = 0; r < s->rows; r++)
      all[r] = (struct found){squared(s, x, p->bank + (size_t)r * (size_t)s->dimensions), r};
    for (int c = 0; c < s->dimensions; c++) scale += x[c] * x[c];
    qsort(all, (size_t)s->rows, sizeof *all, compare);
    for (int i = 0; i < s->k; i++) {
      const int row = index[q * s->k + i];
      bool inside = row >= 0 && row < s->rows;
      double exact = inside ? squared(s, x, p->bank + (size_t)row * (size_t)s->dimensions) : NAN;
      double got = (double)distance[q * s->k + i], slack = 1e-5 * exact + 1e-6 * scale;
      bool lowest = s->kind < 2 || s->kind > 3 || row == all[i].row;
      if (!inside || fabs(got - exact) > 2e-6 * exact || fabs(exact - all[i].distance) > slack || !lowest) {
        print_error("FAILED: %s\n", f->line);
        fail_msg("query %d, neighbour %d: row %d at %.9g, should be %d at %.9g", q, i, row, got, all[i].row,
                 all[i].distance);
      }
      if (i > 0 && distance[q * s->k + i] < distance[q * s->k + i - 1]) fail_msg("%s: not in order", f->line);
      sum += got;
    }
    assert_true(fabs((double)mean[q] - p->factor * sum / s->k) <= 2e-6 * p->factor * sum / s->k);
  }
  free(all);
}

/* After a search for other rows, every third row searched anew is as in a search for all of them; the rest
 * keep the neighbours they had. */
static void check_some(struct fixture *f, const struct problem *p, const struct fm_bank *bank,
                       struct fm_search *search, const struct fm_buffer *x, const int *index,
                       const float *mean) {
  size_t queries = (size_t)p->s->queries, k = (size_t)p->s->k;
  struct zone other = vector_make(f, queries * (size_t)bank->width, NULL), zm = vector_make(f, queries, NULL);
  fm_buffer_fill(f->device, &other.buffer, 0);
  int *list = malloc(queries * sizeof *list), *before = malloc(queries * k * sizeof *list),
      *after = malloc(queries * k * sizeof *list), count = 0;
  float *got = malloc(queries * sizeof *got);
  for (int q = 1; q < p->s->queries; q += 3) list[count++] = q;
  ASSERT_OK(&f->ctx, fm_search_only(f->device, search, -1, NULL));
  fm_search_run(f->device, bank, search, p->s->queries, &other.buffer, 0.25f, &zm.buffer);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search->index, 0, before, queries * k * sizeof *before));
  ASSERT_OK(&f->ctx, fm_search_only(f->device, search, count, list));
  fm_search_run(f->device, bank, search, p->s->queries, x, 0.25f, &zm.buffer);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search->index, 0, after, queries * k * sizeof *after));
  zone_read(f, &zm, got);
  for (size_t q = 0; q < queries; q++) {
    if (q % 3 == 1) {
      assert_memory_equal(after + q * k, index + q * k, k * sizeof *after);
      assert_memory_equal(&got[q], &mean[q], sizeof *got);
    } else if (k == 1) { /* of several the order changes with the distance */
      assert_int_equal(after[q], before[q]);
      assert_true(got[q] >= mean[q]);
    }
  }
  ASSERT_OK(&f->ctx, fm_search_only(f->device, search, -1, NULL));
  zone_free(f, &other);
  zone_free(f, &zm);
  free(list);
  free(before);
  free(after);
  free(got);
}

/* With bounds and without, the same bits. */
static void check_every(struct fixture *f, const struct problem *p, const struct fm_bank *bank,
                        struct fm_search *search, const struct fm_buffer *x, const int *index,
                        const float *mean) {
  struct fm_bank every = *bank;
  size_t queries = (size_t)p->s->queries, found = queries * (size_t)p->s->k;
  struct zone zm = vector_make(f, queries, NULL);
  int *got = malloc(found * sizeof *got);
  float *far = malloc(queries * sizeof *far);
  every.families = 0;
  fm_search_run(f->device, &every, search, p->s->queries, x, 0.25f, &zm.buffer);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search->index, 0, got, found * sizeof *got));
  zone_read(f, &zm, far);
  assert_memory_equal(got, index, found * sizeof *got);
  assert_memory_equal(far, mean, queries * sizeof *far);
  zone_free(f, &zm);
  free(got);
  free(far);
}

/* Without every third row, and those that were nearest: what a bank without them gives, bit by bit. */
static void check_hidden(struct fixture *f, const struct problem *p, const float *values,
                         struct fm_bank *bank, struct fm_search *search, const struct fm_buffer *x,
                         const int *index, const float *mean) {
  size_t rows = (size_t)p->s->rows, dims = (size_t)p->s->dimensions, queries = (size_t)p->s->queries,
         left = 0;
  bool *hidden = calloc(rows, sizeof *hidden);
  float *rest = malloc(rows * dims * sizeof *rest), *got = malloc(queries * sizeof *got),
        *want = malloc(queries * sizeof *want);
  for (size_t q = 0; q < queries; q += 2) hidden[index[q * (size_t)p->s->k]] = true;
  for (size_t r = 0; r < rows; r++) {
    hidden[r] |= r % 3 == 1;
    if (!hidden[r]) memcpy(rest + dims * left++, values + dims * r, dims * sizeof *rest);
  }
  if (left >= (size_t)p->s->k) {
    struct fm_bank other;
    struct fm_search among;
    struct zone zm = vector_make(f, queries, NULL);
    ASSERT_OK(&f->ctx, fm_bank_hide(f->device, bank, hidden));
    fm_search_run(f->device, bank, search, p->s->queries, x, 0.25f, &zm.buffer);
    zone_read(f, &zm, got);
    ASSERT_OK(&f->ctx, fm_bank_make(f->device, (int)left, p->s->dimensions, rest, &other));
    ASSERT_OK(&f->ctx, fm_search_make(f->device, &other, p->s->queries, p->s->k, &among));
    fm_search_run(f->device, &other, &among, p->s->queries, x, 0.25f, &zm.buffer);
    zone_read(f, &zm, want);
    assert_memory_equal(got, want, queries * sizeof *got);
    ASSERT_OK(&f->ctx, fm_bank_hide(f->device, bank, NULL));
    fm_search_run(f->device, bank, search, p->s->queries, x, 0.25f, &zm.buffer);
    zone_read(f, &zm, got);
    assert_memory_equal(got, mean, queries * sizeof *got);
    fm_bank_free(f->device, &other);
    fm_search_free(f->device, &among);
    zone_free(f, &zm);
  }
  free(hidden);
  free(rest);
  free(got);
  free(want);
}

static double place(size_t which, size_t c) {
  return 3 + sin(1.7 * (double)which * (double)(c + 1));
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t dims = (size_t)s->dimensions, queries = (size_t)s->queries, rows = (size_t)s->rows,
         found = queries * (size_t)s->k;
  double low = s->kind == 1 ? 4 : -1, high = s->kind == 1 ? 5 : 1,
         *slope = random_values(&rng, queries, -1, 1);
  struct problem p = {.s = s,
                      .x = random_values(&rng, queries * dims, low, high),
                      .bank = random_values(&rng, rows * dims, low, high),
                      .slope = slope,
                      .factor = 0.25};
  float *values = malloc(rows * dims * sizeof *values);
  if (s->kind == 2)
    for (size_t r = 1; r < rows; r += 2)
      memcpy(p.bank + r * dims, p.bank + (r - 1) * dims, dims * sizeof *p.bank);
  for (size_t r = 0; r < rows && s->kind == 4; r++)
    for (size_t c = 0; c < dims; c++)
      p.bank[r * dims + c] = place(r * 40 / rows, c) + 0.1 * p.bank[r * dims + c];
  for (size_t q = 0; q < queries && s->kind == 4; q++)
    for (size_t c = 0; c < dims; c++) p.x[q * dims + c] = place(q % 40, c) + 0.12 * p.x[q * dims + c];
  if (s->kind == 3) memcpy(p.bank + rows / 2 * dims, p.bank, rows / 2 * dims * sizeof *p.bank);
  for (size_t i = 0; i < rows * dims; i++) values[i] = (float)p.bank[i];
  struct fm_bank bank;
  struct fm_search search;
  ASSERT_OK(&f->ctx, fm_bank_make(f->device, s->rows, s->dimensions, values, &bank));
  ASSERT_OK(&f->ctx, fm_search_make(f->device, &bank, s->queries, s->k, &search));
  size_t width = (size_t)bank.width;
  double *padded = calloc(queries * width, sizeof *padded), *dx = malloc(queries * width * sizeof *dx);
  for (size_t q = 0; q < queries; q++) memcpy(padded + q * width, p.x + q * dims, dims * sizeof *padded);
  struct zone zx = vector_make(f, queries * width, padded), zm = vector_make(f, queries, NULL),
              zs = vector_make(f, queries, slope), zd = vector_make(f, queries * width, NULL);
  fm_search_run(f->device, &bank, &search, s->queries, &zx.buffer, 0.25f, &zm.buffer);
  int *index = malloc(found * sizeof *index);
  float *distance = malloc(found * sizeof *distance), *mean = malloc(queries * sizeof *mean);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search.index, 0, index, found * sizeof *index));
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search.distance, 0, distance, found * sizeof *distance));
  zone_read(f, &zm, mean);
  check_rows(f, &p, index, distance, mean);
  p.index = index;
  fm_search_back(f->device, &bank, &search, s->queries, &zx.buffer, 0.25f, &zs.buffer, &zd.buffer);
  vector_read(f, &zd, queries * width, dx);
  for (size_t q = 0; q < queries; q++)
    for (size_t c = 0; c < width; c++)
      if (c < dims)
        dx[q * dims + c] = dx[q * width + c];
      else
        assert_true(dx[q * width + c] == 0);
  check_gradient(f, &p, dx);
  /* One query alone has the same bits, and known neighbours too. */
  int one = s->queries / 2;
  struct zone alone = vector_make(f, width, padded + (size_t)one * width), am = vector_make(f, 1, NULL);
  float again;
  int first;
  fm_search_run(f->device, &bank, &search, 1, &alone.buffer, 0.25f, &am.buffer);
  zone_read(f, &am, &again);
  assert_memory_equal(&again, &mean[one], sizeof again);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search.index, 0, &first, sizeof first));
  assert_int_equal(first, index[one * s->k]);
  ASSERT_OK(&f->ctx, fm_search_only(f->device, &search, 0, NULL));
  fm_search_run(f->device, &bank, &search, 1, &alone.buffer, 0.25f, &am.buffer);
  zone_read(f, &am, &again);
  assert_memory_equal(&again, &mean[one], sizeof again);
  check_some(f, &p, &bank, &search, &zx.buffer, index, mean);
  check_every(f, &p, &bank, &search, &zx.buffer, index, mean);
  check_hidden(f, &p, values, &bank, &search, &zx.buffer, index, mean);
  struct zone *zones[] = {&zx, &zm, &zs, &zd, &alone, &am};
  void *blocks[] = {slope, p.x, p.bank, values, padded, dx, index, distance, mean};
  for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) zone_free(f, zones[i]);
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
  fm_search_free(f->device, &search);
  fm_bank_free(f->device, &bank);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line, "neighbour {%d, %d, %d, %d, %d}, seed %llu", s->queries, s->rows,
           s->dimensions, s->k, s->kind, (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    long work = (long)table[i].queries * table[i].rows * table[i].dimensions;
    if (!f->small || work < (f->small == 2 ? 30000 : 1500000)) run_shape(f, &table[i]);
  }
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "neighbour shapes");
  for (int i = 0; i < (f->small ? 4 : 25); i++) {
    struct shape s = {random_int(&rng, 1, 40), random_int(&rng, 1, f->small ? 80 : 900),
                      random_int(&rng, 1, 70), 1, random_int(&rng, 0, 2)};
    if (i % 2) s.k = random_int(&rng, 1, s.rows < FM_NEIGHBOURS ? s.rows : FM_NEIGHBOURS);
    run_shape(f, &s);
  }
}

/* scikit-learn's (patchcore_golden.h). */
static void test_reference(void **state) {
  struct fixture *f = *state;
  enum { ROWS = 60, QUERIES = 5, WIDTH = 7, K = 4 };
  float rows[ROWS * WIDTH], distance[QUERIES * K];
  int index[QUERIES * K];
  struct fm_bank bank;
  struct fm_search search;
  for (int i = 0; i < ROWS * WIDTH; i++) rows[i] = (float)golden_wave(i, 0.9, 0.1);
  ASSERT_OK(&f->ctx, fm_bank_make(f->device, ROWS, WIDTH, rows, &bank));
  ASSERT_OK(&f->ctx, fm_search_make(f->device, &bank, QUERIES, K, &search));
  size_t width = (size_t)bank.width;
  double x[QUERIES * 16] = {0};
  for (size_t i = 0; i < QUERIES * WIDTH; i++)
    x[i / WIDTH * width + i % WIDTH] = golden_wave((int)i, 1.3, 0.7);
  struct zone zx = vector_make(f, QUERIES * width, x), zm = vector_make(f, QUERIES, NULL);
  fm_search_run(f->device, &bank, &search, QUERIES, &zx.buffer, 1, &zm.buffer);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search.index, 0, index, sizeof index));
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &search.distance, 0, distance, sizeof distance));
  for (int i = 0; i < QUERIES * K; i++) {
    assert_int_equal(index[i], golden_index[i]);
    assert_true(fabs((double)distance[i] - golden_distance[i]) <= 1e-6 * golden_distance[i]);
  }
  fm_search_free(f->device, &search);
  fm_bank_free(f->device, &bank);
  zone_free(f, &zx);
  zone_free(f, &zm);
}

static void test_refusals(void **state) {
  struct fixture *f = *state;
  static const float rows[6] = {1, 2, 3, 4, 5, 6};
  struct fm_bank bank;
  struct fm_search search;
  ASSERT_OK(&f->ctx, fm_bank_make(f->device, 3, 2, rows, &bank));
  assert_int_equal(fm_search_make(f->device, &bank, 1, 4, &search), FM_USAGE);
  fm_error_clear(&f->ctx);
  fm_bank_free(f->device, &bank);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random), cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
