/* Features of cells from two taps, by tables: every number of a feature is a short list of (channel, dy, dx, weight) on
 * a tap's own grid; the coarse tap's are then enlarged to the fine one's grid. The way back is the transposed table.
 *
 * Between the blocked layout and the rows of features lie planes [n][channel or output][h + 2][row], row = w + 2, with a
 * border of zeros: a list is then a sum of shifted planes, and a plane a plain array in which the border does not matter.
 * A plane takes `plane` floats, more than its pixels, so that vectors may run past the end.
 * A plane's place (y, x) is (y + 1) * row + x + 1. */
#define PLACE(y, x, row) (((y) + 1) * (row) + (x) + 1)

/* A blocked tensor to planes. Global size: (gx, h, n * blocks). */
KERNEL void to_planes(__global const float *restrict x, __global float *restrict y, const int4 xd,
                      const int4 size /* w, channels, row, plane */) {
  const int line = get_global_id(1), n = get_global_id(2) / xd.x, b = get_global_id(2) % xd.x;
  const int lanes = min(CB, size.y - b * CB);
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    __global const float *p = x + AT(xd, n, b, line, i);
    __global float *q = y + ((size_t)n * size.y + b * CB) * size.w + PLACE(line, i, size.z);
    for (int c = 0; c < lanes; c++) q[(size_t)c * size.w] = p[c];
  }
}

/* And back; channels past the last become zero. Global size: (gx, h, n * blocks). */
KERNEL void from_planes(__global const float *restrict y, __global float *restrict x, const int4 xd,
                        const int4 size /* w, channels, row, plane */) {
  const int line = get_global_id(1), n = get_global_id(2) / xd.x, b = get_global_id(2) % xd.x;
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    __global float *p = x + AT(xd, n, b, line, i);
    __global const float *q = y + ((size_t)n * size.y + b * CB) * size.w + PLACE(line, i, size.z);
    for (int c = 0; c < CB; c++) p[c] = b * CB + c < size.y ? q[(size_t)c * size.w] : 0.0f;
  }
}

/* y[o] = sum over entries begin[o] .. begin[o + 1] of weight * x, shifted by `from` (which names plane and offset).
 * Global size: (1 on a CPU, else places; outputs, n). */
KERNEL void sum_lists(__global const float *restrict x, __global float *restrict y, __global const int *restrict begin,
                      __global const int *restrict from, __global const float *restrict weight,
                      const int4 size /* first place, places (whole 4 * CB), plane, planes of x */) {
  const int o = get_global_id(1), n = get_global_id(2), first = begin[o], last = begin[o + 1];
  __global const float *xp = x + (size_t)n * size.w * size.z + size.x;
  __global float *yp = y + ((size_t)n * get_global_size(1) + o) * size.z + size.x;
#if WG == 1
  for (int i = 0; i < size.y; i += 4 * CB) {
    FV a = ZERO, b = ZERO, c = ZERO, d = ZERO;
    for (int e = first; e < last; e++) {
      __global const float *p = xp + from[e] + i;
      const FV v = (FV)(weight[e]);
      a = FMA(v, LOAD_ANY(p), a);
      b = FMA(v, LOAD_ANY(p + CB), b);
      c = FMA(v, LOAD_ANY(p + 2 * CB), c);
      d = FMA(v, LOAD_ANY(p + 3 * CB), d);
    }
    STORE_ANY(a, yp + i);
    STORE_ANY(b, yp + i + CB);
    STORE_ANY(c, yp + i + 2 * CB);
    STORE_ANY(d, yp + i + 3 * CB);
  }
#else
  const int i = get_global_id(0);
  if (i >= size.y) return;
  float sum = 0.0f;
  for (int e = first; e < last; e++) sum = FMA(weight[e], xp[from[e] + i], sum);
  yp[i] = sum;
#endif
}

/* Bilinear, half-pixel corners, as in resize.cl. */
inline float source_at(const int i, const float step) { return fmax((i + 0.5f) * step - 0.5f, 0.0f); }

/* Planes of outputs to features [n][h][w][width]: outputs 0 .. split.x come from the fine tap, split.y .. split.z from the coarse one, and
 * numbers from split.z on are zero. Global size: (gx, h, n). */
KERNEL void to_features(__global const float *restrict one, __global const float *restrict two,
                        __global float *restrict feature, const int4 grid /* h, w, row, plane */,
                        const int4 coarse /* h, w, row, plane */, const int4 split /* , , dimensions, width */,
                        const float2 step) {
  const int line = get_global_id(1), n = get_global_id(2);
  const float sy = source_at(line, step.x);
  const int y0 = min((int)sy, coarse.x - 1), y1 = min(y0 + 1, coarse.x - 1);
  const float fy = sy - y0;
  for (int i = get_global_id(0); i < grid.y; i += get_global_size(0)) {
    const float sx = source_at(i, step.y);
    const int x0 = min((int)sx, coarse.y - 1), x1 = min(x0 + 1, coarse.y - 1);
    const float fx = sx - x0;
    __global const float *p = one + (size_t)n * split.x * grid.w + PLACE(line, i, grid.z);
    __global const float *q = two + (size_t)n * (split.z - split.y) * coarse.w;
    const int a = PLACE(y0, x0, coarse.z), b = PLACE(y0, x1, coarse.z), c = PLACE(y1, x0, coarse.z),
              d = PLACE(y1, x1, coarse.z);
    __global float *f = feature + (((size_t)n * grid.x + line) * grid.y + i) * split.w;
    for (int k = 0; k < split.x; k++) f[k] = p[(size_t)k * grid.w];
    for (int k = split.y; k < split.z; k++) {
      __global const float *t = q + (size_t)(k - split.y) * coarse.w;
      const float v = (1.0f - fy) * ((1.0f - fx) * t[a] + fx * t[b]) + fy * ((1.0f - fx) * t[c] + fx * t[d]);
      f[k] = k < split.x ? f[k] + v : v;
    }
    for (int k = split.z; k < split.w; k++) f[k] = 0.0f;
  }
}

/* How much place q of the grid takes from place i of the coarse one, and the places that may take from it. */
inline float share_of(const int q, const int i, const int in, const float step) {
  const float s = source_at(q, step);
  const int lo = min((int)s, in - 1), hi = min(lo + 1, in - 1);
  const float f = s - lo;
  return (lo == i ? 1.0f - f : 0.0f) + (hi == i ? f : 0.0f);
}
inline int2 takers_of(const int i, const int out, const float step) {
  return (int2)(max((int)((i - 1.5f) / step) - 1, 0), min((int)((i + 1.5f) / step) + 2, out));
}

/* Features' gradients to the planes of one tap: outputs first .. first + planes. coarse: the tap's own grid (the fine one's is the
 * grid itself). Global size: (gx, coarse h, n). */
KERNEL void from_features(__global const float *restrict feature, __global float *restrict y,
                          const int4 grid /* h, w, width, 0 */, const int4 coarse /* h, w, row, plane */,
                          const int2 part /* first, planes */, const float2 step) {
  const int line = get_global_id(1), n = get_global_id(2);
  const int2 qys = takers_of(line, grid.x, step.x);
  for (int i = get_global_id(0); i < coarse.y; i += get_global_size(0)) {
    const int2 qxs = takers_of(i, grid.y, step.y);
    __global float *p = y + (size_t)n * part.y * coarse.w + PLACE(line, i, coarse.z);
    for (int k0 = part.x / CB * CB; k0 < part.x + part.y; k0 += CB) {
      FV sum = ZERO;
      for (int qy = qys.x; qy < qys.y; qy++) {
        const float wy = share_of(qy, line, coarse.x, step.x);
        if (wy == 0.0f) continue;
        for (int qx = qxs.x; qx < qxs.y; qx++) {
          const float w = wy * share_of(qx, i, coarse.y, step.y);
          if (w != 0.0f) sum += w * LOAD_ANY(feature + (((size_t)n * grid.x + qy) * grid.y + qx) * grid.z + k0);
        }
      }
      float v[CB];
      STORE_ANY(sum, v);
      for (int c = 0; c < CB; c++) {
        const int k = k0 + c - part.x;
        if (k >= 0 && k < part.y) p[(size_t)k * coarse.w] = v[c];
      }
    }
  }
}
