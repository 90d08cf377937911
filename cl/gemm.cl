/* C = A B for row-major matrices: A [m][k], B [k][n], C [m][n], any sizes.
 *
 *   MR rows and two vectors of CB columns a work-item: 2 * MR accumulators; one number of A is broadcast over two vectors of B
 * Columns past the last whole vector are computed one by one. Global size: (column tiles, row tiles, 1). */
KERNEL void gemm(__global const float *restrict a, __global const float *restrict b, __global float *restrict c,
                 const int4 size /* m, n, k, 0 */) {
  const int m = size.x, n = size.y, k = size.z, x0 = get_global_id(0) * 2 * CB, y0 = get_global_id(1) * MR;
  if (x0 >= n || y0 >= m) return;
  if (x0 + 2 * CB <= n) {
    FV acc[MR][2];
    UNROLL for (int r = 0; r < MR; r++) acc[r][0] = acc[r][1] = ZERO;
    for (int i = 0; i < k; i++) {
      const FV b0 = LOAD(b + (size_t)i * n + x0), b1 = LOAD(b + (size_t)i * n + x0 + CB);
      UNROLL for (int r = 0; r < MR; r++) {
        const FV v = (FV)(a[(size_t)min(y0 + r, m - 1) * k + i]);
        acc[r][0] = FMA(v, b0, acc[r][0]);
        acc[r][1] = FMA(v, b1, acc[r][1]);
      }
    }
    UNROLL for (int r = 0; r < MR; r++)
      if (y0 + r < m) {
        STORE(acc[r][0], c + (size_t)(y0 + r) * n + x0);
        STORE(acc[r][1], c + (size_t)(y0 + r) * n + x0 + CB);
      }
  } else {
    for (int y = y0; y < min(y0 + MR, m); y++)
      for (int x = x0; x < n; x++) {
        float sum = 0.0f;
        for (int i = 0; i < k; i++) sum = FMA(a[(size_t)y * k + i], b[(size_t)i * n + x], sum);
        c[(size_t)y * n + x] = sum;
      }
  }
}
