/* What tune.c and tune_time.c share: one convolution with everything that it takes to run it. */
#ifndef FM_CHECK_TUNE_INTERNAL_H
#define FM_CHECK_TUNE_INTERNAL_H

#include "check/tune.h"

struct fm_tune_case {
  struct fm_conv conv;
  enum fm_conv_way way;
  struct fm_acts in, out; /* FM_CONV_WEIGHTS: the input and dy */
};

/* A row with a tile, and the memory of its own. */
struct fm_tune_way {
  struct fm_call call;
  struct fm_buffer prepared, scratch;
  double error;
};

struct fm_tune_bench {
  struct fm_device *d;
  struct fm_tune_case c;
  struct fm_buffer weights, bias, dw;
  struct fm_tune_way rule; /* what the others are compared with */
  float *want, *got;       /* its result, theirs */
  size_t count;            /* numbers of a result */
  double largest;          /* of them */
  double seconds;          /* that the rule's choice takes, by a first look */
};

/* The buffers with random numbers, and the result of the rule's choice; closed also after a failure. */
enum fm_status fm_tune_open(struct fm_device *d, const struct fm_tune_case *c, struct fm_tune_bench *b);
void fm_tune_close(struct fm_tune_bench *b);

/* A row with a tile; NULL, NULL: the rule's. Freed also after a failure. */
enum fm_status fm_tune_way_make(struct fm_tune_bench *b, const struct fm_variant *row,
                                const struct fm_tile *tile, struct fm_tune_way *way);
void fm_tune_way_free(struct fm_tune_bench *b, struct fm_tune_way *way);

/* Whether it computes what the rule's choice does, within what both rows may be off. */
enum fm_status fm_tune_agrees(struct fm_tune_bench *b, struct fm_tune_way *way, bool *agrees);

/* The least of a few runs in seconds; gives up early on what takes half as long again as `best`. */
enum fm_status fm_tune_time(struct fm_tune_bench *b, struct fm_tune_way *way, double best, double *seconds);

/* Two ways that were run in turn. ratio: time by the rule over time of this way, that twelve of fifteen pairs
 * reach, and the least times of both, too. calm: each way takes about the same time whenever it is run; else
 * something else was computing, and ratio says nothing. */
struct fm_tune_pairs {
  double ratio, seconds; /* seconds: the median of this way */
  bool calm;
};
enum fm_status fm_tune_ratio(struct fm_tune_bench *b, struct fm_tune_way *way, struct fm_tune_pairs *p);

#endif
