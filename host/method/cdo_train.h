/* The training of CDO: epochs of steps in a session (session.h); the equations are in cdo.h's kernels, the
 * constants in the recipe. */
#ifndef FM_METHOD_CDO_TRAIN_H
#define FM_METHOD_CDO_TRAIN_H

#include "model/method.h"

/* The trained apprentice into weights (made here; fm_weights_free). The last checkpoint stays on the disk. */
enum fm_status fm_train_run(struct fm_device *d, const struct fm_train *t, struct fm_weights *weights);

#endif
