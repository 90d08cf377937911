/* Passes over the pixels of scored pictures: the normal ones and the flawed ones, a piece of a row at a time.
 *
 * Masks are read once: what stays of them are the runs of flawed pixels with the area of their region, as
 * long as all of them together fit into FM_SCAN_RUNS bytes; a picture whose runs do not is asked for its mask
 * again in every pass. */
#ifndef FM_SCORE_SCAN_H
#define FM_SCORE_SCAN_H

#include "score/scored.h"

#include <stdint.h>

#define FM_SCAN_RUNS ((size_t)128 << 20)

struct fm_run { /* flawed pixels [x0, x1) of row y, of a region of that area */
  int y, x0, x1;
  uint32_t area;
};

struct fm_scan_picture {
  int width, height;
  bool flawed, unmarked, kept; /* flawed: the picture is; kept: its runs are here */
  float low, high;
  size_t pixels, flaws, regions; /* pixels: that count; flaws: of them, the flawed ones */
  struct fm_run *run;
  size_t runs;
};

struct fm_scan {
  struct fm_context *ctx;
  const struct fm_source *source;
  int lanes;                       /* pictures at a time */
  struct fm_scan_picture *picture; /* [source->count] */
  size_t normals, flaws, regions;  /* in all */
  size_t runs_limit;
};

/* scores[n] of pixels side by side; area: of their region, 0: normal ones. lane: below scan.lanes, one for
 * each thread. */
struct fm_visitor {
  void (*visit)(void *user, int lane, const float *scores, size_t n, uint32_t area);
  void *user;
};

/* How many pictures will be looked at at a time. */
int fm_scan_lanes(struct fm_context *ctx, const struct fm_source *source);

/* The first pass. FM_NUMERIC where a score is not finite. Closed also after a failure. runs_limit: bytes. */
enum fm_status fm_scan_open(struct fm_context *ctx, const struct fm_source *source, size_t runs_limit,
                            const struct fm_visitor *visitor, struct fm_scan *scan);
/* A further one. */
enum fm_status fm_scan_again(struct fm_scan *scan, const struct fm_visitor *visitor);
void fm_scan_close(struct fm_scan *scan);

/* body(user, i) for every picture, at most scan.lanes at a time. */
enum fm_status fm_scan_pictures(struct fm_scan *scan, enum fm_status (*body)(void *user, int lane, size_t i),
                                void *user);

#endif
