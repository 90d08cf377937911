/* What the tests of operators share: one device for a program, tensors between red zones, comparison.
 *
 * Every buffer lies between two zones of a bit pattern that is a NaN, the room behind the last plane holds
 * the same pattern, and outputs begin as that NaN: what a kernel reads by mistake spoils its result, what it
 * writes by mistake is seen. FLAWMAP_TEST_SMALL=1: a reduced table of shapes; 2: those of little work only,
 * for interpreters. FLAWMAP_TEST_BARE=1: buffers of their own, without red zones, for tools that check bounds
 * themselves. FLAWMAP_TEST_SEED=n: another seed for the random shapes. */
#ifndef FM_TESTS_OP_FIXTURE_H
#define FM_TESTS_OP_FIXTURE_H

#include "test.h"

#include "base/rng.h"
#include "op/acts.h"
#include "op/conv.h"

#include <stdio.h>

struct fixture {
  struct fm_context ctx;
  struct fm_device *device;
  int block;
  int small; /* 0, 1, 2 */
  bool bare;
  uint64_t seed;
  uint64_t hash;  /* of everything read since the case began */
  char line[512]; /* what reproduces the running case; printed with a failure */
};

/* Group setup and teardown; the teardown fails where something is still alive. *state is a struct fixture. */
int fixture_open(void **state);
int fixture_close(void **state);

/* Runs a case twice and compares the bits of everything it read. */
void run_twice(struct fixture *f, void (*run)(struct fixture *f, const void *shape), const void *shape);

/* Floats on the device. */
struct zone {
  struct fm_buffer parent, buffer;
  size_t bytes;
};
struct zone zone_make(struct fixture *f, size_t bytes, const void *content); /* NULL: NaN */
void zone_read(struct fixture *f, const struct zone *z, void *content);      /* checks the red zones */
void zone_free(struct fixture *f, struct zone *z);

/* A plain array of doubles as floats on the device, and back. */
struct zone vector_make(struct fixture *f, size_t count, const double *values); /* NULL: NaN */
void vector_read(struct fixture *f, const struct zone *z, size_t count, double *values);
/* Per-channel values, padded with zeros to whole blocks. */
struct zone channels_make(struct fixture *f, int channels, const double *values);

/* A tensor and its values [n][c][h][w]. */
struct tensor {
  struct fm_acts acts;
  struct zone zone;
  size_t count;
  double *v;
};
/* block 0: the device's. */
struct tensor tensor_make(struct fixture *f, int n, int c, int h, int w, int halo, int block,
                          const double *values);
struct tensor tensor_random(struct fixture *f, struct fm_rng *rng, int n, int c, int h, int w, int halo,
                            int block);
/* NaN everywhere but in the halo. */
struct tensor tensor_empty(struct fixture *f, int n, int c, int h, int w, int halo);
/* Reads and checks that halo, padding channels, the room behind and the red zones are as they were; the
 * values. */
double *tensor_read(struct fixture *f, const struct tensor *t);
/* That nobody has changed it. */
void tensor_unchanged(struct fixture *f, const struct tensor *t);
void tensor_free(struct fixture *f, struct tensor *t);

/* `count` floats, uniform in [low, high). The caller's (free). */
double *random_values(struct fm_rng *rng, size_t count, double low, double high);
int random_int(struct fm_rng *rng, int low, int high); /* [low, high] */

/* Fails with the case's line where |got - want| > tolerance * scale, the scale being the largest |want|
 * anywhere and at least `least` (for sums of many terms that nearly cancel: the root of their number). */
void same_sums(struct fixture *f, const char *what, const double *got, const double *want, size_t count,
               double tolerance, double least);
void same(struct fixture *f, const char *what, const double *got, const double *want, size_t count,
          double tolerance);
void ready(struct fixture *f); /* the device's status is good */

/* Central differences of a function of x at a few places, against a gradient. */
void gradient_check(struct fixture *f, const char *what, double (*function)(void *user), void *user,
                    double *x, size_t count, const double *gradient);

extern const struct fm_limits *const limit_kinds[3]; /* none, ReLU, ReLU6 */

#endif
