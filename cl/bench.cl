/* What a device can do at most, measured: fused multiply-adds that wait for nothing but each other, and copies.
 *
 *   CHAINS   independent chains of vectors a work-item keeps in registers. An FMA unit that takes 4 cycles and of which
 *            there are two needs 8 to be always busy; too many spill.
 *
 * FLOPs of multiply_add: work-items * rounds * 16 * CHAINS * CB * 2. The result is written so that nothing is optimised
 * away; with b = 1 - a all numbers stay near 1. Global size: any. */
#ifdef CHAINS
KERNEL void multiply_add(__global float *out, const int rounds, const float2 ab) {
  const FV a = (FV)(ab.x), b = (FV)(ab.y);
  const int i = get_global_id(0);
  FV acc[CHAINS];
  UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = (FV)(1.0f + (float)c + (float)i);
  for (int r = 0; r < rounds; r++)
    UNROLL for (int u = 0; u < 16; u++)
      UNROLL for (int c = 0; c < CHAINS; c++) acc[c] = FMA(acc[c], a, b);
  FV sum = ZERO;
  UNROLL for (int c = 0; c < CHAINS; c++) sum += acc[c];
  STORE(sum, out + (size_t)i * CB);
}
#endif

/* z = x + s y (triad), or z = x where s is 0. On a CPU a work-item takes a piece, on a GPU neighbours take neighbouring
 * vectors. count: vectors. Global size: any. */
KERNEL void triad(__global const float *restrict x, __global const float *restrict y, __global float *restrict z,
                  const int count, const float s) {
#if WG == 1
  const int piece = (count + get_global_size(0) - 1) / get_global_size(0);
  const int begin = get_global_id(0) * piece, end = min(begin + piece, count), step = 1;
#else
  const int begin = get_global_id(0), end = count, step = get_global_size(0);
#endif
  if (s == 0.0f)
    for (int i = begin; i < end; i += step) STORE(LOAD(x + (size_t)i * CB), z + (size_t)i * CB);
  else
    for (int i = begin; i < end; i += step)
      STORE(FMA((FV)(s), LOAD(y + (size_t)i * CB), LOAD(x + (size_t)i * CB)), z + (size_t)i * CB);
}
