/* A conditional normalising flow on fibres: CFLOW-AD's coupling blocks (Gudovskiy et al., WACV 2022, after FrEIA's
 * AllInOneBlock), without the matrix products, which are gemm.cl's. The equations: docs/math/cflow.md.
 *
 * A fibre is the vector of all channels at one cell of a tap; as a row it has its first half (s channels, padded with zeros
 * to whole vectors: S1 numbers), then the rest (t channels, padded: S2 numbers), W = S1 + S2. `halves` is (s, t, S1, S2).
 * Kernels that sum over a row have one work-group a row and add in a fixed order. */
/* sum becomes the sum over the work-group, once a kernel. */
#if WG > 1
#define SHARED __local float shared[WG];
#define TOGETHER(sum)                                                                                                  \
  {                                                                                                                    \
    const int item = get_local_id(0);                                                                                  \
    shared[item] = sum;                                                                                                \
    for (int middle = WG / 2; middle > 0; middle /= 2) {                                                               \
      barrier(CLK_LOCAL_MEM_FENCE);                                                                                    \
      if (item < middle) shared[item] += shared[item + middle];                                                        \
    }                                                                                                                  \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                                      \
    sum = shared[0];                                                                                                   \
  }
#else
#define SHARED
#define TOGETHER(sum)
#endif

/* The channel that number j of a row holds, or -1. */
inline int channel_of(const int j, const int4 halves) {
  if (j < halves.z) return j < halves.x ? j : -1;
  return j - halves.z < halves.y ? halves.x + j - halves.z : -1;
}

/* ---- fibres ---- */

/* Cells of a tap as rows, from row `first` on. Global size: (gx, h, pictures). */
KERNEL void unfold(__global const float *restrict tap, __global float *restrict rows, const int4 td, const int4 halves,
                   const int4 size /* h, w, first picture, first row */) {
  const int y = get_global_id(1), n = get_global_id(2), width = halves.z + halves.w;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    __global float *row = rows + (size_t)(size.w + (n * size.x + y) * size.y + i) * width;
    for (int j = 0; j < width; j++) {
      const int c = channel_of(j, halves);
      row[j] = c < 0 ? 0.0f : tap[AT(td, size.z + n, c / CB, y, i) + c % CB];
    }
  }
}

/* Rows to cells of a tap; channels past the last one become zero. Global size: (gx, h, pictures). */
KERNEL void fold(__global const float *restrict rows, __global float *restrict tap, const int4 td, const int4 halves,
                 const int2 size /* h, w */) {
  const int y = get_global_id(1), n = get_global_id(2), width = halves.z + halves.w;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    __global const float *row = rows + (size_t)((n * size.x + y) * size.y + i) * width;
    for (int c = 0; c < td.x * CB; c++)
      tap[AT(td, n, c / CB, y, i) + c % CB] =
          c >= halves.x + halves.y ? 0.0f : row[c < halves.x ? c : halves.z + c - halves.x];
  }
}

/* Row i of y = row place[first + i] of x. Global size: (gx, rows, 1). */
KERNEL void pick(__global const float *restrict x, __global float *restrict y, __global const int *restrict place,
                 const int2 size /* vectors, first */) {
  const int row = get_global_id(1);
  __global const float *from = x + (size_t)place[size.y + row] * size.x * CB;
  __global float *to = y + (size_t)row * size.x * CB;
  for (int v = get_global_id(0); v < size.x; v += get_global_size(0)) STORE_ANY(LOAD_ANY(from + v * CB), to + v * CB);
}

/* ---- what follows from the weights ---- */

/* gamma = 0.2 ln(1 + exp(g / 2)), and the sum of ln gamma over a block's channels. g: at `start`, a block every `step`
 * numbers. Global size: (WG, blocks, 1). */
KERNEL void scale(__global const float *restrict weights, __global float *restrict gamma, __global float *restrict sums,
                  const int2 at /* start, step */, const int4 halves) {
  SHARED
  const int block = get_global_id(1), width = halves.z + halves.w;
  __global const float *g = weights + at.x + (size_t)block * at.y;
  float sum = 0.0f;
  for (int j = get_global_id(0); j < width; j += WG) {
    const float v = 0.2f * (fmax(g[j] * 0.5f, 0.0f) + log1p(exp(-fabs(g[j] * 0.5f))));
    gamma[block * width + j] = v;
    if (channel_of(j, halves) >= 0) sum += log(v);
  }
  TOGETHER(sum)
  if (get_local_id(0) == 0) sums[block] = sum;
}

/* y [columns][rows up to CB's multiple] = x' for x [rows][columns], tile by tile; columns is a multiple of CB.
 * Global size: (columns / CB, rows / CB rounded up, batch). */
KERNEL void transpose(__global const float *restrict x, __global float *restrict y,
                      const int4 size /* rows, columns, start, step */,
                      const int2 out /* numbers a row of y, numbers of y */) {
  const int c0 = get_global_id(0) * CB, r0 = get_global_id(1) * CB;
  if (c0 >= size.y) return;
  __global const float *from = x + size.z + (size_t)get_global_id(2) * size.w + c0;
  __global float *to = y + (size_t)get_global_id(2) * out.y + r0;
  float tile[CB * CB];
  for (int r = 0; r < CB; r++)
    STORE_ANY(r0 + r < size.x ? LOAD_ANY(from + (size_t)(r0 + r) * size.y) : ZERO, tile + r * CB);
  for (int c = 0; c < CB; c++)
    for (int r = 0; r < CB; r++) to[(size_t)(c0 + c) * out.x + r] = tile[r * CB + c];
}

/* ---- forward ---- */

/* a = W2 r + b2 of a block becomes (tanh 0.1 a_s, 0.1 a_t), x becomes u' = gamma [x1; x2 exp(sigma) + 0.1 a_t] + delta with
 * sigma = clamp tanh(0.1 a_s), and logdet takes the sum of sigma. Global size: (WG, rows, 1). */
KERNEL void couple(__global const float *restrict x, __global float *restrict a, __global float *restrict u,
                   __global const float *restrict gamma, __global const float *restrict delta,
                   __global float *restrict logdet, const int4 halves, const int4 start /* x, a, gamma, delta */,
                   const int2 u_start /* u, first block? */, const float clamp) {
  SHARED
  const int row = get_global_id(1), s1 = halves.z, s2 = halves.w, width = s1 + s2;
  __global const float *xr = x + start.x + (size_t)row * width, *g = gamma + start.z, *d = delta + start.w;
  __global float *ar = a + start.y + (size_t)row * 2 * s2, *ur = u + u_start.x + (size_t)row * width;
  FV sum = ZERO;
  for (int j = get_global_id(0) * CB; j < s1; j += WG * CB)
    STORE_ANY(FMA(LOAD_ANY(g + j), LOAD_ANY(xr + j), LOAD_ANY(d + j)), ur + j);
  for (int j = get_global_id(0) * CB; j < s2; j += WG * CB) {
    const FV t = tanh(0.1f * LOAD_ANY(ar + j)), shift = 0.1f * LOAD_ANY(ar + s2 + j), sigma = clamp * t;
    const FV y = FMA(LOAD_ANY(xr + s1 + j), exp(sigma), shift);
    STORE_ANY(t, ar + j);
    STORE_ANY(shift, ar + s2 + j);
    STORE_ANY(FMA(LOAD_ANY(g + s1 + j), y, LOAD_ANY(d + s1 + j)), ur + s1 + j);
    sum += sigma;
  }
  float all = sum_of(sum);
  TOGETHER(all)
  if (get_local_id(0) == 0) logdet[row] = u_start.y ? all : logdet[row] + all;
}

/* y[j] = x[from[j]], 0 where from is negative: a fixed permutation. Global size: (gx, rows, 1). */
KERNEL void permute(__global const float *restrict x, __global float *restrict y, __global const int *restrict from,
                    const int4 start /* x, y, from, width */) {
  const size_t row = (size_t)get_global_id(1) * start.w;
  for (int j = get_global_id(0); j < start.w; j += get_global_size(0)) {
    const int i = from[start.z + j];
    y[start.y + row + j] = i < 0 ? 0.0f : x[start.x + row + i];
  }
}

/* l = (-D ln(2 pi) / 2 - |z|^2 / 2 + logdet + sum of ln gamma) / D, the log-likelihood a channel, at l[first + row]; and in
 * training the loss -ln sigmoid(l) and dlogp = d (mean loss) / d logp. Global size: (WG, rows, 1). */
KERNEL void judge(__global const float *restrict z, __global const float *restrict logdet,
                  __global const float *restrict sums, __global float *restrict l, __global float *restrict loss,
                  __global float *restrict dlogp, const int4 size /* start of z, width, D, blocks */,
                  const int2 at /* first, training? */, const float share /* 1 / rows */) {
  SHARED
  const int row = get_global_id(1);
  __global const float *zr = z + size.x + (size_t)row * size.y;
  FV squares = ZERO;
  for (int j = get_global_id(0) * CB; j < size.y; j += WG * CB) {
    const FV v = LOAD_ANY(zr + j);
    squares = FMA(v, v, squares);
  }
  float sum = sum_of(squares);
  TOGETHER(sum)
  if (get_local_id(0) != 0) return;
  float scales = 0.0f;
  for (int k = 0; k < size.w; k++) scales += sums[k];
  const float v = (logdet[row] + scales - 0.5f * sum) / size.z - 0.91893853320467274f;
  if (!at.y) {
    l[at.x + row] = v;
    return;
  }
  loss[row] = fmax(-v, 0.0f) + log1p(exp(-fabs(v)));
  dlogp[row] = -share / (size.z * (1.0f + exp(v)));
}

/* total[at] = mean of loss. Global size: (WG, 1, 1). */
KERNEL void total(__global const float *restrict loss, __global float *restrict total, const int2 size /* rows, at */) {
  SHARED
  float sum = 0.0f;
  for (int i = get_global_id(0); i < size.x; i += WG) sum += loss[i];
  TOGETHER(sum)
  if (get_local_id(0) == 0) total[size.y] = sum / size.x;
}

/* ---- backward ---- */

/* zb = -z dlogp. Global size: (gx, rows, 1). */
KERNEL void begin_back(__global const float *restrict z, __global const float *restrict dlogp,
                       __global float *restrict zb, const int2 size /* start of z, width */) {
  const int row = get_global_id(1);
  for (int j = get_global_id(0) * CB; j < size.y; j += get_global_size(0) * CB)
    STORE_ANY(-dlogp[row] * LOAD_ANY(z + size.x + (size_t)row * size.y + j), zb + (size_t)row * size.y + j);
}

/* dlogp[row] = slope[first + row] factor. Global size: (gx, 1, 1). */
KERNEL void slopes(__global const float *restrict slope, __global float *restrict dlogp,
                   const int2 size /* rows, first */, const float factor) {
  for (int row = get_global_id(0); row < size.x; row += get_global_size(0)) dlogp[row] = slope[size.y + row] * factor;
}

/* From ub = d loss / d u', with lb = d loss / d logdet: xb, the part of d loss / d x that does not go through the hidden
 * layer; ab, d loss / d a; and in training q = ub [x1; y2], what d loss / d gamma adds up.
 * Global size: (gx, rows, 1). */
KERNEL void couple_back(__global const float *restrict ub, __global const float *restrict x,
                        __global const float *restrict a, __global const float *restrict gamma,
                        __global const float *restrict lb, __global float *restrict xb, __global float *restrict ab,
                        __global float *restrict q, const int4 halves, const int4 start /* ub and q, x, a, gamma */,
                        const int training, const float clamp) {
  const int row = get_global_id(1), s1 = halves.z, s2 = halves.w, width = s1 + s2;
  const size_t at = (size_t)row * width, pair = (size_t)row * 2 * s2;
  __global const float *g = gamma + start.w;
  for (int j = get_global_id(0) * CB; j < width; j += get_global_size(0) * CB) {
    const FV v = LOAD_ANY(ub + start.x + at + j), xv = LOAD_ANY(x + start.y + at + j), uv = LOAD_ANY(g + j) * v;
    if (j < s1) {
      STORE_ANY(uv, xb + at + j);
      if (training) STORE_ANY(v * xv, q + start.x + at + j);
      continue;
    }
    const int i = j - s1;
    const FV t = LOAD_ANY(a + start.z + pair + i), shift = LOAD_ANY(a + start.z + pair + s2 + i), e = exp(clamp * t),
             stretched = xv * e;
    const FV as = 0.1f * clamp * FMA(uv, stretched, (FV)(lb[row])) * (1.0f - t * t);
    STORE_ANY(uv * e, xb + at + j);
    STORE_ANY(SELECT(ZERO, as, LANE_NUMBERS + i < (IV)(halves.y)), ab + pair + i);
    STORE_ANY(0.1f * uv, ab + pair + s2 + i);
    if (training) STORE_ANY(v * (stretched + shift), q + start.x + at + j);
  }
}

/* sums[xy][p] = the sum of the rows of hb whose place has p as its x (or y): what the condition's weights learn from, by
 * place instead of by fibre. list: for x, then for y, side + 1 starts and the rows in that order.
 * Global size: (gx, side, 2). */
KERNEL void by_place(__global const float *restrict hb, __global const int *restrict list,
                     __global float *restrict sums, const int4 size /* vectors, rows, side, start of list */,
                     const int start) {
  const int p = get_global_id(1), xy = get_global_id(2);
  __global const int *begin = list + size.w + xy * (size.z + 1 + size.y), *member = begin + size.z + 1;
  __global float *to = sums + start + (size_t)(xy * size.z + p) * size.x * CB;
  for (int j = get_global_id(0) * CB; j < size.x * CB; j += get_global_size(0) * CB) {
    FV sum = ZERO;
    for (int i = begin[p]; i < begin[p + 1]; i++) sum += LOAD_ANY(hb + (size_t)member[i] * size.x * CB + j);
    STORE_ANY(sum, to + j);
  }
}

/* Partial sums over rows, of ub and of q: parts [block][chunk][2][width]. Global size: (gx, chunks, blocks). */
KERNEL void affine_parts(__global const float *restrict ub, __global const float *restrict q,
                         __global float *restrict parts,
                         const int4 size /* rows, width, rows a chunk, numbers a block */) {
  const int chunk = get_global_id(1), block = get_global_id(2), first = chunk * size.z,
            last = min(first + size.z, size.x);
  __global float *to = parts + (size_t)(block * get_global_size(1) + chunk) * 2 * size.y;
  for (int j = get_global_id(0) * CB; j < size.y; j += get_global_size(0) * CB) {
    FV a = ZERO, b = ZERO;
    for (int row = first; row < last; row++) {
      a += LOAD_ANY(ub + (size_t)block * size.w + (size_t)row * size.y + j);
      b += LOAD_ANY(q + (size_t)block * size.w + (size_t)row * size.y + j);
    }
    STORE_ANY(a, to + j);
    STORE_ANY(b, to + size.y + j);
  }
}

/* d loss / d g = (sum of q + sum of lb / gamma) 0.1 sigmoid(g / 2), d loss / d delta = sum of ub, for every block.
 * Global size: (WG, blocks, 1). */
KERNEL void affine_finish(__global const float *restrict parts, __global const float *restrict lb,
                          __global const float *restrict gamma, __global const float *restrict weights,
                          __global float *restrict gradient, const int4 halves,
                          const int4 size /* rows, chunks, start of g, a block's numbers */) {
  SHARED
  const int block = get_global_id(1), width = halves.z + halves.w;
  const size_t at = size.z + (size_t)block * size.w;
  float sum = 0.0f;
  for (int row = get_global_id(0); row < size.x; row += WG) sum += lb[row];
  TOGETHER(sum)
  for (int j = get_global_id(0); j < width; j += WG) {
    float a = 0.0f, b = 0.0f;
    for (int c = 0; c < size.y; c++) {
      a += parts[((size_t)(block * size.y + c) * 2) * width + j];
      b += parts[((size_t)(block * size.y + c) * 2 + 1) * width + j];
    }
    const float slope = 0.1f / (1.0f + exp(-0.5f * weights[at + j]));
    gradient[at + j] = channel_of(j, halves) < 0 ? 0.0f : (b + sum / gamma[block * width + j]) * slope;
    gradient[at + width + j] = a;
  }
}

/* ---- scores of cells ---- */

/* what 0: max(0, most - l); 1: 1 - min(1, exp(l - most)); 2: d loss / d l from de = d loss / d max(0, most - l).
 * NaN stays NaN. Global size: (gx, 1, 1). */
KERNEL void cells(__global const float *l, __global const float *de, __global float *y,
                  const int2 size /* cells, what */, const float most) {
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    const float below = most - l[i], e = below < 0.0f ? 0.0f : below;
    y[i] = size.y == 0 ? e : size.y == 1 ? -expm1(-e) : e > 0.0f ? -de[i] : 0.0f;
  }
}
