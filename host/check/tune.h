/* Which rows and tiles (op/variant.h) are faster on a device than the rule's: measured, shape by shape, for
 * the convolutions of networks; the result is lines of op/tuned.h. */
#ifndef FM_CHECK_TUNE_H
#define FM_CHECK_TUNE_H

#include "net/steps.h"
#include "op/tuned.h"

struct fm_tune_options {
  const struct fm_backbone *const *networks;
  int count;
  int batch, size; /* inference of 1 and of `batch` pictures, training of `batch` */
  double gain;     /* what is gained in time, at least, to be worth a line: 0.05 */
  bool quick;      /* a few shapes and tiles, to see that it works */
  /* Called after every shape with all lines as they are then, so that an interruption loses one shape; NULL:
   * not called. */
  enum fm_status (*keep)(void *arg, const struct fm_tuned *t);
  void *arg;
};

struct fm_tune_result {
  long shapes;        /* that were measured */
  long tried;         /* rows with tiles */
  long wrong;         /* of them gave another result and were left out */
  long disturbed;     /* winners whose times changed so much that the rule's choice was kept */
  double us, rule_us; /* of one each of all shapes, as they are now and by the rule */
};

/* Puts what won in the place of this device's lines for each shape in *t. Stopped (FM_STOPPED) or failed, *t
 * has what was found until then, nothing of the shape that was not finished. Progress on stderr. */
enum fm_status fm_tune_run(struct fm_device *d, const struct fm_tune_options *o, struct fm_tuned *t,
                           struct fm_tune_result *result);

#endif
