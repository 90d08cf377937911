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
  return select(CLAMP_LOW(sum, ZERO), (FV)(1.0f), LANE_NUMBERS + x == (IV)(lane));
#elif FINISH == 3
  return select(ZERO, v, (get(p, lanes) > ZERO) & (LANE_NUMBERS + x < (IV)(lane)));
#else
  return v;
#endif
}

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

#if FINISH == 2
#define P(r) (extra + (size_t)(place[y + (r)] % grid.y) * ld.w)
#define Q(r) (extra + (size_t)(grid.x + place[y + (r)] / grid.y % grid.z) * ld.w)
#else
#define P(r) (extra + (size_t)(y + (r)) * ld.w)
#define Q(r) P(r)
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
