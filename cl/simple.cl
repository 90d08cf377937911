/* Element by element: sums, masks, the halo, and pictures on their way in. */

/* y = activate(a + b); b may be absent, y may be a or b. Global size: (gx, h, n * blocks). */
KERNEL void add(__global const float *a, __global const float *b, __global float *y, const int4 ad, const int4 bd,
                const int4 yd, const int2 size /* w, use b */, const float2 lim) {
  const int row = get_global_id(1), n = get_global_id(2) / yd.x, c = get_global_id(2) % yd.x;
  __global const float *ap = a + AT(ad, n, c, row, 0), *bp = b + AT(bd, n, c, row, 0);
  __global float *yp = y + AT(yd, n, c, row, 0);
  for (int i = get_global_id(0); i < size.x; i += get_global_size(0)) {
    FV v = LOAD(ap + i * CB);
    if (size.y) v += LOAD(bp + i * CB);
    STORE(ACTIVATE(v, lim), yp + i * CB);
  }
}

/* dy = dy where the activation that gave y passed its input on, else 0; in place. Global size: (gx, h, n * blocks). */
KERNEL void mask(__global const float *restrict y, __global float *restrict dy, const int4 yd, const int4 dd,
                 const int w, const float2 lim) {
  const int row = get_global_id(1), n = get_global_id(2) / yd.x, c = get_global_id(2) % yd.x;
  __global const float *yp = y + AT(yd, n, c, row, 0);
  __global float *dp = dy + AT(dd, n, c, row, 0);
  for (int i = get_global_id(0); i < w; i += get_global_size(0))
    STORE(MASKED(LOAD(dp + i * CB), LOAD(yp + i * CB), lim), dp + i * CB);
}

/* Pixels of row y of a plane that belong to its halo, and where the j-th of them is. */
#define HALO_PIXELS(y, h, w, e) ((y) < (e) || (y) >= (h) + (e) ? (w) + 2 * (e) : 2 * (e))
#define HALO_PIXEL(j, y, h, w, e) ((y) < (e) || (y) >= (h) + (e) || (j) < (e) ? (j) : (j) + (w))

/* Zeroes the halo of every plane; a pixel takes `lanes` floats. Global size: (gx, h + 2 halo, planes). */
KERNEL void halo(__global float *restrict x, const int4 size /* h, w, halo, 0 */, const int lanes) {
  const int y = get_global_id(1), h = size.x, w = size.y, e = size.z;
  __global float *row = x + ((size_t)get_global_id(2) * (h + 2 * e) + y) * (w + 2 * e) * lanes;
  for (int j = get_global_id(0); j < HALO_PIXELS(y, h, w, e); j += get_global_size(0))
    for (int k = 0; k < lanes; k += 4) vstore4((float4)(0.0f), 0, row + HALO_PIXEL(j, y, h, w, e) * lanes + k);
}

/* The pixel that index i stands for where a line of n is mirrored without its end repeated: c b | a b c | b a. */
inline int bounce(int i, const int n) {
  while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
  return n > 1 ? i : 0;
}

/* Mirrors every plane into its halo; a pixel takes `lanes` floats. Global size: (gx, h + 2 halo, planes). */
KERNEL void reflect(__global float *x, const int4 size /* h, w, halo, 0 */, const int lanes) {
  const int y = get_global_id(1), h = size.x, w = size.y, e = size.z, row = (w + 2 * e) * lanes;
  __global float *plane = x + (size_t)get_global_id(2) * (h + 2 * e) * row, *to = plane + y * row;
  __global const float *line = plane + (bounce(y - e, h) + e) * row;
  for (int j = get_global_id(0); j < HALO_PIXELS(y, h, w, e); j += get_global_size(0)) {
    const int i = HALO_PIXEL(j, y, h, w, e);
    __global const float *from = line + (bounce(i - e, w) + e) * lanes;
    for (int k = 0; k < lanes; k += 4) vstore4(vload4(0, from + k), 0, to + i * lanes + k);
  }
}

/* 8-bit RGB [n][h][w][3] to a picture tensor [n][1][h][w][lanes]: (v / 255 - mean) / std, lanes past the third 0.
 * Global size: (gx, h, n). */
KERNEL void picture(__global const uchar *restrict rgb, __global float *restrict x, const int4 xd,
                    const int4 size /* h, w, lanes, 0 */) {
  const int row = get_global_id(1), n = get_global_id(2);
  __global const uchar *p = rgb + ((size_t)n * size.x + row) * size.y * 3;
  __global float *xp = x + ((size_t)n * xd.z + (size_t)(xd.w + row * xd.y)) * size.z;
  for (int i = get_global_id(0); i < size.y; i += get_global_size(0)) {
    const float3 v = convert_float3(vload3(i, p)) / 255.0f;
    const float3 z = (v - (float3)(0.485f, 0.456f, 0.406f)) / (float3)(0.229f, 0.224f, 0.225f);
    vstore4((float4)(z, 0.0f), 0, xp + (size_t)i * size.z);
    for (int lane = 4; lane < size.z; lane += 4) vstore4((float4)(0.0f), 0, xp + (size_t)i * size.z + lane);
  }
}
