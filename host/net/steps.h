/* What a step of a network computes, in words and numbers: for measuring. */
#ifndef FM_NET_STEPS_H
#define FM_NET_STEPS_H

#include "net/tape.h"

struct fm_step_facts {
  char name[24];  /* "conv", "conv dw", "norm back" */
  char shape[72]; /* "16 x 3x3/2 64>128 32x32 +res": pictures, kernel and stride, channels, height and width
                     of the output */
  double flops;   /* two a multiply-add, counted as a direct convolution; 0 for what is no convolution */
  double bytes;   /* every tensor it reads or writes counted once, without halo */
};

/* Two steps of equal name and shape do the same work. */
void fm_net_step_facts(const struct fm_net *net, const struct fm_step *step, struct fm_step_facts *facts);

/* Bytes of a tensor's pixels. */
double fm_step_bytes(const struct fm_acts *a);

#endif
