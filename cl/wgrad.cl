/* Gradient of a convolution's weights: dw[o][i][ky][kx] = sum over n, y, x of dy[n][o][y][x] in[n][i][y ST + ky][x ST + kx].
 *
 * A work-item owns one block of inputs, OB blocks of outputs and one part of the batch; it goes through strips of `rows`
 * output rows that fit the nearest cache, and for each strip through the taps and groups of IT input channels, with
 * IT * OB accumulators that live in dw between strips. Parts of the batch are added afterwards in a fixed order, so the
 * result does not depend on how many work-items run at once.
 *
 *   KS, ST, OB; IB, IL as in conv.cl; IT input channels at a time; IQ input blocks a work-item owns (1x1 convolutions have
 *   little work for one: with four, the strip of dy in the cache serves four times)
 * dw [part][output block][input block][ky][kx][IL][CB]. Global size: (input blocks / IQ, output
 * groups, parts), with order 1 the first two swapped: neighbours then share the inputs, the larger tensor. */
KERNEL void wgrad(__global const float *restrict in, __global const float *restrict dy, __global float *restrict dw,
                  const int4 id, const int4 od, const int4 size /* n, ho, wo, rows */, const int2 pad,
                  const int2 use /* pictures a part, order */) {
  const int first = get_global_id(0), second = get_global_id(1), part = get_global_id(2), per = use.x;
  const int ib0 = (use.y ? second : first) * IQ, og = use.y ? first : second;
  if (ib0 >= id.x || og * OB >= od.x) return;
  const int own = min(IQ, id.x - ib0);
  const size_t wstep = (size_t)id.x * (KS * KS * IL * CB);
  const int blocks = min(OB, od.x - og * OB);
  __global float *wb = dw + ((size_t)part * od.x + (size_t)og * OB) * wstep + (size_t)ib0 * (KS * KS * IL * CB);
  for (int o = 0; o < blocks; o++)
    for (int i = 0; i < own * KS * KS * IL; i++) STORE(ZERO, wb + o * wstep + i * CB);
  const int n1 = min(part * per + per, size.x);
  for (int n = part * per; n < n1; n++)
    for (int y0 = 0; y0 < size.y; y0 += size.w) {
      const int y1 = min(y0 + size.w, size.y);
      for (int u = 0; u < own * KS * KS * (IL / IT); u++) {
        const int ib = ib0 + u / (KS * KS * (IL / IT)), t = u % (KS * KS * (IL / IT));
        const int k = t / (IL / IT), i0 = (t % (IL / IT)) * IT, ky = k / KS, kx = k % KS;
        __global float *wp = wb + (((ib - ib0) * (KS * KS) + k) * IL + i0) * CB;
        FV acc[IT][OB];
        UNROLL for (int i = 0; i < IT; i++)
          UNROLL for (int o = 0; o < OB; o++) acc[i][o] = o < blocks ? LOAD(wp + o * wstep + i * CB) : ZERO;
        for (int y = y0; y < y1; y++) {
          __global const float *ip =
              in + (((size_t)n * id.x + ib) * id.z + (id.w + (y * ST + ky - pad.x) * id.y + kx - pad.y)) * IB + i0;
          __global const float *dp = dy + AT(od, n, og * OB, y, 0);
          const size_t step = blocks < OB ? 0 : (size_t)od.z * CB;
          #pragma unroll 2
          for (int x = 0; x < size.z; x++) {
            FV d[OB];
            UNROLL for (int o = 0; o < OB; o++) d[o] = LOAD(dp + o * step + x * CB);
            UNROLL for (int i = 0; i < IT; i++) {
              const FV b = (FV)(ip[x * (ST * IB) + i]);
              UNROLL for (int o = 0; o < OB; o++) acc[i][o] = FMA(b, d[o], acc[i][o]);
            }
          }
        }
        UNROLL for (int i = 0; i < IT; i++)
          UNROLL for (int o = 0; o < OB; o++)
            if (o < blocks) STORE(acc[i][o], wp + o * wstep + i * CB);
      }
    }
}

/* to[i] = sum over parts of from[part][i]. SLICES work-items of a group share a vector: each adds every SLICES-th part, and a
 * tree adds those sums. Global size: (items, each of which takes every vector at a distance of the global size; with SLICES
 * vectors * SLICES, 1, 1). */
#ifndef SLICES
#define SLICES 1
#endif
KERNEL void sum_parts(__global const float *restrict from, __global float *restrict to, const int vectors,
                      const int parts) {
#if SLICES > 1
  enum { SHARE = WG / SLICES }; /* vectors a group */
  __local FV sums[WG];
  const int lane = get_local_id(0), slice = lane / SHARE, i = get_group_id(0) * SHARE + lane % SHARE;
  FV sum = ZERO;
  for (int p = slice; p < parts && i < vectors; p += SLICES) sum += LOAD(from + ((size_t)p * vectors + i) * CB);
  sums[lane] = sum;
  for (int s = SLICES / 2; s > 0; s /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (slice < s) sums[lane] += sums[lane + s * SHARE];
  }
  if (slice == 0 && i < vectors) STORE(sums[lane], to + (size_t)i * CB);
#else
  for (int i = get_global_id(0); i < vectors; i += get_global_size(0)) {
    FV sum = LOAD(from + (size_t)i * CB);
    for (int p = 1; p < parts; p++) sum += LOAD(from + ((size_t)p * vectors + i) * CB);
    STORE(sum, to + (size_t)i * CB);
  }
#endif
}

/* Weights for the gradient to the input: [o][i][ky][kx][ci][co] to [i][o][k-1-ky][k-1-kx][co][ci]. A work-item takes `run`
 * vectors of the result. Global size: (those of all o / run, input blocks, 1). */
KERNEL void flip(__global const float *restrict wt, __global float *restrict to,
                 const int4 size /* output blocks, input blocks, taps, IL */, const int run) {
  const int ib = get_global_id(1), each = size.z * CB, all = size.x * each;
  __global float *at = to + (size_t)ib * all * CB;
  const int first = get_global_id(0) * run, last = min(first + run, all);
  for (int v = first; v < last; v++) {
    const int ob = v / each, k = size.z - 1 - v % each / CB, co = v % CB;
    __global const float *from = wt + ((size_t)ob * size.y + ib) * (size_t)(each * size.w) + k * size.w * CB + co;
    for (int ci = 0; ci < CB; ci++) at[(size_t)v * CB + ci] = ci < size.w ? from[ci * CB] : 0.0f;
  }
}
