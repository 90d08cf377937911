/* Counter-based random numbers: every number is a function of (seed, name of the stream, index), so a resumed
 * run, on any number of threads, draws the same ones.
 *
 * value(seed, stream, i) = splitmix64((fnv1a64(stream) ^ splitmix64(seed)) + i * 0x9E3779B97F4A7C15) modulo
 * 2^64; splitmix64 is the output function of Steele, Lea, Flood 2014 applied to x + 0x9E3779B97F4A7C15. */
#ifndef FM_BASE_RNG_H
#define FM_BASE_RNG_H

#include <stdint.h>

struct fm_rng {
  uint64_t key;
  uint64_t next; /* index of the next value drawn by fm_rng_next and its kin */
};

struct fm_rng fm_rng_stream(uint64_t seed, const char *stream);

/* The value at an index; does not move the stream. */
uint64_t fm_rng_at(const struct fm_rng *rng, uint64_t index);

/* float in [0, 1): the top 24 bits times 2^-24, exact. */
float fm_rng_uniform_at(const struct fm_rng *rng, uint64_t index);

uint64_t fm_rng_next(struct fm_rng *rng);
float fm_rng_uniform(struct fm_rng *rng);

/* An integer in [low, high); low where the range is empty. floor(u * (high - low)) with u of 53 bits. */
int64_t fm_rng_integer(struct fm_rng *rng, int64_t low, int64_t high);

/* Standard normal by Box and Muller from two values. */
double fm_rng_normal(struct fm_rng *rng);

/* A permutation of 0..n-1 (Fisher and Yates). */
void fm_rng_permutation(struct fm_rng *rng, uint32_t *out, uint32_t n);

#endif
