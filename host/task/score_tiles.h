/* A picture through a network in tiles: cut, made fit and scored a batch at a time, and put together again.
 * Part of score_batch.h, which says what comes of it. */
#ifndef FM_TASK_SCORE_TILES_H
#define FM_TASK_SCORE_TILES_H

#include "refine/f2pad.h"

/* What came of the picture at hand, at the size of its map. base, seen and repaired: with a refiner, else
 * NULL. */
struct fm_tiled {
  struct fm_size size;
  float *map, *base;              /* [size] */
  unsigned char *seen, *repaired; /* [size][3] */
  float score;                    /* the largest of the tiles' own; NaN: they have none */
};

struct fm_tile_room; /* for `most` tiles at a time, and the last picture */
enum fm_status fm_tile_room_make(struct fm_context *ctx, const struct fm_preprocess *p, int most, bool refine,
                                 struct fm_tile_room **room);
void fm_tile_room_free(struct fm_tile_room *room); /* NULL: nothing */

/* With a scorer, or a refiner; the result is the room's until the next run. */
enum fm_status fm_tile_room_run(struct fm_tile_room *room, struct fm_scorer *scorer, struct fm_f2pad *refiner,
                                const struct fm_image *picture, struct fm_tiled *out);

#endif
