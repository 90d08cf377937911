/* Variants: which kernels compute a convolution on this device. A variant is a row of a table: a name, for
 * what it fits, how a shape becomes launches, which layout it wants the weights in and how much scratch. A
 * network asks for a choice once for each of its convolutions, when it is made; memory plan, packing and
 * launches ask the choice (struct fm_call), and a step only enqueues.
 *
 * The first row that fits and pays is taken, with the first of its tiles, unless something else was measured
 * to be faster (op/tuned.h): the choice depends on the device's facts, the shape and that file alone.
 * FLAWMAP_VARIANT=NAME,... takes a row wherever it fits (tests); FLAWMAP_VERBOSE=choose says what was taken
 * and why.
 *
 * Rows live beside what they share: rows_gpu.c, rows_cpu.c, rows_depthwise.c, winograd.c. A new kernel that
 * reads the common layouts is its .cl and one row there. */
#ifndef FM_OP_VARIANT_H
#define FM_OP_VARIANT_H

#include "op/conv.h"
#include "op/tile.h"

enum fm_operator {
  FM_OP_CONV, /* forward, and the gradient to the input, which is a convolution of dy */
  FM_OP_WGRAD /* gradient to the weights */
};

struct fm_shape {
  enum fm_operator op;
  struct fm_conv conv;
  struct fm_acts in, out; /* FM_OP_WGRAD: the input and dy; buffers are not looked at */
  bool back;              /* gradient to the input: in = dy, the weights turned round */
  bool phase;             /* the same of stride 2 (cl/conv.cl) */
  bool kept;              /* forward in training (conv.h) */
  int stride;             /* of the walk through `in` */
  int pad_y, pad_x;       /* of that walk */
  int packed_lanes;       /* lanes of an input block in the packed weights */
  int made_for;           /* pictures the choice is made for; in.n and out.n are this or fewer */
};

/* One launch. Options never depend on in.n, so that a smaller batch needs no other kernel. */
struct fm_launch {
  const char *kernel;
  char options[160];
  size_t global[3], local[3];
};

enum { FM_LAUNCHES = 3 };
struct fm_work {
  struct fm_launch launch[FM_LAUNCHES];
  int launches;
  int size[4];              /* what the kernel's argument of this name holds; rows say which */
  int use[2], parts;        /* FM_OP_WGRAD; parts: partial sums */
  size_t prepared, scratch; /* bytes: of the weights in the row's own layout, 0 where it reads the packed
                               ones; and of the scratch */
};

struct fm_call;
struct fm_tuned_line;

/* What a call computes with. */
struct fm_conv_args {
  const struct fm_acts *in, *out; /* FM_OP_WGRAD: the input and dy */
  const struct fm_buffer *weights, *bias,
      *scratch; /* weights: prepared ones where the call has such; scratch may be NULL for none */
  const struct fm_acts *res;
  struct fm_limits limits;
  const struct fm_buffer *dw; /* FM_OP_WGRAD: the result */
};

/* Largest error of a row in training: see FM_CONV_KEPT in conv.h. */
#define FM_KEPT_ERROR 5e-6

struct fm_variant {
  const char *name, *file, *why;
  enum fm_operator op;
  double error; /* largest difference to exact arithmetic, of the largest result, that it may have */
  /* It can compute this; and is worth taking before the next row. */
  bool (*fits)(const struct fm_facts *f, const struct fm_shape *s);
  bool (*pays)(const struct fm_facts *f, const struct fm_shape *s);
  /* The tiles it may take for this, one at least, and how many; the first is the rule's. Every tile of a row
   * gives the same bits, but for FM_OP_WGRAD, where `parts` may follow from it. NULL: a row without a choice.
   */
  int (*tiles)(const struct fm_facts *f, const struct fm_shape *s, struct fm_tile list[FM_TILES]);
  void (*describe)(const struct fm_facts *f, const struct fm_shape *s, const struct fm_tile *tile,
                   struct fm_work *work);
  /* NULL where nothing is prepared. */
  void (*prepare)(struct fm_device *d, const struct fm_call *call, const struct fm_buffer *packed,
                  const struct fm_buffer *prepared);
  void (*run)(struct fm_device *d, struct fm_call *call, const struct fm_conv_args *a);
};

/* A choice: everything that is known before the numbers are. */
struct fm_call {
  const struct fm_variant *variant;
  struct fm_tile tile;
  struct fm_shape shape;
  struct fm_work work;
  struct fm_kernel *kernel[FM_LAUNCHES];
  const struct fm_tuned_line *tuned; /* what chose it, or NULL; the device's */
};

/* The rows in the order in which they are asked; NULL past the last. */
const struct fm_variant *fm_variant_at(int i);

/* Chooses a row and its tile and fills *call, whose shape.in.n is shape.made_for; compiles nothing yet. row:
 * not what was tuned or the rule's choice but this one, which must fit, with its first tile. */
void fm_variant_choose(struct fm_device *d, const struct fm_shape *s, const struct fm_variant *row,
                       struct fm_call *call);

/* The rule's row; every shape has one that always fits. */
const struct fm_variant *fm_variant_rule(const struct fm_facts *f, const struct fm_shape *s);

/* The tiles that the row may take for this shape, the rule's first; how many, one at least. */
int fm_variant_tiles(const struct fm_facts *f, const struct fm_shape *s, const struct fm_variant *row,
                     struct fm_tile list[FM_TILES]);

/* Gives a call another of these tiles, before its first launch. */
void fm_variant_take(const struct fm_facts *f, struct fm_call *call, const struct fm_tile *tile);

/* True where the row can compute this. */
bool fm_variant_fits(const struct fm_facts *f, const struct fm_shape *s, const struct fm_variant *row);

/* True where FLAWMAP_VARIANT names this; the rows of products (op/gemm.h, op/neighbour.h) ask it, too. */
bool fm_variant_wished(const char *name);

/* FLAWMAP_VERBOSE=choose: a line about the choice. */
void fm_variant_say(struct fm_device *d, const struct fm_call *call);

#endif
