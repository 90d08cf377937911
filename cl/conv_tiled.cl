/* Convolution as a matrix product through local memory, for GPUs; the input matrix is never made.
 *
 * A work-group of TX * TY items computes TM = TX * RM output pixels (counted through rows and pictures) by TN = TY * RN output
 * channels. A step is one tap of KB input blocks: both tiles go to local memory, transposed so that numbers of one k lie side by
 * side; the next step's numbers are on their way from global memory while this one is computed (two buffers, one barrier a
 * step). An item keeps RM x RN sums and reads RM + RN numbers, as float4, for RM * RN multiply-adds.
 *   KS ST; TX (8, 16, ...), TY (4, 8, ...), RM, RN (4 or 8), KB (4 or 8); CHAIN steps before sums join the total, 0: one sum
 * A step of KB = 8 is two of KB = 4, one after the other: which tile is taken never changes a bit.
 * Layouts, limits and arguments as conv_direct. Global size: (pixel tiles * TX * TY, output tiles, 1). */
#ifndef CHAIN
#define CHAIN 0
#endif
#define BK (KB * 4)
#define PM (TM + 4)
#define PN (TN + 4)
#define TAPS (KB / 4) /* a step: taps of four blocks each, so that every KB adds in the same order */
#define AHEAD (256 / (RM * RN)) /* k at a time: further ahead compilers for AMD read so much that they spill */
#define LA (TM * 4 / GROUP) /* float4 of the input an item fetches a tap */
#define LB (TN * 4 / GROUP)

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void conv_tiled(
    __global const float *restrict in, __global const float *restrict wt, __global const float *restrict bias,
    __global const float *res, __global float *out, const int4 id, const int4 od, const int4 rd,
    const int4 size /* ho, wo, pixels in all, 0 */, const int2 pad, const int2 use, const float2 lim) {
  __local float4 As[2][BK * PM / 4], Bs[2][BK * PN / 4];
  const uint l = get_local_id(0);
  const uint tx = TILE_X(l), ty = TILE_Y(l);
  const uint wo = size.y, ho = size.x, all = size.z, first = get_group_id(0) * TM, ob0 = get_group_id(1) * (TN / 4);
  const uint wstep = (uint)id.x * (KS * KS * 16);
  uint aat[LA], abl[LA], wat[LB], wbl[LB];
  #pragma unroll
  for (int i = 0; i < LA; i++) {
    const uint j = l + i * GROUP, q = min(first + j % TM, all - 1), x = q % wo, r = q / wo, y = r % ho, n = r / ho;
    abl[i] = j / TM;
    aat[i] = (n * (uint)(id.x * id.z) + (uint)(id.w + ((int)y * ST - pad.x) * id.y + (int)x * ST - pad.y) +
              abl[i] * (uint)id.z) *
             16u;
  }
  #pragma unroll
  for (int i = 0; i < LB; i++) { /* number: [KB][output block][il] */
    const uint j = l + i * GROUP, il = j & 3, o = (j >> 2) % (TN / 4);
    wbl[i] = (j >> 2) / (TN / 4);
    wat[i] = min(ob0 + o, (uint)od.x - 1) * wstep * 4 + wbl[i] * (KS * KS * 64) + il * 16;
  }
  float4 acc[RN / 4][RM];
#if CHAIN
  float4 total[RN / 4][RM];
#endif
  #pragma unroll
  for (int j = 0; j < RN / 4; j++) {
    const float4 b =
        use.x ? *(__global const float4 *)(bias + min(ob0 + ty + j * TY, (uint)od.x - 1) * 4) : (float4)(0.0f);
    #pragma unroll
    for (int i = 0; i < RM; i++) {
      acc[j][i] = b;
#if CHAIN
      total[j][i] = (float4)(0.0f);
#endif
    }
  }
  float4 ra[TAPS][LA], rb[TAPS][LB];
  const uint taps = ((uint)id.x + 3) / 4 * (KS * KS), steps = (taps + TAPS - 1) / TAPS;
  uint ib = 0, tap = 0;
#define FETCH                                                                                                          \
  _Pragma("unroll") for (int t = 0; t < TAPS; t++) {                                                                   \
    const uint from = (ib * (uint)id.z + tap / KS * (uint)id.y + tap % KS) * 16u,                                      \
               wfrom = (ib * (KS * KS) + tap) * 64u;                                                                   \
    _Pragma("unroll") for (int i = 0; i < LA; i++)                                                                     \
      ra[t][i] = ib + abl[i] < (uint)id.x ? AT4(in, aat[i] + from) : (float4)(0.0f);                                   \
    _Pragma("unroll") for (int i = 0; i < LB; i++)                                                                     \
      rb[t][i] = ib + wbl[i] < (uint)id.x ? AT4(wt, wat[i] + wfrom) : (float4)(0.0f);                                  \
    if (++tap == KS * KS) {                                                                                            \
      tap = 0;                                                                                                         \
      ib += 4;                                                                                                         \
    }                                                                                                                  \
  }
#define PUT(b)                                                                                                         \
  _Pragma("unroll") for (int t = 0; t < TAPS; t++) {                                                                   \
    __local float *a_ = (__local float *)As[b] + t * (16 * PM);                                                        \
    _Pragma("unroll") for (int i = 0; i < LA; i++) {                                                                   \
      const uint m = (l + i * GROUP) % TM, k = abl[i] * 4;                                                             \
      a_[(k + 0) * PM + m] = ra[t][i].x;                                                                               \
      a_[(k + 1) * PM + m] = ra[t][i].y;                                                                               \
      a_[(k + 2) * PM + m] = ra[t][i].z;                                                                               \
      a_[(k + 3) * PM + m] = ra[t][i].w;                                                                               \
    }                                                                                                                  \
    _Pragma("unroll") for (int i = 0; i < LB; i++) {                                                                   \
      const uint j = l + i * GROUP;                                                                                    \
      Bs[b][(t * 16 + wbl[i] * 4 + (j & 3)) * (PN / 4) + (j >> 2) % (TN / 4)] = rb[t][i];                              \
    }                                                                                                                  \
  }
  FETCH
  /* A loop of its own for each chain: a condition within would cost a selection for every sum at every step. */
  for (uint s = 0; s < steps;) {
    for (const uint last = min(s + (CHAIN ? CHAIN : steps), steps); s < last; s++) {
      const uint now = s & 1;
      PUT(now) /* read last two steps ago, before the barrier of the step between */
      barrier(CLK_LOCAL_MEM_FENCE);
      if (s + 1 < steps) FETCH
      __local const float4 *a = As[now] + tx, *b = Bs[now] + ty;
      MULTIPLY(acc, a, PM / 4, b, PN / 4, BK)
    }
#if CHAIN
    #pragma unroll
    for (int j = 0; j < RN / 4; j++)
      #pragma unroll
      for (int i = 0; i < RM; i++) {
        total[j][i] += acc[j][i];
        acc[j][i] = (float4)(0.0f);
      }
#endif
  }
  #pragma unroll
  for (int i = 0; i < RM; i++) {
    const uint q = first + (i / 4) * (TX * 4) + tx * 4 + i % 4;
    if (q < all) {
      const uint x = q % wo, r = q / wo, y = r % ho, n = r / ho;
      #pragma unroll
      for (int j = 0; j < RN / 4; j++) {
        const uint ob = ob0 + ty + j * TY;
        if (ob < (uint)od.x) {
#if CHAIN
          float4 s = total[j][i];
#else
          float4 s = acc[j][i];
#endif
          if (use.y) s += *(__global const float4 *)(res + AT(rd, n, ob, y, x));
          *(__global float4 *)(out + AT(od, n, ob, y, x)) = ACTIVATE(s, lim);
        }
      }
    }
  }
}
