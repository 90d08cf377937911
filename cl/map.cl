/* Anomaly maps as plain planes [n][h][w]: bilinear enlargement and Gaussian smoothing. */

/* Half-pixel corners. Global size: (gx, ho, n). */
KERNEL void enlarge(__global const float *restrict x, __global float *restrict y, const int4 size /* h, w, ho, wo */,
                    const float2 step /* h / ho, w / wo */) {
  const int row = get_global_id(1), n = get_global_id(2);
  const float sy = fmax((row + 0.5f) * step.x - 0.5f, 0.0f);
  const int y0 = min((int)sy, size.x - 1), y1 = min(y0 + 1, size.x - 1);
  const float fy = sy - y0;
  __global const float *top = x + ((size_t)n * size.x + y0) * size.y, *bottom = x + ((size_t)n * size.x + y1) * size.y;
  for (int i = get_global_id(0); i < size.w; i += get_global_size(0)) {
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

/* One direction of the Gaussian: y[i] = sum_k weight[|k|] x[i + k], |k| <= radius, k along rows (across 0) or columns.
 * Global size: (gx, h, n). */
KERNEL void smooth(__global const float *restrict x, __global float *restrict y, __global const float *restrict weight,
                   const int4 size /* h, w, radius, across */) {
  const int row = get_global_id(1), n = get_global_id(2), h = size.x, w = size.y, r = size.z;
  __global const float *plane = x + (size_t)n * h * w;
  __global float *out = y + ((size_t)n * h + row) * w;
  if (size.w == 0) {
    __global const float *p = plane + (size_t)row * w;
#if WG == 1
    for (int i = 0; i < w; i++) {
      if (i >= r && i + CB + r <= w) {
        FV sum = weight[0] * LOAD_ANY(p + i);
        for (int k = 1; k <= r; k++) sum = FMA((FV)(weight[k]), LOAD_ANY(p + i - k) + LOAD_ANY(p + i + k), sum);
        STORE_ANY(sum, out + i);
        i += CB - 1;
        continue;
      }
#else
    for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
#endif
      float sum = weight[0] * p[i];
      for (int k = 1; k <= r; k++) sum = FMA(weight[k], p[mirror(i - k, w)] + p[mirror(i + k, w)], sum);
      out[i] = sum;
    }
  } else {
#if WG == 1
    for (int i = 0; i < w; i++) {
      if (i + CB <= w) {
        FV sum = weight[0] * LOAD_ANY(plane + (size_t)row * w + i);
        for (int k = 1; k <= r; k++)
          sum = FMA((FV)(weight[k]),
                    LOAD_ANY(plane + (size_t)mirror(row - k, h) * w + i) +
                        LOAD_ANY(plane + (size_t)mirror(row + k, h) * w + i),
                    sum);
        STORE_ANY(sum, out + i);
        i += CB - 1;
        continue;
      }
#else
    for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
#endif
      float sum = weight[0] * plane[(size_t)row * w + i];
      for (int k = 1; k <= r; k++)
        sum =
            FMA(weight[k], plane[(size_t)mirror(row - k, h) * w + i] + plane[(size_t)mirror(row + k, h) * w + i], sum);
      out[i] = sum;
    }
  }
}
