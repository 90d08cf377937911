/* Scoring a list of pictures with a model: the loader decodes ahead while the device works.
 *
 * A picture's map at its own size is the network's map enlarged bilinearly (half-pixel corners); where the
 * detector has no other score of a picture it is the largest value of that map, so that a picture is flagged
 * exactly where some pixel of its map is over the same threshold. */
#ifndef FM_TASK_SCORE_SET_H
#define FM_TASK_SCORE_SET_H

#include "model/method.h"

struct fm_score_one {
  size_t index; /* in the list */
  const struct fm_sample *sample;
  int width, height, side; /* the picture's own size, and the network's */
  const float *map;        /* [height][width] */
  const float *small;      /* [side][side] */
  float score, peak;       /* of the picture; the largest value of its map */
  /* Where maps are sharpened: [side][side] the detector's own map, [side][side][3] the repaired picture; else
   * NULL. */
  const float *base;
  const unsigned char *repaired;
  const unsigned char *rgb; /* [side][side][3]: what the network saw */
};

/* Calls take for every picture in order; what it is given is valid during the call. text names the work for
 * the progress. refine: sharpen the maps (F2PAD); FM_USAGE where the model did not learn to. */
enum fm_status fm_score_set(struct fm_device *d, const struct fm_model *model, bool refine,
                            const struct fm_sample *samples, size_t count, const char *text,
                            enum fm_status (*take)(void *user, const struct fm_score_one *one), void *user);

/* The scores of the pictures and the largest values of their maps only, [count] each. */
enum fm_status fm_score_set_scores(struct fm_device *d, const struct fm_model *model,
                                   const struct fm_sample *samples, size_t count, const char *text,
                                   float *scores, float *peaks);

/* The map at the picture's own size (width * height floats, the caller's) and its largest value. */
enum fm_status fm_score_enlarge(struct fm_context *ctx, const float *small, const struct fm_preprocess *p,
                                float *map, int width, int height, float *peak);

/* Both thresholds of a model from good pictures. what: "held-out good pictures". learned: the model was
 * trained with them, so that nothing can be promised. */
enum fm_status fm_model_calibrate(struct fm_device *d, struct fm_model *model,
                                  const struct fm_sample *samples, size_t count, const char *what,
                                  bool learned);

#endif
