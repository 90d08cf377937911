/* The features of good pictures, batch by batch: what detectors without gradients learn from. */
#ifndef FM_METHOD_TAPS_H
#define FM_METHOD_TAPS_H

#include "model/method.h"
#include "net/net.h"

/* A batch after the network's forward pass was enqueued: its taps hold `count` pictures, the first of which
 * is number `first`. adjusted [count]: what the training's standard did to them. */
struct fm_taps {
  struct fm_net *net;
  size_t first;
  int count;
  const struct fm_adjusted *adjusted;
};

/* Calls take for every batch in the order of the samples. text names the work for the progress; a request to
 * stop is FM_STOPPED. */
enum fm_status fm_taps_run(struct fm_device *d, const struct fm_train *t, const char *text,
                           enum fm_status (*take)(void *user, const struct fm_taps *taps), void *user);

/* Pictures at a time. */
int fm_taps_batch(const struct fm_train *t);

/* The taps of the recipe's pictures, shapes only. */
enum fm_status fm_taps_shapes(struct fm_context *ctx, const struct fm_recipe *recipe,
                              struct fm_acts tap[FM_TAPS]);

/* Device bytes that a run takes. */
enum fm_status fm_taps_bytes(struct fm_device *d, const struct fm_train *t, size_t *bytes);

#endif
