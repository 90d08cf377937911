/* Scored pictures: maps and masks as the metrics see them. They are asked for again for every pass over the
 * pixels, so that no more than the pictures at work need be in memory. */
#ifndef FM_SCORE_SCORED_H
#define FM_SCORE_SCORED_H

#include "base/status.h"

struct fm_scored { /* one picture */
  int width, height;
  const float *map;          /* height * width; NULL: row makes it */
  const unsigned char *mask; /* the same, non-zero: flawed; NULL: nothing is */
  bool flawed;   /* it is, whatever the mask shows; a mask with a flawed pixel says so by itself */
  bool unmarked; /* where its flaws are is not known: none of its pixels counts */
  void (*row)(const struct fm_scored *picture, int y, float *row);
  void *room; /* the source's */
};

/* Must give the same pixels whenever it is asked; open is called by several threads at once. */
struct fm_source {
  size_t count;
  int at_once; /* pictures that may be open at the same time; 0: as many as there are threads */
  /* mask: false where the mask is not needed again. Closed also after a failure. */
  enum fm_status (*open)(void *user, size_t index, bool mask, struct fm_scored *picture);
  void (*close)(void *user, size_t index, struct fm_scored *picture); /* NULL: nothing to close */
  void *user;
};

/* Pictures that are all in memory. */
struct fm_source fm_source_of(const struct fm_scored *pictures, size_t count);

/* Row y, from the map itself or made in room[width]. */
static inline const float *fm_scored_row(const struct fm_scored *p, int y, float *room) {
  if (p->map) return p->map + (size_t)y * (size_t)p->width;
  p->row(p, y, room);
  return room;
}

#endif
