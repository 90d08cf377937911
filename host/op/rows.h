/* What the files with rows of variant.h share. Nobody else includes this. */
#ifndef FM_OP_ROWS_H
#define FM_OP_ROWS_H

#include "op/variant.h"

/* The lists that fm_variant_at walks. */
extern const struct fm_variant fm_gpu_rows[], fm_winograd_rows[], fm_depthwise_rows[], fm_cpu_rows[];
extern const int fm_gpu_row_count, fm_winograd_row_count, fm_depthwise_row_count, fm_cpu_row_count;

static inline size_t fm_up(size_t n, size_t to) {
  return (n + to - 1) / to;
}
/* Lanes of an input block that are used. */
static inline int fm_shape_lanes(const struct fm_shape *s) {
  return s->conv.picture ? 3 : s->in.block;
}

/* Lanes of the last block of inputs that a kernel walks: those that are channels, rounded up to 4. */
static inline int fm_tail_lanes(int channels, int lanes) {
  int rest = channels % lanes, tail = rest ? (rest + 3) / 4 * 4 : lanes;
  return tail < lanes ? tail : lanes; /* a picture has three */
}

static inline bool fm_row_always(const struct fm_facts *f, const struct fm_shape *s) {
  return true;
}

/* Blocks of inputs that a 1x1 convolution of wide vectors adds up before they join the total. */
enum { FM_CHAIN_1X1 = 16 };

/* A launch of the kernel in groups of its own, or of as many work-items in groups of the device's size. */
void fm_launch_set(struct fm_launch *l, const char *kernel, const size_t global[3], size_t local);
void fm_launch_items(const struct fm_facts *f, struct fm_launch *l, const char *kernel, size_t x, size_t y,
                     size_t z);

/* The call's i-th kernel; looked up at its first launch. */
struct fm_kernel *fm_call_kernel(struct fm_device *d, struct fm_call *call, int i);

/* Rows a work-item takes: many where there is work for everyone, so that set-up is shared. */
int fm_rows_an_item(const struct fm_facts *f, int height, int others);

/* Gradient to the input: such rows read the weights turned round, once they are prepared. */
size_t fm_turned_bytes(const struct fm_facts *f, const struct fm_shape *s);
void fm_turn_weights(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                     const struct fm_buffer *turned);

/* Parts of the batch that a gradient to the weights is summed in, where `items` work-items share a part; then
 * the sum over the parts. */
int fm_parts_of(const struct fm_facts *f, const struct fm_shape *s, int items);
void fm_sum_parts(struct fm_device *d, const struct fm_call *call, const struct fm_conv_args *a);

/* How the kernels of one launch are run: the arguments of cl/conv.cl, of cl/wgrad.cl. */
void fm_run_conv(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a);
void fm_run_wgrad(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a);

#endif
