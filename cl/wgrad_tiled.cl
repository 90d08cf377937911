/* Gradient of a convolution's weights for GPUs, as a matrix product over pixels through local memory.
 *
 * dw[i, tap][o] = sum over pixels of in[i, moved by tap] dy[o]: both tensors have the numbers of a pixel side by side, so
 * tiles go to local memory as whole float4. Rows of the product are (input block, tap) in the order of the weights, so that
 * a picture's 49 taps of three channels fill a tile as well as 64 channels do. A work-group of TX * TY items sums
 * TM = TX * RM rows by TN = TY * RN outputs over `per` pixels (counted through rows and pictures), KP at a time, two
 * buffers, one barrier a step. Parts are added afterwards in a fixed order (sum_parts).
 *   KS ST IL as in conv.cl; TX (8, 16), TY (4, 8, 16), RM, RN (4 or 8), KP (16)
 * dw [part][output block][input block][ky][kx][IL][4]. Global size: (row tiles * output tiles * TX * TY, 1, parts). */
#define AHEAD 8 /* k at a time */
#define PM (TM / 4 + 1)
#define PN (TN / 4 + 1)
#define LA (TM / 4 * KP / GROUP)
#define LB (TN / 4 * KP / GROUP)

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void wgrad_tiled(
    __global const float4 *restrict in, __global const float4 *restrict dy, __global float4 *restrict dw, const int4 id,
    const int4 od, const int4 size /* n, ho, wo, per */, const int2 pad, const int2 use /* of wgrad.cl */) {
  __local float4 As[2][KP * PM], Bs[2][KP * PN];
  const uint l = get_local_id(0), rows = (uint)id.x * (KS * KS), tiles = (rows * 4 + TM - 1) / TM, ho = size.y,
             wo = size.z;
  const uint tx = TILE_X(l), ty = TILE_Y(l);
  const uint m0 = get_group_id(0) % tiles * (TM / 4), ob0 = get_group_id(0) / tiles * (TN / 4);
  const uint part = get_group_id(2), all = (uint)(size.x * size.y * size.z);
  const uint begin = part * (uint)size.w, end = min(begin + (uint)size.w, all);
  const uint px = l % KP; /* GROUP is a multiple of KP: an item fetches the same pixel of several blocks */
  uint q = begin + px, x = q % wo, r = q / wo, y = r % ho, n = r / ho;
  uint from[LA]; /* from a pixel to its inputs, block by block and tap by tap */
  #pragma unroll
  for (int i = 0; i < LA; i++) {
    const uint m = min(m0 + (l + i * GROUP) / KP, rows - 1), tap = m % (KS * KS);
    from[i] = m / (KS * KS) * (uint)id.z + (uint)(id.w + ((int)(tap / KS) - pad.x) * id.y + (int)(tap % KS) - pad.y);
  }
  float4 ra[LA], rb[LB], acc[RN / 4][RM];
  #pragma unroll
  for (int j = 0; j < RN / 4; j++)
    #pragma unroll
    for (int i = 0; i < RM; i++) acc[j][i] = (float4)(0.0f);
#define FETCH                                                                                                          \
  {                                                                                                                    \
    const bool inside = q < end;                                                                                       \
    const uint a_ = n * (uint)(id.x * id.z) + y * (uint)(ST * id.y) + x * ST;                                          \
    const uint b_ = n * (uint)(od.x * od.z) + (uint)(od.w + (int)y * od.y + (int)x);                                   \
    _Pragma("unroll") for (int i = 0; i < LA; i++) ra[i] = inside ? in[a_ + from[i]] : (float4)(0.0f);                 \
    _Pragma("unroll") for (int i = 0; i < LB; i++)                                                                     \
      rb[i] = inside ? dy[b_ + min(ob0 + (l + i * GROUP) / KP, (uint)od.x - 1) * (uint)od.z] : (float4)(0.0f);         \
    q += KP, x += KP;                                                                                                  \
    while (x >= wo) {                                                                                                  \
      x -= wo;                                                                                                         \
      if (++y == ho) y = 0, n++;                                                                                       \
    }                                                                                                                  \
  }
#define PUT(b)                                                                                                         \
  {                                                                                                                    \
    _Pragma("unroll") for (int i = 0; i < LA; i++) As[b][px * PM + (l + i * GROUP) / KP] = ra[i];                      \
    _Pragma("unroll") for (int i = 0; i < LB; i++) Bs[b][px * PN + (l + i * GROUP) / KP] = rb[i];                      \
  }
  const uint steps = begin < end ? (end - begin + KP - 1) / KP : 0;
  FETCH
  PUT(0)
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint s = 0; s < steps; s++) {
    const uint now = s & 1;
    if (s + 1 < steps) FETCH
    __local const float4 *a = As[now] + tx, *b = Bs[now] + ty;
    MULTIPLY(acc, a, PM, b, PN, KP)
    if (s + 1 < steps) PUT(now ^ 1)
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  #pragma unroll
  for (int i = 0; i < RM; i++) {
    const uint m = m0 + tx + i / 4 * TX;
    if (m >= rows || i % 4 >= IL) continue;
    #pragma unroll
    for (int j = 0; j < RN / 4; j++) {
      const uint ob = ob0 + ty + j * TY;
      if (ob < (uint)od.x) dw[((part * (uint)od.x + ob) * rows + m) * IL + i % 4] = acc[j][i];
    }
  }
}
