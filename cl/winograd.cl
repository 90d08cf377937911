/* Winograd's minimal filtering F(M x M, 3x3) for convolutions of stride 1 in the channel-blocked layout; also the
 * gradient to the input, with the weights turned round.
 *
 * A tile of M x M outputs reads A x A inputs, A = M + 2. With the transforms of Toom and Cook for the points 0, +-P, +-Q and
 * infinity (M = 2: 0, +-P, infinity),  out = A' [(G w G') . (B' in B)] A,  which is A * A products a tile and a pair of
 * channels instead of 9 M * M: a quarter for M = 4, four ninths for M = 2 (Lavin and Gray, 2016). The points decide the
 * rounding error: 0, +-5/8, +-3/2 have a third of the error of 0, +-1, +-2 (docs/design.md).
 *
 *   M        2 or 4
 *   OB, PX   wino_mul: blocks of outputs, tiles of a work-item
 *   TURNED   wino_weights: 1: for the gradient to the input
 * Tiles are numbered through rows, columns and pictures; a launch takes some of them, rounded up to whole groups of PX,
 * and a tile's result depends on nothing but its own pixels.
 *   v [A * A][input block][tile][CB], u [A * A][output block][input block][CB][CB], m [A * A][output block][tile][CB];
 * a plane of A * A is one vector longer than it has to be, so that its neighbours do not fall on the same lines of the cache. */
#define A (M + 2)

#if M == 4
#define P 0.625f
#define Q 1.5f
#define PP (P * P)
#define QQ (Q * Q)
#define TRANSFORM_INPUT(o, d)                                                                                          \
  do {                                                                                                                 \
    const FV ev_ = FMA(d[2], (FV)(-QQ), d[4]), od_ = FMA(d[1], (FV)(-QQ), d[3]);                                       \
    const FV ew_ = FMA(d[2], (FV)(-PP), d[4]), ow_ = FMA(d[1], (FV)(-PP), d[3]);                                       \
    o[0] = FMA(d[0], (FV)(PP * QQ), FMA(d[2], (FV)(-(PP + QQ)), d[4]));                                                \
    o[1] = FMA(od_, (FV)(P), ev_);                                                                                     \
    o[2] = FMA(od_, (FV)(-P), ev_);                                                                                    \
    o[3] = FMA(ow_, (FV)(Q), ew_);                                                                                     \
    o[4] = FMA(ow_, (FV)(-Q), ew_);                                                                                    \
    o[5] = FMA(d[1], (FV)(PP * QQ), FMA(d[3], (FV)(-(PP + QQ)), d[5]));                                                \
  } while (0)
#define TRANSFORM_OUTPUT(o, m)                                                                                         \
  do {                                                                                                                 \
    const FV sp_ = m[1] + m[2], dp_ = m[1] - m[2], sq_ = m[3] + m[4], dq_ = m[3] - m[4];                               \
    o[0] = m[0] + (sp_ + sq_);                                                                                         \
    o[1] = FMA(dq_, (FV)(Q), dp_ * P);                                                                                 \
    o[2] = FMA(sq_, (FV)(QQ), sp_ * PP);                                                                               \
    o[3] = FMA(dq_, (FV)(Q * QQ), FMA(dp_, (FV)(P * PP), m[5]));                                                       \
  } while (0)
#define TRANSFORM_WEIGHTS(o, w)                                                                                        \
  do {                                                                                                                 \
    const FV ep_ = FMA(w[2], (FV)(PP), w[0]), eq_ = FMA(w[2], (FV)(QQ), w[0]);                                         \
    o[0] = w[0] * (1 / (PP * QQ));                                                                                     \
    o[1] = FMA(w[1], (FV)(P), ep_) * (1 / (2 * PP * (PP - QQ)));                                                       \
    o[2] = FMA(w[1], (FV)(-P), ep_) * (1 / (2 * PP * (PP - QQ)));                                                      \
    o[3] = FMA(w[1], (FV)(Q), eq_) * (1 / (2 * QQ * (QQ - PP)));                                                       \
    o[4] = FMA(w[1], (FV)(-Q), eq_) * (1 / (2 * QQ * (QQ - PP)));                                                      \
    o[5] = w[2];                                                                                                       \
  } while (0)
#else
#define TRANSFORM_INPUT(o, d)                                                                                          \
  do {                                                                                                                 \
    o[0] = d[2] - d[0];                                                                                                \
    o[1] = d[2] + d[1];                                                                                                \
    o[2] = d[2] - d[1];                                                                                                \
    o[3] = d[3] - d[1];                                                                                                \
  } while (0)
#define TRANSFORM_OUTPUT(o, m)                                                                                         \
  do {                                                                                                                 \
    o[0] = m[0] + m[1] + m[2];                                                                                         \
    o[1] = m[1] - m[2] + m[3];                                                                                         \
  } while (0)
#define TRANSFORM_WEIGHTS(o, w)                                                                                        \
  do {                                                                                                                 \
    o[0] = -w[0];                                                                                                      \
    o[1] = (w[0] + w[2] + w[1]) * 0.5f;                                                                                \
    o[2] = (w[0] + w[2] - w[1]) * 0.5f;                                                                                \
    o[3] = w[2];                                                                                                       \
  } while (0)
#endif

/* u from packed weights [output block][input block][9][CB][CB] of the forward pass. TURNED: u's inputs are the packed
 * outputs. Global size: (u's output blocks, u's input blocks, 1); size: the same two. */
KERNEL void wino_weights(__global const float *restrict packed, __global float *restrict u, const int2 size) {
  const int ob = get_global_id(0), ib = get_global_id(1);
  if (ob >= size.x) return;
#if TURNED
  __global const float *from = packed + ((size_t)ib * size.x + ob) * (9 * CB * CB);
#else
  __global const float *from = packed + ((size_t)ob * size.y + ib) * (9 * CB * CB);
#endif
  __global float *to = u + ((size_t)ob * size.y + ib) * (CB * CB);
  const size_t plane = (size_t)size.x * size.y * (CB * CB);
  for (int c = 0; c < CB; c++) {
    FV w[3][3], t[3][A];
    for (int k = 0; k < 9; k++) {
#if TURNED
      float lanes[CB];
      for (int o = 0; o < CB; o++) lanes[o] = from[((8 - k) * CB + o) * CB + c];
      w[k / 3][k % 3] = LOAD_ANY(lanes);
#else
      w[k / 3][k % 3] = LOAD(from + (k * CB + c) * CB);
#endif
    }
    UNROLL for (int y = 0; y < 3; y++) TRANSFORM_WEIGHTS(t[y], w[y]);
    UNROLL for (int x = 0; x < A; x++) {
      const FV column[3] = {t[0][x], t[1][x], t[2][x]};
      FV g[A];
      TRANSFORM_WEIGHTS(g, column);
      UNROLL for (int y = 0; y < A; y++) STORE(g[y], to + (y * A + x) * plane + c * CB);
    }
  }
}

/* Position of tile t: its row and column of tiles, its picture. grid: tiles across, down, in all. */
#define TILE_AT(t, grid) (int4)((t) / (grid).x % (grid).y, (t) % (grid).x, (t) / ((grid).x * (grid).y), 0)

/* v of tiles first.. first + count - 1, zeros from `count` up to the padded number. Global size: (groups of PX tiles, input
 * blocks, 1). size: ho, wo, padded number, count; pixels past the last output's window are not looked at. */
KERNEL void wino_in(__global const float *restrict in, __global float *restrict v, const int4 id, const int4 grid,
                    const int4 size, const int first, const int2 pad) {
  const int group = get_global_id(0), b = get_global_id(1);
  if (group * PX >= size.z) return;
  const size_t plane = ((size_t)id.x * size.z + 1) * CB;
  for (int i = group * PX; i < group * PX + PX; i++) {
    __global float *to = v + ((size_t)b * size.z + i) * CB;
    if (i >= size.w) {
      for (int k = 0; k < A * A; k++) STORE(ZERO, to + k * plane);
      continue;
    }
    const int4 at = TILE_AT(first + i, grid);
    const int high = size.x + 2 - at.x * M, wide = size.y + 2 - at.y * M; /* of the window that is looked at */
    __global const float *from = in + AT(id, at.z, b, at.x * M - pad.x, at.y * M - pad.y);
    FV t[A][A];
    if (high >= A && wide >= A) {
      UNROLL for (int y = 0; y < A; y++) {
        FV d[A];
        UNROLL for (int x = 0; x < A; x++) d[x] = LOAD(from + ((size_t)y * id.y + x) * CB);
        TRANSFORM_INPUT(t[y], d);
      }
    } else {
      for (int y = 0; y < A; y++) {
        FV d[A];
        for (int x = 0; x < A; x++) d[x] = y < high && x < wide ? LOAD(from + ((size_t)y * id.y + x) * CB) : ZERO;
        TRANSFORM_INPUT(t[y], d);
      }
    }
    UNROLL for (int x = 0; x < A; x++) {
      FV column[A], o[A];
      UNROLL for (int y = 0; y < A; y++) column[y] = t[y][x];
      TRANSFORM_INPUT(o, column);
      UNROLL for (int y = 0; y < A; y++) STORE(o[y], to + (y * A + x) * plane);
    }
  }
}

/* m = u v, for each of the A * A; m begins at vector size.w of its buffer, which is v's. Sums of more than 32 products are made of shorter ones, as in conv.cl.
 * Global size: (output groups, groups of PX tiles, A * A). size: input blocks, output blocks, padded tiles, m's place. */
#define CHAIN (32 / CB) /* input blocks */
KERNEL void wino_mul(__global const float *restrict v, __global const float *restrict u, __global float *restrict m,
                     const int4 size) {
  const int og = get_global_id(0), t0 = get_global_id(1) * PX, k = get_global_id(2);
  if (og * OB >= size.y) return;
  __global const float *vp = v + (((size_t)size.x * size.z + 1) * k + t0) * CB;
  __global const float *up = u + ((size_t)k * size.y + og * OB) * size.x * (CB * CB);
  size_t uat[OB]; /* where there are fewer than OB blocks left, the last one again */
  UNROLL for (int o = 0; o < OB; o++) uat[o] = (size_t)min(o, size.y - 1 - og * OB) * size.x * (CB * CB);
  FV acc[OB][PX], total[OB][PX];
  UNROLL for (int o = 0; o < OB; o++)
    UNROLL for (int p = 0; p < PX; p++) acc[o][p] = ZERO;
  for (int ib = 0; ib < size.x; ib++, vp += (size_t)size.z * CB, up += CB * CB) {
    if (ib > 0 && ib % CHAIN == 0)
      UNROLL for (int o = 0; o < OB; o++)
        UNROLL for (int p = 0; p < PX; p++) {
          total[o][p] = ib > CHAIN ? total[o][p] + acc[o][p] : acc[o][p];
          acc[o][p] = ZERO;
        }
    #pragma unroll 4
    for (int c = 0; c < CB; c++) {
      FV w[OB];
      UNROLL for (int o = 0; o < OB; o++) w[o] = LOAD(up + uat[o] + c * CB);
      UNROLL for (int p = 0; p < PX; p++) {
        const FV b = (FV)(vp[p * CB + c]);
        UNROLL for (int o = 0; o < OB; o++) acc[o][p] = FMA(b, w[o], acc[o][p]);
      }
    }
  }
  if (size.x > CHAIN)
    UNROLL for (int o = 0; o < OB; o++)
      UNROLL for (int p = 0; p < PX; p++) acc[o][p] += total[o][p];
  __global float *mp = m + (size.w + ((size_t)size.y * size.z + 1) * k + (size_t)og * OB * size.z + t0) * CB;
  UNROLL for (int o = 0; o < OB; o++)
    if (og * OB + o < size.y)
      UNROLL for (int p = 0; p < PX; p++) STORE(acc[o][p], mp + ((size_t)o * size.z + p) * CB);
}

/* out = activate(A' m A + bias + res); res may be out itself. Global size: (groups of PX tiles, output blocks, 1). */
KERNEL void wino_out(__global const float *restrict m, __global const float *bias, __global const float *res,
                     __global float *out, const int4 od, const int4 rd, const int4 grid,
                     const int4 size /* ho, wo, padded number, count */, const int2 part /* first tile, m's place */,
                     const int2 use /* bias, res */, const float2 lim) {
  const int group = get_global_id(0), b = get_global_id(1);
  if (group * PX >= size.w) return;
  const size_t plane = ((size_t)od.x * size.z + 1) * CB;
  const FV shift = use.x ? LOAD(bias + b * CB) : ZERO;
  for (int i = group * PX; i < min(group * PX + PX, size.w); i++) {
    const int4 at = TILE_AT(part.x + i, grid);
    const int y0 = at.x * M, x0 = at.y * M;
    __global const float *from = m + (part.y + (size_t)b * size.z + i) * CB;
    FV t[A][M];
    UNROLL for (int y = 0; y < A; y++) {
      FV d[A];
      UNROLL for (int x = 0; x < A; x++) d[x] = LOAD(from + (y * A + x) * plane);
      TRANSFORM_OUTPUT(t[y], d);
    }
    UNROLL for (int x = 0; x < M; x++) {
      FV column[A], o[M];
      UNROLL for (int y = 0; y < A; y++) column[y] = t[y][x];
      TRANSFORM_OUTPUT(o, column);
      UNROLL for (int y = 0; y < M; y++)
        if (y0 + y < size.x && x0 + x < size.y) {
          FV r = o[y] + shift;
          if (use.y) r += LOAD(res + AT(rd, at.z, b, y0 + y, x0 + x));
          STORE(ACTIVATE(r, lim), out + AT(od, at.z, b, y0 + y, x0 + x));
        }
    }
  }
}
