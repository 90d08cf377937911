/* What conv.c and the rows of variant.c share. */
#ifndef FM_OP_CONV_INTERNAL_H
#define FM_OP_CONV_INTERNAL_H

#include "op/conv.h"

/* Rows a work-item takes: many where there is work for everyone, so that set-up is shared. */
int fm_conv_rows(const struct fm_facts *f, int height, int others);

/* Parts of the batch that a gradient to the weights is summed in, where `items` work-items share a part. */
int fm_conv_parts(const struct fm_facts *f, const struct fm_conv *c, int items, const struct fm_acts *in,
                  const struct fm_acts *dy);

#endif
