/* C = A B for row-major matrices, any sizes; and with a transposed A, C = A' B.
 *
 *   MR      rows and two vectors of CB columns a work-item: 2 * MR accumulators; one number of A is broadcast over two
 *           vectors of B. One vector less at the end of a row, and numbers one by one past the last whole vector
 *   TURNED  1: A is [k][m]
 *   FINISH  what becomes of a sum v in (row y, column x):
 *     0  C = v
 *     1  C += v
 *     2  C = ReLU(v + table[place(y).x] + table[side + place(y).y]), and 1 in column `lane`: the hidden layer of a coupling
 *        block (flow.cl), whose place is where the fibre comes from
 *     3  C = v where gate > 0, else 0; 0 from column `lane` on: the way back through it
 * What a sum adds up, and in which order, depends on its row of A, its column of B and k only, so a row comes out the same
 * in any batch. Global size: (column tiles, row tiles, batch). */
/* The next lanes <= CB numbers, then zeros. */
inline FV get(__global const float *p, const int lanes) {
  if (lanes == CB) return LOAD_ANY(p);
  float t[CB];
  for (int i = 0; i < CB; i++) t[i] = i < lanes ? p[i] : 0.0f;
  return LOAD_ANY(t);
}

inline void put(const FV v, __global float *p, const int lanes) {
  if (lanes == CB) {
    STORE_ANY(v, p);
    return;
  }
  float t[CB];
  STORE_ANY(v, t);
  for (int i = 0; i < lanes; i++) p[i] = t[i];
}

inline FV finish(const FV v, const int x, const int lanes, __global const float *c, __global const float *p,
                 __global const float *q, const int lane) {
#if FINISH == 1
  return v + get(c, lanes);
#elif FINISH == 2
  const FV sum = v + get(p, lanes) + get(q, lanes);
  return SELECT(CLAMP_LOW(sum, ZERO), (FV)(1.0f), LANE_NUMBERS + x == (IV)(lane));
#elif FINISH == 3
  return SELECT(ZERO, v, (get(p, lanes) > ZERO) & (LANE_NUMBERS + x < (IV)(lane)));
#else
  return v;
#endif
}

#if FINISH == 2
#define P(r) (extra + (size_t)(place[y + (r)] % grid.y) * ld.w)
#define Q(r) (extra + (size_t)(grid.x + place[y + (r)] / grid.y % grid.z) * ld.w)
#else
#define P(r) (extra + (size_t)(y + (r)) * ld.w)
#define Q(r) P(r)
#endif

#ifndef TX
/* V vectors from column x on; the last of them has `lanes` columns. */
#define TILE(V, lanes)                                                                                                 \
  {                                                                                                                    \
    FV acc[MR][V];                                                                                                     \
    UNROLL for (int r = 0; r < MR; r++)                                                                                \
      UNROLL for (int v = 0; v < V; v++) acc[r][v] = ZERO;                                                             \
    for (int i = 0; i < size.z; i++) {                                                                                 \
      FV bv[V];                                                                                                        \
      UNROLL for (int v = 0; v < V; v++) bv[v] = get(b + (size_t)i * ld.y + x + v * CB, lanes);                        \
      UNROLL for (int r = 0; r < MR; r++) {                                                                            \
        const FV s = (FV)(A(r, i));                                                                                    \
        UNROLL for (int v = 0; v < V; v++) acc[r][v] = FMA(s, bv[v], acc[r][v]);                                       \
      }                                                                                                                \
    }                                                                                                                  \
    UNROLL for (int r = 0; r < MR; r++)                                                                                \
      if (y + r < size.x)                                                                                              \
        UNROLL for (int v = 0; v < V; v++) {                                                                           \
          const int col = x + v * CB;                                                                                  \
          __global float *at = c + (size_t)(y + r) * ld.z + col;                                                       \
          put(finish(acc[r][v], col, lanes, at, P(r) + col, Q(r) + col, grid.w), at, lanes);                           \
        }                                                                                                              \
  }

#if TURNED
#define A(r, i) a[(size_t)(i)*ld.x + min(y + (r), size.x - 1)]
#else
#define A(r, i) a[(size_t)min(y + (r), size.x - 1) * ld.x + (i)]
#endif

/* start: of A, B, C and extra in their buffers; step: what is added to it for each of the batch. extra: the gate, or the
 * table: `side` rows for x, then as many for y. place: numbers of cells, (picture * height + y) * width + x. */
KERNEL void gemm(__global const float *a, __global const float *b, __global float *c, __global const float *extra,
                 __global const int *place, const int4 size /* m, n, k, place's start */, const int4 ld,
                 const int4 start, const int4 step, const int4 grid /* side, width, height, lane */) {
  const int y = get_global_id(1) * MR, z = get_global_id(2);
  int x = get_global_id(0) * 2 * CB;
  if (x >= size.y || y >= size.x) return;
  a += start.x + (size_t)z * step.x;
  b += start.y + (size_t)z * step.y;
  c += start.z + (size_t)z * step.z;
  extra += start.w + (size_t)z * step.w;
  place += size.w;
  if (size.y - x >= 2 * CB) {
    TILE(2, CB)
    return;
  }
  if (size.y - x >= CB) {
    TILE(1, CB)
    x += CB;
  }
  if (x < size.y) TILE(1, size.y - x)
}
#else
/* The same through local memory (common.clh), for GPUs: the sums of gemm, bit for bit. Starts, rows and steps of all matrices are
 * whole float4, and so is n; offsets are unsigned bytes: matrices below 4 GiB. A step of BK k (8 or 16) is on its way from global
 * memory while the one before is computed: two buffers, one barrier a step. Global size: (column tiles * GROUP, row tiles, batch). */
#define AHEAD 8
#define PM (TM / 4 + 1)
#define PN (TN / 4 + 1)
#define LA (TM * BK / 4 / GROUP) /* float4 that an item fetches a step */
#define LB (TN * BK / 4 / GROUP)
/* Of the j-th float4 of a step of A: its k, where it begins, and how far from there to the next k; without what lies behind a
 * row; and its place in local memory. */
#if TURNED
#define A_K(j) ((j) / (TM / 4))
#define A_AT(j) (A_K(j) * (uint)ld.x + min(y0 + (j) % (TM / 4) * 4, (uint)(size.x - 1) & ~3u))
#define A_STEP ((uint)ld.x)
#define A_NUMBERS(v, k) (v)
#define A_PUT(to, j, v) (to)[A_K(j) * PM + (j) % (TM / 4)] = (v);
#else
#define A_K(j) ((j) % (BK / 4) * 4)
#define A_AT(j) (min(y0 + (j) / (BK / 4), (uint)size.x - 1) * (uint)ld.x + A_K(j))
#define A_STEP 1u
#define A_NUMBERS(v, k) select(v, ZERO, (int4)((int)(k)) + LANE_NUMBERS >= (int4)(size.z))
#define A_PUT(to, j, v)                                                                                                \
  {                                                                                                                    \
    __local float *to_ = (__local float *)(to) + A_K(j) * (PM * 4) + (j) / (BK / 4);                                   \
    to_[0] = (v).x, to_[PM * 4] = (v).y, to_[PM * 8] = (v).z, to_[PM * 12] = (v).w;                                    \
  }
#endif
#define FETCH                                                                                                          \
  {                                                                                                                    \
    UNROLL for (int i = 0; i < LA; i++) {                                                                              \
      const uint k = k0 + A_K(l + i * GROUP);                                                                          \
      ra[i] = k < deep ? A_NUMBERS(AT4(a, (aat[i] + k0 * A_STEP) * 4), k) : ZERO;                                      \
    }                                                                                                                  \
    UNROLL for (int i = 0; i < LB; i++)                                                                                \
      rb[i] = k0 + (l + i * GROUP) / (TN / 4) < deep ? AT4(b, (bat[i] + k0 * (uint)ld.y) * 4) : ZERO;                  \
  }
#define PUT(buffer)                                                                                                    \
  {                                                                                                                    \
    UNROLL for (int i = 0; i < LA; i++) A_PUT(As[buffer], l + i * GROUP, ra[i])                                        \
    UNROLL for (int i = 0; i < LB; i++) {                                                                              \
      const uint j = l + i * GROUP;                                                                                    \
      Bs[buffer][j / (TN / 4) * PN + j % (TN / 4)] = rb[i];                                                            \
    }                                                                                                                  \
  }

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void gemm_tiled(
    __global const float *a, __global const float *b, __global float *c, __global const float *extra,
    __global const int *place, const int4 size, const int4 ld, const int4 start, const int4 step, const int4 grid) {
  __local float4 As[2][BK * PM], Bs[2][BK * PN];
  const uint l = get_local_id(0), z = get_group_id(2), x0 = get_group_id(0) * TN, y0 = get_group_id(1) * TM,
             tx = TILE_X(l), ty = TILE_Y(l), deep = size.z;
  a += start.x + (size_t)z * step.x;
  b += start.y + (size_t)z * step.y;
  c += start.z + (size_t)z * step.z;
  extra += start.w + (size_t)z * step.w;
  place += size.w;
  float4 ra[LA], rb[LB], acc[RN / 4][RM];
  UNROLL for (int j = 0; j < RN / 4; j++)
    UNROLL for (int i = 0; i < RM; i++) acc[j][i] = ZERO;
  uint aat[LA], bat[LB];
  UNROLL for (int i = 0; i < LA; i++) aat[i] = A_AT(l + i * GROUP);
  UNROLL for (int i = 0; i < LB; i++) {
    const uint j = l + i * GROUP;
    bat[i] = j / (TN / 4) * (uint)ld.y + min(x0 + j % (TN / 4) * 4, (uint)size.y - 4);
  }
  uint k0 = 0;
  FETCH
  for (uint s = 0; k0 < deep; s++) {
    PUT(s & 1) /* read last two steps ago, before the barrier of the step between */
    barrier(CLK_LOCAL_MEM_FENCE);
    k0 += BK;
    if (k0 < deep) FETCH
    __local const float4 *at = As[s & 1] + tx, *bt = Bs[s & 1] + ty;
    MULTIPLY(acc, at, PM, bt, PN, BK)
  }
  UNROLL for (int i = 0; i < RM; i++) {
    const int y = y0 + i / 4 * (TX * 4) + tx * 4 + i % 4;
    if (y >= size.x) continue;
    UNROLL for (int j = 0; j < RN / 4; j++) {
      const int x = x0 + (ty + j * TY) * 4;
      if (x >= size.y) continue;
      __global float *at = c + (size_t)y * ld.z + x;
      STORE(finish(acc[j][i], x, CB, at, P(0) + x, Q(0) + x, grid.w), at);
    }
  }
}
#endif
