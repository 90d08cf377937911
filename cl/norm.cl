/* Batch normalisation and the affine map it becomes when frozen, fused with a residual sum and an activation.
 *
 * Forward: y = activate((x - mean) * scale + shift + res), scale = gamma / sqrt(var + eps), shift = beta.
 * Statistics and gradients are sums over n, y, x, taken in strips of fixed shape and added in a fixed order: no
 * atomics, the same bits at every run. Partial results: [block][strip][3][CB] = count, mean, sum of squares about it.
 * A strip is `rows` rows of one picture; strips = ceil(h / rows) * n. On a CPU a work-item takes one, on a GPU a work-group:
 * its items take every WG-th pixel. */

/* A strip's mean, then its squares about that mean: the second look finds the strip in the nearest cache.
 * Global size: (WG, strips, blocks), of the blocks from `first` on. */
KERNEL void norm_stats(__global const float *restrict x, __global float *restrict part, const int4 xd,
                       const int4 size /* h, w, rows, strips */, const int first) {
  const int strip = get_global_id(1), b = get_global_id(2) + first;
  const int groups = (size.x + size.z - 1) / size.z, n = strip / groups, y0 = strip % groups * size.z;
  const int y1 = min(y0 + size.z, size.x);
  const float count = (float)(size.y * (y1 - y0));
  FV mean = ZERO, squares = ZERO;
#if WG == 1
  for (int y = y0; y < y1; y++) {
    __global const float *xp = x + AT(xd, n, b, y, 0);
    FV row = ZERO;
    for (int i = 0; i < size.y; i++) row += LOAD(xp + i * CB);
    mean += row;
  }
  mean /= (FV)(fmax(count, 1.0f));
  for (int y = y0; y < y1; y++) {
    __global const float *xp = x + AT(xd, n, b, y, 0);
    FV row = ZERO;
    for (int i = 0; i < size.y; i++) {
      const FV v = LOAD(xp + i * CB) - mean;
      row = FMA(v, v, row);
    }
    squares += row;
  }
#else
  __local FV scratch[WG];
  const int pixels = size.y * (y1 - y0);
  for (int i = get_local_id(0); i < pixels; i += WG) mean += LOAD(x + AT(xd, n, b, y0 + i / size.y, i % size.y));
  GROUP_SUM(mean, scratch);
  mean /= (FV)(fmax(count, 1.0f));
  FV rest = ZERO; /* what rounding left out of the mean */
  for (int i = get_local_id(0); i < pixels; i += WG) {
    const FV v = LOAD(x + AT(xd, n, b, y0 + i / size.y, i % size.y)) - mean;
    rest += v;
    squares = FMA(v, v, squares);
  }
  GROUP_SUM(rest, scratch);
  GROUP_SUM(squares, scratch);
  mean += rest / (FV)(count);
  if (get_local_id(0) != 0) return;
#endif
  __global float *p = part + (((size_t)b * size.w + strip) * 3) * CB;
  STORE((FV)(count), p);
  STORE(mean, p + CB);
  STORE(squares, p + 2 * CB);
}

/* a += v, with c holding what rounding lost (Kahan) */
#define ADD_KAHAN(a, c, v)                                                                                             \
  do {                                                                                                                 \
    const FV kv_ = (v)-c, kt_ = a + kv_;                                                                               \
    c = (kt_ - a) - kv_;                                                                                               \
    a = kt_;                                                                                                           \
  } while (0)

/* Batch mean and 1 / sqrt(var + eps) of every channel, and the running values:
 * running = (1 - momentum) running + momentum new, the variance unbiased. Global size: (blocks * WG, 1, 1), from `first` on.
 * stat: [4][blocks * CB] = mean, scale, rstd, (unused by forward). */
KERNEL void norm_finish(__global const float *restrict part, __global const float *restrict gamma,
                        __global float *restrict stat, __global float *restrict running /* mean, then var */,
                        const int4 size /* blocks, strips, first, 0 */, const float2 constants /* eps, momentum */) {
  const int b = get_group_id(0) + size.z;
  __global const float *p = part + (size_t)b * size.y * 3 * CB;
  FV total = ZERO, sum = ZERO, lost = ZERO;
  for (int i = get_local_id(0); i < size.y; i += WG) {
    const FV n = LOAD(p + (i * 3) * CB), m = LOAD(p + (i * 3 + 1) * CB);
    total += n;
    ADD_KAHAN(sum, lost, n * m);
  }
#if WG > 1
  __local FV scratch[WG];
  GROUP_SUM(total, scratch);
  GROUP_SUM(sum, scratch);
#endif
  FV mean = sum / total;
#if WG > 1
  FV rest = ZERO; /* what rounding left out of the mean */
  for (int i = get_local_id(0); i < size.y; i += WG)
    rest = FMA(LOAD(p + (i * 3) * CB), LOAD(p + (i * 3 + 1) * CB) - mean, rest);
  GROUP_SUM(rest, scratch);
  mean += rest / total;
#endif
  FV squares = ZERO;
  lost = ZERO;
  for (int i = get_local_id(0); i < size.y; i += WG) {
    const FV n = LOAD(p + (i * 3) * CB), m = LOAD(p + (i * 3 + 1) * CB) - mean;
    ADD_KAHAN(squares, lost, LOAD(p + (i * 3 + 2) * CB) + n * m * m);
  }
#if WG > 1
  GROUP_SUM(squares, scratch);
  if (get_local_id(0) != 0) return;
#endif
  const FV var = squares / total, rstd = (FV)(1.0f) / sqrt(var + (FV)(constants.x));
  const int c = b * CB, all = size.x * CB;
  STORE(mean, stat + c);
  STORE(LOAD(gamma + c) * rstd, stat + all + c);
  STORE(rstd, stat + 2 * all + c);
  const FV keep = (FV)(1.0f - constants.y), take = (FV)(constants.y);
  const FV unbiased = squares / CLAMP_LOW(total - (FV)(1.0f), (FV)(1.0f));
  STORE(keep * LOAD(running + c) + take * mean, running + c);
  STORE(keep * LOAD(running + all + c) + take * unbiased, running + all + c);
}

/* y = activate((x - mean) * scale + shift + res). stat: mean, scale as above. Global size: (gx, h, n * blocks), of `blocks`
 * blocks from `first` on. */
KERNEL void norm_apply(__global const float *restrict x, __global const float *restrict stat,
                       __global const float *restrict shift, __global const float *res, __global float *y,
                       const int4 xd, const int4 yd, const int4 rd, const int4 size /* w, use res, first, blocks */,
                       const float2 lim) {
  const int row = get_global_id(1), n = get_global_id(2) / size.w, b = get_global_id(2) % size.w + size.z, c = b * CB;
  const FV mean = LOAD(stat + c), scale = LOAD(stat + xd.x * CB + c), add = LOAD(shift + c);
  __global const float *xp = x + AT(xd, n, b, row, 0), *rp = res + AT(rd, n, b, row, 0);
  __global float *yp = y + AT(yd, n, b, row, 0);
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    FV v = FMA(LOAD(xp + i * CB) - mean, scale, add);
    if (size.y) v += LOAD(rp + i * CB);
    STORE(ACTIVATE(v, lim), yp + i * CB);
  }
}

/* Backward. dz = dy where the activation passed its input on: with a residual y decides; without one the input is computed
 * again, with the same bits, which is cheaper than reading y. */
#define DZ(dy_, x_) MASKED(dy_, FMA((x_)-mean, scale, add), lim)

/* First pass: sums of dz and dz (x - mean) a strip. from_y: y decides, and dz is written over dy, for the residual branch.
 * part [block][strip][2][CB]. Global size: (WG, strips, blocks), of the blocks from `first` on. */
KERNEL void norm_back_stats(__global const float *restrict x, __global const float *restrict stat,
                            __global const float *restrict shift, __global const float *restrict y,
                            __global float *restrict dy, __global float *restrict part, const int4 xd, const int4 yd,
                            const int4 dd, const int4 size /* h, w, rows, strips */, const int2 way /* from_y, first */,
                            const float2 lim) {
  const int strip = get_global_id(1), b = get_global_id(2) + way.y;
  const int groups = (size.x + size.z - 1) / size.z, n = strip / groups, y0 = strip % groups * size.z;
  const int y1 = min(y0 + size.z, size.x);
  const FV mean = LOAD(stat + b * CB), scale = LOAD(stat + (xd.x + b) * CB), add = LOAD(shift + b * CB);
  FV s1 = ZERO, s2 = ZERO;
#if WG == 1
  for (int row = y0; row < y1; row++) {
    __global const float *xp = x + AT(xd, n, b, row, 0), *yp = y + AT(yd, n, b, row, 0);
    __global float *dp = dy + AT(dd, n, b, row, 0);
    FV r1 = ZERO, r2 = ZERO; /* a row at a time: sums of like size */
    for (int i = 0; i < size.y; i++) {
      const FV v = LOAD(xp + i * CB);
      FV dz = LOAD(dp + i * CB);
      if (way.x) {
        dz = MASKED(dz, LOAD(yp + i * CB), lim);
        STORE(dz, dp + i * CB);
      } else
        dz = DZ(dz, v);
      r1 += dz;
      r2 = FMA(dz, v - mean, r2);
    }
    s1 += r1;
    s2 += r2;
  }
#else
  __local FV scratch[WG];
  for (int i = get_local_id(0); i < size.y * (y1 - y0); i += WG) {
    const int row = y0 + i / size.y, column = i % size.y;
    __global float *dp = dy + AT(dd, n, b, row, column);
    const FV v = LOAD(x + AT(xd, n, b, row, column));
    FV dz = LOAD(dp);
    if (way.x) {
      dz = MASKED(dz, LOAD(y + AT(yd, n, b, row, column)), lim);
      STORE(dz, dp);
    } else
      dz = DZ(dz, v);
    s1 += dz;
    s2 = FMA(dz, v - mean, s2);
  }
  GROUP_SUM(s1, scratch);
  GROUP_SUM(s2, scratch);
  if (get_local_id(0) != 0) return;
#endif
  __global float *p = part + (((size_t)b * size.w + strip) * 2) * CB;
  STORE(s1, p);
  STORE(s2, p + CB);
}

/* dbeta = sum dz; dgamma = rstd sum dz (x - mean); and what the second pass needs:
 * stat[3] = dbeta / N, stat[4] = rstd^2 sum dz (x - mean) / N. Global size: (blocks * WG, 1, 1), from `first` on. */
KERNEL void norm_back_finish(__global const float *restrict part, __global float *restrict stat,
                             __global float *restrict dgamma, __global float *restrict dbeta,
                             const int4 size /* blocks, strips, first, 0 */, const float count) {
  const int b = get_group_id(0) + size.z;
  __global const float *p = part + (size_t)b * size.y * 2 * CB;
  FV s1 = ZERO, s2 = ZERO, l1 = ZERO, l2 = ZERO;
  for (int i = get_local_id(0); i < size.y; i += WG) {
    ADD_KAHAN(s1, l1, LOAD(p + (i * 2) * CB));
    ADD_KAHAN(s2, l2, LOAD(p + (i * 2 + 1) * CB));
  }
#if WG > 1
  __local FV scratch[WG];
  GROUP_SUM(s1, scratch);
  GROUP_SUM(s2, scratch);
  if (get_local_id(0) != 0) return;
#endif
  const int c = b * CB, all = size.x * CB;
  const FV rstd = LOAD(stat + 2 * all + c);
  STORE(s1, dbeta + c);
  STORE(s2 * rstd, dgamma + c);
  STORE(s1 / (FV)(count), stat + 3 * all + c);
  STORE(s2 * rstd * rstd / (FV)(count), stat + 4 * all + c);
}

/* Second pass: dx = scale (dz - mean(dz) - (x - mean) rstd^2 mean(dz (x - mean))). masked: dy is dz already.
 * frozen: dx = scale dz. dx may be dy. Global size: (gx, h, n * blocks), of the blocks from `first` on. */
KERNEL void norm_back_apply(__global const float *restrict x, __global const float *restrict stat,
                            __global const float *restrict shift, __global const float *dy, __global float *dx,
                            const int4 xd, const int4 dd, const int4 gd, const int4 size /* w, masked, frozen, 0 */,
                            const int2 part /* first, blocks */, const float2 lim) {
  const int row = get_global_id(1), n = get_global_id(2) / part.y, b = get_global_id(2) % part.y + part.x;
  const int c = b * CB, all = xd.x * CB;
  const FV mean = LOAD(stat + c), scale = LOAD(stat + all + c), add = LOAD(shift + c);
  const FV c1 = size.z ? ZERO : LOAD(stat + 3 * all + c), c2 = size.z ? ZERO : LOAD(stat + 4 * all + c);
  __global const float *xp = x + AT(xd, n, b, row, 0), *dp = dy + AT(dd, n, b, row, 0);
  __global float *gp = dx + AT(gd, n, b, row, 0);
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    const FV v = LOAD(xp + i * CB);
    FV dz = LOAD(dp + i * CB);
    if (!size.y) dz = DZ(dz, v);
    STORE(scale * (dz - c1 - (v - mean) * c2), gp + i * CB);
  }
}
