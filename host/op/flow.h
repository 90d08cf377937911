/* Conditional normalising flows on fibres, CFLOW-AD's (docs/math/cflow.md): how likely is the feature vector
 * at a cell, given where the cell is? Kernels: cl/flow.cl and cl/gemm.cl.
 *
 * A flow is made for one tap: fibres of `channels` numbers from a grid of width x height cells. Rows of
 * fibres lie in buffers as fm_flow_width floats each: both halves of the channels, each padded with zeros to
 * whole blocks. Cells are numbered (picture * height + y) * width + x; `place` lists them on the device, and
 * row r of a call is cell place[first + r].
 *
 * Two things save most of the textbook's work. The condition vector is a part for x and a part for y, so its
 * share of the hidden layer is two tables of `side` rows instead of a product with every fibre; and its
 * gradient adds up fibres of the same x (y) first. */
#ifndef FM_OP_FLOW_H
#define FM_OP_FLOW_H

#include "op/acts.h"

struct fm_flow_shape {
  int channels, width, height; /* channels >= 2 */
  int blocks, condition;       /* condition: numbers of the condition vector, a multiple of 4 */
  float clamp;
  bool mixing; /* a matrix between blocks; else a permutation */
};

/* The parameters of one block, with s = channels - channels / 2, n = s + condition, t = channels / 2. */
struct fm_flow_block {
  float *w1, *b1;        /* [2n][n], [2n]: inputs are x1, then the condition vector */
  float *w2, *b2;        /* [2t][2n], [2t]: the scale's part, then the shift's */
  float *scale, *offset; /* [channels] g and delta */
  const float *mixing;   /* [channels][channels] R of z = R u, or [channels]: z[i] = u[mixing[i]] */
};

enum fm_flow_use { FM_FLOW_SCORE, FM_FLOW_GRADIENT /* and back to the fibres */, FM_FLOW_TRAIN };

struct fm_flow;

/* FM_LIMIT where a buffer would have 2^31 numbers. rows: fibres at a time. block: [shape->blocks], copied. */
enum fm_status fm_flow_make(struct fm_device *d, const struct fm_flow_shape *shape, enum fm_flow_use use,
                            int rows, const struct fm_flow_block *block, struct fm_flow **flow);
void fm_flow_free(struct fm_flow *f);

/* Floats of a row of fibres. */
int fm_flow_width(const struct fm_device *d, const struct fm_flow_shape *shape);
int fm_flow_rows(const struct fm_flow *f);

/* Trained parameters as one vector, and the gradient of the last step (FM_FLOW_TRAIN): count numbers, a
 * multiple of the block. After the weights have changed, fm_flow_prepare. */
size_t fm_flow_count(const struct fm_flow *f);
const struct fm_buffer *fm_flow_weights(const struct fm_flow *f);
const struct fm_buffer *fm_flow_gradient(const struct fm_flow *f);
void fm_flow_prepare(struct fm_flow *f);

/* Between a vector of fm_flow_count numbers and a block's parameters (mixing excepted). */
void fm_flow_pack(const struct fm_flow *f, int block, const struct fm_flow_block *from, float *packed);
void fm_flow_unpack(const struct fm_flow *f, int block, const float *packed, struct fm_flow_block *to);

/* Pictures from .. from + count - 1 of a tap to rows from row `first` on, and rows from 0 on to all of a tap.
 */
void fm_flow_take(const struct fm_flow *f, const struct fm_acts *tap, int from, int count,
                  const struct fm_buffer *fibres, int first);
void fm_flow_give(const struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_acts *tap);

/* l[first + r], the log-likelihood a channel, of rows <= fm_flow_rows fibres. */
void fm_flow_score(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place,
                   int first, int rows, const struct fm_buffer *l);

/* gradient row first + r = slope[first + r] d l / d fibre; slope: [cells]. Computes the forward pass again.
 */
void fm_flow_back(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place, int first,
                  int rows, const struct fm_buffer *slope, const struct fm_buffer *gradient);

/* One step of training: the loss, mean of -ln sigmoid(l), to losses[at], and its gradient. list: on the
 * device, ints from list_first on, as fm_flow_list makes them for this step. */
void fm_flow_step(struct fm_flow *f, const struct fm_buffer *fibres, const struct fm_buffer *place, int first,
                  int rows, const struct fm_buffer *list, int list_first, const struct fm_buffer *losses,
                  int at);

/* Which of the rows belong to each x, then to each y: fm_flow_list_count ints. */
size_t fm_flow_list_count(const struct fm_flow_shape *shape, int rows);
void fm_flow_list(const struct fm_flow_shape *shape, const int *place, int rows, int *list);

/* e = max(0, most - l) for count cells, and slope = d loss / d l from d loss / d e; 1 - min(1, exp(l -
 * most)). */
void fm_flow_excess(struct fm_device *d, const struct fm_buffer *l, int count, float most,
                    const struct fm_buffer *e);
void fm_flow_excess_back(struct fm_device *d, const struct fm_buffer *l, const struct fm_buffer *de,
                         int count, float most, const struct fm_buffer *slope);
void fm_flow_unlikely(struct fm_device *d, const struct fm_buffer *l, int count, float most,
                      const struct fm_buffer *p);

#endif
