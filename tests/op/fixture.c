#define _POSIX_C_SOURCE 200809L
#include "fixture.h"

#include "base/memory.h"
#include "op/simple.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t pattern = 0x7fc5a5a5; /* a NaN that no computation gives */
enum { RED = 8192 };

const struct fm_limits *const limit_kinds[3] = {&fm_limits_none, &fm_limits_relu, &fm_limits_relu6};

static void broken(struct fixture *f, const char *what) {
  print_error("FAILED: %s\n", f->line);
  fail_msg("%s", what);
}

void ready(struct fixture *f) {
  if (fm_device_finish(f->device) != FM_OK) broken(f, f->ctx.message);
}

int fixture_open(void **state) {
  static struct fixture f;
  fm_context_init(&f.ctx);
  f.ctx.quiet = getenv("FLAWMAP_VERBOSE") == NULL;
  setenv("FLAWMAP_POISON", "1", 1);
  if (fm_device_open(&f.ctx, NULL, &f.device) != FM_OK) {
    print_error("%s\n", f.ctx.message);
    return -1;
  }
  const struct fm_facts *facts = fm_device_facts(f.device);
  f.block = facts->block;
  f.small = getenv("FLAWMAP_TEST_SMALL") ? atoi(getenv("FLAWMAP_TEST_SMALL")) : 0;
  f.bare = getenv("FLAWMAP_TEST_BARE") != NULL;
  f.seed = getenv("FLAWMAP_TEST_SEED") ? strtoull(getenv("FLAWMAP_TEST_SEED"), NULL, 10) : 1;
  printf("device: %s, %s; block %d, group %d, seed %llu\n", facts->name, facts->platform, facts->block,
         facts->group, (unsigned long long)f.seed);
  *state = &f;
  return 0;
}

int fixture_close(void **state) {
  struct fixture *f = *state;
  struct fm_device_live live = fm_device_live(f->device);
  enum fm_status status = fm_device_close(f->device);
  long host = f->ctx.live_allocations;
  if (status != FM_OK) print_error("%s\n", f->ctx.message);
  if (live.buffers) print_error("%ld device buffers were not freed\n", live.buffers);
  if (host) print_error("%ld allocations were not freed\n", host);
  fm_context_free(&f->ctx);
  return status != FM_OK || live.buffers || host ? -1 : 0;
}

void run_twice(struct fixture *f, void (*run)(struct fixture *f, const void *shape), const void *shape) {
  f->hash = 0xCBF29CE484222325u;
  run(f, shape);
  uint64_t first = f->hash;
  f->hash = 0xCBF29CE484222325u;
  run(f, shape);
  if (f->hash != first) broken(f, "the second run gave other bits");
}

static void hash(struct fixture *f, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) f->hash = (f->hash ^ at[i]) * 0x100000001B3u;
}

struct zone zone_make(struct fixture *f, size_t bytes, const void *content) {
  struct zone z = {.bytes = bytes};
  size_t red = f->bare ? 0 : RED, size = 2 * red + ((bytes + 3) & ~(size_t)3);
  uint32_t *all = malloc(size);
  for (size_t i = 0; i < size / 4; i++) all[i] = pattern;
  if (content) memcpy((char *)all + red, content, bytes);
  fm_buffer_make(f->device, size, &z.parent);
  fm_buffer_write(f->device, &z.parent, 0, all, size);
  if (f->bare)
    z.buffer = z.parent;
  else
    fm_buffer_view(f->device, &z.parent, red, bytes, &z.buffer);
  ready(f);
  free(all);
  return z;
}

void zone_read(struct fixture *f, const struct zone *z, void *content) {
  size_t red = f->bare ? 0 : RED, size = 2 * red + ((z->bytes + 3) & ~(size_t)3);
  uint32_t *all = malloc(size);
  ready(f);
  fm_buffer_read(f->device, &z->parent, 0, all, size);
  ready(f);
  memcpy(content, (char *)all + red, z->bytes);
  bool good = true;
  for (size_t i = 0; i < red / 4; i++)
    good = good && all[i] == pattern && all[(red + ((z->bytes + 3) & ~(size_t)3)) / 4 + i] == pattern;
  free(all);
  if (!good) broken(f, "memory outside a buffer was written");
  hash(f, content, z->bytes);
}

void zone_free(struct fixture *f, struct zone *z) {
  if (!f->bare) fm_buffer_free(f->device, &z->buffer);
  fm_buffer_free(f->device, &z->parent);
}

struct zone vector_make(struct fixture *f, size_t count, const double *values) {
  float *v = malloc((count + 1) * sizeof *v);
  for (size_t i = 0; values && i < count; i++) v[i] = (float)values[i];
  struct zone z = zone_make(f, count * sizeof *v, values ? v : NULL);
  free(v);
  return z;
}

void vector_read(struct fixture *f, const struct zone *z, size_t count, double *values) {
  float *v = malloc(z->bytes);
  zone_read(f, z, v);
  for (size_t i = 0; i < count; i++) values[i] = v[i];
  free(v);
}

struct zone channels_make(struct fixture *f, int channels, const double *values) {
  size_t count = (size_t)((channels + f->block - 1) / f->block * f->block);
  double *padded = calloc(count, sizeof *padded);
  memcpy(padded, values, (size_t)channels * sizeof *padded);
  struct zone z = vector_make(f, count, padded);
  free(padded);
  return z;
}

/* The kind of float i of the buffer: a value (its index in nchw), a zero, or room behind. */
enum { ZERO = -1, BEHIND = -2 };
static long long place(const struct fm_acts *a, size_t i) {
  size_t lane = i % (size_t)a->block, pixel = i / (size_t)a->block;
  size_t row = (size_t)(a->w + 2 * a->halo), plane = row * (size_t)(a->h + 2 * a->halo);
  size_t blocks = ((size_t)a->c + (size_t)a->block - 1) / (size_t)a->block, p = pixel / plane;
  if (p >= (size_t)a->n * blocks) return BEHIND;
  size_t n = p / blocks, c = p % blocks * (size_t)a->block + lane;
  long long y = (long long)(pixel % plane / row) - a->halo, x = (long long)(pixel % row) - a->halo;
  if (c >= (size_t)a->c || y < 0 || y >= a->h || x < 0 || x >= a->w) return ZERO;
  return (((long long)n * a->c + (long long)c) * a->h + y) * a->w + x;
}

struct tensor tensor_make(struct fixture *f, int n, int c, int h, int w, int halo, int block,
                          const double *values) {
  struct tensor t = {.acts = {n, c, h, w, halo, block ? block : f->block, {0}},
                     .count = (size_t)n * (size_t)c * (size_t)h * (size_t)w};
  size_t bytes;
  assert_true(fm_acts_bytes(&t.acts, &bytes));
  uint32_t *raw = malloc(bytes);
  for (size_t i = 0; i < bytes / 4; i++) {
    long long at = place(&t.acts, i);
    float v = at >= 0 && values ? (float)values[at] : 0;
    memcpy(&raw[i], &v, 4);
    if (at == BEHIND || !values) raw[i] = pattern;
  }
  t.zone = zone_make(f, bytes, raw);
  t.acts.buffer = t.zone.buffer;
  free(raw);
  if (values) {
    t.v = malloc(t.count * sizeof *t.v);
    memcpy(t.v, values, t.count * sizeof *t.v);
  } else {
    fm_halo(f->device, &t.acts);
  }
  return t;
}

struct tensor tensor_random(struct fixture *f, struct fm_rng *rng, int n, int c, int h, int w, int halo,
                            int block) {
  double *v = random_values(rng, (size_t)n * (size_t)c * (size_t)h * (size_t)w, -1, 1);
  struct tensor t = tensor_make(f, n, c, h, w, halo, block, v);
  free(v);
  return t;
}

struct tensor tensor_empty(struct fixture *f, int n, int c, int h, int w, int halo) {
  return tensor_make(f, n, c, h, w, halo, 0, NULL);
}

double *tensor_read(struct fixture *f, const struct tensor *t) {
  uint32_t *raw = malloc(t->zone.bytes);
  double *v = malloc(t->count * sizeof *v);
  zone_read(f, &t->zone, raw);
  const char *wrong = NULL;
  for (size_t i = 0; i < t->zone.bytes / 4; i++) {
    long long at = place(&t->acts, i);
    float number;
    memcpy(&number, &raw[i], 4);
    if (at >= 0)
      v[at] = number;
    else if (at == BEHIND ? raw[i] != pattern : !(number >= 0 && number <= 0))
      wrong = at == BEHIND ? "memory behind the last plane was written"
                           : "the halo or a padding channel is not zero";
  }
  free(raw);
  if (wrong) broken(f, wrong);
  return v;
}

void tensor_unchanged(struct fixture *f, const struct tensor *t) {
  double *v = tensor_read(f, t);
  bool good = memcmp(v, t->v, t->count * sizeof *v) == 0;
  free(v);
  if (!good) broken(f, "an input was changed");
}

void tensor_free(struct fixture *f, struct tensor *t) {
  zone_free(f, &t->zone);
  free(t->v);
  *t = (struct tensor){0};
}

double *random_values(struct fm_rng *rng, size_t count, double low, double high) {
  double *v = malloc((count + 1) * sizeof *v);
  for (size_t i = 0; i < count; i++) v[i] = (float)(low + (high - low) * (double)fm_rng_uniform(rng));
  return v;
}

int random_int(struct fm_rng *rng, int low, int high) {
  return (int)fm_rng_integer(rng, low, high + 1);
}

void same(struct fixture *f, const char *what, const double *got, const double *want, size_t count,
          double tolerance) {
  same_sums(f, what, got, want, count, tolerance, 1e-30);
}

void same_sums(struct fixture *f, const char *what, const double *got, const double *want, size_t count,
               double tolerance, double least) {
  double scale = least, worst = 0;
  size_t at = 0, wrong = 0;
  for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs(want[i]));
  for (size_t i = 0; i < count; i++) {
    double e = fabs(got[i] - want[i]) / scale;
    if (!(e <= tolerance)) wrong++;
    if (!(e <= worst)) {
      worst = e;
      at = i;
    }
  }
  if (getenv("FLAWMAP_TEST_ERRORS"))
    printf("error %-12s %.2e of %.0e: %s\n", what, worst, tolerance, f->line);
  if (!wrong) return;
  print_error("FAILED: %s\n", f->line);
  fail_msg(
      "%s: %zu of %zu are wrong; [%zu] is %.9g, should be %.9g (error %.3g of the largest, allowed %.3g)",
      what, wrong, count, at, got[at], want[at], worst, tolerance);
}

void gradient_check(struct fixture *f, const char *what, double (*function)(void *user), void *user,
                    double *x, size_t count, const double *gradient) {
  struct fm_rng rng = fm_rng_stream(f->seed, what);
  double scale = 1e-12, step = 1e-5;
  for (size_t i = 0; i < count; i++) scale = fmax(scale, fabs(gradient[i]));
  for (int k = 0; k < 12; k++) {
    size_t i = (size_t)random_int(&rng, 0, (int)count - 1);
    double old = x[i];
    x[i] = old + step;
    double high = function(user);
    x[i] = old - step;
    double low = function(user);
    x[i] = old;
    double slope = (high - low) / (2 * step);
    if (fabs(slope - gradient[i]) <= 1e-6 * scale) continue;
    print_error("FAILED: %s\n", f->line);
    fail_msg("reference %s: [%zu] is %.12g, finite differences give %.12g", what, i, gradient[i], slope);
  }
}
