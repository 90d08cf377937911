/* CFLOW-AD (Gudovskiy, Ishizaka, Kozuka, WACV 2022): a normalising flow for each tap, which learns how likely
 * a feature vector is where it was found; unlikely is flawed. The equations: docs/math/cflow.md.
 *
 * What a model holds, as cflow.*: for taps 1 to 3 and blocks from 1 on tapT.blockB.w1, b1, w2, b2, scale,
 * offset and the fixed mixing (op/flow.h), and maxima, for each tap the log-likelihood a channel from which
 * on a cell is beyond doubt. */
#ifndef FM_METHOD_CFLOW_H
#define FM_METHOD_CFLOW_H

#include "model/method.h"
#include "op/flow.h"

enum fm_status fm_cflow_shapes(struct fm_context *ctx, const struct fm_recipe *recipe,
                               struct fm_flow_shape shape[FM_TAPS]);

/* Whether the network pads by reflection: fm_net_reflect. */
bool fm_cflow_reflects(const struct fm_recipe *recipe);

/* Room for everything, zero; the initial values; whether a mixing from a file can be used (FM_FORMAT). */
enum fm_status fm_cflow_weights(struct fm_context *ctx, const struct fm_recipe *recipe, struct fm_weights *w);
enum fm_status fm_cflow_init(const struct fm_recipe *recipe, struct fm_weights *w);
enum fm_status fm_cflow_check(const struct fm_weights *w, const char *path);

/* A block's tensors, and the maxima [FM_TAPS]. tap, block: from 0. */
struct fm_flow_block fm_cflow_block(const struct fm_weights *w, int tap, int block);
float *fm_cflow_maxima(const struct fm_weights *w);

enum fm_status fm_cflow_flow(struct fm_device *d, const struct fm_weights *w, int tap,
                             const struct fm_flow_shape *shape, enum fm_flow_use use, int rows,
                             struct fm_flow **flow);

/* The training: cflow_train.c. */
enum fm_status fm_cflow_fit(struct fm_device *d, const struct fm_train *t, struct fm_weights *learned);

#endif
