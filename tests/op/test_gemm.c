/* Matrix products against a plain sum in double, by our kernel and, where it is installed, by CLBlast. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "device/blas.h"
#include "op/gemm.h"

#include <math.h>
#include <stdlib.h>

static void compare(struct fm_context *ctx, struct fm_device *d, int m, int n, int k) {
  size_t sizes[3] = {(size_t)m * (size_t)k, (size_t)k * (size_t)n, (size_t)m * (size_t)n};
  struct fm_buffer buffer[3];
  float *host[3];
  struct fm_rng rng = fm_rng_stream(3, "gemm");
  for (int i = 0; i < 3; i++) {
    host[i] = fm_alloc(ctx, sizes[i], sizeof(float));
    assert_non_null(host[i]);
    for (size_t j = 0; j < sizes[i]; j++) host[i][j] = fm_rng_uniform(&rng) - 0.5f;
    ASSERT_OK(ctx, fm_buffer_make(d, sizes[i] * sizeof(float), &buffer[i]));
    ASSERT_OK(ctx, fm_buffer_write(d, &buffer[i], 0, host[i], sizes[i] * sizeof(float)));
  }
  ASSERT_OK(ctx, fm_gemm(d, m, n, k, &buffer[0], &buffer[1], &buffer[2]));
  ASSERT_OK(ctx, fm_buffer_read(d, &buffer[2], 0, host[2], sizes[2] * sizeof(float)));
  for (int y = 0; y < m; y++)
    for (int x = 0; x < n; x++) {
      double sum = 0;
      for (int i = 0; i < k; i++) sum += (double)host[0][y * k + i] * (double)host[1][i * n + x];
      double got = (double)host[2][y * n + x];
      if (!(fabs(got - sum) <= 1e-6 * sqrt(k) + 1e-6))
        fail_msg("%d x %d x %d: (%d, %d) is %g, not %g", m, n, k, y, x, got, sum);
    }
  for (int i = 0; i < 3; i++) {
    fm_buffer_free(d, &buffer[i]);
    fm_free(ctx, host[i]);
  }
}

static void products(void **state) {
  struct fm_context *ctx = *state;
  struct fm_device *d;
  static const int shapes[][3] = {{1, 1, 1}, {7, 33, 5}, {8, 32, 64}, {65, 97, 40}, {3, 31, 200}};
  ASSERT_OK(ctx, fm_device_open(ctx, NULL, &d));
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    compare(ctx, d, shapes[i][0], shapes[i][1], shapes[i][2]);
  ASSERT_OK(ctx, fm_device_close(d));
}

static void own_kernel(void **state) {
  setenv("FLAWMAP_GEMM", "own", 1);
  products(state);
}

static void clblast(void **state) {
  if (!fm_blas_available()) {
    print_message("skipped: CLBlast is not installed\n");
    skip();
  }
  setenv("FLAWMAP_GEMM", "clblast", 1);
  products(state);
  unsetenv("FLAWMAP_GEMM");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(own_kernel), TEST(clblast)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
