/* Depthwise convolution of stride 1, two rows at a time: a row of inputs is loaded once for both, and twice as many sums hide
 * the latency of multiply-adds. Sums in the order of depthwise.cl, so the same bits.
 *
 *   KS, PX as there
 * Weights, arguments and global size as depthwise; rows of a work-item are even. */
#define SPAN (PX + KS - 1)

KERNEL void depthwise2(__global const float *restrict in, __global const float *restrict wt, __global const float *bias,
                       __global const float *res, __global float *out, const int4 id, const int4 od, const int4 rd,
                       const int4 size /* ho, wo, rows, 0 */, const int2 pad, const int2 use, const float2 lim) {
  const int t = get_global_id(0), b = get_global_id(1), n = get_global_id(2), ho = size.x, wo = size.y;
  const int tx = (wo + PX - 1) / PX, x0 = (t % tx) * PX, y0 = (t / tx) * size.z;
  if (x0 >= wo || y0 >= ho) return;
  const int y1 = min(y0 + size.z, ho), left = wo - x0;
  __global const float *w = wt + (size_t)b * (KS * KS * CB);
  const FV first = use.x ? LOAD(bias + b * CB) : ZERO;
  for (int y = y0; y < y1; y += 2) {
    const int both = y + 1 < y1; /* else there is one row left, and none is read below its window */
    FV acc[2][PX];
    UNROLL for (int p = 0; p < PX; p++) acc[0][p] = acc[1][p] = first;
    UNROLL for (int iy = 0; iy < KS + 1; iy++) {
      if (iy == KS && !both) break;
      __global const float *ip = in + AT(id, n, b, y - pad.x + iy, x0 - pad.y);
      FV v[SPAN];
      UNROLL for (int i = 0; i < SPAN; i++) v[i] = LOAD(ip + i * CB);
      if (iy < KS)
        UNROLL for (int kx = 0; kx < KS; kx++) {
          const FV k = LOAD(w + (iy * KS + kx) * CB);
          UNROLL for (int p = 0; p < PX; p++) acc[0][p] = FMA(v[p + kx], k, acc[0][p]);
        }
      if (iy > 0)
        UNROLL for (int kx = 0; kx < KS; kx++) {
          const FV k = LOAD(w + ((iy - 1) * KS + kx) * CB);
          UNROLL for (int p = 0; p < PX; p++) acc[1][p] = FMA(v[p + kx], k, acc[1][p]);
        }
    }
    UNROLL for (int r = 0; r < 2; r++)
      if (r == 0 || both)
        UNROLL for (int p = 0; p < PX; p++)
          if (p < left) {
            FV s = acc[r][p];
            if (use.y) s += LOAD(res + AT(rd, n, b, y + r, x0 + p));
            STORE(ACTIVATE(s, lim), out + AT(od, n, b, y + r, x0 + p));
          }
  }
}
