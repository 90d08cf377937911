/* A Gaussian at every cell of a grid: learned in one pass, scored, and the way back (PaDiM). Kernels:
 * cl/mahalanobis.cl; equations: docs/math/padim.md. Features are chosen channels of the three taps at tap 1's
 * grid, coarser taps repeated.
 *
 * Two forms give the same distances. By the factor: M = L^-1 of covariance + regulariser I = L L', d (d + 1)
 * / 2 numbers a cell. By rows (Woodbury): the centred features of the N pictures learned from, and M of the
 * factor of regulariser (N - 1) I + X X', N d + N (N + 1) / 2 numbers a cell; less where pictures are few. */
#ifndef FM_OP_MAHALANOBIS_H
#define FM_OP_MAHALANOBIS_H

#include "op/acts.h"

enum fm_gauss_use { FM_GAUSS_LEARN, FM_GAUSS_SCORE, FM_GAUSS_GRADIENT };

/* Groups of cells whose large arrays lie in the same buffers: a device's buffers have a limit. */
struct fm_gauss_part {
  int first, groups;
  struct fm_buffer rows;     /* [group][picture][d][block]; by rows only */
  struct fm_buffer factor;   /* [group][i (i + 1) / 2 + j][block] */
  struct fm_buffer triangle; /* learning: sums of products, in numbers of 8 bytes */
};

struct fm_gauss {
  int h, w, groups;   /* the grid; groups of cells that go side by side */
  int count, d;       /* chosen channels; with zeros up to a multiple of 4 */
  int pictures, rows; /* by rows: pictures learned from; with zeros likewise. By the factor 0 */
  int batch, learned; /* pictures at a time, until now */
  int from[3];        /* how many of each tap are chosen */
  enum fm_gauss_use use;
  struct fm_buffer channel, place[3]; /* the chosen channels; for each channel of a tap its number or -1 */
  struct fm_buffer x, dx;             /* [n][group][d][block]: features less their mean; de/dx */
  struct fm_buffer mean, sum;         /* [group][d][block]; sum: learning, numbers of 8 bytes */
  struct fm_buffer scratch;           /* learning: a part's factor; scores by rows: what they need */
  struct fm_gauss_part *part;
  int parts;
};

/* Of so many pictures and channels: which form is the smaller one. */
bool fm_gauss_by_rows(size_t pictures, size_t channels);

/* Numbers of the lower triangle of so many rows. */
static inline size_t fm_triangle(size_t rows) {
  return rows * (rows + 1) / 2;
}

/* channel [count]: numbers in the concatenation of the taps, ascending. pictures: learned from, for the form
 * by rows; 0: by the factor. tap: for shapes; h / 2 and h / 4 rows in taps 2 and 3. batch: pictures at a
 * time. After a failure there is nothing to free. */
enum fm_status fm_gauss_make(struct fm_device *d, const struct fm_acts *const tap[3], int count,
                             const int *channel, size_t pictures, int batch, enum fm_gauss_use use,
                             struct fm_gauss *g);
void fm_gauss_free(struct fm_device *d, struct fm_gauss *g);

/* Learns the taps' n pictures: enqueued, failures stick to the device. As many calls as there are batches. */
void fm_gauss_learn(struct fm_device *d, struct fm_gauss *g, const struct fm_acts *const tap[3], int n);

/* Learning goes on: in place of the first pictures, what fm_gauss_finish gave of `learned` of them. rows:
 * NULL where that was by the factor; else g may have either form, with room for all the pictures by rows.
 * regulariser: as it was then. Waits. */
enum fm_status fm_gauss_resume(struct fm_device *d, struct fm_gauss *g, size_t learned, double regulariser,
                               const float *mean, const float *rows, const float *factor);

/* The mean over cells and channels of the variance that was learned. Waits; before fm_gauss_finish. */
enum fm_status fm_gauss_variance(struct fm_device *d, const struct fm_gauss *g, double *mean);

/* What was learned, as plain arrays of the host: mean [count][cells], rows [pictures][count][cells] (NULL by
 * the factor), factor [i (i + 1) / 2 + j][cells]. Waits, and gives its large buffers free. A covariance
 * without a factor shows as NaN. finish: at the end of learning; write: before scoring. */
enum fm_status fm_gauss_finish(struct fm_device *d, struct fm_gauss *g, double regulariser, float *mean,
                               float *rows, float *factor);
enum fm_status fm_gauss_write(struct fm_device *d, const struct fm_gauss *g, const float *mean,
                              const float *rows, const float *factor);

/* e [n][h][w] = |M (x - mean)|^2 / count of the taps' n pictures, enqueued. regulariser: as in learning. */
void fm_gauss_score(struct fm_device *d, const struct fm_gauss *g, double regulariser,
                    const struct fm_acts *const tap[3], int n, const struct fm_buffer *e);

/* After a score, with FM_GAUSS_GRADIENT: slope = d loss / d e to the gradients of the three taps, all of
 * whose numbers are written; enqueued. */
void fm_gauss_back(struct fm_device *d, const struct fm_gauss *g, const struct fm_buffer *slope,
                   const struct fm_acts *const tap_gradient[3]);

#endif
