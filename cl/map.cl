/* Anomaly maps as plain planes [n][h][w]: bilinear enlargement and Gaussian smoothing. */

/* Half-pixel corners. Global size: (gx, ho, n). */
KERNEL void enlarge(__global const float *restrict x, __global float *restrict y, const int4 size /* h, w, ho, wo */,
                    const float2 step /* h / ho, w / wo */) {
  const int row = get_global_id(1), n = get_global_id(2);
  const float sy = fmax((row + 0.5f) * step.x - 0.5f, 0.0f);
  const int y0 = min((int)sy, size.x - 1), y1 = min(y0 + 1, size.x - 1);
  const float fy = sy - y0;
  __global const float *top = x + ((size_t)n * size.x + y0) * size.y, *bottom = x + ((size_t)n * size.x + y1) * size.y;
#if WG == 1
  for (int i = 0; i < size.w; i++) {
#else
  for (int i = get_global_id(0); i < size.w; i += get_global_size(0)) {
#endif
    const float sx = fmax((i + 0.5f) * step.y - 0.5f, 0.0f);
    const int x0 = min((int)sx, size.y - 1), x1 = min(x0 + 1, size.y - 1);
    const float fx = sx - x0;
    y[((size_t)n * size.z + row) * size.w + i] =
        (1.0f - fy) * ((1.0f - fx) * top[x0] + fx * top[x1]) + fy * ((1.0f - fx) * bottom[x0] + fx * bottom[x1]);
  }
}

/* y = sqrt(max(x, 0)). Global size: (gx, h, n). */
KERNEL void root(__global const float *x, __global float *y, const int2 size /* h, w */) {
  const size_t at = ((size_t)get_global_id(2) * size.x + get_global_id(1)) * size.y;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const float v = x[at + i];
    y[at + i] = v < 0.0f ? 0.0f : sqrt(v); /* NaN stays NaN */
  }
}

/* The pixel that index i stands for where the plane is mirrored with its edge repeated: c b a | a b c d | d c b. */
inline int mirror(int i, const int size) {
  while (i < 0 || i >= size) i = i < 0 ? -1 - i : 2 * size - 1 - i;
  return i;
}

/* One direction of the Gaussian: y[i] = sum_k weight[|k|] x[i + k], |k| <= radius, k along rows (across 0) or columns. */
inline float smoothed(__global const float *p, const int stride, const int i, const int size, const int r,
                      __global const float *weight) {
  float sum = weight[0] * p[(size_t)i * stride];
  for (int k = 1; k <= r; k++)
    sum = FMA(weight[k], p[(size_t)mirror(i - k, size) * stride] + p[(size_t)mirror(i + k, size) * stride], sum);
  return sum;
}

#if WG == 1
/* A CPU takes four vectors at a time, so that no sum waits for itself. Rows with a reach beyond REACH go one by one. */
#define STRIP (4 * CB)
#define REACH 48

inline void smooth_row(__global const float *p, __global float *out, const int w, const int r,
                       __global const float *weight) {
  for (int x = 0; x < w; x += STRIP) {
    float near[STRIP + 2 * REACH]; /* near[j]: the pixel at x - r + j, mirrored */
    const int count = min(STRIP, w - x), end = x + count + r, inner = min(end, w);
    for (int i = x - r; i < 0; i++) near[i - x + r] = p[mirror(i, w)];
    for (int i = max(x - r, 0); i < inner; i++) near[i - x + r] = p[i];
    for (int i = inner; i < end; i++) near[i - x + r] = p[mirror(i, w)];
    FV sum[4];
    UNROLL for (int q = 0; q < 4; q++) sum[q] = weight[0] * LOAD_ANY(near + r + q * CB);
    for (int k = 1; k <= r; k++)
      UNROLL for (int q = 0; q < 4; q++)
        sum[q] = FMA((FV)(weight[k]), LOAD_ANY(near + r + q * CB - k) + LOAD_ANY(near + r + q * CB + k), sum[q]);
    UNROLL for (int q = 0; q < 4; q++) STORE_ANY(sum[q], near + q * CB);
    for (int i = 0; i < count; i++) out[x + i] = near[i];
  }
}

inline void smooth_column(__global const float *plane, __global float *out, const int row, const int h, const int w,
                          const int r, __global const float *weight) {
  int x = 0;
  for (; x + STRIP <= w; x += STRIP) {
    FV sum[4];
    UNROLL for (int q = 0; q < 4; q++) sum[q] = weight[0] * LOAD_ANY(plane + (size_t)row * w + x + q * CB);
    for (int k = 1; k <= r; k++) {
      __global const float *above = plane + (size_t)mirror(row - k, h) * w + x;
      __global const float *below = plane + (size_t)mirror(row + k, h) * w + x;
      UNROLL for (int q = 0; q < 4; q++)
        sum[q] = FMA((FV)(weight[k]), LOAD_ANY(above + q * CB) + LOAD_ANY(below + q * CB), sum[q]);
    }
    UNROLL for (int q = 0; q < 4; q++) STORE_ANY(sum[q], out + x + q * CB);
  }
  for (; x < w; x++) out[x] = smoothed(plane + x, w, row, h, r, weight);
}
#endif

/* Global size: (gx, h, n). */
KERNEL void smooth(__global const float *restrict x, __global float *restrict y, __global const float *restrict weight,
                   const int4 size /* h, w, radius, across */) {
  const int row = get_global_id(1), n = get_global_id(2), h = size.x, w = size.y, r = size.z;
  __global const float *plane = x + (size_t)n * h * w, *p = plane + (size_t)row * w;
  __global float *out = y + ((size_t)n * h + row) * w;
#if WG == 1
  if (size.w) {
    smooth_column(plane, out, row, h, w, r, weight);
    return;
  }
  if (r <= REACH) {
    smooth_row(p, out, w, r, weight);
    return;
  }
#endif
  for (int i = get_global_id(0); i < w; i += get_global_size(0))
    out[i] = size.w ? smoothed(plane + i, w, row, h, r, weight) : smoothed(p, 1, i, w, r, weight);
}
