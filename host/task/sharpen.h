/* Learning to sharpen maps (F2PAD), and the threshold of pictures whose score comes from sharpened maps. */
#ifndef FM_TASK_SHARPEN_H
#define FM_TASK_SHARPEN_H

#include "model/method.h"

/* As fm_f2pad_fit (refine/f2pad.h), for a model that did not learn from the held-out pictures; then the
 * threshold. */
enum fm_status fm_sharpen_fit(struct fm_device *d, struct fm_model *model, const struct fm_train *t,
                              const struct fm_sample *held, size_t count);

/* The threshold anew, from good pictures that the model did not learn from; nothing where a picture's score
 * is the detector's own. what: "held-out good pictures". */
enum fm_status fm_sharpen_calibrate(struct fm_device *d, struct fm_model *model,
                                    const struct fm_sample *samples, size_t count, const char *what);

#endif
