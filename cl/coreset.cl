/* Greedy choice of points that cover the others (k-centre): again and again the point that is farthest from all chosen
 * ones. docs/math/patchcore.md says how whole rounds of picks are made exactly from a pool of the farthest points.
 *
 * Points lie side by side as cl/lanes.cl makes them, K numbers each. Distances are squared, and everywhere the same sum in
 * the same order: NEARER for k = 0..K-1. So a distance has the same bits wherever it is computed.
 *   PX      centres that `cover` takes at a time
 *   CHAINS  groups of the pool that `pick` takes at a time
 *   STRETCH numbers of a point between two looks of `cover` at whether it can still come nearer */
#define LANES (CB * WG)
#define CHAINS 8
#define STRETCH 16
#define NEARER(acc, x, m)                                                                                              \
  do {                                                                                                                 \
    const FV d_ = (x) - (m);                                                                                           \
    acc = FMA(d_, d_, acc);                                                                                            \
  } while (0)

/* dist = (mean over the centres of the root of the squared distance)^2; centres [count][K].
 * Global size: (groups * WG, 1, 1). */
KERNEL void spread(__global const float *restrict point, __global const float *restrict centre,
                   __global float *restrict dist, const int4 size /* K, groups, count, 0 */) {
  const int g = get_group_id(0), lane = get_local_id(0), K = size.x;
  if (g >= size.y) return;
  __global const float *x = point + (size_t)g * K * LANES + lane * CB;
  FV sum = ZERO;
  for (int c = 0; c < size.z; c++) {
    FV acc = ZERO;
    for (int k = 0; k < K; k++) NEARER(acc, LOAD_ANY(x + (size_t)k * LANES), (FV)(centre[c * K + k]));
    sum += sqrt(acc);
  }
  sum /= (FV)((float)size.z);
  STORE_ANY(sum * sum, dist + (size_t)g * LANES + lane * CB);
}

/* Rows of `point` as they were: row [count][K] of the points in `which`. Global size: (gx over K, count, 1). */
KERNEL void rows_of(__global const float *restrict point, __global const int *restrict which,
                    __global float *restrict row, const int K) {
  const int r = get_global_id(1), at = which[r];
  __global const float *x = point + (size_t)(at / LANES) * K * LANES + at % LANES;
  for (int k = get_global_id(0); k < K; k += get_global_size(0)) row[(size_t)r * K + k] = x[(size_t)k * LANES];
}

/* The pool: points of `which` (ascending; -1: none), side by side again, and their distances (-1: none).
 * Global size: (slots, 1, 1). */
KERNEL void gather(__global const float *restrict point, __global const float *restrict dist,
                   __global const int *restrict which, __global float *restrict pool, __global float *restrict near,
                   const int2 size /* K, slots */) {
  const int s = get_global_id(0), K = size.x;
  if (s >= size.y) return;
  const int from = which[s], at = max(from, 0);
  __global const float *x = point + (size_t)(at / LANES) * K * LANES + at % LANES;
  __global float *y = pool + (size_t)(s / LANES) * K * LANES + s % LANES;
  for (int k = 0; k < K; k++) y[(size_t)k * LANES] = x[(size_t)k * LANES];
  near[s] = from < 0 ? -1.0f : dist[from];
}

/* One pick within the pool, and the distances to it. Every work-group finds the winner by itself among what the launch
 * before left behind (value, slot of each group: the farthest of its part of the pool, the lowest where several are),
 * updates its part and leaves its own farthest behind. The first group writes the winner's slot down, or -1 where a point
 * outside of the pool might be farther: it is at most `limit` away, and where it is, has a slot from `low` on.
 * Nor is a point picked that a member coincides with. at < 0: no pick yet.
 * Global size: (groups * WG, 1, 1), `each` groups of lanes a group. */
KERNEL void pick(__global const float *restrict pool, __global float *restrict near,
                 __global const float *restrict before, __global const int *restrict before_slot,
                 __global float *restrict after, __global int *restrict after_slot, __global int *restrict picks,
                 const int4 size /* K, groups of lanes, each, work-groups */, const int2 pick /* at, low */,
                 const float limit) {
  const int group = get_group_id(0), lane = get_local_id(0), K = size.x;
  const int first = group * size.z, last = min(first + size.z, size.y);
  int winner = -1;
  if (pick.x >= 0) {
    float most = -1.0f;
    for (int i = 0; i < size.w; i++) {
      const float v = before[i];
      if (v > most) {
        most = v;
        winner = before_slot[i];
      }
    }
    if (!(most > 0.0f && (most > limit || (most == limit && winner < pick.y)))) winner = -1;
    if (group == 0 && lane == 0) picks[pick.x] = winner;
  }
  __global const float *m = pool + (size_t)(max(winner, 0) / LANES) * K * LANES + max(winner, 0) % LANES;
  FV best = (FV)(-2.0f);
  IV slot = (IV)(0);
  for (int g = first; g < last; g += CHAINS) {
    FV acc[CHAINS];
    size_t at[CHAINS]; /* the last group again where there are no more: the same value is written twice */
    UNROLL for (int c = 0; c < CHAINS; c++) {
      acc[c] = ZERO;
      at[c] = (size_t)min(g + c, last - 1);
    }
    if (winner >= 0)
      for (int k = 0; k < K; k++) {
        const FV v = (FV)(m[(size_t)k * LANES]);
        UNROLL for (int c = 0; c < CHAINS; c++) NEARER(acc[c], LOAD_ANY(pool + (at[c] * K + k) * LANES + lane * CB), v);
      }
    UNROLL for (int c = 0; c < CHAINS; c++) {
      __global float *n = near + at[c] * LANES + lane * CB;
      FV v = LOAD_ANY(n);
      if (winner >= 0) {
        v = CLAMP_HIGH(v, acc[c]);
        STORE_ANY(v, n);
      }
      const IV farther = v > best;
      best = select(best, v, farther);
      slot = select(slot, (IV)((int)at[c] * LANES), farther);
    }
  }
  float v[CB];
  int s[CB];
  STORE_ANY(best, v);
  STORE_ANY(slot, s);
  float most = v[0];
  int where = s[0] + lane * CB;
  for (int i = 1; i < CB; i++) {
    const int here = s[i] + lane * CB + i;
    if (v[i] > most || (v[i] == most && here < where)) {
      most = v[i];
      where = here;
    }
  }
#if WG > 1
  __local float mosts[WG];
  __local int wheres[WG];
  mosts[lane] = most;
  wheres[lane] = where;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; i < WG && lane == 0; i++)
    if (mosts[i] > most || (mosts[i] == most && wheres[i] < where)) {
      most = mosts[i];
      where = wheres[i];
    }
  if (lane > 0) return;
#endif
  after[group] = most;
  after_slot[group] = where;
}

/* The picked rows for `cover`, row-major, and their shadows, CB side by side; the first one again where there was no pick.
 * which: the places of the pool's points. Global size: (launches, 1, 1). */
KERNEL void centres(__global const float *restrict pool, __global const float *restrict shadow,
                    __global const int *restrict which, __global const int *restrict picks,
                    __global float *restrict centre, __global float *restrict centre_shadow,
                    const int2 size /* K, launches */) {
  const int i = get_global_id(0), K = size.x;
  if (i >= size.y) return;
  const int s = picks[i] < 0 ? picks[0] : picks[i], place = which[s];
  __global const float *x = pool + (size_t)(s / LANES) * K * LANES + s % LANES;
  for (int k = 0; k < K; k++) centre[(size_t)i * K + k] = x[(size_t)k * LANES];
  __global const float *from = shadow + (size_t)(place / LANES) * AXES * LANES + place % LANES;
  for (int a = 0; a < AXES; a++) centre_shadow[(i / CB * AXES + a) * CB + i % CB] = from[a * LANES];
}

#ifdef ROOM
/* Of CB shadows the squared distances to a box, [2][AXES]. */
#define OUTSIDE(shadow_, box_, sum_)                                                                                   \
  UNROLL for (int a_ = 0; a_ < AXES; a_++) {                                                                           \
    const FV s_ = LOAD_ANY((shadow_) + a_ * CB), below_ = (FV)((box_)[a_]) - s_,                                       \
             above_ = s_ - (FV)((box_)[AXES + a_]);                                                                    \
    const FV d_ = CLAMP_LOW(CLAMP_LOW(below_, above_), ZERO);                                                          \
    sum_ = FMA(d_, d_, sum_);                                                                                          \
  }

/* The largest of all lanes of a work-group. */
#if WG > 1
#define LARGEST(value) largest(value, mosts)
inline float largest(const FV value, __local float *mosts) {
#else
#define LARGEST(value) largest(value)
inline float largest(const FV value) {
#endif
  float v[CB], most = 0;
  STORE_ANY(value, v);
  UNROLL for (int i = 0; i < CB; i++) most = v[i] > most ? v[i] : most;
#if WG > 1
  mosts[get_local_id(0)] = most;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = 0; i < WG; i++) most = mosts[i] > most ? mosts[i] : most;
#endif
  return most;
}

#if WG == 1
/* Of `count` centres, whose shadows lie CB side by side, those that are near a box: a list of them, in order. */
#define NEAR_BOX(shadow_, count_, box_, beyond_, list_, near_)                                                         \
  for (int c_ = 0; c_ < (count_); c_ += CB) {                                                                          \
    FV sum_ = ZERO;                                                                                                    \
    OUTSIDE((shadow_) + c_ * AXES, box_, sum_)                                                                         \
    int in_[CB];                                                                                                       \
    STORE_ANY(sum_ < (FV)(beyond_), in_);                                                                              \
    for (int i_ = 0; i_ < min(CB, (count_)-c_); i_++)                                                                  \
      if (in_[i_]) (list_)[(near_)++] = c_ + i_;                                                                       \
  }
#endif

/* dist = min(dist, squared distance to each centre), for all points.
 *
 * Most centres are too far from a tile of points to come nearer than what these have: their shadow is as far from the box
 * around the tile's. The others make a list, whose order does not matter; on a CPU after another for a family of tiles, and
 * before one of those whose shadow is near to that of some point. A sum of squares never falls, rounded or not: where it is
 * past dist for all of a tile after some stretch, the rest of it changes nothing.
 * Global size: (families * WG, 1, 1); a family is a tile where WG > 1. */
KERNEL void cover(__global const float *restrict point, __global const float *restrict shadow,
                  __global const float *restrict tile_box, __global const float *restrict family_box,
                  __global const float *restrict centre, __global const float *restrict centre_shadow,
                  __global const int *restrict picks, __global float *restrict dist,
                  const int4 size /* K, tiles, launches, 0 */, const float slack) {
  const int family = get_group_id(0), lane = get_local_id(0), K = size.x;
  const int first = family * FAMILY, last = min(first + FAMILY, size.y);
  if (first >= size.y) return;
#if WG > 1
  __local int list[ROOM], counted;
  __local float mosts[WG];
#else
  int list[ROOM], ours[ROOM], made = 0, all = 0;
  float theirs[ROOM * AXES];
  FV far = ZERO;
  for (int g = first; g < last; g++) {
    const FV v = LOAD_ANY(dist + (size_t)g * LANES);
    far = select(far, v, v > far);
  }
  while (made < size.z && picks[made] >= 0) made++;
  const float room = BEYOND(LARGEST(far), slack);
  NEAR_BOX(centre_shadow, made, family_box + (size_t)family * 2 * AXES, room, ours, all)
  for (int i = 0; i < all; i++)
    UNROLL for (int a = 0; a < AXES; a++)
      theirs[(i / CB * AXES + a) * CB + i % CB] = centre_shadow[(ours[i] / CB * AXES + a) * CB + ours[i] % CB];
#endif
  for (int tile = first; tile < last; tile++) {
    __global const float *x = point + (size_t)tile * K * LANES + lane * CB;
    __global float *near = dist + (size_t)tile * LANES + lane * CB;
    __global const float *box = tile_box + (size_t)tile * 2 * AXES;
    FV least = LOAD_ANY(near);
    const float reach = BEYOND(LARGEST(least), slack);
    int count = 0;
#if WG > 1
    if (lane == 0) counted = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = lane * CB; c < size.z; c += WG * CB) {
      FV sum = ZERO;
      int in[CB];
      OUTSIDE(centre_shadow + c * AXES, box, sum)
      STORE_ANY(sum < (FV)(reach), in);
      for (int i = 0; i < min(CB, size.z - c); i++)
        if (in[i] && picks[c + i] >= 0) list[atomic_inc(&counted)] = c + i;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    count = counted;
#else
    __global const float *thrown = shadow + (size_t)tile * AXES * LANES;
    const FV beyond = BEYOND(least, slack);
    int boxed = 0;
    NEAR_BOX(theirs, all, box, reach, list, boxed)
    for (int c = 0; c < boxed; c += PX) {
      const float *s[PX];
      int id[PX];
      FV acc[PX];
      UNROLL for (int p = 0; p < PX; p++) {
        const int i = list[min(c + p, boxed - 1)];
        id[p] = ours[i];
        s[p] = theirs + i / CB * AXES * CB + i % CB;
        acc[p] = ZERO;
      }
      for (int a = 0; a < AXES; a++) {
        const FV v = LOAD_ANY(thrown + a * LANES);
        UNROLL for (int p = 0; p < PX; p++) NEARER(acc[p], v, (FV)(s[p][a * CB]));
      }
      UNROLL for (int p = 0; p < PX; p++)
        if (c + p < boxed && any(acc[p] < beyond)) list[count++] = id[p];
    }
#endif
    for (int c = 0; c < count; c += PX) {
      __global const float *m[PX];
      FV acc[PX];
      UNROLL for (int p = 0; p < PX; p++) {
        m[p] = centre + (size_t)list[min(c + p, count - 1)] * K;
        acc[p] = ZERO;
      }
      int k = 0;
      for (IV nearer = (IV)(-1); k < K && any(nearer);) {
        for (const int end = min(k + STRETCH, K); k < end; k++) {
          const FV v = LOAD_ANY(x + (size_t)k * LANES);
          UNROLL for (int p = 0; p < PX; p++) NEARER(acc[p], v, (FV)(m[p][k]));
        }
        nearer = (IV)(0);
        UNROLL for (int p = 0; p < PX; p++) nearer |= acc[p] < least;
      }
      UNROLL for (int p = 0; p < PX; p++) least = CLAMP_HIGH(least, acc[p]);
    }
    STORE_ANY(least, near);
  }
}
#endif
