/* The coreset against the plain greedy algorithm, which looks at every point for every pick: the same picks,
 * bit for bit, with duplicates and ties too; and numpy's choice of a small case. */
#include "fixture.h"
#include "op/coreset.h"
#include "patchcore_golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* kind 0: uniform, 1: clusters, 2: half of them duplicates, 3: on a lattice (many ties), 4: all the same */
struct shape {
  int count, width, want, pool, kind;
};

static const struct shape table[] = {{1, 3, 1, 0, 0},         {5, 1, 5, 0, 0},       {40, 7, 40, 8, 0},
                                     {300, 16, 100, 32, 1},   {300, 4, 300, 16, 2},  {500, 3, 200, 64, 3},
                                     {64, 5, 10, 0, 4},       {1000, 2, 300, 48, 3}, {3000, 32, 700, 0, 1},
                                     {2500, 20, 500, 128, 0}, {4000, 9, 2500, 0, 2}, {6000, 128, 300, 256, 1},
                                     {3000, 3, 150, 0, 3}};

static void draw(const struct shape *s, struct fm_rng *rng, float *x) {
  for (int i = 0; i < s->count; i++)
    for (int k = 0; k < s->width; k++) {
      float *at = x + (size_t)i * (size_t)s->width + k;
      switch (s->kind) {
      case 1:
        *at = 3 * (float)(i * (k + 3) % 7) + fm_rng_uniform(rng);
        break;
      case 2:
        *at = i % 2 ? at[-s->width] : fm_rng_uniform(rng);
        break;
      case 3:
        *at = (float)random_int(rng, 0, 5);
        break;
      case 4:
        *at = 0.25f;
        break;
      default:
        *at = fm_rng_uniform(rng);
      }
    }
}

/* As the device sums up: one term after the other, fused where it is an instruction there. */
static float squared(const struct fixture *f, int width, const float *a, const float *b) {
  float sum = 0;
  bool fused = fm_device_facts(f->device)->fast_fma;
  for (int k = 0; k < width; k++) {
    float d = a[k] - b[k];
    volatile float square = d * d;
    sum = fused ? fmaf(d, d, sum) : sum + square;
  }
  return sum;
}

/* dist: the first distances; the picks follow. */
static size_t greedy(const struct fixture *f, const struct shape *s, const float *x, float *dist,
                     uint32_t *member) {
  size_t count = 0, width = (size_t)s->width;
  while (count < (size_t)s->want) {
    size_t far = 0;
    for (size_t i = 1; i < (size_t)s->count; i++)
      if (dist[i] > dist[far]) far = i;
    if (!(dist[far] > 0)) break;
    member[count++] = (uint32_t)far;
    for (size_t i = 0; i < (size_t)s->count; i++) {
      float v = squared(f, s->width, x + i * width, x + far * width);
      if (v < dist[i]) dist[i] = v;
    }
  }
  return count;
}

static int take_starts(const struct shape *s, uint32_t start[FM_CORESET_STARTS]) {
  int starts = s->count < FM_CORESET_STARTS ? s->count : FM_CORESET_STARTS;
  for (int i = 0; i < starts; i++) start[i] = (uint32_t)((i * 37 + 5) % s->count);
  return starts;
}

/* The first distances in double. */
static void check_start(struct fixture *f, const struct shape *s, const float *x, const uint32_t *start,
                        int starts, const float *dist) {
  double *want = malloc((size_t)s->count * sizeof *want), *got = malloc((size_t)s->count * sizeof *got);
  for (int i = 0; i < s->count; i++) {
    double sum = 0;
    for (int j = 0; j < starts; j++) {
      double square = 0;
      for (int k = 0; k < s->width; k++) {
        double d = (double)x[i * s->width + k] - (double)x[(int)start[j] * s->width + k];
        square += d * d;
      }
      sum += sqrt(square);
    }
    want[i] = sum / starts * (sum / starts);
    got[i] = (double)dist[i];
  }
  same(f, "first distances", got, want, (size_t)s->count, 1e-5);
  free(want);
  free(got);
}

static void check_picks(const struct fixture *f, const char *what, const uint32_t *got, size_t count,
                        const uint32_t *want, size_t want_count) {
  size_t i = 0;
  if (count == want_count && memcmp(got, want, count * sizeof *got) == 0) return;
  while (i < count && i < want_count && got[i] == want[i]) i++;
  print_error("FAILED: %s\n", f->line);
  fail_msg("%s: %zu picks, should be %zu; pick %zu is %u, should be %u", what, count, want_count, i, got[i],
           want[i]);
}

/* With the first third of the points as members, more than one launch takes of them where there are many. */
static void goes_on(struct fixture *f, const struct shape *s, struct fm_coreset *c, const float *x,
                    uint32_t *member, uint32_t *reference, float *dist) {
  struct fm_coreset_options o = {.before = (size_t)(s->count + 2) / 3, .pool = s->pool, .text = "test"};
  size_t width = (size_t)s->width, got;
  o.want = (size_t)s->want;
  for (size_t i = 0; i < (size_t)s->count; i++) {
    dist[i] = INFINITY;
    for (size_t k = 0; k < o.before; k++)
      dist[i] = fminf(dist[i], squared(f, s->width, x + i * width, x + k * width));
  }
  ASSERT_OK(&f->ctx, fm_coreset_run(f->device, c, &o, member, &got));
  check_picks(f, "going on", member, got, reference, greedy(f, s, x, dist, reference));
  for (size_t i = 0; i < got; i++) assert_true(member[i] >= o.before);
  o.before = (size_t)s->count + 1;
  assert_int_equal(fm_coreset_run(f->device, c, &o, member, &got), FM_USAGE);
  fm_error_clear(&f->ctx);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t count = (size_t)s->count, numbers = count * (size_t)s->width, got, want;
  float *x = malloc(numbers * sizeof *x), *dist = malloc(count * sizeof *dist);
  uint32_t *member = malloc(count * sizeof *member), *reference = malloc(count * sizeof *reference);
  uint32_t start[FM_CORESET_STARTS];
  struct fm_coreset_options o = {
      .start = start, .starts = take_starts(s, start), .pool = s->pool, .text = "test"};
  draw(s, &rng, x);
  struct zone z = zone_make(f, numbers * sizeof *x, x);
  struct fm_coreset c;
  ASSERT_OK(&f->ctx, fm_coreset_make(f->device, count, s->width, &c));
  int half = s->count / 3; /* in two parts, the second not at a block's edge */
  if (half) fm_coreset_add(f->device, &c, &z.buffer, half, 0);
  struct zone rest = zone_make(f, (count - (size_t)half) * (size_t)s->width * sizeof *x, x + half * s->width);
  fm_coreset_add(f->device, &c, &rest.buffer, s->count - half, half);
  ASSERT_OK(&f->ctx, fm_coreset_run(f->device, &c, &o, member, &got)); /* wants none: the first distances */
  assert_int_equal(got, 0);
  ASSERT_OK(&f->ctx, fm_coreset_distances(f->device, &c, dist));
  check_start(f, s, x, start, o.starts, dist);
  o.want = (size_t)s->want;
  ASSERT_OK(&f->ctx, fm_coreset_run(f->device, &c, &o, member, &got));
  want = greedy(f, s, x, dist, reference);
  check_picks(f, "choice", member, got, reference, want);
  f->hash ^= got ? member[got - 1] : 0;
  goes_on(f, s, &c, x, member, reference, dist);
  fm_coreset_free(f->device, &c);
  zone_free(f, &z);
  zone_free(f, &rest);
  free(x);
  free(dist);
  free(member);
  free(reference);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    if (f->small && (long)s->count * s->width * s->want > (f->small == 2 ? 50000 : 2000000)) continue;
    snprintf(f->line, sizeof f->line, "coreset {%d, %d, %d, %d, %d}, seed %llu", s->count, s->width, s->want,
             s->pool, s->kind, (unsigned long long)f->seed);
    run_twice(f, run, s);
  }
}

/* numpy's choice (patchcore_golden.h). */
static void test_reference(void **state) {
  struct fixture *f = *state;
  enum { POINTS = 200, WIDTH = 5, WANT = 40 };
  float x[POINTS * WIDTH];
  for (int i = 0; i < POINTS * WIDTH; i++) x[i] = (float)golden_wave(i, 1.9, 0.4);
  struct fm_coreset_options o = {.start = golden_start, .starts = 4, .want = WANT, .text = "test"};
  struct zone z = zone_make(f, sizeof x, x);
  struct fm_coreset c;
  uint32_t member[WANT];
  size_t count;
  ASSERT_OK(&f->ctx, fm_coreset_make(f->device, POINTS, WIDTH, &c));
  fm_coreset_add(f->device, &c, &z.buffer, POINTS, 0);
  ASSERT_OK(&f->ctx, fm_coreset_run(f->device, &c, &o, member, &count));
  assert_int_equal(count, WANT);
  assert_memory_equal(member, golden_picks, sizeof member);
  fm_coreset_free(f->device, &c);
  zone_free(f, &z);
}

/* What cannot be: a number that is not one, more members than points; and a stop. */
static void test_refusals(void **state) {
  struct fixture *f = *state;
  float x[40];
  uint32_t start = 0, member[21];
  size_t count;
  for (int i = 0; i < 40; i++) x[i] = (float)i;
  struct fm_coreset_options o = {.start = &start, .starts = 1, .want = 5, .text = "test"};
  struct zone z = zone_make(f, sizeof x, x);
  struct fm_coreset c;
  ASSERT_OK(&f->ctx, fm_coreset_make(f->device, 20, 2, &c));
  fm_coreset_add(f->device, &c, &z.buffer, 20, 0);
  o.want = 21;
  assert_int_equal(fm_coreset_run(f->device, &c, &o, member, &count), FM_USAGE);
  o.want = 20;
  f->ctx.stop = true;
  assert_int_equal(fm_coreset_run(f->device, &c, &o, member, &count), FM_STOPPED);
  f->ctx.stop = false;
  x[7] = NAN;
  ASSERT_OK(&f->ctx, fm_buffer_write(f->device, &z.buffer, 0, x, sizeof x));
  fm_coreset_free(f->device, &c);
  ASSERT_OK(&f->ctx, fm_coreset_make(f->device, 20, 2, &c));
  fm_coreset_add(f->device, &c, &z.buffer, 20, 0);
  assert_int_equal(fm_coreset_run(f->device, &c, &o, member, &count), FM_NUMERIC);
  fm_error_clear(&f->ctx);
  fm_coreset_free(f->device, &c);
  zone_free(f, &z);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_refusals)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
