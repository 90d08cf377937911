/* CDO: discrepancy of expert and apprentice, the loss with margin and overlap optimisation, its gradient. docs/math/cdo.md.
 *
 * A tap is resized to tap 1's grid (bilinear, aligned corners) while it is read: no resized tap is ever stored.
 *   u = f / max(|f|, 1e-12),  d = sum over channels (u_E - u_A)^2
 * The recipe of 2025 takes f / max(|f|, 1e-12) of the tap itself for f (`unit`).
 * Position arrays are [n][h][w] on tap 1's grid. */
#define TINY 1e-12f

/* A feature between the four pixels of two rows; plain: it lies on the first. */
inline FV resized(__global const float *top, __global const float *bottom, const int x0, const int x1, const float4 w,
                  const bool plain) {
  const FV first = LOAD(top + x0 * CB);
  if (plain) return first;
  const FV above = FMA((FV)(w.y), LOAD(top + x1 * CB), w.x * first);
  return FMA((FV)(w.w), LOAD(bottom + x1 * CB), FMA((FV)(w.z), LOAD(bottom + x0 * CB), above));
}

/* Blocks of a position that a CPU keeps between the norms and the distance. */
#define KEPT 64

/* d, 1 / max(|f_E|, tiny), 1 / max(|f_A|, tiny) at every position. accumulate: d is added to (the map over taps).
 * Global size: (gx, h, n). */
KERNEL void discrepancy(__global const float *restrict fe, __global const float *restrict fa, __global float *d,
                        __global float *restrict ie, __global float *restrict ia, const int4 ed, const int4 ad,
                        const int4 size /* h, w of the grid, h, w of the tap */, const int2 use /* accumulate, norms */,
                        const float2 step) {
  const int row = get_global_id(1), n = get_global_id(2);
  const float sy = row * step.x;
  const int y0 = min((int)sy, size.z - 1), y1 = min(y0 + 1, size.z - 1);
  const float fy = sy - y0;
#if WG == 1
  FV kept_e[KEPT], kept_a[KEPT];
#endif
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const float sx = i * step.y;
    const int x0 = min((int)sx, size.w - 1), x1 = min(x0 + 1, size.w - 1);
    const float fx = sx - x0;
    const float4 w = (float4)((1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx);
    const bool plain = fy == 0.0f && fx == 0.0f;
    FV se = ZERO, sa = ZERO;
    for (int b = 0; b < ed.x; b++) {
      const FV e = resized(fe + AT(ed, n, b, y0, 0), fe + AT(ed, n, b, y1, 0), x0, x1, w, plain);
      const FV a = resized(fa + AT(ad, n, b, y0, 0), fa + AT(ad, n, b, y1, 0), x0, x1, w, plain);
      se = FMA(e, e, se);
      sa = FMA(a, a, sa);
#if WG == 1
      if (b < KEPT) {
        kept_e[b] = e;
        kept_a[b] = a;
      }
#endif
    }
    const float re = 1.0f / fmax(sqrt(sum_of(se)), TINY), ra = 1.0f / fmax(sqrt(sum_of(sa)), TINY);
    FV sum = ZERO;
    for (int b = 0; b < ed.x; b++) {
      FV e, a;
#if WG == 1
      if (b < KEPT) {
        e = kept_e[b];
        a = kept_a[b];
      } else
#endif
      {
        e = resized(fe + AT(ed, n, b, y0, 0), fe + AT(ed, n, b, y1, 0), x0, x1, w, plain);
        a = resized(fa + AT(ad, n, b, y0, 0), fa + AT(ad, n, b, y1, 0), x0, x1, w, plain);
      }
      const FV v = e * re - a * ra;
      sum = FMA(v, v, sum);
    }
    const size_t at = ((size_t)n * size.x + row) * size.y + i;
    d[at] = sum_of(sum) + (use.x ? d[at] : 0.0f);
    if (use.y) {
      ie[at] = re;
      ia[at] = ra;
    }
  }
}

/* y = x / max(|x|, tiny) over the channels, r = 1 / max(|x|, tiny) where it is kept. Global size: (gx, h, n). */
KERNEL void unit(__global const float *restrict x, __global float *restrict y, __global float *r, const int4 xd,
                 const int4 yd, const int4 size /* h, w, keep r, 0 */) {
  const int row = get_global_id(1), n = get_global_id(2);
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    FV sum = ZERO;
    for (int b = 0; b < xd.x; b++) {
      const FV v = LOAD(x + AT(xd, n, b, row, i));
      sum = FMA(v, v, sum);
    }
    const float s = 1.0f / fmax(sqrt(sum_of(sum)), TINY);
    for (int b = 0; b < xd.x; b++) STORE(s * LOAD(x + AT(xd, n, b, row, i)), y + AT(yd, n, b, row, i));
    if (size.z) r[((size_t)n * size.x + row) * size.y + i] = s;
  }
}

/* dL/dy becomes dL/dx = r (dL/dy - (dL/dy . y) y). Global size: (gx, h, n). */
KERNEL void unit_back(__global const float *restrict y, __global const float *restrict r, __global float *restrict g,
                      const int4 yd, const int4 gd, const int2 size /* h, w */) {
  const int row = get_global_id(1), n = get_global_id(2);
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    FV sum = ZERO;
    for (int b = 0; b < yd.x; b++) sum = FMA(LOAD(y + AT(yd, n, b, row, i)), LOAD(g + AT(gd, n, b, row, i)), sum);
    const float along = sum_of(sum), s = r[((size_t)n * size.x + row) * size.y + i];
    for (int b = 0; b < yd.x; b++) {
      __global float *at = g + AT(gd, n, b, row, i);
      STORE(s * (LOAD(at) - along * LOAD(y + AT(yd, n, b, row, i))), at);
    }
  }
}

/* ratio^gamma; the published gamma of 2 without the general function, which is a hundred times slower. */
inline float weight(const float ratio, const float gamma) { return gamma == 2.0f ? ratio * ratio : pow(ratio, gamma); }

/* Sums over one row of positions; part [rows][8]. Pass 0: normal count, sum d, synthetic count, sum d. Pass 1, with the means
 * in loss[2], loss[3]: sum w_n, sum w_n d, sum w_s, sum w_s d. mask: [n][picture h][picture w], nearest:
 * the pixel floor(i * step). Global size: (rows of all pictures * WG, 1, 1). */
KERNEL void loss_rows(__global const float *restrict d, __global const uchar *restrict mask,
                      __global const float *restrict loss, __global float *restrict part,
                      const int4 size /* h, w, mask h, mask w */, const int2 use /* pass, overlap */,
                      const float gamma) {
  const int r = get_group_id(0), n = r / size.x, row = r % size.x;
  __global const uchar *m = mask + ((size_t)n * size.z + (size_t)row * size.z / size.x) * size.w;
  float4 sum = (float4)(0.0f);
  for (int i = get_local_id(0); i < size.y; i += WG) {
    const bool s = m[(size_t)i * size.w / size.y] != 0;
    const float v = d[(size_t)r * size.y + i];
    float w = 1.0f;
    if (use.x && use.y) w = s ? weight(loss[3] / fmax(v, TINY), gamma) : weight(v / loss[2], gamma);
    sum += s ? (float4)(0.0f, 0.0f, w, w * v) : (float4)(w, w * v, 0.0f, 0.0f);
  }
#if WG > 1
  __local float4 scratch[WG];
  GROUP_SUM(sum, scratch);
  if (get_local_id(0) != 0) return;
#endif
  vstore4(sum, 0, part + (size_t)r * 8 + use.x * 4);
}

/* Adds the rows (Kahan). Pass 0: loss[2], loss[3] = mean d of normal and of synthetic positions (0 of none).
 * Pass 1: loss[0] = B (sum w_n d - sum w_s d) / (sum w_n + sum w_s), loss[1] = B / (sum w_n + sum w_s).
 * Global size: (WG, 1, 1). */
KERNEL void loss_finish(__global const float *restrict part, __global float *restrict loss,
                        const int2 use /* rows, pass */, const float batch) {
  float4 sum = (float4)(0.0f), lost = (float4)(0.0f);
  for (int r = get_local_id(0); r < use.x; r += WG) {
    const float4 v = vload4(0, part + (size_t)r * 8 + use.y * 4) - lost, t = sum + v;
    lost = (t - sum) - v;
    sum = t;
  }
#if WG > 1
  __local float4 scratch[WG];
  GROUP_SUM(sum, scratch);
  if (get_local_id(0) != 0) return;
#endif
  if (use.y == 0) {
    loss[2] = sum.y / fmax(sum.x, 1.0f);
    loss[3] = sum.w / fmax(sum.z, 1.0f);
  } else {
    loss[1] = batch / (sum.x + sum.z);
    loss[0] = loss[1] * (sum.y - sum.w);
  }
}

/* From dL/dd = +- loss[1] w at every position, the factors of the resized features in dL/df_A:
 *   dd/df_A = 2/|f_A| (cos u_A - u_E), cos = 1 - d/2
 *   dL/df_A = cb f_A + ca f_E,  cb = g 2 (1 - d/2) / |f_A|^2,  ca = -g 2 / (|f_A| |f_E|)
 * Global size: (gx, rows of all pictures, 1). */
KERNEL void loss_factors(__global const float *restrict d, __global const uchar *restrict mask,
                         __global const float *restrict loss, __global const float *restrict ie,
                         __global const float *restrict ia, __global float *restrict ca, __global float *restrict cb,
                         const int4 size /* h, w, mask h, mask w */, const int overlap, const float gamma) {
  const int r = get_global_id(1), n = r / size.x, row = r % size.x;
  __global const uchar *m = mask + ((size_t)n * size.z + (size_t)row * size.z / size.x) * size.w;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const size_t at = (size_t)r * size.y + i;
    const int s = m[(size_t)i * size.w / size.y] != 0;
    const float v = d[at];
    float g = loss[1];
    if (overlap) g *= s ? weight(loss[3] / fmax(v, TINY), gamma) : weight(v / loss[2], gamma);
    if (s) g = -g;
    cb[at] = 2.0f * g * (1.0f - 0.5f * v) * ia[at] * ia[at];
    ca[at] = -2.0f * g * ia[at] * ie[at];
  }
}

/* The same two factors for any slope dL/dd; io, it: reciprocal norms of the tap compared with and of the tap itself.
 * Global size: (gx, rows of all pictures, 1). */
KERNEL void slope_factors(__global const float *restrict d, __global const float *restrict slope,
                          __global const float *restrict io, __global const float *restrict it,
                          __global float *restrict ca, __global float *restrict cb, const int w) {
  for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
    const size_t at = (size_t)get_global_id(1) * w + i;
    cb[at] = 2.0f * slope[at] * (1.0f - 0.5f * d[at]) * it[at] * it[at];
    ca[at] = -2.0f * slope[at] * it[at] * io[at];
  }
}

inline float tent(const int q, const int i, const int in, const float step) {
  const float s = q * step;
  const int lo = min((int)s, in - 1), hi = min(lo + 1, in - 1);
  const float f = s - lo;
  return (lo == i ? 1.0f - f : 0.0f) + (hi == i ? f : 0.0f);
}

/* dL/df_A of the tap itself. With the resize R (a sparse matrix over positions) the gradient of the resized feature is
 * cb R f_A + ca R f_E, so dL/df_A = (R' cb R) f_A + (R' ca R) f_E: R' diag(c) R couples a pixel only with its eight
 * neighbours, and its 9 numbers serve all channels. Global size: (gx, tap h, n). */
KERNEL void loss_back(__global const float *restrict fe, __global const float *restrict fa,
                      __global const float *restrict ca, __global const float *restrict cb, __global float *restrict g,
                      const int4 ed, const int4 ad, const int4 gd, const int4 size /* h, w of the grid, of the tap */,
                      const float2 step) {
  const int row = get_global_id(1), n = get_global_id(2);
  const int qy0 = max((int)((row - 1) / fmax(step.x, 1e-6f)) - 1, 0);
  const int qy1 = min((int)min((row + 1) / fmax(step.x, 1e-6f) + 2, (float)size.x), size.x);
  for (int i = get_global_id(0); i < size.w; i += get_global_size(0)) {
    const int qx0 = max((int)((i - 1) / fmax(step.y, 1e-6f)) - 1, 0);
    const int qx1 = min((int)min((i + 1) / fmax(step.y, 1e-6f) + 2, (float)size.y), size.y);
    float sa[9], sb[9];
    UNROLL for (int k = 0; k < 9; k++) sa[k] = sb[k] = 0.0f;
    for (int qy = qy0; qy < qy1; qy++) {
      const float wy = tent(qy, row, size.z, step.x);
      if (wy == 0.0f) continue;
      for (int qx = qx0; qx < qx1; qx++) {
        const float w = wy * tent(qx, i, size.w, step.y);
        if (w == 0.0f) continue;
        const size_t at = ((size_t)n * size.x + qy) * size.y + qx;
        UNROLL for (int k = 0; k < 9; k++) {
          const float v = w * tent(qy, row + k / 3 - 1, size.z, step.x) * tent(qx, i + k % 3 - 1, size.w, step.y);
          sa[k] = FMA(v, ca[at], sa[k]);
          sb[k] = FMA(v, cb[at], sb[k]);
        }
      }
    }
    for (int b = 0; b < gd.x; b++) {
      FV sum = ZERO;
      UNROLL for (int k = 0; k < 9; k++) {
        const int y = row + k / 3 - 1, x = i + k % 3 - 1;
        if (y < 0 || y >= size.z || x < 0 || x >= size.w || (sa[k] == 0.0f && sb[k] == 0.0f)) continue;
        sum = FMA((FV)(sa[k]), LOAD(fe + AT(ed, n, b, y, x)), sum);
        sum = FMA((FV)(sb[k]), LOAD(fa + AT(ad, n, b, y, x)), sum);
      }
      STORE(sum, g + AT(gd, n, b, row, i));
    }
  }
}
