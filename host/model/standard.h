/* A standard in a model's file, under "standard.*". A model that was not asked for one has none of it. */
#ifndef FM_MODEL_STANDARD_H
#define FM_MODEL_STANDARD_H

#include "data/standard.h"
#include "file/safetensors.h"

enum fm_status fm_standard_save(const struct fm_standard *standard, struct fm_safetensors_out *out);

/* adjusts: the recipe asks for light or pose. FM_FORMAT for one that is damaged; where held-out pictures
 * decided against it, nothing is there. *standard is ready, and to be freed also after a failure. */
enum fm_status fm_standard_load(struct fm_context *ctx, const struct fm_safetensors *file, bool adjusts,
                                struct fm_standard *standard);

#endif
