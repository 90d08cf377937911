/* A coreset: the greedy k-centre choice among points, exactly and fast. The first distance of a point is its
 * mean distance to some starting points (which are no members); then the farthest point becomes a member, and
 * distances the minimum with that to it, again and again. Where several are farthest, the lowest index.
 * Kernels: cl/coreset.cl; how it works: docs/math/patchcore.md. */
#ifndef FM_OP_CORESET_H
#define FM_OP_CORESET_H

#include "device/queue.h"
#include "op/shadow.h"

#include <stdint.h>

enum { FM_CORESET_STARTS = 10 }; /* at most */

struct fm_coreset {
  int count, width; /* points; numbers of each */
  int groups;
  struct fm_buffer points, distance; /* by place; places are points until the first run orders them */
  struct fm_shadow shadow;           /* of the points, once they are ordered, with room for rounding */
  struct fm_buffer tile_box, family_box;
  float largest;      /* |point|^2 */
  int *point, *place; /* the point at each place, -1 past the last; its place. NULL: not ordered */
};

/* Room for points of `width` numbers each. */
enum fm_status fm_coreset_make(struct fm_device *d, size_t count, int width, struct fm_coreset *c);
void fm_coreset_free(struct fm_device *d, struct fm_coreset *c);

/* rows [count][width], row-major, are points first, first + 1, ...; enqueued. Before the first run. */
void fm_coreset_add(struct fm_device *d, const struct fm_coreset *c, const struct fm_buffer *rows, int count,
                    int first);

/* Only the first `count` points came; the others are none. Before the first run. */
void fm_coreset_trim(struct fm_device *d, struct fm_coreset *c, size_t count);

struct fm_coreset_options {
  const uint32_t *start; /* [starts] points */
  int starts;            /* 1..FM_CORESET_STARTS; 0: the choice goes on from `before` */
  size_t before;         /* with starts 0: so many first points are members already */
  size_t want;           /* members to choose, at most as many as there are points */
  int pool;              /* points of a pool; 0: what is fast */
  const char *text;      /* names the work for the progress */
};

/* Bytes of device memory and of the host's that fm_coreset_run takes for itself. */
size_t fm_coreset_bytes(const struct fm_device *d, const struct fm_coreset *c,
                        const struct fm_coreset_options *o);

/* member [want]: in the order of the choice; *count of them: fewer where every point coincides with a member
 * already. Points that are not finite are FM_NUMERIC; a request to stop is FM_STOPPED. Can be run again. */
enum fm_status fm_coreset_run(struct fm_device *d, struct fm_coreset *c, const struct fm_coreset_options *o,
                              uint32_t *member, size_t *count);

/* After a run, of the points' distances, squared, to the members: distance [count]. */
enum fm_status fm_coreset_distances(struct fm_device *d, const struct fm_coreset *c, float *distance);

#endif
