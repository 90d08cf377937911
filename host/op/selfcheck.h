/* What a family of kernels brings to the self-test (op/selftest.h): a small problem with drawn numbers, run
 * through the family's launchers, and the answer that is known for it.
 *
 * An answer is two numbers: the results' sum with drawn weights, which moves with every one of them, and the
 * root of the sum of their squares. They were printed (FLAWMAP_SELFTEST=print) where tests/op compares the
 * same operators with plain C; whoever changes what a kernel computes prints them anew. They do not depend on
 * how a class of devices lays its numbers out.
 *
 * A family is a file of cl/, and its row calls every kernel in it: tests/op/test_families.sh counts. Results
 * begin as NaN, so that a kernel which does nothing is seen. */
#ifndef FM_OP_SELFCHECK_H
#define FM_OP_SELFCHECK_H

#include "op/acts.h"

/* A check as it runs: what it made is freed after it. */
enum { FM_TRIAL_MOST = 48 };
struct fm_trial {
  struct fm_device *d;
  struct fm_context *ctx;
  const char *family;
  bool print;
  struct fm_buffer own[FM_TRIAL_MOST];
  int owned;
};

/* The family's file is cl/<family>.cl. */
struct fm_selfcheck {
  const char *family;
  enum fm_status (*run)(struct fm_trial *t);
};

/* The rows, in the order in which they are walked: who uses another family's kernels comes after it. */
extern const struct fm_selfcheck fm_check_conv, fm_check_winograd, fm_check_wgrad, fm_check_depthwise,
    fm_check_expand, fm_check_norm, fm_check_simple, fm_check_pool, fm_check_resize, fm_check_adam,
    fm_check_cdo, fm_check_map, fm_check_lanes, fm_check_shadow, fm_check_neighbour, fm_check_coreset,
    fm_check_patch, fm_check_mahalanobis, fm_check_gemm, fm_check_flow, fm_check_repair, fm_check_bench;

/* Numbers drawn from [-1, 1), bytes; the name is the stream's. A result to be written: NaN. */
enum fm_status fm_trial_numbers(struct fm_trial *t, const char *name, size_t count, struct fm_buffer *b);
enum fm_status fm_trial_bytes(struct fm_trial *t, const char *name, size_t count, struct fm_buffer *b);
enum fm_status fm_trial_ints(struct fm_trial *t, size_t count, const int *values, struct fm_buffer *b);
enum fm_status fm_trial_room(struct fm_trial *t, size_t count, struct fm_buffer *b);

/* The same for tensors. */
struct fm_trial_shape {
  int n, c, h, w, halo;
};
enum fm_status fm_trial_tensor(struct fm_trial *t, const char *name, struct fm_trial_shape s,
                               struct fm_acts *a);
enum fm_status fm_trial_blank(struct fm_trial *t, struct fm_trial_shape s, struct fm_acts *a);

/* `count` numbers from [-1, 1) on the host: the caller's (fm_free), NULL without memory. */
float *fm_trial_draw(struct fm_trial *t, const char *name, size_t count);

/* FM_DEVICE where what was computed is not the known answer. Rows: the first `used` of `width` numbers of
 * each. */
enum fm_status fm_trial_compare(struct fm_trial *t, const char *what, const float *got, size_t count,
                                double along, double size);
enum fm_status fm_trial_tensor_is(struct fm_trial *t, const char *what, const struct fm_acts *a, double along,
                                  double size);
enum fm_status fm_trial_rows_are(struct fm_trial *t, const char *what, const struct fm_buffer *b, size_t rows,
                                 size_t width, size_t used, double along, double size);
enum fm_status fm_trial_ints_are(struct fm_trial *t, const char *what, const struct fm_buffer *b,
                                 size_t count, double along, double size);

#endif
