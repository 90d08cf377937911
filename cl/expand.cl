/* An expansion (1x1, stride 1) and the depthwise convolution behind it. The wide tensor between the two is several times
 * the narrow one's size and is read once: here it lives as KS lines at a time, in the nearest cache. Both sums are made in
 * the order of conv.cl and depthwise.cl, so the result has the same bits as theirs.
 *
 *   KS, ST   of the depthwise convolution
 *   PE, PX   neighbouring pixels that are expanded, that are convolved at a time
 *   ROW      pixels of a line: padding, the plane's width, and what the last tile reads past it
 *   TAIL     lanes of the last block of inputs that are channels, as in conv.cl
 * A work-item computes `rows` rows of one block of channels. Global size: (strips of rows, blocks, n), groups of one. */
#define SPAN ((PX - 1) * ST + KS)

/* Line y of block b of the wide tensor. */
inline void expand_line(__global const float *in, __global const float *weights, const FV bias, const int4 id,
                        const int n, const int y, const int width, const float2 lim, __local float *line) {
  for (int x = 0; x < width; x += PE) {
    FV acc[PE];
    UNROLL for (int p = 0; p < PE; p++) acc[p] = bias;
    for (int ib = 0; ib < id.x; ib++) {
      __global const float *ip = in + AT(id, n, ib, y, x), *wp = weights + (size_t)ib * (CB * CB);
      const int lanes = TAIL < CB && ib == id.x - 1 ? TAIL : CB;
      #pragma unroll 4
      for (int ic = 0; ic < lanes; ic++) {
        const FV w = LOAD(wp + ic * CB);
        UNROLL for (int p = 0; p < PE; p++) acc[p] = FMA((FV)(ip[p * CB + ic]), w, acc[p]);
      }
    }
    UNROLL for (int p = 0; p < PE; p++)
      if (x + p < width) STORE_ANY(ACTIVATE(acc[p], lim), line + (x + p) * CB);
  }
}

/* Columns left and right of the plane: zeros, or with reflect the ones that lie as far inside. */
inline void pad_line(const int pad, const int width, const int reflect, __local float *line) {
  for (int i = 0; i < ROW - width; i++) {
    const int x = i < pad ? i : width + i, from = x < pad ? 2 * pad - x : 2 * (pad + width - 1) - x;
    const int mirrored = reflect && from >= pad && from < pad + width;
    const FV v = mirrored ? LOAD_ANY(line + from * CB) : ZERO;
    STORE_ANY(v, line + x * CB);
  }
}

/* out = activate(depthwise(activate(expansion + bias)) + bias). */
KERNEL void expand_depthwise(__global const float *restrict in, __global const float *restrict wide_weights,
                             __global const float *wide_bias, __global const float *restrict weights,
                             __global const float *bias, __global float *restrict out, const int4 id, const int4 od,
                             const int4 size /* ho, wo, rows, reflect */,
                             const int4 from /* h, w, padding above, left */, const int2 use /* biases */,
                             const float2 wide_lim, const float2 lim) {
  __local float lines[KS * ROW * CB];
  const int b = get_global_id(1), n = get_global_id(2);
  const int y0 = get_global_id(0) * size.z, y1 = min(y0 + size.z, size.x);
  __global const float *ww = wide_weights + (size_t)b * id.x * (CB * CB), *w = weights + (size_t)b * (KS * KS * CB);
  const FV wide_first = use.x ? LOAD(wide_bias + b * CB) : ZERO, first = use.y ? LOAD(bias + b * CB) : ZERO;
  int next = y0 * ST - from.z; /* the line that is made next; line y lies at y modulo KS */
  for (int y = y0; y < y1; y++) {
    const int top = y * ST - from.z;
    for (next = max(next, top); next < top + KS; next++) {
      __local float *line = lines + (next + KS) % KS * (ROW * CB);
      const int mirror = next < 0 ? -next : next < from.x ? next : 2 * (from.x - 1) - next;
      const int source = size.w ? mirror : next;
      if (source >= 0 && source < from.x) {
        expand_line(in, ww, wide_first, id, n, source, from.y, wide_lim, line + from.w * CB);
        pad_line(from.w, from.y, size.w, line);
      } else
        for (int x = 0; x < ROW; x++) STORE_ANY(ZERO, line + x * CB);
    }
    for (int x0 = 0; x0 < size.y; x0 += PX) {
      FV acc[PX];
      UNROLL for (int p = 0; p < PX; p++) acc[p] = first;
      UNROLL for (int ky = 0; ky < KS; ky++) {
        __local const float *ip = lines + ((top + ky + KS) % KS * ROW + x0 * ST) * CB;
        FV v[SPAN];
        UNROLL for (int i = 0; i < SPAN; i++) v[i] = LOAD_ANY(ip + i * CB);
        UNROLL for (int kx = 0; kx < KS; kx++) {
          const FV k = LOAD(w + (ky * KS + kx) * CB);
          UNROLL for (int p = 0; p < PX; p++) acc[p] = FMA(v[p * ST + kx], k, acc[p]);
        }
      }
      __global float *op = out + AT(od, n, b, y, x0);
      if (x0 + PX <= size.y)
        UNROLL for (int p = 0; p < PX; p++) STORE(ACTIVATE(acc[p], lim), op + p * CB);
      else /* a loop: compilers make each sum just before a store that may not happen, one waiting for the other */
        for (int p = 0; p < size.y - x0; p++) STORE(ACTIVATE(acc[p], lim), op + p * CB);
    }
  }
}
