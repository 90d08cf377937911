/* Matrix products against a plain sum in double: the plain one by our kernel and, where it is installed, by
 * CLBlast; and the general one with everything it can do on the way out. */
#define _POSIX_C_SOURCE 200809L
#include "fixture.h"

#include "device/blas.h"
#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct shape {
  int m, n, k, batch;
  bool turned;
  enum fm_finish finish;
  bool fours; /* starts, rows and steps are whole float4: what tiles through local memory read */
};

/* ---- C = A B ---- */

static void plain(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t size[3] = {(size_t)(s->m * s->k), (size_t)(s->k * s->n), (size_t)(s->m * s->n)};
  double *a = random_values(&rng, size[0], -1, 1), *b = random_values(&rng, size[1], -1, 1),
         *want = calloc(size[2], sizeof *want), *got = malloc(size[2] * sizeof *got);
  struct zone za = vector_make(f, size[0], a), zb = vector_make(f, size[1], b),
              zc = vector_make(f, size[2], NULL);
  fm_gemm(f->device, s->m, s->n, s->k, &za.buffer, &zb.buffer, &zc.buffer);
  vector_read(f, &zc, size[2], got);
  for (int y = 0; y < s->m; y++)
    for (int i = 0; i < s->k; i++)
      for (int x = 0; x < s->n; x++) want[y * s->n + x] += a[y * s->k + i] * b[i * s->n + x];
  same_sums(f, "product", got, want, size[2], 2e-6, sqrt(s->k));
  struct zone *const zones[] = {&za, &zb, &zc};
  for (int i = 0; i < 3; i++) zone_free(f, zones[i]);
  free(a);
  free(b);
  free(want);
  free(got);
}

static void plain_shapes(struct fixture *f, const char *choice) {
  static const struct shape shapes[] = {{.m = 1, .n = 1, .k = 1},    {.m = 7, .n = 33, .k = 5},
                                        {.m = 8, .n = 32, .k = 64},  {.m = 65, .n = 97, .k = 40},
                                        {.m = 3, .n = 31, .k = 200}, {.m = 2, .n = 5, .k = 9}};
  setenv("FLAWMAP_GEMM", choice, 1);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const struct shape *s = &shapes[i];
    snprintf(f->line, sizeof f->line, "gemm %s {%d, %d, %d}, seed %llu", choice, s->m, s->n, s->k,
             (unsigned long long)f->seed);
    run_twice(f, plain, s);
  }
  unsetenv("FLAWMAP_GEMM");
}

static void own_kernel(void **state) {
  plain_shapes(*state, "own");
}

static void clblast(void **state) {
  struct fixture *f = *state;
  if (!fm_blas_available() || f->small) {
    print_message("skipped: CLBlast is not installed, or a quick run\n");
    skip();
  }
  plain_shapes(f, "clblast");
}

/* ---- the general product ---- */

struct operand {
  struct zone zone;
  struct fm_matrix matrix;
  size_t count;
  double *v;
};

/* rows x columns, batch times, each row with some numbers behind it and all of it behind some others. */
static struct operand operand_make(struct fixture *f, struct fm_rng *rng, int rows, int columns,
                                   const struct shape *s) {
  const int batch = s->batch, unit = s->fours ? 4 : 1;
  struct operand o = {.matrix = {NULL, random_int(rng, 0, 5) * unit, columns + random_int(rng, 0, 3), 0}};
  if (s->fours) o.matrix.row = (o.matrix.row + 3) / 4 * 4;
  o.matrix.step = rows * o.matrix.row + random_int(rng, 0, 7) * unit;
  o.count = (size_t)(o.matrix.start + batch * o.matrix.step);
  o.v = random_values(rng, o.count, -1, 1);
  o.zone = vector_make(f, o.count, o.v);
  return o;
}

static double *element(struct operand *o, int z, int y, int x) {
  return &o->v[o->matrix.start + z * o->matrix.step + y * o->matrix.row + x];
}

enum { SIDE = 5, WIDTH = 4, HEIGHT = 5, FIRST = 3 };

static double finished(const struct shape *s, struct operand *c, struct operand *extra, const int *place,
                       int lane, int z, int y, int x, double v) {
  int cell = place[FIRST + y], row = cell % WIDTH, column = SIDE + cell / WIDTH % HEIGHT;
  switch (s->finish) {
  case FM_FINISH_PLAIN:
    break;
  case FM_FINISH_ADD:
    return *element(c, z, y, x) + v;
  case FM_FINISH_HIDDEN:
    return x == lane ? 1 : fmax(0, v + *element(extra, z, row, x) + *element(extra, z, column, x));
  case FM_FINISH_GATED:
    return x<lane && * element(extra, z, y, x)> 0 ? v : 0;
  }
  return v;
}

static void reference(const struct shape *s, struct operand *a, struct operand *b, struct operand *c,
                      struct operand *extra, const int *place, int lane, double *want) {
  for (size_t i = 0; i < c->count; i++) want[i] = c->v[i];
  for (int z = 0; z < s->batch; z++)
    for (int y = 0; y < s->m; y++)
      for (int x = 0; x < s->n; x++) {
        double sum = 0;
        for (int i = 0; i < s->k; i++)
          sum += (s->turned ? *element(a, z, i, y) : *element(a, z, y, i)) * *element(b, z, i, x);
        want[c->matrix.start + z * c->matrix.step + y * c->matrix.row + x] =
            finished(s, c, extra, place, lane, z, y, x, sum);
      }
}

static void general(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  bool table = s->finish == FM_FINISH_HIDDEN;
  struct operand a = operand_make(f, &rng, s->turned ? s->k : s->m, s->turned ? s->m : s->k, s),
                 b = operand_make(f, &rng, s->k, s->n, s), c = operand_make(f, &rng, s->m, s->n, s),
                 extra = operand_make(f, &rng, table ? 2 * SIDE : s->m, s->n, s);
  int *place = malloc((size_t)(FIRST + s->m) * sizeof *place), lane = random_int(&rng, 0, s->n);
  for (int i = 0; i < FIRST + s->m; i++) place[i] = random_int(&rng, 0, 3 * WIDTH * HEIGHT - 1);
  struct zone zp = zone_make(f, (size_t)(FIRST + s->m) * sizeof *place, place);
  struct operand *const all[] = {&a, &b, &c, &extra};
  for (int i = 0; i < 4; i++) all[i]->matrix.buffer = &all[i]->zone.buffer;
  struct fm_product p = {s->m,     s->n,     s->k,     s->batch,     s->turned,  s->finish,
                         a.matrix, b.matrix, c.matrix, extra.matrix, &zp.buffer, FIRST,
                         SIDE,     WIDTH,    HEIGHT,   lane};
  double *got = malloc(c.count * sizeof *got), *want = malloc(c.count * sizeof *want),
         *first = malloc(c.count * sizeof *first);
  reference(s, &a, &b, &c, &extra, place, lane, want);
  const struct fm_product_row *row;
  int ran = 0;
  for (int i = 0; (row = fm_product_row_at(i)); i++) {
    if (!row->fits(fm_device_facts(f->device), &p)) continue;
    zone_free(f, &c.zone);
    c.zone = vector_make(f, c.count, c.v);
    row->run(f->device, &p);
    vector_read(f, &c.zone, c.count, got);
    same_sums(f, row->name, got, want, c.count, 2e-6,
              sqrt(s->k)); /* also that nothing between the rows changed */
    if (ran++)
      assert_memory_equal(got, first, c.count * sizeof *got);
    else
      memcpy(first, got, c.count * sizeof *got);
  }
  assert_int_equal(ran, s->fours && f->block == 4 && fm_device_facts(f->device)->group == 64 ? 2 : 1);
  for (int i = 0; i < 4; i++) {
    zone_free(f, &all[i]->zone);
    free(all[i]->v);
  }
  zone_free(f, &zp);
  free(place);
  free(got);
  free(want);
  free(first);
}

static void products(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "gemm shapes");
  for (int i = 0; i < (f->small ? 12 : 60); i++) {
    struct shape s = {random_int(&rng, 1, 40),
                      random_int(&rng, 1, 90),
                      random_int(&rng, 1, 50),
                      random_int(&rng, 1, 3),
                      i % 2 == 1,
                      (enum fm_finish)(i / 2 % 4),
                      false};
    snprintf(f->line, sizeof f->line, "product {%d, %d, %d, %d, %d, %d}, seed %llu", s.m, s.n, s.k, s.batch,
             s.turned, (int)s.finish, (unsigned long long)f->seed);
    run_twice(f, general, &s);
  }
}

/* Larger than a tile, and what is left over of tiles on every side. */
static void products_of_fours(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "gemm fours");
  const int part = f->small == 2 ? 2 : 1; /* for interpreters */
  for (int i = 0; i < (f->small ? 8 / part : 24); i++) {
    struct shape s = {random_int(&rng, 1, 150 / part),
                      4 * random_int(&rng, 1, 40 / part),
                      random_int(&rng, 1, 70 / part),
                      random_int(&rng, 1, 2),
                      i % 2 == 1,
                      (enum fm_finish)(i / 2 % 4),
                      true};
    snprintf(f->line, sizeof f->line, "product of fours {%d, %d, %d, %d, %d, %d}, seed %llu", s.m, s.n, s.k,
             s.batch, s.turned, (int)s.finish, (unsigned long long)f->seed);
    run_twice(f, general, &s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(own_kernel), cmocka_unit_test(clblast),
                                     cmocka_unit_test(products), cmocka_unit_test(products_of_fours)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
