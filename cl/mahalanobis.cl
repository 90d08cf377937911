/* A Gaussian at every cell (PaDiM): mean and covariance in one pass over the pictures, its factor, distances and their gradient.
 * docs/math/padim.md.
 *
 *   Lanes are cells: CB neighbouring cells go through everything side by side, one vector a number.
 *   x:      [n][group][d][CB]               chosen features of n pictures
 *   mean:   [group][d][CB]
 *   factor: [group][i (i + 1) / 2 + j][CB]  lower triangle, j <= i
 * Cells past the last one are copies of it.
 *
 * Covariances lose what decides if they are summed in single precision: the regulariser is 0.01, channels vary by thousands.
 * Sums and the factorisation are therefore in pairs of floats, high + low (Dekker 1971; Knuth's two-sum), exact to some 45
 * bits on any device. */
#pragma OPENCL FP_CONTRACT OFF

struct pair {
  FV h, l;
};

/* s + v, and what the addition lost. */
inline struct pair add1(const struct pair s, const FV v) {
  const FV t = s.h + v, b = t - s.h;
  struct pair r = {t, s.l + ((s.h - (t - b)) + (v - b))};
  return r;
}

inline struct pair tidy(const struct pair s) {
  const FV h = s.h + s.l;
  struct pair r = {h, s.l - (h - s.h)};
  return r;
}

/* s + sign a b. */
inline struct pair add_product(const struct pair s, const struct pair a, const struct pair b, const float sign) {
  const FV x = sign * a.h, p = x * b.h;
  struct pair r = add1(s, p);
  r.l += FMA(x, b.h, -p) + (x * b.l + sign * a.l * b.h);
  return r;
}

/* a - b, exactly. */
inline struct pair difference(const FV a, const FV b) {
  const struct pair s = {a, ZERO};
  return add1(s, -b);
}

inline struct pair divide(const struct pair a, const struct pair b) {
  const FV q = a.h / b.h;
  const struct pair rest = add_product(a, b, (struct pair){q, ZERO}, -1.0f);
  return tidy((struct pair){q, (rest.h + rest.l) / b.h});
}

inline struct pair root_of(const struct pair a) {
  const FV s = sqrt(a.h);
  const struct pair q = {s, ZERO}, rest = add_product(a, q, q, -1.0f);
  return tidy((struct pair){s, (rest.h + rest.l) / (2.0f * s)});
}

/* Chosen features at tap 0's grid, coarser taps repeated. list: for each of d numbers (tap, channel).
 * tap: [3] (blocks, row, plane, base); the three tensors. Global size: (groups, n, 1). */
KERNEL void choose(__global const float *restrict t0, __global const float *restrict t1, __global const float *restrict t2,
                   __global const int *restrict list, __global float *restrict x, const int4 d0, const int4 d1, const int4 d2,
                   const int4 size /* h, w, d, groups */) {
  const int g = get_global_id(0), n = get_global_id(1), cells = size.x * size.y;
  if (g >= size.w) return;
  __global float *out = x + ((size_t)n * size.w + g) * size.z * CB;
  for (int i = 0; i < size.z; i++) {
    const int tap = list[2 * i], c = list[2 * i + 1];
    __global const float *from = tap == 0 ? t0 : tap == 1 ? t1 : t2;
    const int4 d = tap == 0 ? d0 : tap == 1 ? d1 : d2;
    for (int lane = 0; lane < CB; lane++) {
      const int q = min(g * CB + lane, cells - 1), row = (q / size.y) >> tap, column = (q % size.y) >> tap;
      out[i * CB + lane] = from[AT(d, n, c / CB, row, column) + c % CB];
    }
  }
}

/* Mean of the first pictures, as a shift that keeps the sums small. Global size: (groups, 1, 1). */
KERNEL void shift(__global const float *restrict x, __global float *restrict mean, const int4 size /* n, d, groups, 0 */) {
  const int g = get_global_id(0);
  if (g >= size.z) return;
  for (int i = 0; i < size.y; i++) {
    FV sum = ZERO;
    for (int n = 0; n < size.x; n++) sum += LOAD(x + (((size_t)n * size.z + g) * size.y + i) * CB);
    STORE(sum / (float)size.x, mean + ((size_t)g * size.y + i) * CB);
  }
}

/* sum [group][d][2][CB] += dx, high/low += dx dx' over the lower triangle, dx = x - shift. Global size: (groups, d, 1). */
KERNEL void gather(__global const float *restrict x, __global const float *restrict mean, __global float *restrict sum,
                   __global float *restrict high, __global float *restrict low, const int4 size /* n, d, groups, 0 */) {
  const int g = get_global_id(0), i = get_global_id(1), d = size.y;
  if (g >= size.z) return;
  __global const float *m = mean + (size_t)g * d * CB;
  const size_t tri = ((size_t)g * d * (d + 1) / 2 + (size_t)i * (i + 1) / 2) * CB;
  for (int j = 0; j <= i; j++) {
    struct pair s = {LOAD(high + tri + j * CB), LOAD(low + tri + j * CB)};
    for (int n = 0; n < size.x; n++) {
      __global const float *p = x + ((size_t)n * size.z + g) * d * CB;
      s = add_product(s, difference(LOAD(p + i * CB), LOAD(m + i * CB)), difference(LOAD(p + j * CB), LOAD(m + j * CB)), 1.0f);
    }
    s = tidy(s);
    STORE(s.h, high + tri + j * CB);
    STORE(s.l, low + tri + j * CB);
  }
  __global float *total = sum + ((size_t)g * d + i) * 2 * CB;
  struct pair s = {LOAD(total), LOAD(total + CB)};
  for (int n = 0; n < size.x; n++) {
    __global const float *p = x + ((size_t)n * size.z + g) * d * CB;
    const struct pair v = difference(LOAD(p + i * CB), LOAD(m + i * CB));
    s = add1(s, v.h);
    s.l += v.l;
  }
  s = tidy(s);
  STORE(s.h, total);
  STORE(s.l, total + CB);
}

#define AT2(i_, j_) (base + ((size_t)(i_) * ((i_) + 1) / 2 + (j_)) * CB)
#define GET(i_, j_) (struct pair){LOAD(high + AT2(i_, j_)), LOAD(low + AT2(i_, j_))}
#define PUT(v_, i_, j_) { STORE((v_).h, high + AT2(i_, j_)); STORE((v_).l, low + AT2(i_, j_)); }

/* In place: sums to covariance + regulariser I, to its Cholesky factor L, to M = L^-1; the mean becomes the mean. A pivot that is
 * not positive makes NaN, which the host sees. Global size: (groups, 1, 1). */
KERNEL void factor(__global float *mean, __global const float *restrict sum, __global float *high, __global float *low,
                   const int2 size /* d, groups */, const float2 use /* pictures, regulariser */) {
  const int g = get_global_id(0), d = size.x;
  if (g >= size.y) return;
  const size_t base = (size_t)g * d * (d + 1) / 2 * CB;
  __global const float *s = sum + (size_t)g * d * 2 * CB;
  const struct pair count = {(FV)(use.x), ZERO}, less = {(FV)(use.x - 1.0f), ZERO};
  for (int i = 0; i < d; i++) {
    const struct pair si = {LOAD(s + 2 * i * CB), LOAD(s + (2 * i + 1) * CB)};
    const struct pair mean_i = divide(si, count);
    for (int j = 0; j <= i; j++) {
      const struct pair sj = {LOAD(s + 2 * j * CB), LOAD(s + (2 * j + 1) * CB)};
      struct pair v = add_product(GET(i, j), mean_i, sj, -1.0f);
      v = divide(tidy(v), less);
      if (i == j) v = add1(v, (FV)(use.y));
      for (int k = 0; k < j; k++) v = add_product(v, GET(i, k), GET(j, k), -1.0f);
      v = tidy(v);
      v = i == j ? root_of(v) : divide(v, GET(j, j));
      PUT(v, i, j);
    }
  }
  for (int j = d - 1; j >= 0; j--) {
    const struct pair inverse = divide((struct pair){(FV)(1.0f), ZERO}, GET(j, j));
    for (int i = d - 1; i > j; i--) {
      struct pair v = {ZERO, ZERO};
      for (int k = j + 1; k <= i; k++) v = add_product(v, GET(i, k), GET(k, j), -1.0f);
      struct pair w = {ZERO, ZERO};
      w = tidy(add_product(w, tidy(v), inverse, 1.0f));
      PUT(w, i, j);
    }
    PUT(inverse, j, j);
  }
  for (int i = 0; i < d; i++) STORE(LOAD(mean + ((size_t)g * d + i) * CB) + LOAD(s + 2 * i * CB) / use.x, mean + ((size_t)g * d + i) * CB);
}

/* t = M (x - mean), e = |t|^2 / d at every cell; with gradient also dx = slope 2 M' t / d. A row of the factor is read once for
 * all pictures of the batch. The factor's row and 1 / d make no difference to which numbers a picture's score is made of: it is
 * the same alone and in any batch. e, slope: [n][cells]; dx: as x. Global size: (groups, 1, 1). */
KERNEL void mahalanobis(__global const float *restrict x, __global const float *restrict mean,
                        __global const float *restrict m, __global float *e, __global const float *slope,
                        __global float *restrict dx, const int4 size /* n, d, groups, cells */, const int back) {
  const int g = get_global_id(0), d = size.y, first = g * CB;
  if (g >= size.z) return;
  __global const float *mu = mean + (size_t)g * d * CB;
  for (int n = 0; n < size.x; n++) {
    __global const float *p = x + ((size_t)n * size.z + g) * d * CB;
    __global float *q = dx + ((size_t)n * size.z + g) * d * CB;
    __global const float *row = m + (size_t)g * d * (d + 1) / 2 * CB;
    FV total = ZERO;
    if (back)
      for (int j = 0; j < d; j++) STORE(ZERO, q + j * CB);
    for (int i = 0; i < d; i++) {
      FV a = ZERO, b = ZERO;
      int j = 0;
      for (; j + 1 <= i; j += 2) {
        a = FMA(LOAD(row + j * CB), LOAD(p + j * CB) - LOAD(mu + j * CB), a);
        b = FMA(LOAD(row + (j + 1) * CB), LOAD(p + (j + 1) * CB) - LOAD(mu + (j + 1) * CB), b);
      }
      if (j == i) a = FMA(LOAD(row + j * CB), LOAD(p + j * CB) - LOAD(mu + j * CB), a);
      const FV t = a + b;
      total = FMA(t, t, total);
      if (back)
        for (j = 0; j <= i; j++) STORE(FMA(LOAD(row + j * CB), t, LOAD(q + j * CB)), q + j * CB);
      row += (i + 1) * CB;
    }
    float values[CB];
    STORE(total / (float)d, values);
    const int lanes = min(CB, size.w - first);
    if (!back)
      for (int k = 0; k < lanes; k++) e[(size_t)n * size.w + first + k] = values[k];
    else {
      for (int k = 0; k < CB; k++) values[k] = k < lanes ? slope[(size_t)n * size.w + first + k] * 2.0f / d : 0.0f;
      const FV s = LOAD(values);
      for (int j = 0; j < d; j++) STORE(s * LOAD(q + j * CB), q + j * CB);
    }
  }
}

/* dx at the cells back to a tap: the sum over the cells that repeat a place of it. place: for each channel of the tap its number
 * in the list, or -1. Global size: (gx, tap h, n * blocks). */
KERNEL void return_to(__global const float *restrict dx, __global const int *restrict place, __global float *restrict y,
                      const int4 yd, const int4 size /* w of the grid, tap, d, groups */, const int2 tap /* w, channels */) {
  const int row = get_global_id(1), n = get_global_id(2) / yd.x, block = get_global_id(2) % yd.x, r = 1 << size.y;
  for (int i = get_global_id(0); i < tap.x; i += get_global_size(0)) {
    __global float *out = y + AT(yd, n, block, row, i);
    for (int lane = 0; lane < CB; lane++) {
      const int c = block * CB + lane, at = c < tap.y ? place[c] : -1;
      float sum = 0.0f;
      for (int k = 0; k < r * r && at >= 0; k++) {
        const int q = (row * r + k / r) * size.x + i * r + k % r;
        sum += dx[(((size_t)n * size.w + q / CB) * size.z + at) * CB + q % CB];
      }
      out[lane] = sum;
    }
  }
}
