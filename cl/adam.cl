/* The optimiser over one parameter vector. A work-item takes `run` vectors of CB numbers.
 *
 * AdamW (Loshchilov, Hutter 2019), as PyTorch orders it:
 *   p -= lr decay p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2;  p -= lr / c1 m / (sqrt(v) / sqrt(c2) + eps)
 * with c1 = 1 - b1^t, c2 = 1 - b2^t. Adam proper (l2 decay 0) is the same with decay 0. clipped: g is multiplied by
 * limit[1] (below) first. */
KERNEL void adam(__global float *restrict p, __global const float *restrict g, __global float *restrict m,
                 __global float *restrict v, __global const float *restrict limit,
                 const int4 size /* vectors, run, clipped, 0 */, const float4 rate /* 1 - b2, lr decay, 1 - b1, b2 */,
                 const float4 scale /* lr / c1, 1 / sqrt(c2), eps, 0 */) {
  const float factor = size.z ? limit[1] : 1.0f;
  const int first = get_global_id(0) * size.y, last = min(first + size.y, size.x);
  for (int i = first; i < last; i++) {
    const size_t at = (size_t)i * CB;
    const FV grad = LOAD(g + at) * factor;
    FV w = LOAD(p + at);
    w -= rate.y * w;
    const FV m0 = LOAD(m + at), m1 = m0 + rate.z * (grad - m0);
    const FV v1 = rate.w * LOAD(v + at) + rate.x * grad * grad;
    STORE(m1, m + at);
    STORE(v1, v + at);
    STORE(w - scale.x * m1 / (sqrt(v1) * scale.y + scale.z), p + at);
  }
}

/* Sums of squares of vectors: on a CPU one an item, of its `run` vectors; on a GPU one a group, of every vector at a
 * distance of the global size. */
KERNEL void squares(__global const float *restrict g, __global float *restrict part,
                    const int2 size /* vectors, run */) {
  FV sum = ZERO;
#if WG == 1
  const int first = get_global_id(0) * size.y, last = min(first + size.y, size.x), step = 1;
#else
  const int first = get_global_id(0), last = size.x, step = get_global_size(0);
#endif
  for (int i = first; i < last; i += step) {
    const FV v = LOAD(g + (size_t)i * CB);
    sum = FMA(v, v, sum);
  }
  float one = sum_of(sum);
#if WG > 1
  __local float scratch[WG];
  GROUP_SUM(one, scratch);
  if (get_local_id(0) != 0) return;
#endif
  part[get_group_id(0)] = one;
}

/* limit = (norm, factor): the root of the sum of all parts, and what a vector of that norm is multiplied by so that its norm
 * is `most` at most, as PyTorch clips (most 0: as it is). Global size: (WG, 1, 1). */
KERNEL void norm_limit(__global const float *restrict part, __global float *restrict limit, const int parts,
                       const float most) {
  float sum = 0.0f, lost = 0.0f; /* Kahan */
  for (int i = get_local_id(0); i < parts; i += WG) {
    const float v = part[i] - lost, t = sum + v;
    lost = (t - sum) - v;
    sum = t;
  }
#if WG > 1
  __local float scratch[WG];
  GROUP_SUM(sum, scratch);
  if (get_local_id(0) != 0) return;
#endif
  const float norm = sqrt(sum);
  limit[0] = norm;
  limit[1] = most > 0.0f && norm > most ? most / (norm + 1e-6f) : 1.0f;
}
