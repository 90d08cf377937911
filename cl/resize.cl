/* Bilinear resize in the blocked layout, both corner rules, and its adjoint; single planes as well.
 *
 * aligned corners: source = i (in - 1) / (out - 1). Half-pixel corners: source = max((i + 0.5) in / out - 0.5, 0).
 * The neighbour above is clamped to in - 1. step = (in - 1) / (out - 1) or in / out, computed by the host in float. */
inline float source_of(const int i, const float step, const int aligned) {
  return aligned ? i * step : fmax((i + 0.5f) * step - 0.5f, 0.0f);
}

/* y = activate(resize(x) + res). Global size: (gx, ho, n * blocks). */
KERNEL void resize(__global const float *restrict x, __global const float *res, __global float *y, const int4 xd,
                   const int4 yd, const int4 rd, const int4 size /* h, w, wo, use res */, const int aligned,
                   const float2 step, const float2 lim) {
  const int row = get_global_id(1), n = get_global_id(2) / xd.x, b = get_global_id(2) % xd.x;
  const float sy = source_of(row, step.x, aligned);
  const int y0 = min((int)sy, size.x - 1), y1 = min(y0 + 1, size.x - 1);
  const float fy = sy - y0;
  __global const float *top = x + AT(xd, n, b, y0, 0), *bottom = x + AT(xd, n, b, y1, 0);
  for (int i = get_global_id(0); i < size.z; i += get_global_size(0)) {
    const float sx = source_of(i, step.y, aligned);
    const int x0 = min((int)sx, size.y - 1), x1 = min(x0 + 1, size.y - 1);
    const float fx = sx - x0;
    const FV a = (1.0f - fx) * LOAD(top + x0 * CB) + fx * LOAD(top + x1 * CB);
    const FV c = (1.0f - fx) * LOAD(bottom + x0 * CB) + fx * LOAD(bottom + x1 * CB);
    FV v = (1.0f - fy) * a + fy * c;
    if (size.w) v += LOAD(res + AT(rd, n, b, row, i));
    STORE(ACTIVATE(v, lim), y + AT(yd, n, b, row, i));
  }
}

/* How much output index q takes from input index i. */
inline float weight_of(const int q, const int i, const int in, const float step, const int aligned) {
  const float s = source_of(q, step, aligned);
  const int lo = min((int)s, in - 1), hi = min(lo + 1, in - 1);
  const float f = s - lo;
  return (lo == i ? 1.0f - f : 0.0f) + (hi == i ? f : 0.0f);
}

/* The outputs, first and past the last, that may take from input i; all of them where a line of one pixel leaves no step. */
inline int2 takers(const int i, const int out, const float step) {
  if (!(step > 0.0f)) return (int2)(0, out);
  return (int2)(max((int)((i - 1.5f) / step) - 1, 0), min((int)((i + 1.5f) / step) + 2, out));
}

/* The adjoint, gathered: dx[i] = sum over the outputs that took from i. Global size: (gx, h, n * blocks). */
KERNEL void resize_back(__global const float *restrict dy, __global float *dx, const int4 dd, const int4 gd,
                        const int4 size /* h, w, ho, wo */, const int2 use /* aligned, accumulate */,
                        const float2 step) {
  const int row = get_global_id(1), n = get_global_id(2) / dd.x, b = get_global_id(2) % dd.x;
  const int2 qys = takers(row, size.z, step.x);
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const int2 qxs = takers(i, size.w, step.y);
    __global float *at = dx + AT(gd, n, b, row, i);
    FV sum = use.y ? LOAD(at) : ZERO;
    for (int qy = qys.x; qy < qys.y; qy++) {
      const float wy = weight_of(qy, row, size.x, step.x, use.x);
      if (wy == 0.0f) continue;
      for (int qx = qxs.x; qx < qxs.y; qx++) {
        const float w = wy * weight_of(qx, i, size.y, step.y, use.x);
        if (w != 0.0f) sum += w * LOAD(dy + AT(dd, n, b, qy, qx));
      }
    }
    STORE(sum, at);
  }
}

/* A plain plane [n][h][w], aligned corners: y = factor * resize(x), or added to y. Global size: (gx, ho, n). */
KERNEL void plane(__global const float *restrict x, __global float *y, const int4 size /* h, w, ho, wo */,
                  const int accumulate, const float factor, const float2 step) {
  const int row = get_global_id(1), n = get_global_id(2);
  const float sy = source_of(row, step.x, 1);
  const int y0 = min((int)sy, size.x - 1), y1 = min(y0 + 1, size.x - 1);
  const float fy = sy - y0;
  __global const float *top = x + ((size_t)n * size.x + y0) * size.y, *bottom = x + ((size_t)n * size.x + y1) * size.y;
  for (int i = get_global_id(0); i < size.w; i += get_global_size(0)) {
    const float sx = source_of(i, step.y, 1);
    const int x0 = min((int)sx, size.y - 1), x1 = min(x0 + 1, size.y - 1);
    const float fx = sx - x0;
    const float v =
        (1.0f - fy) * ((1.0f - fx) * top[x0] + fx * top[x1]) + fy * ((1.0f - fx) * bottom[x0] + fx * bottom[x1]);
    __global float *at = y + ((size_t)n * size.z + row) * size.w + i;
    *at = (accumulate ? *at : 0.0f) + factor * v;
  }
}

/* The adjoint: dx = factor * sum over the outputs that took from it. Global size: (gx, h, n). */
KERNEL void plane_back(__global const float *restrict dy, __global float *restrict dx,
                       const int4 size /* h, w, ho, wo */, const float factor, const float2 step) {
  const int row = get_global_id(1), n = get_global_id(2);
  const int2 qys = takers(row, size.z, step.x);
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const int2 qxs = takers(i, size.w, step.y);
    float sum = 0.0f;
    for (int qy = qys.x; qy < qys.y; qy++) {
      const float wy = weight_of(qy, row, size.x, step.x, 1);
      if (wy == 0.0f) continue;
      for (int qx = qxs.x; qx < qxs.y; qx++)
        sum += wy * weight_of(qx, i, size.y, step.y, 1) * dy[((size_t)n * size.z + qy) * size.w + qx];
    }
    dx[((size_t)n * size.x + row) * size.y + i] = factor * sum;
  }
}
