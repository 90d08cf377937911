/* Rows on a few axes, side by side as cl/lanes.cl makes rows, and boxes around them (host/op/shadow.h). */
#define LANES (CB * WG)

/* shadow [group][AXES][LANES] = axes^T x; axes [K][AXES]. Global size: (groups * WG, 1, 1). */
KERNEL void shadow(__global const float *restrict rows, __global const float *restrict axes,
                   __global float *restrict shadow, const int2 size /* K, groups */) {
  const int g = get_group_id(0), lane = get_local_id(0), K = size.x;
  if (g >= size.y) return;
  __global const float *x = rows + (size_t)g * K * LANES + lane * CB;
  __global float *y = shadow + (size_t)g * AXES * LANES + lane * CB;
  FV acc[AXES];
  UNROLL for (int a = 0; a < AXES; a++) acc[a] = ZERO;
  for (int k = 0; k < K; k++) {
    const FV v = LOAD_ANY(x + (size_t)k * LANES);
    UNROLL for (int a = 0; a < AXES; a++) acc[a] = FMA(v, (FV)(axes[k * AXES + a]), acc[a]);
  }
  UNROLL for (int a = 0; a < AXES; a++) STORE_ANY(acc[a], y + a * LANES);
}

/* box [..][2][AXES][beside]: what `each` groups lie between. Global size: (boxes * AXES, 1, 1). */
KERNEL void boxes(__global const float *restrict shadow, __global float *restrict box,
                  const int4 size /* groups, each, boxes, beside */) {
  const int b = get_global_id(0) / AXES, axis = get_global_id(0) % AXES;
  if (b >= size.z) return;
  const int first = b * size.y, last = min(first + size.y, size.x);
  FV low = (FV)(INFINITY), high = (FV)(-INFINITY);
  for (int g = first; g < last; g++) {
    __global const float *s = shadow + ((size_t)g * AXES + axis) * LANES;
    for (int i = 0; i < LANES; i += CB) {
      const FV v = LOAD_ANY(s + i);
      low = CLAMP_HIGH(low, v);
      high = CLAMP_LOW(high, v);
    }
  }
  float l[CB], h[CB];
  STORE_ANY(low, l);
  STORE_ANY(high, h);
  for (int i = 1; i < CB; i++) {
    l[0] = min(l[0], l[i]);
    h[0] = max(h[0], h[i]);
  }
  __global float *to = box + ((size_t)(b / size.w) * 2 * AXES + axis) * size.w + b % size.w;
  to[0] = l[0];
  to[AXES * size.w] = h[0];
}
