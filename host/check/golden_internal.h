/* What golden.c (computes), golden_judge.c (compares) and golden_again.c (is the golden to blame?) share. */
#ifndef FM_CHECK_GOLDEN_INTERNAL_H
#define FM_CHECK_GOLDEN_INTERNAL_H

#include "check/golden.h"
#include "net/backbone.h"
#include "net/weights.h"

/* What a golden names in its metadata, what is made from it, and what is known so far. */
struct fm_golden {
  struct fm_device *d;
  struct fm_context *ctx;
  const struct fm_safetensors *file;
  const struct fm_backbone *backbone;
  int batch, size, samples;
  uint64_t seed;
  double gamma, lr, decay;
  struct fm_weights expert, apprentice;
  float *pictures;
  unsigned char *masks;
  struct fm_golden_result *result;
  double *errors; /* [group][FM_GOLDEN_TENSORS] */
  size_t stepped_off, stepped_all;
  struct fm_golden_own {
    float *value; /* this device's first step: the samples that fm_golden_moves, one after the other */
    size_t used;
    bool compare; /* steps are compared with these, not with the golden */
  } own;
};

enum { FM_GOLDEN_TENSORS = 4096 }; /* whose errors are kept for the median of a group */

/* Compares `count` values with the golden's tensor of this name, sampled at floor(i n / k); absent: nothing
 * to compare. */
enum fm_status fm_golden_compare(struct fm_golden *g, const char *name, const float *values, size_t count);

/* Largest errors and medians against what is allowed, once everything was compared. */
void fm_golden_judge(struct fm_golden *g);

/* The group of that name; NULL: nothing of it was compared. */
struct fm_golden_group *fm_golden_group_of(struct fm_golden_result *r, const char *name);

/* Whether rounding moves the group's tensors by more than it moves what they are computed from: gradients
 * and what follows from them, where an activation changes sides. */
bool fm_golden_moves(const char *group);

/* The training step, from weights made anew; every tensor of it is compared. */
enum fm_status fm_golden_step(struct fm_golden *g);

/* Where nothing but gradients exceeds its bound: does the golden hang on a rounding? If so these groups
 * become `unclear`, and the result is good without them. */
enum fm_status fm_golden_again(struct fm_golden *g);

#endif
