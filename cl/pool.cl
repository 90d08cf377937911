/* Max pooling 3x3, stride 2, padding 1 (outside: never the maximum), with the index of the first maximum. */

/* The larger of two; NaN wins and stays, as in PyTorch. */
inline FV larger(const FV a, const FV b) { return SELECT(a, b, (b > a) | (b != b)); }

/* where [same layout as y, bytes]: tap 0..8 of the first maximum. Global size: (gx, ho, n * blocks). */
KERNEL void pool(__global const float *restrict x, __global float *restrict y, __global uchar *restrict where,
                 const int4 xd, const int4 yd, const int4 size /* h, w, wo, keep index */) {
  const int row = get_global_id(1), n = get_global_id(2) / xd.x, b = get_global_id(2) % xd.x;
  const bool rows = row > 0 && 2 * row + 1 < size.x;
  for (int i = get_global_id(0); i < size.z; i += get_global_size(0)) {
    FV best = (FV)(-INFINITY);
    if (!size.w && rows && i > 0 && 2 * i + 1 < size.y) { /* a whole window, and nobody asks where */
      __global const float *p = x + AT(xd, n, b, 2 * row - 1, 2 * i - 1);
      UNROLL for (int k = 0; k < 9; k++) best = larger(best, LOAD(p + ((k / 3) * xd.y + k % 3) * CB));
      STORE(best, y + AT(yd, n, b, row, i));
      continue;
    }
    IV index = (IV)(0);
    for (int k = 0; k < 9; k++) {
      const int iy = 2 * row + k / 3 - 1, ix = 2 * i + k % 3 - 1;
      if (iy < 0 || iy >= size.x || ix < 0 || ix >= size.y) continue;
      const FV v = LOAD(x + AT(xd, n, b, iy, ix));
      const IV more = (v > best) | (v != v);
      best = SELECT(best, v, more);
      index = SELECT(index, (IV)(k), more);
    }
    STORE(best, y + AT(yd, n, b, row, i));
    if (size.w) STOREB(TO_BYTES(index), where + AT(yd, n, b, row, i));
  }
}

/* dx gathers from the windows whose maximum it was. use: add to dx. Global size: (gx, h, n * blocks). */
KERNEL void pool_back(__global const float *restrict dy, __global const uchar *restrict where, __global float *dx,
                      const int4 dd, const int4 wd, const int4 gd, const int4 size /* w, ho, wo, accumulate */) {
  const int row = get_global_id(1), n = get_global_id(2) / dd.x, b = get_global_id(2) % dd.x;
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    __global float *at = dx + AT(gd, n, b, row, i);
    FV sum = size.w ? LOAD(at) : ZERO;
    for (int oy = row / 2; oy <= (row + 1) / 2 && oy < size.y; oy++)
      for (int ox = i / 2; ox <= (i + 1) / 2 && ox < size.z; ox++) {
        const int k = (row - 2 * oy + 1) * 3 + i - 2 * ox + 1;
        const IV index = TO_INTS(LOADB(where + AT(wd, n, b, oy, ox)));
        sum += SELECT(ZERO, LOAD(dy + AT(dd, n, b, oy, ox)), index == (IV)(k));
      }
    STORE(sum, at);
  }
}
