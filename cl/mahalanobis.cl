/* A Gaussian at every cell (PaDiM): features, sums over pictures, the factor of a covariance, distances and their
 * gradient. docs/math/padim.md.
 *
 *   Lanes are cells: CB neighbouring cells of a group go through everything side by side, one vector a number.
 *   x:        [n][group][d][CB]                 chosen features minus the cell's mean (while learning: minus a shift)
 *   mean:     [group][d][CB]
 *   triangle: [group][i (i + 1) / 2 + j][CB]    j <= i, of d rows or of as many rows as pictures
 *   rows:     [group][picture][d][CB]           centred features of the pictures learned from
 * d and the rows' number are multiples of 4, the additional ones zero: they are independent of all others and change
 * nothing. Cells past the last one are copies of it. Large arrays come in parts: `first` is the group a part begins
 * with.
 *
 * Covariances lose what decides if they are summed in single precision: the regulariser is 0.01, variances are up to
 * thousands. Sums and factors are numbers of 8 bytes: doubles, or where the device has none (or with -DPAIRS) pairs
 * of floats, high + low (Dekker 1971; Knuth's two-sum), exact to some 45 bits. They take ND lanes at a time, so that
 * 16 of them fit into registers. */
#pragma OPENCL FP_CONTRACT OFF
#if defined(cl_khr_fp64) && !defined(PAIRS)
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#define DOUBLES 1
#else
#define DOUBLES 0
#endif

#if CB >= 8
#define ND 8
typedef float8 SV;
typedef SV __attribute__((aligned(4))) SV_ANY;
#define LOADS(p) (*(__global const SV_ANY *)(p))
#define STORES(v, p) (*(__global SV_ANY *)(p) = (v))
#else
#define ND 4
typedef float4 SV;
#define LOADS(p) vload4(0, p)
#define STORES(v, p) vstore4(v, 0, p)
#endif

#if DOUBLES
typedef double STORED;
#if ND == 8
typedef double8 NUM;
#define WIDE convert_double8
#define NARROW convert_float8
typedef NUM __attribute__((aligned(8))) NUM_ANY;
#define LOADD(p) (*(__global const NUM_ANY *)(p))
#define STORED_AT(v, p) (*(__global NUM_ANY *)(p) = (v))
#else
typedef double4 NUM;
#define WIDE convert_double4
#define NARROW convert_float4
#define LOADD(p) vload4(0, p)
#define STORED_AT(v, p) vstore4(v, 0, p)
#endif
#define EACH 1 /* numbers of type STORED that one takes */
inline NUM num(const SV v) { return WIDE(v); }
inline SV single(const NUM a) { return NARROW(a); }
inline NUM plus(const NUM a, const NUM b) { return a + b; }
inline NUM times(const NUM a, const NUM b) { return a * b; }
inline NUM plus_product(const NUM s, const NUM a, const NUM b) { return FUSED(a, b, s); }
inline NUM minus_product(const NUM s, const NUM a, const NUM b) { return FUSED(-a, b, s); }
inline NUM over(const NUM a, const NUM b) { return a / b; }
inline NUM root_of(const NUM a) { return sqrt(a); }
inline NUM get(__global const STORED *p) { return LOADD(p); }
inline void put(const NUM a, __global STORED *p) { STORED_AT(a, p); }
#else
typedef struct {
  SV h, l;
} NUM;
typedef float STORED;
#define EACH 2
inline NUM tidy(const SV h, const SV l) {
  const SV s = h + l;
  return (NUM){s, l - (s - h)};
}
inline NUM num(const SV v) { return (NUM){v, (SV)(0.0f)}; }
inline SV single(const NUM a) { return a.h + a.l; }
inline NUM plus(const NUM a, const NUM b) {
  const SV t = a.h + b.h, c = t - a.h;
  return tidy(t, ((a.h - (t - c)) + (b.h - c)) + (a.l + b.l));
}
#if FAST_FMA
inline SV lost(const SV a, const SV b, const SV p) { return FUSED(a, b, -p); }
#else
/* Dekker's product: halves of 12 bits multiply exactly. */
inline SV upper(const SV a) {
  const SV t = 4097.0f * a;
  return t - (t - a);
}
inline SV lost(const SV a, const SV b, const SV p) {
  const SV ah = upper(a), bh = upper(b), al = a - ah, bl = b - bh;
  return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
}
#endif
inline NUM times(const NUM a, const NUM b) {
  const SV p = a.h * b.h;
  return tidy(p, lost(a.h, b.h, p) + (a.h * b.l + a.l * b.h));
}
inline NUM plus_product(const NUM s, const NUM a, const NUM b) { return plus(s, times(a, b)); }
inline NUM minus_product(const NUM s, const NUM a, const NUM b) { return plus(s, times((NUM){-a.h, -a.l}, b)); }
inline NUM over(const NUM a, const NUM b) {
  const SV q = a.h / b.h;
  const NUM rest = minus_product(a, num(q), b);
  return tidy(q, (rest.h + rest.l) / b.h);
}
inline NUM root_of(const NUM a) {
  const SV s = sqrt(a.h);
  const NUM rest = minus_product(a, num(s), num(s));
  return tidy(s, (rest.h + rest.l) / (2.0f * s));
}
inline NUM get(__global const STORED *p) { return (NUM){LOADS(p), LOADS(p + CB)}; }
inline void put(const NUM a, __global STORED *p) {
  STORES(a.h, p);
  STORES(a.l, p + CB);
}
#endif
#define ROW(i_) ((size_t)(i_) * ((i_) + 1) / 2)
#define PARTS (CB / ND) /* work-items that share a group */
#define WIDTH (CB * EACH)

/* ---- features ---- */

/* `count` features from one tap, each repeated r x r times: at[lane] is the cell's pixel in the tap. */
inline void from_tap(__global const float *restrict tap, __global const int *restrict channel, const int count,
                     const int4 d, const int n, const int *at, __global const float *restrict mean,
                     __global float *restrict out) {
  for (int i = 0; i < count; i++) {
    const int c = channel[i];
    __global const float *p = tap + ((size_t)n * d.x + c / CB) * d.z * CB + c % CB;
    float v[CB];
    UNROLL for (int lane = 0; lane < CB; lane++) v[lane] = p[at[lane]];
    STORE_ANY(LOAD_ANY(v) - LOAD_ANY(mean + i * CB), out + i * CB);
  }
}

/* Chosen features at tap 1's grid, coarser taps repeated, minus mean. channel: numbers inside their tap, `count` of
 * them of each. A picture is `stride.x` vectors behind the last one in x, a group `stride.y`, the first one at
 * `stride.z`.
 * Global size: (groups of the part, n, 1). */
KERNEL void choose(__global const float *restrict t0, __global const float *restrict t1,
                   __global const float *restrict t2, __global const int *restrict channel,
                   __global const float *restrict mean, __global float *restrict x, const int4 d0, const int4 d1,
                   const int4 d2, const int4 size /* h, w, d, groups */,
                   const int4 count /* of each tap, first group */, const int4 stride) {
  const int local_group = get_global_id(0), n = get_global_id(1), cells = size.x * size.y;
  if (local_group >= size.w) return;
  const int g = count.w + local_group;
  int a0[CB], a1[CB], a2[CB];
  for (int lane = 0; lane < CB; lane++) {
    const int q = min(g * CB + lane, cells - 1), row = q / size.y, column = q % size.y;
    a0[lane] = (d0.w + row * d0.y + column) * CB;
    a1[lane] = (d1.w + (row >> 1) * d1.y + (column >> 1)) * CB;
    a2[lane] = (d2.w + (row >> 2) * d2.y + (column >> 2)) * CB;
  }
  __global const float *m = mean + (size_t)g * size.z * CB;
  __global float *out = x + ((size_t)n * stride.x + (size_t)local_group * stride.y + stride.z) * CB;
  from_tap(t0, channel, count.x, d0, n, a0, m, out);
  from_tap(t1, channel + count.x, count.y, d1, n, a1, m + count.x * CB, out + count.x * CB);
  const int two = count.x + count.y;
  from_tap(t2, channel + two, count.z, d2, n, a2, m + two * CB, out + two * CB);
  for (int i = two + count.z; i < size.z; i++) STORE_ANY(ZERO, out + i * CB);
}

/* A shift that keeps sums small: mean becomes the first pictures' mean (it was zero), which is taken off them.
 * Strides as above. Global size: (groups of the part, 1, 1). */
KERNEL void shift(__global float *restrict x, __global float *restrict mean, const int4 size /* n, d, groups, first */,
                  const int4 stride) {
  const int g = get_global_id(0);
  if (g >= size.z) return;
  __global float *p = x + ((size_t)g * stride.y + stride.z) * CB, *m = mean + (size_t)(size.w + g) * size.y * CB;
  for (int i = 0; i < size.y; i++) {
    FV sum = ZERO;
    for (int n = 0; n < size.x; n++) sum += LOAD_ANY(p + ((size_t)n * stride.x + i) * CB);
    sum /= (float)size.x;
    STORE_ANY(sum, m + i * CB);
    for (int n = 0; n < size.x; n++) {
      __global float *v = p + ((size_t)n * stride.x + i) * CB;
      STORE_ANY(LOAD_ANY(v) - sum, v);
    }
  }
}

/* ---- learning ---- */

/* sum [group][d] += x over n pictures. Global size: (groups of the part * PARTS, 1, 1). */
KERNEL void total(__global const float *restrict x, __global STORED *restrict sum,
                  const int4 size /* n, d, groups, first */, const int4 stride) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND;
  if (g >= size.z) return;
  __global const float *p = x + ((size_t)g * stride.y + stride.z) * CB + lane;
  __global STORED *to = sum + (size_t)(size.w + g) * size.y * WIDTH + lane;
  for (int i = 0; i < size.y; i++) {
    NUM s = get(to + i * WIDTH);
    for (int n = 0; n < size.x; n++) s = plus(s, num(LOADS(p + ((size_t)n * stride.x + i) * CB)));
    put(s, to + i * WIDTH);
  }
}

/* triangle (r, c) += sum over `terms` of x_r x_c for all c <= r. In x a group is stride.y vectors behind the last
 * one, a row stride.x, a term stride.w; the first one lies at stride.z. Tiles of 4 x 4 sums stay in registers.
 * Global size: (groups * PARTS, 1 or rows / 4, 1). */
KERNEL void products(__global const float *restrict x, __global STORED *restrict triangle,
                     const int4 size /* terms, rows, groups, 0 */, const int4 stride) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND, rows = size.y;
  if (g >= size.z) return;
  __global const float *p = x + ((size_t)g * stride.y + stride.z) * CB + lane;
  __global STORED *tri = triangle + (size_t)g * ROW(rows) * WIDTH + lane;
  const size_t next = (size_t)stride.x * CB;
  for (int i = 4 * get_global_id(1); i < rows; i += 4 * get_global_size(1))
    for (int j = 0; j <= i; j += 4) {
      NUM s[4][4];
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++)
          s[a][b] = j + b <= i + a ? get(tri + (ROW(i + a) + j + b) * WIDTH) : num((SV)(0.0f));
      __global const float *pi = p + i * next, *pj = p + j * next;
      for (int n = 0; n < size.x; n++) {
        NUM u[4], v[4];
        UNROLL for (int a = 0; a < 4; a++) u[a] = num(LOADS(pi + a * next));
        UNROLL for (int b = 0; b < 4; b++) v[b] = num(LOADS(pj + b * next));
        UNROLL for (int a = 0; a < 4; a++)
          UNROLL for (int b = 0; b < 4; b++) s[a][b] = plus_product(s[a][b], u[a], v[b]);
        pi += (size_t)stride.w * CB;
        pj += (size_t)stride.w * CB;
      }
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++)
          if (j + b <= i + a) put(s[a][b], tri + (ROW(i + a) + j + b) * WIDTH);
    }
}

/* What the d variances of each cell add up to, times N - 1: [group][CB]; before `settle`. by_rows: x_i^2 are summed here
 * over n pictures; else they are the triangle's diagonal. Global size: (groups * PARTS, 1, 1). */
KERNEL void variances(__global const STORED *restrict sum, __global const STORED *restrict triangle,
                      __global const float *restrict x, __global float *restrict out,
                      const int4 size /* n or 0, d, groups, first */, const int4 stride, const float count) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND;
  if (g >= size.z) return;
  __global const STORED *s = sum + (size_t)(size.w + g) * size.y * WIDTH + lane,
                        *tri = triangle + (size_t)g * ROW(size.y) * WIDTH + lane;
  __global const float *p = x + ((size_t)g * stride.y + stride.z) * CB + lane;
  NUM all = num((SV)(0.0f));
  for (int i = 0; i < size.y; i++) {
    NUM squares = num((SV)(0.0f));
    const NUM mean = over(get(s + i * WIDTH), num((SV)(count)));
    for (int n = 0; n < size.x; n++) {
      const NUM v = num(LOADS(p + ((size_t)n * stride.x + i) * CB));
      squares = plus_product(squares, v, v);
    }
    if (!size.x) squares = get(tri + (ROW(i) + i) * WIDTH);
    all = plus(all, minus_product(squares, get(s + i * WIDTH), mean));
  }
  STORES(single(all), out + (size_t)(size.w + g) * CB + lane);
}

/* mean += sum / N, and, for the rows of n pictures, x -= sum / N. Global size: (groups of the part * PARTS, 1, 1). */
KERNEL void settle(__global const STORED *restrict sum, __global float *restrict mean, __global float *restrict x,
                   const int4 size /* n, d, groups, first */, const int4 stride, const float count) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND;
  if (g >= size.z) return;
  __global const STORED *s = sum + (size_t)(size.w + g) * size.y * WIDTH + lane;
  __global float *m = mean + (size_t)(size.w + g) * size.y * CB + lane;
  __global float *p = x + ((size_t)g * stride.y + stride.z) * CB + lane;
  for (int i = 0; i < size.y; i++) {
    const NUM v = over(get(s + i * WIDTH), num((SV)(count)));
    STORES(single(plus(num(LOADS(m + i * CB)), v)), m + i * CB);
    for (int n = 0; n < size.x; n++) {
      __global float *to = p + ((size_t)n * stride.x + i) * CB;
      STORES(single(plus(num(LOADS(to)), num(-single(v)))), to);
    }
  }
}

#define L(i_, j_) (tri + (ROW(i_) + (j_)) * WIDTH)

/* A number of the matrix whose factor is wanted: covariance (products - sum sum' / N) / (N - 1), or the products. */
inline NUM element(__global const STORED *tri, __global const STORED *s, const int i, const int j, const int covariance,
                   const NUM count, const NUM less) {
  const NUM v = get(L(i, j));
  if (!covariance) return v;
  return over(minus_product(v, over(get(s + i * WIDTH), count), get(s + j * WIDTH)), less);
}

/* In place: A + ridge I = L L', a row of tiles after the other. A pivot that is not positive makes NaN, which the
 * host sees. */
inline void cholesky(__global STORED *tri, __global const STORED *s, const int rows, const int covariance,
                     const NUM count, const NUM less, const NUM ridge) {
  for (int i = 0; i < rows; i += 4)
    for (int j = 0; j <= i; j += 4) {
      NUM v[4][4];
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++) {
          const bool below = j + b <= i + a;
          v[a][b] = below ? element(tri, s, i + a, j + b, covariance, count, less) : num((SV)(0.0f));
          if (i == j && a == b) v[a][b] = plus(v[a][b], ridge);
        }
      for (int k = 0; k < j; k++) {
        NUM x[4], y[4];
        UNROLL for (int a = 0; a < 4; a++) x[a] = get(L(i + a, k));
        UNROLL for (int b = 0; b < 4; b++) y[b] = get(L(j + b, k));
        UNROLL for (int a = 0; a < 4; a++)
          UNROLL for (int b = 0; b < 4; b++) v[a][b] = minus_product(v[a][b], x[a], y[b]);
      }
      UNROLL for (int b = 0; b < 4; b++) {
        UNROLL for (int c = 0; c < b; c++) {
          const NUM y = i == j ? v[b][c] : get(L(j + b, j + c));
          UNROLL for (int a = 0; a < 4; a++) v[a][b] = minus_product(v[a][b], v[a][c], y);
        }
        const NUM pivot = i == j ? root_of(v[b][b]) : get(L(j + b, j + b));
        UNROLL for (int a = 0; a < 4; a++) {
          v[a][b] = i == j && a == b ? pivot : over(v[a][b], pivot);
          if (i > j || a >= b) put(v[a][b], L(i + a, j + b));
        }
      }
    }
}

/* In place: L becomes M = L^-1, a row of tiles after the other: M_ij = -M_ii sum over k of L_ik M_kj, j <= k < i. */
inline void invert(__global STORED *tri, const int rows) {
  for (int i = 0; i < rows; i += 4) {
    NUM d[4][4]; /* M's tile on the diagonal */
    UNROLL for (int b = 0; b < 4; b++)
      UNROLL for (int a = b; a < 4; a++) {
        NUM v = num((SV)(a == b ? 1.0f : 0.0f));
        UNROLL for (int k = b; k < a; k++) v = minus_product(v, get(L(i + a, i + k)), d[k][b]);
        d[a][b] = over(v, get(L(i + a, i + a)));
      }
    for (int j = 0; j < i; j += 4) {
      NUM v[4][4];
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++) v[a][b] = num((SV)(0.0f));
      UNROLL for (int k = 0; k < 4; k++)
        UNROLL for (int a = 0; a < 4; a++) {
          const NUM x = get(L(i + a, j + k));
          UNROLL for (int b = 0; b <= k; b++) v[a][b] = minus_product(v[a][b], x, get(L(j + k, j + b)));
        }
      for (int k = j + 4; k < i; k++) {
        NUM x[4], y[4];
        UNROLL for (int a = 0; a < 4; a++) x[a] = get(L(i + a, k));
        UNROLL for (int b = 0; b < 4; b++) y[b] = get(L(k, j + b));
        UNROLL for (int a = 0; a < 4; a++)
          UNROLL for (int b = 0; b < 4; b++) v[a][b] = minus_product(v[a][b], x[a], y[b]);
      }
      UNROLL for (int a = 3; a >= 0; a--)
        UNROLL for (int b = 0; b < 4; b++) {
          NUM m = times(d[a][a], v[a][b]);
          UNROLL for (int k = 0; k < a; k++) m = plus_product(m, d[a][k], v[k][b]);
          put(m, L(i + a, j + b));
        }
    }
    UNROLL for (int b = 0; b < 4; b++)
      UNROLL for (int a = b; a < 4; a++) put(d[a][b], L(i + a, i + b));
  }
}

/* The triangle of `products` becomes M in place, and m gets it in single precision. sum: for a covariance.
 * Global size: (groups of the part * PARTS, 1, 1). */
KERNEL void factor(__global const STORED *sum, __global STORED *triangle, __global float *restrict m,
                   const int4 size /* rows, groups, first, covariance */, const float count,
                   const float2 ridge /* high, low */) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND, rows = size.x;
  if (g >= size.y) return;
  __global STORED *tri = triangle + (size_t)g * ROW(rows) * WIDTH + lane;
  __global const STORED *s = size.w ? sum + (size_t)(size.z + g) * rows * WIDTH + lane : sum;
  __global float *out = m + (size_t)g * ROW(rows) * CB + lane;
  const NUM lambda = plus(num((SV)(ridge.x)), num((SV)(ridge.y)));
  cholesky(tri, s, rows, size.w, num((SV)(count)), num((SV)(count - 1.0f)), lambda);
  invert(tri, rows);
  for (int k = 0; k < ROW(rows); k++) STORES(single(get(tri + (size_t)k * WIDTH)), out + (size_t)k * CB);
}

/* In place: L becomes the products L L', from the last tile to the first: a tile reads what stands before it. */
inline void square(__global STORED *tri, const int rows) {
  for (int i = rows - 4; i >= 0; i -= 4)
    for (int j = i; j >= 0; j -= 4) {
      NUM v[4][4];
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++) v[a][b] = num((SV)(0.0f));
      for (int k = 0; k < j; k++) {
        NUM x[4], y[4];
        UNROLL for (int a = 0; a < 4; a++) x[a] = get(L(i + a, k));
        UNROLL for (int b = 0; b < 4; b++) y[b] = get(L(j + b, k));
        UNROLL for (int a = 0; a < 4; a++)
          UNROLL for (int b = 0; b < 4; b++) v[a][b] = plus_product(v[a][b], x[a], y[b]);
      }
      UNROLL for (int b = 0; b < 4; b++)
        UNROLL for (int k = 0; k <= b; k++) {
          const NUM y = get(L(j + b, j + k));
          UNROLL for (int a = 0; a < 4; a++)
            if (i > j || a >= b) v[a][b] = plus_product(v[a][b], get(L(i + a, j + k)), y);
        }
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int b = 0; b < 4; b++)
          if (i > j || a >= b) put(v[a][b], L(i + a, j + b));
    }
}

/* The way back from `factor`: M of a covariance becomes the products about the mean that it was made of,
 * (N - 1) (M^-1 M^-1' - ridge I). Global size: (groups of the part * PARTS, 1, 1). */
KERNEL void restore(__global const float *restrict m, __global STORED *restrict triangle,
                    const int4 size /* rows, groups, rows without zeros, 0 */, const float less /* N - 1 */,
                    const float2 ridge /* high, low */) {
  const int g = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND, rows = size.x;
  if (g >= size.y) return;
  __global STORED *tri = triangle + (size_t)g * ROW(rows) * WIDTH + lane;
  __global const float *in = m + (size_t)g * ROW(rows) * CB + lane;
  const NUM none = num((SV)(0.0f)), one = num((SV)(1.0f));
  for (int i = 0; i < rows; i++)
    for (int j = 0; j <= i; j++) put(i < size.z ? num(LOADS(in + (ROW(i) + j) * CB)) : i == j ? one : none, L(i, j));
  invert(tri, rows);
  square(tri, rows);
  const NUM share = num((SV)(less)), lambda = plus(num((SV)(-ridge.x)), num((SV)(-ridge.y)));
  for (int i = 0; i < rows; i++)
    for (int j = 0; j <= i; j++) {
      const NUM v = get(L(i, j));
      put(i < size.z ? times(i == j ? plus(v, lambda) : v, share) : none, L(i, j));
    }
}

/* ---- scores ---- */

inline void put_cells(const float *v, const int count, __global float *to) {
  for (int k = 0; k < count; k++) to[k] = v[k];
}

/* e = |M x|^2 / d at every cell, and with gradient dx = de/dx = 2 M' M x / d: a row of M is read once for both and
 * for four pictures, tiles of 4 rows x 4 pictures stay in registers. A picture's numbers do not depend on those
 * beside it. e: [n][cells]. Global size: (groups of the part, 1 or n / 4, 1). */
KERNEL void by_factor(__global const float *restrict x, __global const float *restrict factor,
                      __global float *restrict e, __global float *dx, const int4 size /* n, d, groups, cells */,
                      const int4 use /* groups of the part, first, gradient, d without zeros */) {
  const int local_group = get_global_id(0), d = size.y, g = use.y + local_group;
  if (local_group >= use.x) return;
  const size_t step = (size_t)size.z * d * CB;
  const float share = 1.0f / use.w;
  for (int n = 4 * get_global_id(1); n < size.x; n += 4 * get_global_size(1)) {
    __global const float *p[4];
    __global float *q[4];
    UNROLL for (int c = 0; c < 4; c++) {
      p[c] = x + min(n + c, size.x - 1) * step + (size_t)g * d * CB;
      q[c] = dx + min(n + c, size.x - 1) * step + (size_t)g * d * CB;
    }
    if (use.z)
      for (int c = 0; c < 4; c++)
        for (int j = 0; j < d; j++) STORE_ANY(ZERO, q[c] + j * CB);
    FV sum[4] = {ZERO, ZERO, ZERO, ZERO};
    __global const float *m = factor + (size_t)local_group * ROW(d) * CB;
    for (int i = 0; i < d; i += 4) {
      __global const float *row[4];
      FV t[4][4];
      UNROLL for (int a = 0; a < 4; a++) {
        row[a] = m + ROW(i + a) * CB;
        UNROLL for (int c = 0; c < 4; c++) t[a][c] = ZERO;
      }
      for (int j = 0; j < i; j++) {
        FV v[4];
        UNROLL for (int c = 0; c < 4; c++) v[c] = LOAD_ANY(p[c] + j * CB);
        UNROLL for (int a = 0; a < 4; a++) {
          const FV w = LOAD_ANY(row[a] + j * CB);
          UNROLL for (int c = 0; c < 4; c++) t[a][c] = FMA(w, v[c], t[a][c]);
        }
      }
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int j = 0; j <= a; j++) {
          const FV w = LOAD_ANY(row[a] + (i + j) * CB);
          UNROLL for (int c = 0; c < 4; c++) t[a][c] = FMA(w, LOAD_ANY(p[c] + (i + j) * CB), t[a][c]);
        }
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int c = 0; c < 4; c++) sum[c] = FMA(t[a][c], t[a][c], sum[c]);
      if (!use.z) continue;
      UNROLL for (int a = 0; a < 4; a++)
        UNROLL for (int c = 0; c < 4; c++) t[a][c] *= 2.0f * share;
      for (int j = 0; j < i; j++) {
        FV w[4];
        UNROLL for (int a = 0; a < 4; a++) w[a] = LOAD_ANY(row[a] + j * CB);
        UNROLL for (int c = 0; c < 4; c++) {
          if (n + c >= size.x) continue;
          FV v = LOAD_ANY(q[c] + j * CB);
          UNROLL for (int a = 0; a < 4; a++) v = FMA(w[a], t[a][c], v);
          STORE_ANY(v, q[c] + j * CB);
        }
      }
      UNROLL for (int j = 0; j < 4; j++)
        UNROLL for (int c = 0; c < 4; c++) {
          if (n + c >= size.x) continue;
          FV v = LOAD_ANY(q[c] + (i + j) * CB);
          UNROLL for (int a = j; a < 4; a++) v = FMA(LOAD_ANY(row[a] + (i + j) * CB), t[a][c], v);
          STORE_ANY(v, q[c] + (i + j) * CB);
        }
    }
    UNROLL for (int c = 0; c < 4; c++) {
      float v[CB];
      STORE_ANY(sum[c] * share, v);
      if (n + c < size.x) put_cells(v, min(CB, size.w - g * CB), e + (size_t)(n + c) * size.w + g * CB);
    }
  }
}

#define S(array_, k_, c_) (hold + (((size_t)(array_)*pictures + (k_)) * 4 + (c_)) * WIDTH)

/* The same from the centred rows X of the pictures learned from, and M of K = ridge (N - 1) I + X X', for four
 * pictures from `first` on. With t = X x and a = K^-1 t = M' M t, r = x - X' a:
 *   d^2 = |r|^2 / ridge + (N - 1) |a|^2,   dx = 2 r / (ridge d)
 * Both terms are positive, and a is where the expression is smallest, so that its rounding counts only squared;
 * Woodbury's own (|x|^2 - t' a) / ridge cancels. hold: [group of the part][2 (t, a)][rows][4][CB] numbers.
 * Global size: (groups of the part * PARTS, 1, 1). */
KERNEL void by_rows(__global const float *restrict x, __global const float *restrict rows,
                    __global const float *restrict factor, __global STORED *restrict scratch,
                    __global float *restrict e, __global float *restrict dx, const int4 size /* n, d, groups, cells */,
                    const int4 use /* groups of the part, first group, gradient, d without zeros */,
                    const int2 range /* rows, first picture */, const float less /* N - 1 */, const float2 ridge) {
  const int local_group = get_global_id(0) / PARTS, lane = get_global_id(0) % PARTS * ND;
  const int d = size.y, g = use.y + local_group, pictures = range.x, n = range.y;
  if (local_group >= use.x) return;
  const size_t step = (size_t)size.z * d * CB;
  __global const float *p[4], *X = rows + (size_t)local_group * pictures * d * CB + lane;
  __global const float *m = factor + (size_t)local_group * ROW(pictures) * CB + lane;
  __global STORED *hold = scratch + (size_t)local_group * 8 * pictures * WIDTH + lane;
  UNROLL for (int c = 0; c < 4; c++) p[c] = x + min(n + c, size.x - 1) * step + (size_t)g * d * CB + lane;
  for (int k = 0; k < pictures; k += 4) { /* t */
    NUM t[4][4];
    UNROLL for (int a = 0; a < 4; a++)
      UNROLL for (int c = 0; c < 4; c++) t[a][c] = num((SV)(0.0f));
    for (int i = 0; i < d; i++) {
      NUM v[4];
      UNROLL for (int c = 0; c < 4; c++) v[c] = num(LOADS(p[c] + i * CB));
      UNROLL for (int a = 0; a < 4; a++) {
        const NUM w = num(LOADS(X + ((size_t)(k + a) * d + i) * CB));
        UNROLL for (int c = 0; c < 4; c++) t[a][c] = plus_product(t[a][c], w, v[c]);
      }
    }
    UNROLL for (int a = 0; a < 4; a++)
      UNROLL for (int c = 0; c < 4; c++) {
        put(t[a][c], S(0, k + a, c));
        put(num((SV)(0.0f)), S(1, k + a, c));
      }
  }
  for (int k = 0; k < pictures; k++) { /* a */
    __global const float *row = m + ROW(k) * CB;
    NUM u[4];
    UNROLL for (int c = 0; c < 4; c++) u[c] = num((SV)(0.0f));
    for (int j = 0; j <= k; j++) {
      const NUM w = num(LOADS(row + j * CB));
      UNROLL for (int c = 0; c < 4; c++) u[c] = plus_product(u[c], w, get(S(0, j, c)));
    }
    for (int j = 0; j <= k; j++) {
      const NUM w = num(LOADS(row + j * CB));
      UNROLL for (int c = 0; c < 4; c++) put(plus_product(get(S(1, j, c)), w, u[c]), S(1, j, c));
    }
  }
  NUM sum[4];
  const NUM lambda = plus(num((SV)(ridge.x)), num((SV)(ridge.y))), f = over(num((SV)(1.0f)), lambda);
  const NUM share = over(num((SV)(1.0f)), num((SV)((float)use.w))), slope = times(times(num((SV)(2.0f)), f), share);
  UNROLL for (int c = 0; c < 4; c++) sum[c] = num((SV)(0.0f));
  for (int k = 0; k < pictures; k++)
    UNROLL for (int c = 0; c < 4; c++) sum[c] = plus_product(sum[c], get(S(1, k, c)), get(S(1, k, c)));
  UNROLL for (int c = 0; c < 4; c++) sum[c] = times(sum[c], times(num((SV)(less)), lambda));
  for (int i = 0; i < d; i += 4) { /* r */
    NUM r[4][4];
    UNROLL for (int b = 0; b < 4; b++)
      UNROLL for (int c = 0; c < 4; c++) r[b][c] = num(LOADS(p[c] + (i + b) * CB));
    for (int k = 0; k < pictures; k++) {
      NUM a[4];
      UNROLL for (int c = 0; c < 4; c++) a[c] = get(S(1, k, c));
      UNROLL for (int b = 0; b < 4; b++) {
        const NUM w = num(LOADS(X + ((size_t)k * d + i + b) * CB));
        UNROLL for (int c = 0; c < 4; c++) r[b][c] = minus_product(r[b][c], w, a[c]);
      }
    }
    UNROLL for (int b = 0; b < 4; b++)
      UNROLL for (int c = 0; c < 4; c++) {
        sum[c] = plus_product(sum[c], r[b][c], r[b][c]);
        if (use.z && n + c < size.x)
          STORES(single(times(r[b][c], slope)), dx + (n + c) * step + ((size_t)g * d + i + b) * CB + lane);
      }
  }
  UNROLL for (int c = 0; c < 4; c++) {
    union {
      SV all;
      float each[ND];
    } v = {single(times(times(sum[c], f), share))};
    if (n + c < size.x)
      put_cells(v.each, clamp(size.w - g * CB - lane, 0, ND), e + (size_t)(n + c) * size.w + g * CB + lane);
  }
}

/* slope dx at the cells back to a tap: the sum over the cells that repeat a place of it. place: for each channel of
 * the tap its number in the list, or -1. slope: [n][cells]. Global size: (gx, tap h, n * blocks). */
KERNEL void return_to(__global const float *restrict dx, __global const float *restrict slope,
                      __global const int *restrict place, __global float *restrict y, const int4 yd,
                      const int4 size /* w of the grid, tap, d, groups */, const int4 tap /* w, channels, cells, 0 */) {
  const int row = get_global_id(1), n = get_global_id(2) / yd.x, block = get_global_id(2) % yd.x, r = 1 << size.y;
  __global const float *s = slope + (size_t)n * tap.z;
  for (int i = get_global_id(0); i < tap.x; i += get_global_size(0)) {
    float sum[CB];
    STORE_ANY(ZERO, sum);
    for (int k = 0; k < r * r; k++) {
      const int q = (row * r + k / r) * size.x + i * r + k % r;
      __global const float *from = dx + ((size_t)n * size.w + q / CB) * size.z * CB + q % CB;
      for (int lane = 0; lane < CB; lane++) {
        const int c = block * CB + lane, at = c < tap.y ? place[c] : -1;
        if (at >= 0) sum[lane] += s[q] * from[at * CB];
      }
    }
    STORE_ANY(LOAD_ANY(sum), y + AT(yd, n, block, row, i));
  }
}
