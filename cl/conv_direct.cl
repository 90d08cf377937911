/* Direct convolution for GPUs without local memory: a lane is a pixel, weights are the same for all lanes of a wave.
 *
 * A work-group of LN * CW items computes CW * OB blocks of outputs of LN * PX output pixels. Pixel p of lane l is number
 * first + p * LN + l, counted through rows and pictures, so neighbouring lanes read neighbouring float4 (coalesced), and small
 * planes waste nothing. Weights depend on the group (CW = 1) or the wave (CW > 1; LN is a multiple of the wave): AMD keeps them
 * in scalar registers, Intel reads them as one block and broadcasts for nothing, NVIDIA broadcasts from the L1.
 *   KS ST OB PX; LN lanes, CW waves of outputs; IL channels used of a block (3 or 4); CHAIN input blocks before sums join the
 *   total, 0: one sum. Input [n][block][y][x][4] with halo, weights [ob][ib][ky][kx][IL][4], as everywhere.
 *   PHASE as in conv.cl: 1, gradient to the input of stride 2; get_global_id(2) is the parity.
 * With CHAIN as conv.cl has it the sums are the same, bit for bit.
 * Offsets are unsigned bytes: tensors below 4 GiB. Global size: (pixel tiles * LN * CW, output groups, 1 or 4). */
#ifndef CHAIN
#define CHAIN 0
#endif
#ifndef PHASE
#define PHASE 0
#endif
#define ROWS (KS > 5 ? 1 : KS) /* of taps at a time: 49 taps at once, and compilers read so far ahead that they spill */
/* What is the same for all lanes of a wave, so that the compiler knows. */
#if defined(__AMDGCN__)
#define SAME(v) (uint) __builtin_amdgcn_readfirstlane(v)
#else
#define SAME(v) (v)
#endif

__kernel __attribute__((reqd_work_group_size(LN * CW, 1, 1))) void conv_direct(
    __global const float *restrict in, __global const float *restrict wt, __global const float *restrict bias,
    __global const float *res, __global float *out, const int4 id, const int4 od, const int4 rd,
    const int4 size /* ho, wo, pixels in all, 0 */, const int2 pad, const int2 use, const float2 lim) {
#if CW > 1
  const uint lane = get_local_id(0) & (LN - 1), og = get_group_id(1) * CW + SAME(get_local_id(0) / LN);
#else
  const uint lane = get_local_id(0), og = get_group_id(1);
#endif
#if PHASE
  const int py = get_group_id(2) >> 1, px = get_group_id(2) & 1;
  const int sy = py + pad.x - (KS - 1), sx = px + pad.y - (KS - 1);
  const uint ky0 = sy & 1, kx0 = sx & 1;
  const int iy0 = (sy + (int)ky0) / 2, ix0 = (sx + (int)kx0) / 2;
  const uint ho = (size.x - py + 1) / 2, wo = (size.y - px + 1) / 2,
             all = (uint)size.z / (uint)(size.x * size.y) * ho * wo;
#else
  const uint ky0 = 0, kx0 = 0, ho = size.x, wo = size.y, all = size.z;
  const int iy0 = -pad.x, ix0 = -pad.y;
#endif
  const uint first = get_group_id(0) * (LN * PX) + lane;
  if (og * OB >= (uint)od.x || all == 0) return; /* a row or column alone has pixels of one parity only */
  uint at[PX];
  #pragma unroll
  for (int p = 0; p < PX; p++) {
    const uint q = min(first + p * LN, all - 1), x = q % wo, r = q / wo, y = r % ho, n = r / ho;
    at[p] = (n * (uint)(id.x * id.z) + (uint)(id.w + ((int)y * ST + iy0) * id.y + (int)x * ST + ix0)) * 16u;
  }
  const uint wstep = (uint)id.x * (KS * KS * IL * 4);
  float4 acc[OB][PX];
#if CHAIN
  float4 total[OB][PX];
#endif
  #pragma unroll
  for (int o = 0; o < OB; o++) {
    const float4 b = use.x ? *(__global const float4 *)(bias + min(og * OB + o, (uint)od.x - 1) * 4) : (float4)(0.0f);
    #pragma unroll
    for (int p = 0; p < PX; p++) {
      acc[o][p] = b;
#if CHAIN
      total[o][p] = (float4)(0.0f);
#endif
    }
  }
  uint wat[OB];
  #pragma unroll
  for (int o = 0; o < OB; o++) wat[o] = min(og * OB + o, (uint)od.x - 1) * wstep;
#if CHAIN
  for (uint ib0 = 0; ib0 < (uint)id.x; ib0 += CHAIN) {
    if (ib0)
      #pragma unroll
      for (int o = 0; o < OB; o++)
        #pragma unroll
        for (int p = 0; p < PX; p++) {
          total[o][p] += acc[o][p];
          acc[o][p] = (float4)(0.0f);
        }
    for (uint ib = ib0; ib < min(ib0 + CHAIN, (uint)id.x); ib++) {
#else
  {
    for (uint ib = 0; ib < (uint)id.x; ib++) {
#endif
#if PHASE
      for (uint ky = ky0; ky < KS; ky += 2)
        for (uint kx = kx0; kx < KS; kx += 2) {
          const uint ty = (ky - ky0) / 2, tx = (kx - kx0) / 2;
#else
      #pragma unroll ROWS
      for (uint ky = 0; ky < KS; ky++)
        #pragma unroll
        for (uint kx = 0; kx < KS; kx++) {
          const uint ty = ky, tx = kx;
#endif
          const uint from = (ib * (uint)id.z + ty * (uint)id.y + tx) * 16u;
          const uint wfrom = (ib * (KS * KS) + ky * KS + kx) * (IL * 4);
          float4 v[PX];
          #pragma unroll
          for (int p = 0; p < PX; p++) v[p] = AT4(in, at[p] + from);
          #pragma unroll
          for (int o = 0; o < OB; o++) {
            __global const float4 *w = (__global const float4 *)(wt + (wat[o] + wfrom));
            const float4 w0 = w[0], w1 = w[1], w2 = w[2];
#if IL > 3
            const float4 w3 = w[3];
#endif
            #pragma unroll
            for (int p = 0; p < PX; p++) {
              acc[o][p] = fma((float4)(v[p].x), w0, acc[o][p]);
              acc[o][p] = fma((float4)(v[p].y), w1, acc[o][p]);
              acc[o][p] = fma((float4)(v[p].z), w2, acc[o][p]);
#if IL > 3
              acc[o][p] = fma((float4)(v[p].w), w3, acc[o][p]);
#endif
            }
          }
        }
    }
  }
  #pragma unroll
  for (int p = 0; p < PX; p++) {
    const uint q = first + p * LN;
    if (q >= all) break;
    const uint x = q % wo, r = q / wo, y = r % ho, n = r / ho;
#if PHASE
    const int oy = 2 * y + py, ox = 2 * x + px;
#else
    const int oy = y, ox = x;
#endif
    #pragma unroll
    for (int o = 0; o < OB; o++) {
      const uint ob = og * OB + o;
      if (ob >= (uint)od.x) break;
      float4 s = acc[o][p];
#if CHAIN
      s += total[o][p];
#endif
      if (use.y) s += *(__global const float4 *)(res + AT(rd, n, ob, oy, ox));
      *(__global float4 *)(out + AT(od, n, ob, oy, ox)) = ACTIVATE(s, lim);
    }
  }
}
