/* A method, or a refinement, learns from pictures as the network sees them: whole, or in tiles
 * (data/tiles.h). */
#ifndef FM_TASK_LEARN_H
#define FM_TASK_LEARN_H

#include "model/method.h"

/* The recipe's method learns from pictures: m->learned, and m->data.tiles where they were cut. What
 * it takes is checked before, where the method can say it: FM_LIMIT. */
enum fm_status fm_learn(struct fm_device *d, const struct fm_train *pictures, struct fm_model *m);

/* As fm_f2pad_fit, of pictures. */
enum fm_status fm_learn_refinement(struct fm_device *d, struct fm_model *m, const struct fm_train *pictures,
                                   const struct fm_sample *held, size_t held_count);

#endif
