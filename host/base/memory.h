/* Host memory: sizes checked for overflow, zeroed, counted in the context, subject to fault injection. */
#ifndef FM_BASE_MEMORY_H
#define FM_BASE_MEMORY_H

#include "base/status.h"

/* count * size bytes, zeroed; count or size 0 gives one byte. NULL: out of memory, error set in ctx. */
void *fm_alloc(struct fm_context *ctx, size_t count, size_t size);

/* Resizes a block of fm_alloc to count * size bytes; new bytes are not zeroed. On failure NULL, error set,
 * and the old block is still the caller's. old may be NULL. */
void *fm_realloc(struct fm_context *ctx, void *old, size_t count, size_t size);

/* As fm_alloc, aligned to 128 bytes (what PoCL needs to use it in place). Freed with fm_free. */
void *fm_alloc_aligned(struct fm_context *ctx, size_t count, size_t size);

/* A copy of a string. */
char *fm_strdup(struct fm_context *ctx, const char *text);

/* printf into a new string. */
char *fm_format(struct fm_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

void fm_free(struct fm_context *ctx, void *block);

/* Makes room for one more element in a growing array: *items has *capacity elements of size bytes, count are
 * in use. Doubles the capacity. Use: FM_TRY(fm_grow(ctx, (void **)&a, &capacity, count, sizeof *a));
 * a[count++] = x; */
enum fm_status fm_grow(struct fm_context *ctx, void **items, size_t *capacity, size_t count, size_t size);

/* a * b and a + b; false on overflow. */
static inline bool fm_mul(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}
static inline bool fm_add(size_t a, size_t b, size_t *sum) {
  return !__builtin_add_overflow(a, b, sum);
}

#endif
