/* The test pictures of an evaluation at their own size. Maps are made from the network's small ones whenever
 * they are asked for; masks are held as long as all of them together fit into FM_MASKS_HELD bytes, else read
 * again. So memory does not grow with the number of pictures times their size. */
#ifndef FM_APP_FULL_SIZE_H
#define FM_APP_FULL_SIZE_H

#include "data/mask.h"
#include "score/metrics.h"
#include "task/score_batch.h"

#define FM_MASKS_HELD ((size_t)128 << 20)

struct fm_full_picture {
  int width, height;
  const float *small;   /* the network's map, the caller's */
  struct fm_drawn mask; /* what it is like; its pixels are NULL where they are not held */
};

struct fm_full_size {
  struct fm_context *ctx;
  struct fm_preprocess preprocess;
  const struct fm_sample *sample;  /* [count] */
  struct fm_full_picture *picture; /* [count] */
  size_t count;
  bool masks; /* they are there, and wanted */
  atomic_size_t held;
};

/* Sizes and small maps are put into picture by the caller. Closed also after a failure. */
enum fm_status fm_full_size_open(struct fm_context *ctx, const struct fm_preprocess *preprocess,
                                 const struct fm_sample *samples, size_t count, bool masks,
                                 struct fm_full_size *full);
void fm_full_size_close(struct fm_full_size *full);

/* Looks at all masks: notes on what is odd about them, and reduced[i] at the network's size, the caller's,
 * for flawed pictures. */
enum fm_status fm_full_size_masks(struct fm_full_size *full, unsigned char **reduced);

/* For fm_metrics_compute. */
struct fm_source fm_full_size_source(struct fm_full_size *full);

/* A whole map, the caller's (fm_free); NULL: no memory. */
float *fm_full_size_map(struct fm_full_size *full, size_t i);

/* The mask of picture i, held or read into *room, which the caller frees (fm_free) in either case; NULL: it
 * has none. */
enum fm_status fm_full_size_mask(struct fm_full_size *full, size_t i, unsigned char **room,
                                 const unsigned char **mask);

/* What the exact metrics of these pictures take at most, for pixels in all and in the largest. */
size_t fm_full_size_bytes(struct fm_full_size *full, struct fm_source *source, size_t all, size_t largest);

#endif
