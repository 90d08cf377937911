#define _POSIX_C_SOURCE 200809L
#include "base/memory.h"

#include "base/fault.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *out_of_memory(struct fm_context *ctx, size_t count, size_t size) {
  fm_error(ctx, FM_MEMORY,
           "out of memory: %zu elements of %zu bytes could not be allocated; close other programs, raise the "
           "limit if there is one (ulimit -v), or work with smaller pictures (train: --batch, --size)",
           count, size);
  return NULL;
}

static void count_block(struct fm_context *ctx, long blocks) {
  atomic_fetch_add(&(ctx->root ? ctx->root : ctx)->live_allocations, blocks);
}

static bool refuse(struct fm_context *ctx, size_t count, size_t size, size_t *bytes) {
  if (!fm_mul(count, size, bytes) || *bytes > PTRDIFF_MAX) return true;
  if (*bytes == 0) *bytes = 1;
  return fm_fault_hit(ctx, FM_FAULT_ALLOC);
}

void *fm_alloc(struct fm_context *ctx, size_t count, size_t size) {
  size_t bytes;
  if (refuse(ctx, count, size, &bytes)) return out_of_memory(ctx, count, size);
  void *block = calloc(1, bytes);
  if (!block) return out_of_memory(ctx, count, size);
  count_block(ctx, 1);
  return block;
}

void *fm_alloc_aligned(struct fm_context *ctx, size_t count, size_t size) {
  size_t bytes;
  if (refuse(ctx, count, size, &bytes) || !fm_add(bytes, 127, &bytes)) return out_of_memory(ctx, count, size);
  bytes &= ~(size_t)127;
  void *block = aligned_alloc(128, bytes);
  if (!block) return out_of_memory(ctx, count, size);
  memset(block, 0, bytes);
  count_block(ctx, 1);
  return block;
}

void *fm_realloc(struct fm_context *ctx, void *old, size_t count, size_t size) {
  size_t bytes;
  if (refuse(ctx, count, size, &bytes)) return out_of_memory(ctx, count, size);
  void *block = realloc(old, bytes);
  if (!block) return out_of_memory(ctx, count, size);
  if (!old) count_block(ctx, 1);
  return block;
}

char *fm_strdup(struct fm_context *ctx, const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = fm_alloc(ctx, n, 1);
  if (copy) memcpy(copy, text, n);
  return copy;
}

char *fm_format(struct fm_context *ctx, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = n < 0 ? NULL : fm_alloc(ctx, (size_t)n + 1, 1);
  if (text) vsnprintf(text, (size_t)n + 1, format, again);
  va_end(again);
  return text;
}

void fm_free(struct fm_context *ctx, void *block) {
  if (!block) return;
  count_block(ctx, -1);
  free(block);
}

enum fm_status fm_grow(struct fm_context *ctx, void **items, size_t *capacity, size_t count, size_t size) {
  if (count < *capacity) return FM_OK;
  size_t more = *capacity ? *capacity : 8;
  if (*capacity && !fm_mul(*capacity, 2, &more)) {
    out_of_memory(ctx, *capacity, size);
    return FM_MEMORY;
  }
  void *block = fm_realloc(ctx, *items, more, size);
  if (!block) return FM_MEMORY;
  *items = block;
  *capacity = more;
  return FM_OK;
}
