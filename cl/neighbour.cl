/* Nearest rows of a bank: |x - m|^2 = |x|^2 + |m|^2 - 2 x.m. The products are a matrix product with the choice of the
 * smallest in its epilogue; |x|^2 is the same for all and left out. Then the winner's distance is taken once more as
 * sum (x - m)^2, which does not cancel.
 *
 * x is row-major [queries][width], width a multiple of CB; the bank lies side by side as cl/lanes.cl makes it.
 *   OB, PX  groups of bank rows and queries of a tile: OB * PX accumulators, a bank's vector serves PX queries
 *   ALL     1: `nearest` writes all values instead of the smallest
 * On a CPU queries are the fast index and chunks of the bank the slow one, so that a chunk stays in the cache. */
#define LANES (CB * WG)
#ifndef OB
#define OB 1
#define PX 1
#endif
#ifndef ALL
#define ALL 0
#endif

/* acc [OB][PX] += x.m of the rows of a tile, from bp on, and the queries at x + at[p]. */
#define PRODUCTS(bp, x, at, width, acc)                                                                                \
  for (int k = 0; k < (width); k++, (bp) += LANES) {                                                                   \
    FV b[OB];                                                                                                          \
    UNROLL for (int o = 0; o < OB; o++) b[o] = LOAD((bp) + (size_t)o * (width)*LANES);                                 \
    UNROLL for (int p = 0; p < PX; p++) {                                                                              \
      const FV v = (FV)((x)[(at)[p] + k]);                                                                             \
      UNROLL for (int o = 0; o < OB; o++) acc[o][p] = FMA(v, b[o], acc[o][p]);                                         \
    }                                                                                                                  \
  }

/* A row that is nearer, or as near and lower. */
inline bool nearer(const float v, const int row, const float than, const int its) {
  return v < than || (v == than && row < its);
}

#if WG > 1
/* Of `count` queries the nearest of the rows that a work-group's items have: item i's at [query * WG + i] of values and rows,
 * the nearest at [query * WG] then, for all to read; a tree. */
inline void nearest_of_group(__local float *values, __local int *rows, const int count) {
  const int lane = get_local_id(0);
  for (int s = 1; s < WG; s *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int p = 0; p < count; p++) {
      const int i = p * WG + lane;
      if (lane % (2 * s) == 0 && lane + s < WG && nearer(values[i + s], rows[i + s], values[i], rows[i])) {
        values[i] = values[i + s];
        rows[i] = rows[i + s];
      }
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
}
#endif

/* The smallest |m|^2 - 2 x.m and its row, for each query and chunk: value, where [chunk][queries]; the
 * lowest row where several are as small. Or all of them: value [queries][tiles * OB * LANES].
 * list [queries]: rows of x that are queries. Tiles are OB groups; a launch takes `tiles` of them from first.y on, `each` a
 * chunk, for queries from first.x on.
 * Global size: (query tiles, chunks, 1), with work-groups (chunks * WG, query tiles, 1). */
KERNEL void nearest(__global const float *restrict x, __global const int *restrict list,
                    __global const float *restrict bank, __global const float *restrict square,
                    __global float *restrict value, __global int *restrict where,
                    const int4 size /* queries, width, tiles, each */, const int2 first /* query, tile */) {
#if WG == 1
  const int q0 = get_global_id(0) * PX, chunk = get_global_id(1), lane = 0;
#else
  const int q0 = get_global_id(1) * PX, chunk = get_group_id(0), lane = get_local_id(0);
#endif
  const int n = size.x, width = size.y, last = min((chunk + 1) * size.w, size.z);
  if (q0 >= n) return;
  size_t at[PX];
  FV best[PX];
  IV row[PX];
  UNROLL for (int p = 0; p < PX; p++) {
    at[p] = (size_t)list[first.x + min(q0 + p, n - 1)] * width;
    best[p] = (FV)(INFINITY);
    row[p] = (IV)(0);
  }
  for (int tile = chunk * size.w; tile < last; tile++) {
    __global const float *bp = bank + (size_t)(first.y + tile) * OB * width * LANES + lane * CB;
    FV acc[OB][PX];
    UNROLL for (int o = 0; o < OB; o++)
      UNROLL for (int p = 0; p < PX; p++) acc[o][p] = ZERO;
    PRODUCTS(bp, x, at, width, acc);
    UNROLL for (int o = 0; o < OB; o++) {
      const int base = (tile * OB + o) * LANES + lane * CB;
      const FV s = LOAD_ANY(square + (size_t)first.y * OB * LANES + base);
      UNROLL for (int p = 0; p < PX; p++) {
        const FV v = s - 2.0f * acc[o][p];
#if ALL
        if (q0 + p < n) STORE_ANY(v, value + (size_t)(q0 + p) * size.z * OB * LANES + base);
#else
        const IV closer = v < best[p];
        best[p] = SELECT(best[p], v, closer);
        row[p] = SELECT(row[p], (IV)(base), closer);
#endif
      }
    }
  }
#if !ALL
#if WG > 1
  __local float values[PX * WG];
  __local int rows[PX * WG];
#endif
  UNROLL for (int p = 0; p < PX; p++)
    if (q0 + p < n) {
      float v[CB];
      int r[CB];
      STORE_ANY(best[p], v);
      STORE_ANY(row[p], r);
      for (int i = 0; i < CB; i++) r[i] += i;
      int least = 0;
      for (int i = 1; i < CB; i++)
        if (nearer(v[i], r[i], v[least], r[least])) least = i;
#if WG == 1
      value[(size_t)chunk * n + q0 + p] = v[least];
      where[(size_t)chunk * n + q0 + p] = first.y * OB * LANES + r[least];
#else
      values[p * WG + lane] = v[least];
      rows[p * WG + lane] = r[least];
#endif
    }
#if WG > 1
  const int count = min(PX, n - q0);
  nearest_of_group(values, rows, count);
  for (int p = 0; p < count; p++)
    if (lane == p % WG) { /* not a loop that begins at lane: PoCL 3.1 gets that wrong here */
      value[(size_t)chunk * n + q0 + p] = values[p * WG];
      where[(size_t)chunk * n + q0 + p] = first.y * OB * LANES + rows[p * WG];
    }
#endif
#endif
}

#ifdef TX
/* The same through local memory (common.clh), for GPUs: the values and rows of nearest, bit for bit. Rows of the product are queries,
 * columns rows of the bank, which lie as cl/lanes.cl makes them. x and the part of the bank are below 4 GiB. A step of BK k
 * (8 or 16; width is a multiple of 4) is on its way from global memory while the one before is computed: two buffers, one
 * barrier a step. Global size: (chunks * GROUP, query tiles, 1). */
#define AHEAD (256 / (RM * RN))
#define PM (TM / 4 + 1)
#define PN (TN / 4 + 1)
#define LA (TM * BK / 4 / GROUP) /* float4 that an item fetches a step */
#define LB (TN * BK / 4 / GROUP)
#define FETCH                                                                                                          \
  {                                                                                                                    \
    UNROLL for (int i = 0; i < LA; i++) ra[i] = k0 + l % (BK / 4) * 4 < width ? AT4(x, (xat[i] + k0) * 4) : ZERO;      \
    UNROLL for (int i = 0; i < LB; i++) {                                                                              \
      const uint j = l + i * GROUP, k = k0 + j / (TN / 4);                                                             \
      rb[i] = k < width ? AT4(bank, (bat + k * LANES + j % (TN / 4) * 4) * 4) : ZERO;                                  \
    }                                                                                                                  \
  }
#define PUT(buffer)                                                                                                    \
  {                                                                                                                    \
    UNROLL for (int i = 0; i < LA; i++) {                                                                              \
      __local float *to = (__local float *)As[buffer] + l % (BK / 4) * (PM * 16) + (l + i * GROUP) / (BK / 4);         \
      to[0] = ra[i].x, to[PM * 4] = ra[i].y, to[PM * 8] = ra[i].z, to[PM * 12] = ra[i].w;                              \
    }                                                                                                                  \
    UNROLL for (int i = 0; i < LB; i++) {                                                                              \
      const uint j = l + i * GROUP;                                                                                    \
      Bs[buffer][j / (TN / 4) * PN + j % (TN / 4)] = rb[i];                                                            \
    }                                                                                                                  \
  }

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void nearest_tiled(
    __global const float *restrict x, __global const int *restrict list, __global const float *restrict bank,
    __global const float *restrict square, __global float *restrict value, __global int *restrict where,
    const int4 size /* queries, width, tiles, each */, const int2 first /* query, tile */) {
  __local float4 As[2][BK * PM], Bs[2][BK * PN];
  const uint l = get_local_id(0), tx = TILE_X(l), ty = TILE_Y(l), chunk = get_group_id(0), q0 = get_group_id(1) * TM,
             n = size.x, width = size.y, begin = chunk * (uint)size.w, end = min(begin + (uint)size.w, (uint)size.z);
  uint xat[LA], turn = 0;
  UNROLL for (int i = 0; i < LA; i++)
    xat[i] = (uint)list[first.x + min(q0 + (l + i * GROUP) / (BK / 4), n - 1)] * width + l % (BK / 4) * 4;
  square += (size_t)first.y * LANES;
  bank += (size_t)first.y * LANES * width;
#if !ALL
  float best[RM];
  int row[RM];
  UNROLL for (int i = 0; i < RM; i++) best[i] = INFINITY, row[i] = 0;
#endif
  for (uint column = begin * LANES; column < end * LANES; column += TN) {
    const uint bat = column / LANES * (LANES * width) + column % LANES;
    float4 ra[LA], rb[LB], acc[RN / 4][RM];
    UNROLL for (int j = 0; j < RN / 4; j++)
      UNROLL for (int i = 0; i < RM; i++) acc[j][i] = ZERO;
    uint k0 = 0;
    FETCH
    for (; k0 < width; turn ^= 1) {
      PUT(turn) /* read last two steps ago, before the barrier of the step between */
      barrier(CLK_LOCAL_MEM_FENCE);
      k0 += BK;
      if (k0 < width) FETCH
      __local const float4 *at = As[turn] + tx, *bt = Bs[turn] + ty;
      MULTIPLY(acc, at, PM, bt, PN, BK)
    }
    UNROLL for (int j = 0; j < RN / 4; j++) {
      const uint at = column + (ty + j * TY) * 4;
      const float4 s = LOAD(square + at);
      UNROLL for (int i = 0; i < RM; i++) {
        const float4 v = s - 2.0f * acc[j][i];
#if ALL
        const uint q = q0 + i / 4 * (TX * 4) + tx * 4 + i % 4;
        if (q < n) STORE(v, value + (size_t)q * size.z * LANES + at);
#else
        if (v.x < best[i]) best[i] = v.x, row[i] = at;
        if (v.y < best[i]) best[i] = v.y, row[i] = at + 1;
        if (v.z < best[i]) best[i] = v.z, row[i] = at + 2;
        if (v.w < best[i]) best[i] = v.w, row[i] = at + 3;
#endif
      }
    }
  }
#if !ALL
  __local float values[TY][TM];
  __local int rows[TY][TM];
  UNROLL for (int i = 0; i < RM; i++) {
    const uint q = i / 4 * (TX * 4) + tx * 4 + i % 4;
    values[ty][q] = best[i];
    rows[ty][q] = row[i];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint i = 0; i < TM; i += GROUP) {
    const uint q = l + i;
    if (q < TM && q0 + q < n) {
      uint least = 0;
      for (uint o = 1; o < TY; o++)
        if (nearer(values[o][q], rows[o][q], values[least][q], rows[least][q])) least = o;
      value[(size_t)chunk * n + q0 + q] = values[least][q];
      where[(size_t)chunk * n + q0 + q] = first.y * LANES + rows[least][q];
    }
  }
#endif
}
#endif

#ifdef FAMILY
/* A tile of queries: where they are, their shadows (host/op/shadow.h), the smallest value each has met and its row, and what
 * the squared distance of a shadow must reach not to matter. */
struct queries {
  __global const float *x;
  size_t at[PX];
  float shadow[PX][AXES];
  FV best[PX];
  IV row[PX];
  float own[PX]; /* |x|^2 and what rounding may hide */
  float slack[PX], reach[PX];
};

/* |x|^2 and the shadow; loss: of that, by rounding, in |x|. */
inline void begin(struct queries *q, __global const float *axes, const int width, const float loss,
                  const float largest) {
  UNROLL for (int p = 0; p < PX; p++) {
    __global const float *x = q->x + q->at[p];
    FV thrown[AXES / CB];
    float own = 0;
    UNROLL for (int i = 0; i < AXES / CB; i++) thrown[i] = ZERO;
    for (int k = 0; k < width; k++) {
      own += x[k] * x[k];
      UNROLL for (int i = 0; i < AXES / CB; i++)
        thrown[i] = FMA((FV)(x[k]), LOAD_ANY(axes + k * AXES + i * CB), thrown[i]);
    }
    UNROLL for (int i = 0; i < AXES / CB; i++) STORE_ANY(thrown[i], q->shadow[p] + i * CB);
    q->own[p] = own + (width + 8) * 1.2e-7f * (own + largest);
    q->slack[p] = loss * (sqrt(own) + sqrt(largest));
    q->reach[p] = INFINITY;
    q->best[p] = (FV)(INFINITY);
    q->row[p] = (IV)(0);
  }
}

/* Squared distances of the shadows to CB boxes that lie side by side, and to their middles. */
inline void apart(const struct queries *q, __global const float *box, FV *outside, FV *middle) {
  UNROLL for (int p = 0; p < PX; p++) outside[p] = middle[p] = ZERO;
  for (int a = 0; a < AXES; a++) {
    const FV low = LOAD_ANY(box + a * CB), high = LOAD_ANY(box + (AXES + a) * CB);
    UNROLL for (int p = 0; p < PX; p++) {
      const FV below = low - (FV)(q->shadow[p][a]), above = (FV)(q->shadow[p][a]) - high;
      const FV out = CLAMP_LOW(CLAMP_LOW(below, above), ZERO), in = below - above;
      outside[p] = FMA(out, out, outside[p]);
      middle[p] = FMA(in, in, middle[p]);
    }
  }
}

/* Of CB boxes those whose rows can matter to some query: a bit each. */
inline int matter(const struct queries *q, const FV *outside, const int count) {
  IV some = (IV)(0);
  UNROLL for (int p = 0; p < PX; p++) some |= !(outside[p] >= (FV)(q->reach[p]));
  int s[CB], bits = 0;
  STORE_ANY(some, s);
  for (int i = 0; i < count; i++) bits |= s[i] ? 1 << i : 0;
  return bits;
}

/* The lane of CB, of `count`, whose middle is nearest to a query. */
inline int nearest_lane(const FV d, const int count, float *least) {
  float v[CB];
  int lane = 0;
  STORE_ANY(d, v);
  for (int i = 1; i < count; i++)
    if (v[i] < v[lane]) lane = i;
  *least = v[lane];
  return lane;
}

/* Whether the shadow of a tile's row is near to that of a query. */
inline int near_shadows(const struct queries *q, __global const float *shadow, const int tile) {
  __global const float *s = shadow + (size_t)tile * OB * AXES * CB;
  FV acc[OB][PX];
  IV some = (IV)(0);
  UNROLL for (int o = 0; o < OB; o++)
    UNROLL for (int p = 0; p < PX; p++) acc[o][p] = ZERO;
  for (int a = 0; a < AXES; a++) {
    FV v[OB];
    UNROLL for (int o = 0; o < OB; o++) v[o] = LOAD_ANY(s + (o * AXES + a) * CB);
    UNROLL for (int p = 0; p < PX; p++)
      UNROLL for (int o = 0; o < OB; o++) {
        const FV d = v[o] - (FV)(q->shadow[p][a]);
        acc[o][p] = FMA(d, d, acc[o][p]);
      }
  }
  UNROLL for (int p = 0; p < PX; p++)
    UNROLL for (int o = 0; o < OB; o++) some |= !(acc[o][p] >= (FV)(q->reach[p]));
  return any(some);
}

/* The bank: rows side by side, |m|^2, shadows, and boxes of tiles. */
struct bank {
  __global const float *rows, *square, *shadow, *box;
  int width, tiles;
};

/* All rows of a tile against all queries. */
inline void meet(struct queries *q, const struct bank *bank, const int tile) {
  if (!near_shadows(q, bank->shadow, tile)) return;
  __global const float *bp = bank->rows + (size_t)tile * OB * bank->width * CB;
  FV acc[OB][PX];
  UNROLL for (int o = 0; o < OB; o++)
    UNROLL for (int p = 0; p < PX; p++) acc[o][p] = ZERO;
  PRODUCTS(bp, q->x, q->at, bank->width, acc);
  UNROLL for (int p = 0; p < PX; p++) {
    IV any_closer = (IV)(0);
    UNROLL for (int o = 0; o < OB; o++) {
      const int base = (tile * OB + o) * CB;
      const FV v = LOAD_ANY(bank->square + base) - 2.0f * acc[o][p];
      const IV closer = v < q->best[p] || (v == q->best[p] && (IV)(base) < q->row[p]);
      q->best[p] = SELECT(q->best[p], v, closer);
      q->row[p] = SELECT(q->row[p], (IV)(base), closer);
      any_closer |= closer;
    }
    if (any(any_closer)) {
      float v[CB], least = INFINITY;
      STORE_ANY(q->best[p], v);
      UNROLL for (int i = 0; i < CB; i++) least = v[i] < least ? v[i] : least;
      q->reach[p] = BEYOND(max(least + q->own[p], 0.0f), q->slack[p]);
    }
  }
}

/* The tiles of a family that can matter; the nearest ones of each query first, where nothing is known yet. */
inline void visit(struct queries *q, const struct bank *bank, const int family, const bool begin) {
  const int first = family * FAMILY, last = min(first + FAMILY, bank->tiles);
  for (int t = first; t < last; t += CB) {
    const int count = min(CB, last - t);
    int done = 0;
    FV outside[PX], middle[PX];
    apart(q, bank->box + (size_t)t * 2 * AXES, outside, middle);
    if (begin)
      UNROLL for (int p = 0; p < PX; p++) {
        float least;
        const int lane = nearest_lane(middle[p], count, &least);
        if (!(done & 1 << lane)) meet(q, bank, t + lane);
        done |= 1 << lane;
      }
    int bits = matter(q, outside, count) & ~done;
    for (int i = 0; i < count; i++)
      if (bits & 1 << i) { /* what it finds can rule out others */
        meet(q, bank, t + i);
        bits &= matter(q, outside, count);
      }
  }
}

/* As `nearest` and `settle`, for CPUs: the nearest row of each query, and not all are looked at. Rows lie within the box
 * around their tile's shadows and those of a family of tiles; what is farther from a query than what it has found already, by
 * more than rounding can hide, is left out for it. So the result is that of looking at all of them, bit by bit. `rounding`:
 * the largest |m|^2; what a shadow loses. Global size: (query tiles, 1, 1). */
KERNEL void near(__global const float *restrict x, __global const int *restrict list,
                 __global const float *restrict rows, __global const float *restrict square,
                 __global const float *restrict axes, __global const float *restrict shadow,
                 __global const float *restrict tile_box, __global const float *restrict family_box,
                 __global int *restrict index, const int4 size /* queries, width, tiles, families */,
                 const float2 rounding) {
  const int q0 = get_global_id(0) * PX, n = size.x;
  if (q0 >= n) return;
  const struct bank b = {rows, square, shadow, tile_box, size.y, size.z};
  struct queries q;
  q.x = x;
  UNROLL for (int p = 0; p < PX; p++) q.at[p] = (size_t)list[min(q0 + p, n - 1)] * size.y;
  begin(&q, axes, size.y, rounding.y, rounding.x);
  FV outside[PX], middle[PX];
  int home = 0;
  float least = INFINITY;
  for (int f = 0; f < size.w; f += CB) {
    FV sum = ZERO;
    float v;
    apart(&q, family_box + (size_t)f * 2 * AXES, outside, middle);
    UNROLL for (int p = 0; p < PX; p++) sum += middle[p];
    const int lane = nearest_lane(sum, min(CB, size.w - f), &v);
    if (v < least) {
      least = v;
      home = f + lane;
    }
  }
  visit(&q, &b, home, true);
  for (int f = 0; f < size.w; f += CB) {
    const int count = min(CB, size.w - f);
    apart(&q, family_box + (size_t)f * 2 * AXES, outside, middle);
    int bits = matter(&q, outside, count);
    for (int i = 0; i < count; i++)
      if (f + i != home && bits & 1 << i) {
        visit(&q, &b, f + i, false);
        bits &= matter(&q, outside, count);
      }
  }
  UNROLL for (int p = 0; p < PX; p++)
    if (q0 + p < n) {
      float v[CB];
      int r[CB];
      STORE_ANY(q.best[p], v);
      STORE_ANY(q.row[p], r);
      int at = 0;
      for (int i = 0; i < CB; i++) {
        r[i] += i;
        if (nearer(v[i], r[i], v[at], r[at])) at = i;
      }
      index[list[q0 + p]] = r[at];
    }
}
#endif

/* The best of `parts` parts, for the rows of x in list [queries]. Global size: (queries, 1, 1). */
KERNEL void settle(__global const float *restrict value, __global const int *restrict where,
                   __global const int *restrict list, __global int *restrict index,
                   const int2 size /* queries, parts */) {
  const int q = get_global_id(0), n = size.x;
  if (q >= n) return;
  float least = value[q];
  int row = where[q];
  for (int i = 1; i < size.y; i++) {
    const float v = value[(size_t)i * n + q];
    const int r = where[(size_t)i * n + q];
    if (nearer(v, r, least, row)) {
      least = v;
      row = r;
    }
  }
  index[list[q]] = row;
}

#if WG == 1
/* Keeps the k smallest of what came before and of `rows` further values (of rows first, first + 1, ... of the bank), in
 * order; begin: nothing came before. Rows come in order, so equal values keep the lower one. list: as above.
 * Global size: (queries * WG, 1, 1). */
KERNEL void keep(__global const float *restrict value, __global const int *restrict list, __global float *restrict kept,
                 __global int *restrict index, const int4 size /* queries, rows, k, first row */,
                 const int2 first /* query, begin */) {
  const int q = get_global_id(0), k = size.z;
  __global const float *v = value + (size_t)q * size.y;
  __global float *best = kept + (size_t)q * k;
  __global int *row = index + (size_t)list[first.x + q] * k;
  if (first.y)
    for (int i = 0; i < k; i++) {
      best[i] = INFINITY;
      row[i] = 0;
    }
  float worst = best[k - 1];
  for (int r = 0; r < size.y; r++) {
    if (!(v[r] < worst)) continue;
    int i = k - 1;
    for (; i > 0 && v[r] < best[i - 1]; i--) {
      best[i] = best[i - 1];
      row[i] = row[i - 1];
    }
    best[i] = v[r];
    row[i] = size.w + r;
    worst = best[k - 1];
  }
}
#else
/* The nearest of an item's rows, every WG-th, of those that come after (*least, *its). */
inline void next_of_lane(__global const float *v, const int rows, float *least, int *its) {
  const float before = *least;
  const int row = *its;
  *least = INFINITY;
  for (int r = get_local_id(0); r < rows; r += WG)
    if (v[r] < *least && nearer(before, row, v[r], r)) {
      *least = v[r];
      *its = r;
    }
}

/* The same by a work-group a query: each item has the nearest of its rows at hand, and a tree finds the nearest of these as
 * often as one is taken. What came before has lower rows. */
KERNEL void keep(__global const float *restrict value, __global const int *restrict list, __global float *restrict kept,
                 __global int *restrict index, const int4 size /* queries, rows, k, first row */,
                 const int2 first /* query, begin */) {
  enum { MOST = 64 }; /* FM_NEIGHBOURS */
  __local float values[WG], new_value[MOST];
  __local int rows[WG], new_row[MOST];
  const int q = get_group_id(0), lane = get_local_id(0), k = size.z;
  __global const float *v = value + (size_t)q * size.y;
  __global float *best = kept + (size_t)q * k;
  __global int *row = index + (size_t)list[first.x + q] * k;
  float mine = -INFINITY;
  int own = -1, old = 0;
  next_of_lane(v, size.y, &mine, &own);
  for (int i = 0; i < k; i++) {
    values[lane] = mine;
    rows[lane] = own;
    nearest_of_group(values, rows, 1);
    const float least = values[0];
    const int its = rows[0];
    const float was = first.y ? INFINITY : best[old];
    const bool fresh = least < was;
    if (lane == 0) {
      new_value[i] = fresh ? least : was;
      new_row[i] = fresh ? size.w + its : first.y ? 0 : row[old];
    }
    if (!fresh) old++;
    barrier(CLK_LOCAL_MEM_FENCE); /* all know which it was */
    if (fresh && its % WG == lane) next_of_lane(v, size.y, &mine, &own);
  }
  barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); /* all have read what came before */
  for (int i = lane; i < k; i += WG) {
    best[i] = new_value[i];
    row[i] = new_row[i];
  }
}
#endif

/* distance [queries][k] = |x - m|^2 for the rows in index [queries][k], put in order (index too); mean [queries] = factor
 * times their mean. Global size: (queries * WG, 1, 1). */
KERNEL void distances(__global const float *restrict x, __global const float *restrict bank,
                      __global int *restrict index, __global float *restrict distance, __global float *restrict mean,
                      const int4 size /* queries, width, k, 0 */, const float factor) {
  const int q = get_group_id(0), width = size.y, k = size.z;
  __global const float *xp = x + (size_t)q * width;
  float sum = 0.0f;
#if WG > 1
  __local float scratch[WG];
#endif
  for (int i = 0; i < k; i++) {
    const int row = index[(size_t)q * k + i];
    __global const float *m = bank + (size_t)row * width;
    FV acc = ZERO;
    for (int c = get_local_id(0) * CB; c < width; c += WG * CB) {
      const FV d = LOAD_ANY(xp + c) - LOAD_ANY(m + c);
      acc = FMA(d, d, acc);
    }
    float v = sum_of(acc);
#if WG > 1
    GROUP_SUM(v, scratch);
    barrier(CLK_GLOBAL_MEM_FENCE); /* all have read this row's number, which may now move */
#endif
    sum += v;
    if (get_local_id(0) == 0) {
      int to = i;
      for (; to > 0; to--) {
        const size_t b = (size_t)q * k + to - 1;
        if (!nearer(v, row, distance[b], index[b])) break;
        distance[b + 1] = distance[b];
        index[b + 1] = index[b];
      }
      distance[(size_t)q * k + to] = v;
      index[(size_t)q * k + to] = row;
    }
  }
  if (get_local_id(0) == 0) mean[q] = factor * (sum / (float)k);
}

/* d loss / d x = 2 factor slope / k * sum over the k rows of (x - m), slope = d loss / d mean.
 * Global size: (gx over blocks of CB numbers, queries, 1). */
KERNEL void distances_back(__global const float *restrict x, __global const float *restrict bank,
                           __global const int *restrict index, __global const float *restrict slope,
                           __global float *restrict dx, const int4 size /* queries, width, k, 0 */,
                           const float factor) {
  const int q = get_global_id(1), width = size.y, k = size.z;
  const float f = 2.0f * factor * slope[q] / (float)k;
  for (int c = get_global_id(0) * CB; c < width; c += get_global_size(0) * CB) {
    const FV v = LOAD_ANY(x + (size_t)q * width + c);
    FV sum = ZERO;
    for (int i = 0; i < k; i++) sum += v - LOAD_ANY(bank + (size_t)index[(size_t)q * k + i] * width + c);
    STORE_ANY(f * sum, dx + (size_t)q * width + c);
  }
}
