/* Depthwise convolution (one filter a channel), its gradient to the input and to the weights.
 *
 *   KS, ST, PX; PHASE as in conv.cl
 * Weights [block][ky][kx][CB]. A work-item computes one block of channels of PX neighbouring pixels in `rows` rows and loads
 * each input vector once a row of taps. */
#ifndef PHASE
#define PHASE 0
#endif
#define TS (1 + PHASE)
#define SPAN ((PX - 1) * ST + KS)

/* out = activate(conv + bias + res). Global size: (tiles, blocks, n), a PHASE tiles * 4. For the gradient to the input:
 * in = dy, flipped weights. */
KERNEL void depthwise(__global const float *restrict in, __global const float *restrict wt, __global const float *bias,
                      __global const float *res, __global float *out, const int4 id, const int4 od, const int4 rd,
                      const int4 size /* ho, wo, rows, 0 */, const int2 pad, const int2 use, const float2 lim) {
  const int b = get_global_id(1), n = get_global_id(2);
#if PHASE /* side by side, so that the lines between those that one phase writes are still in the cache */
  const int t = get_global_id(0) >> 2, py = (get_global_id(0) >> 1) & 1, px = get_global_id(0) & 1;
  const int ho = (size.x - py + 1) / 2, wo = (size.y - px + 1) / 2;
  const int sy = py + pad.x - (KS - 1), sx = px + pad.y - (KS - 1);
  const int ky0 = sy & 1, kx0 = sx & 1;
  const int iy0 = (sy + ky0) / 2, ix0 = (sx + kx0) / 2;
#else
  const int t = get_global_id(0), ho = size.x, wo = size.y;
  const int iy0 = -pad.x, ix0 = -pad.y;
#endif
  const int tx = (size.y / (1 + PHASE) + PHASE * (size.y & 1) + PX - 1) / PX;
  const int x0 = (t % tx) * PX, y0 = (t / tx) * size.z;
  if (x0 >= wo || y0 >= ho) return;
  const int y1 = min(y0 + size.z, ho), left = wo - x0;
  __global const float *w = wt + (size_t)b * (KS * KS * CB);
  const FV first = use.x ? LOAD(bias + b * CB) : ZERO;
  for (int y = y0; y < y1; y++) {
    FV acc[PX];
    UNROLL for (int p = 0; p < PX; p++) acc[p] = first;
#if PHASE
    for (int ky = ky0; ky < KS; ky += 2)
      for (int kx = kx0; kx < KS; kx += 2) {
        const FV k = LOAD(w + (ky * KS + kx) * CB);
        __global const float *ip = in + AT(id, n, b, y + iy0 + (ky - ky0) / 2, x0 + ix0 + (kx - kx0) / 2);
        UNROLL for (int p = 0; p < PX; p++) acc[p] = FMA(LOAD(ip + p * CB), k, acc[p]);
      }
#else
    UNROLL for (int ky = 0; ky < KS; ky++) {
      __global const float *ip = in + AT(id, n, b, y * ST + iy0 + ky, x0 * ST + ix0);
      FV v[SPAN];
      UNROLL for (int i = 0; i < SPAN; i++) v[i] = LOAD(ip + i * CB);
      UNROLL for (int kx = 0; kx < KS; kx++) {
        const FV k = LOAD(w + (ky * KS + kx) * CB);
        UNROLL for (int p = 0; p < PX; p++) acc[p] = FMA(v[p * ST + kx], k, acc[p]);
      }
    }
#endif
#if PHASE
    const int oy = 2 * y + py, ox = 2 * x0 + px;
#else
    const int oy = y, ox = x0;
#endif
    if (use.y)
      for (int p = 0; p < min(PX, left); p++) acc[p] += LOAD(res + AT(rd, n, b, oy, ox + p * TS));
    __global float *op = out + AT(od, n, b, oy, ox);
    if (left >= PX)
      UNROLL for (int p = 0; p < PX; p++) STORE(ACTIVATE(acc[p], lim), op + p * (TS * CB));
    else /* a loop: compilers make each sum just before a store that may not happen, one waiting for the other */
      for (int p = 0; p < left; p++) STORE(ACTIVATE(acc[p], lim), op + p * (TS * CB));
  }
}

/* clang-format off */ /* for braces that do not balance */
/* dw [part][block][ky][kx][CB], a part: `per` pictures. On a GPU the pixels of a part are shared out in a work-group.
 * Global size: (blocks * WG, parts, 1). */
KERNEL void depthwise_wgrad(__global const float *restrict in, __global const float *restrict dy,
                            __global float *restrict dw, const int4 id, const int4 od,
                            const int4 size /* n, ho, wo, per */, const int2 pad) {
  const int b = get_group_id(0), part = get_global_id(1);
  FV acc[KS * KS];
  UNROLL for (int k = 0; k < KS * KS; k++) acc[k] = ZERO;
  const int n1 = min(part * size.w + size.w, size.x);
  for (int n = part * size.w; n < n1; n++)
#if WG == 1
    for (int y = 0; y < size.y; y++)
      for (int x = 0; x < size.z; x++) {
#else
    for (int q = get_local_id(0); q < size.y * size.z; q += WG) {
      const int y = q / size.z, x = q % size.z;
      {
#endif
        const FV d = LOAD(dy + AT(od, n, b, y, x));
        __global const float *ip = in + AT(id, n, b, y * ST - pad.x, x * ST - pad.y);
        UNROLL for (int ky = 0; ky < KS; ky++)
          UNROLL for (int kx = 0; kx < KS; kx++)
            acc[ky * KS + kx] = FMA(LOAD(ip + ((size_t)ky * id.y + kx) * CB), d, acc[ky * KS + kx]);
      }
#if WG > 1
    }
  __local FV scratch[WG];
  UNROLL for (int k = 0; k < KS * KS; k++) GROUP_SUM(acc[k], scratch);
  if (get_local_id(0) != 0) return;
#endif
  UNROLL for (int k = 0; k < KS * KS; k++) STORE(acc[k], dw + (((size_t)part * od.x + b) * (KS * KS) + k) * CB);
}
/* clang-format on */

/* Filters turned by 180 degrees. Global size: (gx over taps, blocks, 1). */
KERNEL void depthwise_flip(__global const float *restrict wt, __global float *restrict to, const int taps) {
  const size_t b = get_global_id(1);
  for (int k = get_global_id(0); k < taps; k += get_global_size(0))
    STORE(LOAD(wt + (b * taps + k) * CB), to + (b * taps + taps - 1 - k) * CB);
}
