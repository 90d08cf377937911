/* The parameters of a network on the host, as files have them: named tensors in one array of floats.
 * Convolutions are [out][in][k][k], norms have weight, bias, running_mean, running_var. */
#ifndef FM_NET_WEIGHTS_H
#define FM_NET_WEIGHTS_H

#include "file/safetensors.h"
#include "net/backbone.h"

struct fm_weight {
  char name[FM_NAME + 16];
  int dims;
  size_t shape[4], count, offset; /* offset into the values */
  bool trained;                   /* false: running statistics */
};

struct fm_weights {
  struct fm_context *ctx;
  struct fm_weight *item;
  size_t count, capacity, total;
  float *value;
};

/* Room for every parameter of a graph that has not been fused yet, in the graph's order; values are zero. */
enum fm_status fm_weights_make(const struct fm_graph *g, struct fm_weights *w);
void fm_weights_free(struct fm_weights *w);

/* For tensors that are no network's: begin with {.ctx = ctx}, add each (at most four dims), then allocate;
 * values are zero. trained: an optimiser moves it. A size that overflows is FM_LIMIT. */
enum fm_status fm_weights_add(struct fm_weights *w, const char *name, int dims, const size_t *shape,
                              bool trained);
enum fm_status fm_weights_allocate(struct fm_weights *w);

/* The tensor of that name, or NULL. */
const struct fm_weight *fm_weights_find(const struct fm_weights *w, const char *name);

/* NULL where there is no such parameter (a fault in flawmap itself). */
float *fm_weights_at(const struct fm_weights *w, const char *name, const char *suffix);

/* Procedural values, the same in every language: u = uniform(seed, prefix + name, index); convolutions
 * (2u - 1) sqrt(6 / fan in), norm weight and running_var 0.5 + u, norm bias and running_mean 0.4 u - 0.2. */
void fm_weights_fill(struct fm_weights *w, uint64_t seed, const char *prefix);

/* An untrained network: convolutions normal with std sqrt(2 / (Cout k k)) (ResNets, lite0) or uniform in
 * +-1 / sqrt(Cin k k) (HRNets); norms 1, 0, running 0, 1. */
void fm_weights_init(struct fm_weights *w, enum fm_init init, uint64_t seed);

/* From a file: tensors prefix + name. Missing or of another shape: FM_FORMAT. Further tensors are ignored. */
enum fm_status fm_weights_load(struct fm_weights *w, const struct fm_safetensors *file, const char *prefix);

/* Every tensor of the file whose name begins with prefix, whatever it is, as NAME without prefix. */
enum fm_status fm_weights_take(struct fm_context *ctx, const struct fm_safetensors *file, const char *prefix,
                               struct fm_weights *w);

/* Adds every tensor as prefix + name; the values must live until the file is written. */
enum fm_status fm_weights_save(const struct fm_weights *w, struct fm_safetensors_out *out,
                               const char *prefix);

#endif
