/* The order of a tree: a permutation, the same each time, whose tiles lie close together. */
#include "fixture.h"
#include "op/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The sum of the tiles' radii. */
static double spread(const float *rows, const uint32_t *order, size_t count, size_t width, size_t tile) {
  double sum = 0;
  for (size_t at = 0; at < count; at += tile) {
    size_t n = count - at < tile ? count - at : tile;
    double middle[40] = {0}, most = 0;
    for (size_t i = at; i < at + n; i++)
      for (size_t k = 0; k < width; k++) middle[k] += (double)rows[order[i] * width + k] / (double)n;
    for (size_t i = at; i < at + n; i++) {
      double far = 0;
      for (size_t k = 0; k < width; k++) far += pow((double)rows[order[i] * width + k] - middle[k], 2);
      most = fmax(most, far);
    }
    sum += sqrt(most);
  }
  return sum;
}

static void check(struct fm_context *ctx, const float *rows, size_t count, size_t width, size_t tile) {
  uint32_t *order = malloc(count * sizeof *order), *again = malloc(count * sizeof *again);
  bool *seen = calloc(count, sizeof *seen);
  ASSERT_OK(ctx, fm_order_rows(ctx, rows, count, width, tile, order));
  ASSERT_OK(ctx, fm_order_rows(ctx, rows, count, width, tile, again));
  assert_memory_equal(order, again, count * sizeof *order);
  for (size_t i = 0; i < count; i++) {
    assert_true(order[i] < count && !seen[order[i]]);
    seen[order[i]] = true;
  }
  free(order);
  free(again);
  free(seen);
}

static void is_a_permutation(void **state) {
  struct fm_context ctx;
  static const size_t counts[] = {1, 2, 31, 32, 33, 64, 65, 96, 1000, 4097};
  float rows[4097 * 3];
  fm_context_init(&ctx);
  struct fm_rng rng = fm_rng_stream(1, "order");
  for (int kind = 0; kind < 3; kind++) { /* drawn; all the same; some are no numbers */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
      rows[i] = kind == 1 ? 2 : kind == 2 && i % 7 == 0 ? (i % 2 ? NAN : -INFINITY) : fm_rng_uniform(&rng);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) check(&ctx, rows, counts[c], 3, 32);
  }
  fm_context_free(&ctx);
}

/* Rows around 50 places, shuffled: tiles of neighbours are far smaller than tiles of rows that follow one
 * another. */
static void tiles_are_small(void **state) {
  enum { COUNT = 3200, WIDTH = 40, PLACES = 50 };
  struct fm_context ctx;
  static float rows[COUNT * WIDTH];
  uint32_t order[COUNT], same[COUNT];
  fm_context_init(&ctx);
  struct fm_rng rng = fm_rng_stream(2, "order");
  for (size_t i = 0; i < COUNT; i++) {
    same[i] = (uint32_t)i;
    for (size_t k = 0; k < WIDTH; k++)
      rows[i * WIDTH + k] =
          5 * (float)sin((double)(i % PLACES) * (double)(k + 1) / 99) + 0.2f * fm_rng_uniform(&rng);
  }
  ASSERT_OK(&ctx, fm_order_rows(&ctx, rows, COUNT, WIDTH, 32, order));
  assert_true(spread(rows, order, COUNT, WIDTH, 32) < 0.4 * spread(rows, same, COUNT, WIDTH, 32));
  fm_context_free(&ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(is_a_permutation), cmocka_unit_test(tiles_are_small)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
