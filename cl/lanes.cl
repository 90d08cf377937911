/* Rows of numbers side by side, so that a vector holds the same number of CB rows: [group][k][LANES], LANES = CB * WG rows
 * a group, and row r is lane r % LANES of group r / LANES. One work-group reads one group of rows, neighbouring items
 * neighbouring vectors. */
#define LANES (CB * WG)

/* rows [count][width], row-major, to rows first, first + 1, ... of lanes. On a CPU an item takes CB rows, on a GPU one.
 * Global size: (items, 1, 1). */
KERNEL void lanes_pack(__global const float *restrict rows, __global float *restrict lanes,
                       const int4 size /* count, width, first, 0 */) {
#if WG == 1
  const int from = get_global_id(0) * CB, to = min(from + CB, size.x);
#else
  const int from = get_global_id(0), to = min(from + 1, size.x);
#endif
  const int width = size.y;
  for (int k = 0; k < width; k++)
    for (int r = from; r < to; r++) {
      const int at = size.z + r;
      lanes[((size_t)(at / LANES) * width + k) * LANES + at % LANES] = rows[(size_t)r * width + k];
    }
}
