/* Matrix products of row-major matrices. Kernel: cl/gemm.cl.
 *
 * fm_gemm is the plain one, with two implementations behind one function: our own kernel, and CLBlast where
 * it is installed, which knows many GPUs and is chosen on those. On PoCL CLBlast reaches a tenth of our
 * kernel and needs seconds for its first call, so never on a CPU. FLAWMAP_GEMM=own or clblast overrides the
 * choice (clblast without the library is an error).
 *
 * fm_product is ours only: parts of buffers, a transposed A, batches, and what becomes of the sums on their
 * way out. A row of C depends on its row of A (column, where A is transposed) and on B only, to the bit. */
#ifndef FM_OP_GEMM_H
#define FM_OP_GEMM_H

#include "device/queue.h"

/* C = A B: A [m][k], B [k][n], C [m][n]; any sizes from 1. */
enum fm_status fm_gemm(struct fm_device *d, int m, int n, int k, const struct fm_buffer *a,
                       const struct fm_buffer *b, const struct fm_buffer *c);

/* A matrix in a buffer: where it starts, numbers from row to row, and from one of a batch to the next (0: all
 * read the same one). */
struct fm_matrix {
  const struct fm_buffer *buffer;
  int start, row, step;
};

enum fm_finish {
  FM_FINISH_PLAIN,
  FM_FINISH_ADD,    /* to what is in C */
  FM_FINISH_HIDDEN, /* ReLU(v + a row of the table by the place's x + one by its y), 1 in column `lane` */
  FM_FINISH_GATED   /* 0 where extra, of C's shape, is not above 0, and from column `lane` on */
};

/* C = A B, or A' B where turned (A [k][m]). */
struct fm_product {
  int m, n, k, batch; /* batch 0: 1 */
  bool turned;
  enum fm_finish finish;
  struct fm_matrix a, b, c, extra; /* extra: the gate, or the table [2][side][n]: x, then y */
  /* FM_FINISH_HIDDEN: row r belongs to cell place[first + r] = (picture * height + y) * width + x. */
  const struct fm_buffer *place;
  int first, side, width, height;
  int lane;
};

void fm_product_run(struct fm_device *d, const struct fm_product *p);

/* How a product is computed, as the rows of op/variant.h are for convolutions: the first that fits and pays,
 * or that FLAWMAP_VARIANT names, is taken. All give the same bits. The last one fits everything. */
struct fm_product_row {
  const char *name;
  bool (*fits)(const struct fm_facts *f, const struct fm_product *p);
  bool (*pays)(const struct fm_facts *f, const struct fm_product *p);
  void (*run)(struct fm_device *d, const struct fm_product *p);
};
const struct fm_product_row *fm_product_row_at(int i); /* NULL past the last */

#endif
