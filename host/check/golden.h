/* Golden files: reference values of a whole training step and a map, computed in double precision by other
 * software, made from procedural weights and pictures. Recomputed here, they prove that a device and its
 * driver compute right. */
#ifndef FM_CHECK_GOLDEN_H
#define FM_CHECK_GOLDEN_H

#include "base/embedded.h"
#include "device/device.h"
#include "file/safetensors.h"

/* One group of tensors ("grad"): errors and what is allowed. */
struct fm_golden_group {
  char name[32];
  size_t tensors;
  double largest, median, allowed_largest, allowed_median;
  char worst[128]; /* the tensor of the largest error */
  bool good;
  /* Where the bound is exceeded, but this device's own values move about as far by a rounding of the pictures
   * (moves_...): the golden says nothing about this group. */
  bool unclear;
  double moves_largest, moves_median;
};

enum { FM_GOLDEN_GROUPS = 12 };
struct fm_golden_result {
  char backbone[64];
  int batch, size, groups;
  uint64_t seed;
  struct fm_golden_group group[FM_GOLDEN_GROUPS];
  bool good;    /* every group is, or is unclear */
  bool unclear; /* one of them at least */
};

/* The first group that is called wrong, NULL: none is. And whether it is so by its median alone. */
const struct fm_golden_group *fm_golden_wrong(const struct fm_golden_result *result);
bool fm_golden_by_median(const struct fm_golden_group *group);

/* The goldens that are built into the program: the first one after `last` (NULL: the first of all), NULL
 * after them. */
const struct fm_embedded *fm_golden_next(const struct fm_embedded *last);
enum fm_status fm_golden_open(struct fm_context *ctx, const struct fm_embedded *golden,
                              struct fm_safetensors **file);

enum fm_status fm_golden_verify(struct fm_device *d, const struct fm_safetensors *file,
                                struct fm_golden_result *result);

#endif
