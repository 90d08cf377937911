/* What a part should have looked like: a picture put together from pictures of good parts, and the mixture of the two that F2PAD
 * optimises. docs/math/f2pad.md.
 *
 *   Pictures are uchar4 (red, green, blue, 0) [pictures][height][width]; references float4 in 0..1 [n][height][width].
 *   Tensors of features are blocked as everywhere (common.clh). */

/* Squared distance of the features at every cell of one picture to those at the same cell of good picture k.
 * d: [good][h][w]. Global size: (gx, h, good). */
KERNEL void appearance(__global const float *restrict x, __global const float *restrict good,
                       __global float *restrict d, const int4 xd, const int4 gd,
                       const int4 size /* h, w, picture n, 0 */) {
  const int row = get_global_id(1), k = get_global_id(2);
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    FV sum = ZERO;
    for (int b = 0; b < xd.x; b++) {
      const FV v = LOAD(x + AT(xd, size.z, b, row, i)) - LOAD(good + AT(gd, k, b, row, i));
      sum = FMA(v, v, sum);
    }
    d[((size_t)k * size.x + row) * size.y + i] = sum_of(sum);
  }
}

/* Mean over the cells at most `reach` away, in each plane. Global size: (gx, h, planes). */
KERNEL void box(__global const float *restrict x, __global float *restrict y, const int4 size /* h, w, reach, 0 */) {
  const int row = get_global_id(1), h = size.x, w = size.y, r = size.z;
  __global const float *p = x + (size_t)get_global_id(2) * h * w;
  for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
    const int y0 = max(row - r, 0), y1 = min(row + r, h - 1), x0 = max(i - r, 0), x1 = min(i + r, w - 1);
    float sum = 0.0f;
    for (int v = y0; v <= y1; v++)
      for (int u = x0; u <= x1; u++) sum += p[(size_t)v * w + u];
    y[((size_t)get_global_id(2) * h + row) * w + i] = sum / ((y1 - y0 + 1) * (x1 - x0 + 1));
  }
}

/* In place, at every cell: weights over the good pictures, softmax of -sharpness d_k / mean(d). Global size: (gx, h, 1). */
KERNEL void weigh(__global float *d, const int4 size /* h, w, good, 0 */, const float sharpness) {
  const size_t plane = (size_t)size.x * size.y;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    __global float *p = d + (size_t)get_global_id(1) * size.y + i;
    float mean = 0.0f, least = p[0], sum = 0.0f;
    for (int k = 0; k < size.z; k++) {
      mean += p[k * plane];
      least = fmin(least, p[k * plane]);
    }
    const float scale = sharpness / fmax(mean / size.z, 1e-30f);
    for (int k = 0; k < size.z; k++) {
      const float v = exp((least - p[k * plane]) * scale);
      p[k * plane] = v;
      sum += v;
    }
    for (int k = 0; k < size.z; k++) p[k * plane] /= sum;
  }
}

/* Reference of one picture: the good pictures, each with its weights enlarged bilinearly (half-pixel corners), a cell being 8
 * pixels: between the centres of two cells, 8 pixels too, the weight is a straight line. The first and the last segment have
 * half of that. Global size: (gx over w + 1 segments, 8 h, 1). */
KERNEL void blend(__global const float *restrict weight, __global const uchar *restrict good,
                  __global float *restrict ref, const int4 size /* h, w, good, n */) {
  const int row = get_global_id(1), h = size.x, w = size.y, n = size.w, high = 8 * h, wide = 8 * w;
  const float sy = clamp((row + 0.5f) / 8 - 0.5f, 0.0f, (float)(h - 1));
  const int y0 = (int)sy, y1 = min(y0 + 1, h - 1);
  const float fy = sy - y0;
  const float16 t01 = (float16)(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7) / 16.0f, t23 = t01 + 0.5f;
  for (int i = get_global_id(0); i <= w; i += get_global_size(0)) {
    const int left = max(i - 1, 0), right = min(i, w - 1), x = 8 * i - 4;
    float16 first = (float16)(0.0f), last = (float16)(0.0f);
    for (int k = 0; k < size.z; k++) {
      __global const float *top = weight + ((size_t)k * h + y0) * w, *bottom = weight + ((size_t)k * h + y1) * w;
      __global const uchar *p = good + ((size_t)k * high + row) * wide * 4;
      const float a = (1.0f - fy) * top[left] + fy * bottom[left], b = (1.0f - fy) * top[right] + fy * bottom[right];
      if (i > 0) first += (a + (b - a) * t01) * convert_float16(vload16(0, p + 4 * x));
      if (i < w) last += (a + (b - a) * t23) * convert_float16(vload16(0, p + 4 * x + 16));
    }
    __global float *out = ref + ((size_t)n * high + row) * wide * 4;
    if (i > 0) vstore16(first / 255.0f, 0, out + 4 * x);
    if (i < w) vstore16(last / 255.0f, 0, out + 4 * x + 16);
  }
}

/* Where the good patch of every cell lies best over the picture: of all moves by at most `reach` pixels the one with the
 * smallest sum, over the patch of 3 x 3 cells, of the distance of colours, cut off at LIKE so that a flaw has no say over its
 * surroundings; the shortest of equal ones. found, origin: as below; shift: [n][h][w] of (down, right).
 * Global size: (gx over w, h, 1). */
#define LIKE 48
KERNEL void align(__global const uchar *restrict rgb, __global const int *restrict found,
                  __global const int *restrict origin, __global const uchar *restrict good,
                  __global int *restrict shift, const int4 size /* h, w, n, step */, const int reach) {
  const int cy = get_global_id(1), h = size.x, w = size.y, step = size.w, high = h * step, wide = w * step;
  for (int cx = get_global_id(0); cx < w; cx += get_global_size(0)) {
    const int at = found[(size.z * h + cy) * w + cx], k = origin[2 * at], cell = origin[2 * at + 1];
    const int y0 = max(cy * step - step, 0), y1 = min(cy * step + 2 * step, high), x0 = max(cx * step - step, 0),
              x1 = min(cx * step + 2 * step, wide);
    int least = INT_MAX, down = 0, right = 0;
    for (int dy = -reach; dy <= reach; dy++)
      for (int dx = -reach; dx <= reach; dx++) {
        int sum = 0;
        for (int y = y0; y < y1 && sum <= least; y++) {
          const int gy = clamp(cell / w * step + y - cy * step + dy, 0, high - 1);
          __global const uchar *p = rgb + (((size_t)size.z * high + y) * wide) * 3,
                               *q = good + ((size_t)k * high + gy) * wide * 4;
          for (int x = x0; x < x1; x++) {
            const int gx = clamp(cell % w * step + x - cx * step + dx, 0, wide - 1);
            const int d = abs_diff(p[3 * x], q[4 * gx]) + abs_diff(p[3 * x + 1], q[4 * gx + 1]) +
                          abs_diff(p[3 * x + 2], q[4 * gx + 2]);
            sum += min(d, LIKE);
          }
        }
        const int longer = dy * dy + dx * dx - down * down - right * right;
        if (sum < least || (sum == least && longer < 0)) {
          least = sum;
          down = dy;
          right = dx;
        }
      }
    const size_t to = 2 * (((size_t)size.z * h + cy) * w + cx);
    shift[to] = down;
    shift[to + 1] = right;
  }
}

/* Reference of one picture: at every cell of the grid the patch of 3 x 3 cells around the good cell that is most alike,
 * overlap-added with a squared sine, whose nine weights at a pixel add up to the same number everywhere but at the edges.
 * found: [n][h][w] rows of origin; origin: (good picture, cell); shift: from align; step: pixels of a cell, both ways. Global
 * size: (gx over the width, height, 1). */
KERNEL void quilt(__global const int *restrict found, __global const int *restrict origin,
                  __global const int *restrict shift, __global const uchar *restrict good, __global float *restrict ref,
                  const int4 size /* h, w, n, step */) {
  const int row = get_global_id(1), h = size.x, w = size.y, step = size.w, high = h * step, wide = w * step;
  for (int i = get_global_id(0); i < wide; i += get_global_size(0)) {
    float4 sum = (float4)(0.0f);
    float total = 0.0f;
    for (int cy = max(row / step - 1, 0); cy <= min(row / step + 1, h - 1); cy++)
      for (int cx = max(i / step - 1, 0); cx <= min(i / step + 1, w - 1); cx++) {
        const int q = (size.z * h + cy) * w + cx, at = found[q], k = origin[2 * at], cell = origin[2 * at + 1];
        const int dy = row - cy * step, dx = i - cx * step; /* -step .. 2 step - 1 */
        const float wy = sin(M_PI_F * (dy + step + 0.5f) / (3 * step)),
                    wx = sin(M_PI_F * (dx + step + 0.5f) / (3 * step));
        const float v = wy * wy * wx * wx;
        const int y = clamp(cell / w * step + dy + shift[2 * q], 0, high - 1);
        const int x = clamp(cell % w * step + dx + shift[2 * q + 1], 0, wide - 1);
        sum += v * convert_float4(vload4(((size_t)k * high + y) * wide + x, good));
        total += v;
      }
    vstore4(sum / (255.0f * total), ((size_t)size.z * high + row) * wide + i, ref);
  }
}

/* r = |picture - reference|_2 over the colours. Global size: (gx, h, n). */
KERNEL void residual(__global const uchar *restrict rgb, __global const float *restrict ref, __global float *restrict r,
                     const int2 size /* h, w */) {
  const size_t at = ((size_t)get_global_id(2) * size.x + get_global_id(1)) * size.y;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const float4 v = (float4)(convert_float3(vload3(at + i, rgb)) / 255.0f, 0.0f) - vload4(at + i, ref);
    r[at + i] = sqrt(v.x * v.x + v.y * v.y + v.z * v.z);
  }
}

/* up(a) at a pixel: a [h][w] lives on half the pixels both ways, half-pixel corners. */
inline float enlarged(__global const float *a, const int h, const int w, const int y, const int x) {
  const float sy = clamp(0.5f * y - 0.25f, 0.0f, h - 1.0f), sx = clamp(0.5f * x - 0.25f, 0.0f, w - 1.0f);
  const int y0 = (int)sy, x0 = (int)sx, y1 = min(y0 + 1, h - 1), x1 = min(x0 + 1, w - 1);
  const float fy = sy - y0, fx = sx - x0;
  return (1.0f - fy) * ((1.0f - fx) * a[y0 * w + x0] + fx * a[y0 * w + x1]) +
         fy * ((1.0f - fx) * a[y1 * w + x0] + fx * a[y1 * w + x1]);
}

/* N = Y + up(a) (R - Y) as a network's input: (v - mean) / std. a: [n][h/2][w/2]. Global size: (gx, h, n). */
KERNEL void mixture(__global const uchar *restrict rgb, __global const float *restrict ref,
                    __global const float *restrict a, __global float *restrict x, const int4 xd,
                    const int4 size /* h, w, lanes, 0 */) {
  const int row = get_global_id(1), n = get_global_id(2), w = size.y, lanes = size.z, ah = size.x / 2, aw = w / 2;
  const size_t at = ((size_t)n * size.x + row) * w;
  __global float *xp = x + ((size_t)n * xd.z + (size_t)(xd.w + row * xd.y)) * lanes;
  __global const float *mask = a + (size_t)n * ah * aw;
  for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
    const float4 y = (float4)(convert_float3(vload3(at + i, rgb)) / 255.0f, 0.0f);
    const float4 v = y + enlarged(mask, ah, aw, row, i) * (vload4(at + i, ref) - y);
    const float3 z = (v.xyz - (float3)(0.485f, 0.456f, 0.406f)) / (float3)(0.229f, 0.224f, 0.225f);
    vstore4((float4)(z, 0.0f), 0, xp + (size_t)i * lanes);
    for (int lane = 4; lane < lanes; lane += 4) vstore4((float4)(0.0f), 0, xp + (size_t)i * lanes + lane);
  }
}

/* d loss / d a before the adjoint of the enlargement: g (+)= sum over colours of G (R - Y), from the gradient at a network's
 * input. g: [n][h][w]. Global size: (gx, h, n). */
KERNEL void pull(__global const uchar *restrict rgb, __global const float *restrict ref,
                 __global const float *restrict gx, __global float *restrict g, const int4 xd,
                 const int4 size /* h, w, lanes, accumulate */) {
  const int row = get_global_id(1), n = get_global_id(2), w = size.y;
  const size_t at = ((size_t)n * size.x + row) * w;
  __global const float *p = gx + ((size_t)n * xd.z + (size_t)(xd.w + row * xd.y)) * size.z;
  for (int i = get_global_id(0); i < w; i += get_global_size(0)) {
    const float3 y = convert_float3(vload3(at + i, rgb)) / 255.0f;
    const float3 v =
        vload4(0, p + (size_t)i * size.z).xyz / (float3)(0.229f, 0.224f, 0.225f) * (vload4(at + i, ref).xyz - y);
    g[at + i] = (size.w ? g[at + i] : 0.0f) + (v.x + v.y + v.z);
  }
}

/* slope = factor where e is over its cell's limit, else 0. limit: [h][w]. Global size: (gx, h, n). */
KERNEL void hinge(__global const float *restrict e, __global const float *restrict limit,
                  __global float *restrict slope, const int2 size /* h, w */, const float factor) {
  const int row = get_global_id(1);
  const size_t at = ((size_t)get_global_id(2) * size.x + row) * size.y;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0))
    slope[at + i] = e[at + i] > limit[row * size.y + i] ? factor : 0.0f;
}
