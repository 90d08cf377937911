#include "op/selftest.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/rng.h"
#include "device/memo.h"
#include "op/adam.h"
#include "op/loss.h"
#include "op/map.h"
#include "op/norm.h"
#include "op/simple.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One shape serves all families: odd in every direction, two pictures, two blocks of channels at least. */
enum { N = 2, C = 33, H = 7, W = 9, COUNT = N * C * H * W, HALO = 2 };

struct test {
  struct fm_device *d;
  struct fm_context *ctx;
  struct fm_acts x, y, z;     /* C channels, H x W */
  struct fm_buffer buffer[4]; /* scratch of any kind */
  float *hx, *hy, *got;       /* host: x, y, a result */
  double *want;
};

enum { SCRATCH = 1 << 18 };

static float *random_numbers(struct test *t, size_t count, const char *stream) {
  float *v = fm_alloc(t->ctx, count, sizeof *v);
  struct fm_rng rng = fm_rng_stream(1, stream);
  for (size_t i = 0; v && i < count; i++) v[i] = 2 * fm_rng_uniform(&rng) - 1;
  return v;
}

static size_t at(int n, int c, int y, int x) {
  return ((size_t)(n * C + c) * H + (size_t)y) * W + (size_t)x;
}

static enum fm_status compare(struct test *t, const float *got, const double *want, size_t count,
                              const char *what) {
  double worst = 0, size = 0;
  for (size_t i = 0; i < count; i++) {
    double e = fabs((double)got[i] - want[i]);
    if (!(e <= worst)) worst = isnan(e) ? INFINITY : e;
    size = fmax(size, fabs(want[i]));
  }
  if (worst <= 1e-4 * fmax(size, 1e-3)) return FM_OK;
  return fm_error(
      t->ctx, FM_DEVICE,
      "the device '%s' computes wrong: %s is off by %.2g where values reach %.2g; update its driver, "
      "use another --device, or go on at your own risk with --force",
      fm_device_facts(t->d)->name, what, worst, size);
}

static enum fm_status compare_acts(struct test *t, const struct fm_acts *a, const char *what) {
  FM_TRY(fm_acts_read(t->d, a, t->got));
  return compare(t, t->got, t->want, COUNT, what);
}

/* A 3x3 convolution, its gradients; weights [C][C][3][3]. */
static enum fm_status test_conv(struct test *t) {
  const struct fm_conv c = {C, C, 3, 1, 1, 1, false, false};
  int block = fm_device_facts(t->d)->block;
  size_t count = (size_t)C * C * 9, packed = fm_conv_weights(&c, block);
  float *w = random_numbers(t, count, "selftest.weights"), *p = fm_alloc(t->ctx, packed, sizeof *p);
  double *dw = fm_alloc(t->ctx, count, sizeof *dw), *dx = fm_alloc(t->ctx, COUNT, sizeof *dx);
  enum fm_status status = w && p && dw && dx ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    memset(t->want, 0, COUNT * sizeof *t->want);
    for (int n = 0; n < N; n++)
      for (int o = 0; o < C; o++)
        for (int i = 0; i < C; i++)
          for (int k = 0; k < 9; k++)
            for (int y = 0; y < H; y++)
              for (int x = 0; x < W; x++) {
                int v = y + k / 3 - 1, u = x + k % 3 - 1;
                if (v < 0 || v >= H || u < 0 || u >= W) continue;
                size_t wi = (size_t)(o * C + i) * 9 + (size_t)k;
                t->want[at(n, o, y, x)] += (double)w[wi] * (double)t->hx[at(n, i, v, u)];
                dx[at(n, i, v, u)] += (double)w[wi] * (double)t->hy[at(n, o, y, x)];
                dw[wi] += (double)t->hx[at(n, i, v, u)] * (double)t->hy[at(n, o, y, x)];
              }
    fm_conv_pack(&c, block, w, p);
    status = fm_buffer_write(t->d, &t->buffer[0], 0, p, packed * sizeof *p);
  }
  if (status == FM_OK) {
    fm_conv_forward(t->d, &c, &t->x, &t->buffer[0], NULL, NULL, fm_limits_none, &t->z);
    status = compare_acts(t, &t->z, "convolution");
  }
  if (status == FM_OK) {
    memcpy(t->want, dx, COUNT * sizeof *dx);
    fm_conv_input_gradient(t->d, &c, &t->y, &t->buffer[0], &t->buffer[1], false, &t->z);
    status = compare_acts(t, &t->z, "a convolution's gradient to the input");
  }
  if (status == FM_OK) {
    fm_conv_weight_gradient(t->d, &c, &t->x, &t->y, &t->buffer[1], &t->buffer[2]);
    status = fm_buffer_read(t->d, &t->buffer[2], 0, p, packed * sizeof *p);
    if (status == FM_OK) fm_conv_unpack(&c, block, p, w);
    if (status == FM_OK) status = compare(t, w, dw, count, "a convolution's gradient to the weights");
  }
  fm_free(t->ctx, w);
  fm_free(t->ctx, p);
  fm_free(t->ctx, dw);
  fm_free(t->ctx, dx);
  return status;
}

static enum fm_status test_depthwise(struct test *t) {
  const struct fm_conv c = {C, C, 3, 1, 1, 1, true, false};
  int block = fm_device_facts(t->d)->block;
  size_t packed = fm_conv_weights(&c, block);
  float *w = random_numbers(t, (size_t)C * 9, "selftest.weights"), *p = fm_alloc(t->ctx, packed, sizeof *p);
  enum fm_status status = w && p ? FM_OK : FM_MEMORY;
  if (status == FM_OK) {
    memset(t->want, 0, COUNT * sizeof *t->want);
    for (int n = 0; n < N; n++)
      for (int o = 0; o < C; o++)
        for (int k = 0; k < 9; k++)
          for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
              int v = y + k / 3 - 1, u = x + k % 3 - 1;
              if (v >= 0 && v < H && u >= 0 && u < W)
                t->want[at(n, o, y, x)] += (double)w[o * 9 + k] * (double)t->hx[at(n, o, v, u)];
            }
    fm_conv_pack(&c, block, w, p);
    status = fm_buffer_write(t->d, &t->buffer[0], 0, p, packed * sizeof *p);
  }
  if (status == FM_OK) {
    fm_conv_forward(t->d, &c, &t->x, &t->buffer[0], NULL, NULL, fm_limits_none, &t->z);
    status = compare_acts(t, &t->z, "depthwise convolution");
  }
  fm_free(t->ctx, w);
  fm_free(t->ctx, p);
  return status;
}

/* Batch norm with ReLU and its gradient: gamma 1, shift 0. */
static enum fm_status test_norm(struct test *t) {
  struct fm_norm norm = {1e-5f, 0.1f};
  const double m = N * H * W;
  for (int i = 0; i < 2; i++) FM_TRY(fm_buffer_fill(t->d, &t->buffer[i], i == 0 ? 1 : 0));
  FM_TRY(fm_buffer_fill(t->d, &t->buffer[2], 0));
  struct fm_buffer parts;
  FM_TRY(fm_buffer_make(t->d, fm_norm_parts_bytes(t->d, &t->x) + SCRATCH, &parts));
  fm_norm_measure(t->d, &norm, &t->x, &t->buffer[0], &parts, &t->buffer[1], &t->buffer[2]);
  enum fm_status status = fm_buffer_fill(t->d, &t->buffer[3], 0);
  fm_norm_apply(t->d, &t->x, &t->buffer[1], &t->buffer[3], NULL, fm_limits_relu, &t->z);
  double mean[C], rstd[C], s1[C], s2[C];
  for (int c = 0; c < C; c++) {
    double sum = 0, squares = 0;
    for (int n = 0; n < N; n++)
      for (int i = 0; i < H * W; i++) sum += (double)t->hx[at(n, c, 0, i)];
    mean[c] = sum / m;
    for (int n = 0; n < N; n++)
      for (int i = 0; i < H * W; i++) squares += pow((double)t->hx[at(n, c, 0, i)] - mean[c], 2);
    rstd[c] = 1 / sqrt(squares / m + 1e-5);
    s1[c] = s2[c] = 0;
    for (int n = 0; n < N; n++)
      for (int i = 0; i < H * W; i++) {
        double v = ((double)t->hx[at(n, c, 0, i)] - mean[c]) * rstd[c],
               dz = v > 0 ? (double)t->hy[at(n, c, 0, i)] : 0;
        t->want[at(n, c, 0, i)] = fmax(v, 0);
        s1[c] += dz / m;
        s2[c] += dz * v / m;
      }
  }
  if (status == FM_OK) status = compare_acts(t, &t->z, "batch norm");
  for (int n = 0; n < N; n++)
    for (int c = 0; c < C; c++)
      for (int i = 0; i < H * W; i++) {
        double v = ((double)t->hx[at(n, c, 0, i)] - mean[c]) * rstd[c],
               dz = v > 0 ? (double)t->hy[at(n, c, 0, i)] : 0;
        t->want[at(n, c, 0, i)] = rstd[c] * (dz - s1[c] - v * s2[c]);
      }
  fm_norm_backward(t->d, &t->x, &t->buffer[1], &t->z, fm_limits_relu, false, &t->y, &parts, &t->buffer[2],
                   &t->buffer[3], &t->z);
  if (status == FM_OK) status = compare_acts(t, &t->z, "batch norm's gradient");
  fm_buffer_free(t->d, &parts);
  return status;
}

/* Sum with ReLU6, resize to the same size (which must change nothing), max pool. */
static enum fm_status test_simple(struct test *t) {
  for (size_t i = 0; i < COUNT; i++) t->want[i] = fmin(fmax((double)t->hx[i] + (double)t->hy[i], 0), 6);
  fm_acts_add(t->d, &t->x, &t->y, fm_limits_relu6, &t->z);
  FM_TRY(compare_acts(t, &t->z, "the sum of two tensors"));
  for (size_t i = 0; i < COUNT; i++) t->want[i] = (double)t->hx[i];
  fm_resize(t->d, &t->x, true, NULL, fm_limits_none, &t->z);
  FM_TRY(compare_acts(t, &t->z, "resizing"));
  struct fm_acts small;
  FM_TRY(fm_acts_make(t->d, N, C, (H + 1) / 2, (W + 1) / 2, 0, &small));
  fm_pool(t->d, &t->x, &small, NULL);
  enum fm_status status = fm_acts_read(t->d, &small, t->got);
  size_t count = 0;
  for (int p = 0; p < N * C; p++)
    for (int y = 0; y < small.h; y++)
      for (int x = 0; x < small.w; x++) {
        double best = -INFINITY;
        for (int k = 0; k < 9; k++) {
          int v = 2 * y + k / 3 - 1, u = 2 * x + k % 3 - 1;
          if (v >= 0 && v < H && u >= 0 && u < W) best = fmax(best, (double)t->hx[at(0, p, v, u)]);
        }
        t->want[count++] = best;
      }
  fm_acts_free(t->d, &small);
  return status == FM_OK ? compare(t, t->got, t->want, count, "max pooling") : status;
}

/* Discrepancy, enlargement, smoothing of a constant (which stays), one step of AdamW. */
static enum fm_status test_rest(struct test *t) {
  fm_discrepancy(t->d, &t->x, &t->y, H, W, false, &t->buffer[0], NULL, NULL);
  for (int n = 0; n < N; n++)
    for (int i = 0; i < H * W; i++) {
      double a = 0, b = 0, ab = 0;
      for (int c = 0; c < C; c++) {
        double u = (double)t->hx[at(n, c, 0, i)], v = (double)t->hy[at(n, c, 0, i)];
        a += u * u;
        b += v * v;
        ab += u * v;
      }
      t->want[n * H * W + i] = 2 - 2 * ab / sqrt(a * b);
    }
  FM_TRY(fm_buffer_read(t->d, &t->buffer[0], 0, t->got, N * H * W * sizeof(float)));
  FM_TRY(compare(t, t->got, t->want, N * H * W, "the discrepancy"));
  struct fm_gaussian g;
  FM_TRY(fm_buffer_fill(t->d, &t->buffer[0], 0.75f));
  enum fm_status status = fm_gaussian_make(t->d, 4, &g);
  if (status == FM_OK) {
    fm_enlarge(t->d, &t->buffer[0], 1, 8, 8, &t->buffer[1], 40, 40);
    fm_gaussian_run(t->d, &g, &t->buffer[1], &t->buffer[2], 1, 40, 40);
    for (int i = 0; i < 1600; i++) t->want[i] = 0.75;
    status = fm_buffer_read(t->d, &t->buffer[1], 0, t->got, 1600 * sizeof(float));
  }
  if (status == FM_OK) status = compare(t, t->got, t->want, 1600, "smoothing");
  fm_gaussian_free(t->d, &g);
  FM_TRY(status);
  const float start[4] = {1, 0.5f, 0, 0}; /* weights, gradient, moments */
  for (int i = 0; i < 4; i++) FM_TRY(fm_buffer_fill(t->d, &t->buffer[i], start[i]));
  fm_adam_step(t->d, &(struct fm_adam){0.1, 0.9, 0.999, 1e-8, 0.01}, 1, 1, 64, &t->buffer[0], &t->buffer[1],
               &t->buffer[2], &t->buffer[3]);
  for (int i = 0; i < 64; i++) t->want[i] = 1 - 0.001 - 0.1;
  FM_TRY(fm_buffer_read(t->d, &t->buffer[0], 0, t->got, 64 * sizeof(float)));
  return compare(t, t->got, t->want, 64, "AdamW");
}

static enum fm_status run(struct test *t) {
  static enum fm_status (*const families[])(struct test *) = {test_conv, test_depthwise, test_norm,
                                                              test_simple, test_rest};
  t->hx = random_numbers(t, COUNT, "selftest.x");
  t->hy = random_numbers(t, COUNT, "selftest.y");
  t->got = fm_alloc(t->ctx, COUNT, sizeof *t->got);
  t->want = fm_alloc(t->ctx, COUNT, sizeof *t->want);
  if (!t->hx || !t->hy || !t->got || !t->want) return FM_MEMORY;
  struct fm_acts *const acts[] = {&t->x, &t->y, &t->z};
  for (int i = 0; i < 3; i++) FM_TRY(fm_acts_make(t->d, N, C, H, W, HALO, acts[i]));
  for (int i = 0; i < 4; i++) FM_TRY(fm_buffer_make(t->d, SCRATCH, &t->buffer[i]));
  FM_TRY(fm_acts_write(t->d, &t->x, t->hx));
  FM_TRY(fm_acts_write(t->d, &t->y, t->hy));
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) FM_TRY(families[i](t));
  return fm_device_finish(t->d);
}

enum fm_status fm_selftest(struct fm_device *d, bool force) {
  struct fm_context *ctx = fm_device_context(d);
  const char *wish = getenv("FLAWMAP_SELFTEST");
  if (wish && strcmp(wish, "off") == 0) return FM_OK;
  if (!(wish && strcmp(wish, "always") == 0) && fm_memo_has(d, "selftest")) return FM_OK;
  fm_note(ctx, "testing the kernels on '%s' (once for each device and driver)", fm_device_facts(d)->name);
  struct test t = {.d = d, .ctx = ctx};
  enum fm_status status = run(&t);
  struct fm_acts *const acts[] = {&t.x, &t.y, &t.z};
  for (int i = 0; i < 3; i++) fm_acts_free(d, acts[i]);
  for (int i = 0; i < 4; i++) fm_buffer_free(d, &t.buffer[i]);
  fm_free(ctx, t.hx);
  fm_free(ctx, t.hy);
  fm_free(ctx, t.got);
  fm_free(ctx, t.want);
  if (status == FM_OK) fm_memo_keep(d, "selftest");
  if (status == FM_DEVICE && force && fm_device_status(d) == FM_OK) {
    fm_note(ctx, "WARNING: %s. Going on because of --force: results may be wrong.", ctx->message);
    fm_error_clear(ctx);
    return FM_OK;
  }
  return status;
}
