/* Direct convolution in the channel-blocked layout, register-tiled; also the gradient to the input.
 *
 * A work-item computes OB * CB output channels of PX neighbouring pixels in `rows` rows: it keeps OB * PX accumulators,
 * loads one weight vector a block of outputs and broadcasts one input number a pixel. 12 to 24 accumulators reach the FMA
 * peak on AVX-512; more spill, fewer wait for latency.
 *
 *   KS, ST   kernel size, stride
 *   OB, PX   blocks of outputs, pixels of a tile
 *   IB, IL   floats a pixel of the input takes, and how many of them are used (pictures: 4 and 3; else CB and CB)
 *   TAIL     lanes of the last block of inputs that are channels (rounded up to 4): the others are zero
 *   CHAIN    input blocks that are added up before they join the total
 *   PHASE    1: gradient to the input of a convolution of stride 2. in = dy, wt = transposed and flipped weights. Output
 *            pixels of one parity meet taps of one parity only, so each (n, parity) is a stride-1 convolution over a
 *            quarter of the output with a quarter of the taps.
 * Sums of many products are made of shorter ones, a fraction of the rounding error for nothing (the gradients of deep
 * networks depend on it: an activation that rounds to the other side of zero moves whole tensors).
 * Weights [output block][input block][ky][kx][IL][CB].
 * out = activate(conv + bias + res); res may be out itself (accumulation): every element is read and written once, by
 * one work-item. Global size: (tiles, output groups, n) or with order 1 (output groups, tiles, n); a PHASE has n * 4. */
#ifndef PHASE
#define PHASE 0
#endif
#define TS (1 + PHASE) /* step through the taps */

KERNEL void conv(__global const float *restrict in, __global const float *restrict wt, __global const float *bias,
                 __global const float *res, __global float *out, const int4 id, const int4 od, const int4 rd,
                 const int4 size /* ho, wo, rows, order */, const int2 pad /* y, x */, const int2 use /* bias, res */,
                 const float2 lim) {
  const int groups = (od.x + OB - 1) / OB;
  const int first = get_global_id(0), second = get_global_id(1);
  const int og = size.w ? first : second, t = size.w ? second : first;
#if PHASE
  const int n = get_global_id(2) >> 2, py = (get_global_id(2) >> 1) & 1, px = get_global_id(2) & 1;
  const int ho = (size.x - py + 1) / 2, wo = (size.y - px + 1) / 2;
  /* out row 2 i + py needs dy row i + (py + pad - (KS - 1) + ky) / 2, for the ky that make this whole */
  const int sy = py + pad.x - (KS - 1), sx = px + pad.y - (KS - 1);
  const int ky0 = sy & 1, kx0 = sx & 1;
  const int iy0 = (sy + ky0) / 2, ix0 = (sx + kx0) / 2;
#else
  const int n = get_global_id(2), ho = size.x, wo = size.y;
  const int ky0 = 0, kx0 = 0, iy0 = -pad.x, ix0 = -pad.y;
#endif
  const int tx = (size.y / (1 + PHASE) + PHASE * (size.y & 1) + PX - 1) / PX;
  const int x0 = (t % tx) * PX, y0 = (t / tx) * size.z;
  if (og >= groups || x0 >= wo || y0 >= ho) return;
  const int y1 = min(y0 + size.z, ho), left = wo - x0;
  const size_t wstep = (size_t)id.x * (KS * KS * IL * CB);
  size_t wat[OB]; /* where there are fewer than OB blocks left, the last one again: nothing is read past the weights */
  UNROLL for (int o = 0; o < OB; o++) wat[o] = min(o, od.x - 1 - og * OB) * wstep;
  __global const float *in0 = in + ((size_t)n * id.x * id.z + (size_t)(id.w + ix0 + x0 * ST)) * IB;
  for (int y = y0; y < y1; y++) {
    FV acc[OB][PX], total[OB][PX];
    UNROLL for (int o = 0; o < OB; o++) {
      const FV b = use.x ? LOAD(bias + min(og * OB + o, od.x - 1) * CB) : ZERO;
      UNROLL for (int p = 0; p < PX; p++) acc[o][p] = b;
    }
    for (int ib = 0; ib < id.x; ib++) {
      if (ib > 0 && ib % CHAIN == 0)
        UNROLL for (int o = 0; o < OB; o++)
          UNROLL for (int p = 0; p < PX; p++) {
            total[o][p] = ib > CHAIN ? total[o][p] + acc[o][p] : acc[o][p];
            acc[o][p] = ZERO;
          }
      for (int ky = ky0; ky < KS; ky += TS) {
        const int iy = y * ST + iy0 + (ky - ky0) / TS;
        __global const float *ip = in0 + ((ptrdiff_t)ib * id.z + (ptrdiff_t)iy * id.y) * IB;
        __global const float *wr = wt + (size_t)og * OB * wstep + ((size_t)ib * KS + ky) * (KS * IL * CB);
        for (int kx = kx0; kx < KS; kx += TS, ip += IB) {
          __global const float *wp = wr + kx * (IL * CB);
          const int lanes = TAIL < IL && ib == id.x - 1 ? TAIL : IL;
          #pragma unroll 4
          for (int ic = 0; ic < lanes; ic++, wp += CB) {
            FV w[OB];
            UNROLL for (int o = 0; o < OB; o++) w[o] = LOAD(wp + wat[o]);
            UNROLL for (int p = 0; p < PX; p++) {
              const FV b = (FV)(ip[p * (ST * IB) + ic]);
              UNROLL for (int o = 0; o < OB; o++) acc[o][p] = FMA(b, w[o], acc[o][p]);
            }
          }
        }
      }
    }
    if (id.x > CHAIN)
      UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PX; p++) acc[o][p] += total[o][p];
    UNROLL for (int o = 0; o < OB; o++) {
      const int ob = og * OB + o;
      if (ob < od.x)
        UNROLL for (int p = 0; p < PX; p++)
          if (p < left) {
#if PHASE
            const int oy = 2 * y + py, ox = 2 * (x0 + p) + px;
#else
            const int oy = y, ox = x0 + p;
#endif
            FV v = acc[o][p];
            if (use.y) v += LOAD(res + AT(rd, n, ob, oy, ox));
            STORE(ACTIVATE(v, lim), out + AT(od, n, ob, oy, ox));
          }
    }
  }
}
