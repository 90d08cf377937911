/* What bench.c and bench_operators.c share: a pass with everything it needs. */
#ifndef FM_CHECK_BENCH_INTERNAL_H
#define FM_CHECK_BENCH_INTERNAL_H

#include "check/bench.h"
#include "method/cdo.h"
#include "method/scorer.h"

struct fm_bench {
  struct fm_device *d;
  const struct fm_bench_pass *pass;
  struct fm_model model;          /* only what the networks need */
  struct fm_scorer *scorer;       /* inference */
  struct fm_cdo_trainer *trainer; /* training */
  unsigned char *mask;            /* the masks the trainer has */
  float *maps;
  long step;
};

/* Weights, pictures on the device, nets; released with close, also after a failure. */
enum fm_status fm_bench_open(struct fm_device *d, const struct fm_bench_pass *pass, struct fm_bench *b);
void fm_bench_close(struct fm_bench *b);

#endif
