/* Radix sort from the highest digit, in place (the "American flag" sort of McIlroy, Bostic and McIlroy 1993):
 * count the digits, then carry every value to its bucket by following the cycles of the permutation. The
 * first pass splits by the eleven highest bits in which the values differ; its buckets are sorted
 * independently, on all threads. In place because the values of a data set fill hundreds of megabytes. */
#include "score/radix.h"

#include "base/memory.h"
#include "base/thread.h"

enum { FIRST_BITS = 11, DIGIT_BITS = 8, FEW = 48 };

/* The same code for both widths. A type cannot stand in parentheses, and a digit less a pass bounds the
 * recursion. */
/* NOLINTBEGIN(bugprone-macro-parentheses,misc-no-recursion) */
#define RADIX_SORT(TYPE, NAME, WIDTH)                                                                        \
  static void NAME##_insertion(TYPE *a, size_t n) {                                                          \
    for (size_t i = 1; i < n; i++) {                                                                         \
      TYPE v = a[i];                                                                                         \
      size_t j = i;                                                                                          \
      for (; j && a[j - 1] > v; j--) a[j] = a[j - 1];                                                        \
      a[j] = v;                                                                                              \
    }                                                                                                        \
  }                                                                                                          \
                                                                                                             \
  /* Splits a by bits shift .. shift + bits - 1; end[d] is one past the last value of digit d. */            \
  static void NAME##_split(TYPE *a, size_t n, unsigned shift, unsigned bits, size_t *head, size_t *end) {    \
    const TYPE mask = (TYPE)(((TYPE)1 << bits) - 1);                                                         \
    const size_t buckets = (size_t)1 << bits;                                                                \
    memset(end, 0, buckets * sizeof *end);                                                                   \
    for (size_t i = 0; i < n; i++) end[(a[i] >> shift) & mask]++;                                            \
    for (size_t d = 0, sum = 0; d < buckets; d++) {                                                          \
      head[d] = sum;                                                                                         \
      sum += end[d];                                                                                         \
      end[d] = sum;                                                                                          \
    }                                                                                                        \
    for (size_t d = 0; d < buckets; d++)                                                                     \
      while (head[d] < end[d]) {                                                                             \
        TYPE v = a[head[d]];                                                                                 \
        for (size_t to; (to = (size_t)((v >> shift) & mask)) != d;) {                                        \
          TYPE other = a[head[to]];                                                                          \
          a[head[to]++] = v;                                                                                 \
          v = other;                                                                                         \
        }                                                                                                    \
        a[head[d]++] = v;                                                                                    \
      }                                                                                                      \
  }                                                                                                          \
                                                                                                             \
  /* Sorts by the lowest `below` bits; the higher ones are equal. */                                         \
  static void NAME##_sort(TYPE *a, size_t n, unsigned below) {                                               \
    if (n <= FEW) {                                                                                          \
      NAME##_insertion(a, n);                                                                                \
      return;                                                                                                \
    }                                                                                                        \
    if (!below) return;                                                                                      \
    unsigned bits = below < DIGIT_BITS ? below : DIGIT_BITS, shift = below - bits;                           \
    size_t head[1 << DIGIT_BITS], end[1 << DIGIT_BITS];                                                      \
    NAME##_split(a, n, shift, bits, head, end);                                                              \
    if (!shift) return;                                                                                      \
    for (size_t d = 0, from = 0; d < (size_t)1 << bits; from = end[d++])                                     \
      if (end[d] - from > 1) NAME##_sort(a + from, end[d] - from, shift);                                    \
  }                                                                                                          \
                                                                                                             \
  struct NAME##_job {                                                                                        \
    TYPE *values;                                                                                            \
    unsigned below;                                                                                          \
    size_t head[1 << FIRST_BITS], end[1 << FIRST_BITS];                                                      \
  };                                                                                                         \
                                                                                                             \
  static enum fm_status NAME##_bucket(void *user, size_t d) {                                                \
    struct NAME##_job *job = user;                                                                           \
    size_t from = d ? job->end[d - 1] : 0;                                                                   \
    NAME##_sort(job->values + from, job->end[d] - from, job->below);                                         \
    return FM_OK;                                                                                            \
  }                                                                                                          \
                                                                                                             \
  enum fm_status fm_sort_##NAME(struct fm_context *ctx, TYPE *values, size_t count) {                        \
    TYPE differ = 0;                                                                                         \
    for (size_t i = 1; i < count; i++) differ |= values[i] ^ values[0];                                      \
    unsigned below = 0;                                                                                      \
    while (below < (WIDTH) && differ >> below) below++;                                                      \
    if (count < (1 << 16) || below <= FIRST_BITS) {                                                          \
      NAME##_sort(values, count, below);                                                                     \
      return FM_OK;                                                                                          \
    }                                                                                                        \
    struct NAME##_job *job = fm_alloc(ctx, 1, sizeof *job);                                                  \
    if (!job) return FM_MEMORY;                                                                              \
    job->values = values;                                                                                    \
    job->below = below - FIRST_BITS;                                                                         \
    NAME##_split(values, count, job->below, FIRST_BITS, job->head, job->end);                                \
    enum fm_status status = fm_parallel(ctx, (size_t)1 << FIRST_BITS, NAME##_bucket, job);                   \
    fm_free(ctx, job);                                                                                       \
    return status;                                                                                           \
  }

RADIX_SORT(uint32_t, u32, 32)
RADIX_SORT(uint64_t, u64, 64)
/* NOLINTEND(bugprone-macro-parentheses,misc-no-recursion) */
