/* A Gaussian at every cell of a grid: learned in one pass, scored, and the way back (PaDiM). Kernels:
 * cl/mahalanobis.cl; equations: docs/math/padim.md. Features are chosen channels of the three taps at tap 0's
 * grid, coarser taps repeated. Everything but make is enqueued; failures stick to the device. */
#ifndef FM_OP_MAHALANOBIS_H
#define FM_OP_MAHALANOBIS_H

#include "op/acts.h"

struct fm_gauss {
  int h, w, d, groups;             /* the grid; chosen channels; groups of cells that go side by side */
  int channels[3];                 /* of the taps */
  struct fm_buffer list, place[3]; /* (tap, channel) of each number; for each channel its number or -1 */
  struct fm_buffer x, dx;          /* features of a batch; their gradient */
  struct fm_buffer mean, factor;   /* [group][d][block], [group][d (d + 1) / 2][block] */
  struct fm_buffer sum, low;       /* learning only; factor then has the high parts */
};

/* channel [d]: numbers in the concatenation of the taps, each once. taps: for shapes. batch: pictures at a
 * time. */
enum fm_gauss_use { FM_GAUSS_LEARN, FM_GAUSS_SCORE, FM_GAUSS_GRADIENT };
enum fm_status fm_gauss_make(struct fm_device *d, const struct fm_acts *const tap[3], int count,
                             const int *channel, int batch, enum fm_gauss_use use, struct fm_gauss *g);
void fm_gauss_free(struct fm_device *d, struct fm_gauss *g);

/* Features of the taps' pictures into g->x. */
void fm_gauss_choose(struct fm_device *d, const struct fm_gauss *g, const struct fm_acts *const tap[3]);

/* Learning: adds the n pictures of g->x; first: the very first ones. Then the factor M = L^-1 of covariance +
 * regulariser I = L L', after which g->mean and g->factor are what scoring needs. */
void fm_gauss_add(struct fm_device *d, const struct fm_gauss *g, int n, bool first);
void fm_gauss_finish(struct fm_device *d, const struct fm_gauss *g, size_t pictures, double regulariser);

/* e [n][h][w] = |M (x - mean)|^2 / d of g->x. */
void fm_gauss_score(struct fm_device *d, const struct fm_gauss *g, int n, const struct fm_buffer *e);

/* slope = d loss / d e to the gradients of the three taps, for g->x. */
void fm_gauss_back(struct fm_device *d, const struct fm_gauss *g, int n, const struct fm_buffer *slope,
                   const struct fm_acts *const tap_gradient[3]);

/* Between the device and plain arrays mean [d][cells] and factor [d (d + 1) / 2][cells]; both wait. */
enum fm_status fm_gauss_read(struct fm_device *d, const struct fm_gauss *g, float *mean, float *factor);
enum fm_status fm_gauss_write(struct fm_device *d, const struct fm_gauss *g, const float *mean,
                              const float *factor);

#endif
