#include "net/weights.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum fm_status fm_weights_add(struct fm_weights *w, const char *name, int dims, const size_t *shape,
                              bool trained) {
  FM_TRY(fm_grow(w->ctx, (void **)&w->item, &w->capacity, w->count, sizeof *w->item));
  struct fm_weight *item = &w->item[w->count];
  *item = (struct fm_weight){.dims = dims, .count = 1, .offset = w->total, .trained = trained};
  bool fits = dims <= 4 && strlen(name) < sizeof item->name;
  for (int i = 0; i < dims && fits; i++) {
    item->shape[i] = shape[i];
    fits = fm_mul(item->count, shape[i], &item->count);
  }
  if (!fits || !fm_add(w->total, item->count, &w->total))
    return fm_error(w->ctx, FM_LIMIT, "the tensor '%.80s' has an impossible shape", name);
  snprintf(item->name, sizeof item->name, "%s", name);
  w->count++;
  return FM_OK;
}

enum fm_status fm_weights_allocate(struct fm_weights *w) {
  w->value = fm_alloc(w->ctx, w->total, sizeof *w->value);
  return w->value ? FM_OK : FM_MEMORY;
}

static enum fm_status add(struct fm_weights *w, const char *name, const char *suffix, int dims,
                          const size_t *shape, bool trained) {
  char whole[FM_NAME + 16];
  snprintf(whole, sizeof whole, "%s.%s", name, suffix);
  return fm_weights_add(w, whole, dims, shape, trained);
}

enum fm_status fm_weights_make(const struct fm_graph *g, struct fm_weights *w) {
  static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
  *w = (struct fm_weights){.ctx = g->ctx};
  for (int i = 0; i < g->count; i++) {
    const struct fm_node *n = &g->node[i];
    if (n->kind == FM_NODE_CONV) {
      size_t k = (size_t)n->conv.k, inputs = n->conv.depthwise ? 1 : (size_t)n->conv.cin;
      FM_TRY(add(w, n->name, "weight", 4, (size_t[]){(size_t)n->conv.cout, inputs, k, k}, true));
    } else if (n->kind == FM_NODE_NORM) {
      for (int p = 0; p < 4; p++) FM_TRY(add(w, n->name, parts[p], 1, (size_t[]){(size_t)n->c}, p < 2));
    }
  }
  return fm_weights_allocate(w);
}

void fm_weights_free(struct fm_weights *w) {
  if (!w->ctx) return;
  fm_free(w->ctx, w->item);
  fm_free(w->ctx, w->value);
  *w = (struct fm_weights){0};
}

const struct fm_weight *fm_weights_find(const struct fm_weights *w, const char *name) {
  for (size_t i = 0; i < w->count; i++)
    if (strcmp(w->item[i].name, name) == 0) return &w->item[i];
  return NULL;
}

float *fm_weights_at(const struct fm_weights *w, const char *name, const char *suffix) {
  size_t n = strlen(name);
  for (size_t i = 0; i < w->count; i++) {
    const char *have = w->item[i].name;
    if (strncmp(have, name, n) == 0 && have[n] == '.' && strcmp(have + n + 1, suffix) == 0)
      return w->value + w->item[i].offset;
  }
  return NULL;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

void fm_weights_fill(struct fm_weights *w, uint64_t seed, const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char stream[256];
    snprintf(stream, sizeof stream, "%s%s", prefix, item->name);
    struct fm_rng rng = fm_rng_stream(seed, stream);
    float *v = w->value + item->offset;
    double scale =
        item->dims == 4 ? sqrt(6.0 / (double)(item->shape[1] * item->shape[2] * item->shape[3])) : 0;
    bool positive = ends_with(item->name, ".weight") || ends_with(item->name, ".running_var");
    for (size_t k = 0; k < item->count; k++) {
      double u = (double)fm_rng_uniform_at(&rng, k);
      v[k] = (float)(item->dims == 4 ? (2 * u - 1) * scale : positive ? 0.5 + u : 0.4 * u - 0.2);
    }
  }
}

void fm_weights_init(struct fm_weights *w, enum fm_init init, uint64_t seed) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char stream[256];
    snprintf(stream, sizeof stream, "init.%s", item->name);
    struct fm_rng rng = fm_rng_stream(seed, stream);
    float *v = w->value + item->offset;
    bool one = ends_with(item->name, ".weight") || ends_with(item->name, ".running_var");
    for (size_t k = 0; k < item->count; k++) {
      if (item->dims != 4) {
        v[k] = one;
      } else if (init == FM_INIT_KAIMING) {
        v[k] = (float)(fm_rng_normal(&rng) *
                       sqrt(2.0 / (double)(item->shape[0] * item->shape[2] * item->shape[3])));
      } else {
        double bound = 1 / sqrt((double)(item->shape[1] * item->shape[2] * item->shape[3]));
        v[k] = (float)((2 * (double)fm_rng_uniform(&rng) - 1) * bound);
      }
    }
  }
}

enum fm_status fm_weights_load(struct fm_weights *w, const struct fm_safetensors *file, const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, item->name);
    FM_TRY(fm_safetensors_floats(w->ctx, file, name, item->dims, item->shape, w->value + item->offset));
  }
  return FM_OK;
}

enum fm_status fm_weights_take(struct fm_context *ctx, const struct fm_safetensors *file, const char *prefix,
                               struct fm_weights *w) {
  size_t n = strlen(prefix);
  *w = (struct fm_weights){.ctx = ctx};
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const struct fm_tensor *t = fm_safetensors_at(file, i);
    if (strncmp(t->name, prefix, n) == 0) FM_TRY(fm_weights_add(w, t->name + n, t->dims, t->shape, false));
  }
  FM_TRY(fm_weights_allocate(w));
  return fm_weights_load(w, file, prefix);
}

enum fm_status fm_weights_save(const struct fm_weights *w, struct fm_safetensors_out *out,
                               const char *prefix) {
  for (size_t i = 0; i < w->count; i++) {
    const struct fm_weight *item = &w->item[i];
    char name[256];
    snprintf(name, sizeof name, "%s%s", prefix, item->name);
    FM_TRY(fm_safetensors_out_tensor(out, name, FM_F32, item->dims, item->shape, w->value + item->offset));
  }
  return FM_OK;
}
