#include "base/rng.h"

#include <math.h>

static const uint64_t golden = 0x9E3779B97F4A7C15u;

static uint64_t splitmix64(uint64_t x) {
  uint64_t z = x + golden;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

struct fm_rng fm_rng_stream(uint64_t seed, const char *stream) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const unsigned char *c = (const unsigned char *)stream; *c; c++) h = (h ^ *c) * 0x100000001B3u;
  return (struct fm_rng){.key = h ^ splitmix64(seed)};
}

uint64_t fm_rng_at(const struct fm_rng *rng, uint64_t index) {
  return splitmix64(rng->key + index * golden);
}

float fm_rng_uniform_at(const struct fm_rng *rng, uint64_t index) {
  return (float)(fm_rng_at(rng, index) >> 40) * 0x1p-24f;
}

uint64_t fm_rng_next(struct fm_rng *rng) {
  return fm_rng_at(rng, rng->next++);
}

float fm_rng_uniform(struct fm_rng *rng) {
  return fm_rng_uniform_at(rng, rng->next++);
}

int64_t fm_rng_integer(struct fm_rng *rng, int64_t low, int64_t high) {
  if (high <= low) return low;
  double u = (double)(fm_rng_next(rng) >> 11) * 0x1p-53;
  return low + (int64_t)(u * (double)(high - low));
}

double fm_rng_normal(struct fm_rng *rng) {
  double u = ((double)(fm_rng_next(rng) >> 11) + 1) * 0x1p-53; /* (0, 1]: the logarithm is finite */
  double v = (double)(fm_rng_next(rng) >> 11) * 0x1p-53;
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void fm_rng_permutation(struct fm_rng *rng, uint32_t *out, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) out[i] = i;
  for (uint32_t i = n; i > 1; i--) {
    uint32_t j = (uint32_t)fm_rng_integer(rng, 0, i), t = out[i - 1];
    out[i - 1] = out[j];
    out[j] = t;
  }
}
