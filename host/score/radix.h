/* Exact sorting of scores: floats as integers that compare alike, sorted in place by their digits. */
#ifndef FM_SCORE_RADIX_H
#define FM_SCORE_RADIX_H

#include "base/status.h"

#include <stdint.h>
#include <string.h>

/* An integer that orders as the (finite) float does; both zeros give the same. */
static inline uint32_t fm_score_key(float score) {
  uint32_t bits;
  score += 0.0f; /* -0 becomes +0 */
  memcpy(&bits, &score, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float fm_score_of_key(uint32_t key) {
  uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
  float score;
  memcpy(&score, &bits, sizeof score);
  return score;
}

/* Ascending, in place, on all threads; no memory but the stack and 32 KiB. */
enum fm_status fm_sort_u32(struct fm_context *ctx, uint32_t *values, size_t count);
enum fm_status fm_sort_u64(struct fm_context *ctx, uint64_t *values, size_t count);

#endif
