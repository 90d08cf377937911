/* Variants: which kernel computes a convolution on this device. A variant is a row of the table in variant.c:
 * a name, the kernel's file, for what it fits, and how a shape becomes a launch. The first row that fits
 * and pays is taken, so the choice depends on the device's facts and the shape alone.
 * FLAWMAP_VARIANT=NAME,... takes a row wherever it fits (tests); FLAWMAP_VERBOSE=choose says what was taken
 * and why.
 *
 * All rows share the layout of weights and tensors (conv.h), so that a new kernel is its .cl and its row. */
#ifndef FM_OP_VARIANT_H
#define FM_OP_VARIANT_H

#include "op/conv.h"

enum fm_operator {
  FM_OP_CONV, /* forward, and the gradient to the input, which is a convolution of dy */
  FM_OP_WGRAD /* gradient to the weights */
};

struct fm_shape {
  enum fm_operator op;
  const struct fm_conv *conv;     /* not depthwise */
  const struct fm_acts *in, *out; /* FM_OP_WGRAD: the input and dy */
  int stride;                     /* of the walk through `in` */
  bool phase;                     /* gradient to the input of stride 2 (cl/conv.cl) */
};

/* A launch. size, use: what the kernel's arguments of these names hold. */
struct fm_work {
  char options[160];
  size_t global[3], local[3];
  int size[4];
  int use[2], parts; /* FM_OP_WGRAD; parts: partial sums */
};

struct fm_variant {
  const char *name, *file, *kernel, *why;
  enum fm_operator op;
  bool (*fits)(const struct fm_facts *f, const struct fm_shape *s); /* can compute it */
  bool (*pays)(const struct fm_facts *f,
               const struct fm_shape *s); /* and is worth taking before the next row */
  void (*describe)(const struct fm_facts *f, const struct fm_shape *s, struct fm_work *work);
};

/* Never NULL: every operator has a row that always fits. */
const struct fm_variant *fm_variant_choose(const struct fm_facts *f, const struct fm_shape *s,
                                           struct fm_work *work);

/* FLAWMAP_VERBOSE=choose: a line about the choice. */
void fm_variant_say(struct fm_device *d, const struct fm_shape *s);

#endif
