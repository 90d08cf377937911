/* References, residuals, mixtures and the way back from them, against plain C in double precision. */
#include "fixture.h"
#include "op/repair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* w, h: of the grid of cells, 8 pixels each; good pictures; reach; c: channels of the features. */
struct shape {
  int n, w, h, good, reach, c;
};
enum { STEP = 8 };

static struct fm_size size_of(const struct shape *s) {
  return (struct fm_size){STEP * s->w, STEP * s->h};
}

static const struct shape table[] = {{1, 1, 1, 1, 0, 1},  {2, 2, 2, 3, 1, 5},  {1, 4, 4, 2, 2, 17},
                                     {2, 3, 3, 7, 2, 40}, {3, 6, 2, 5, 1, 16}, {1, 2, 5, 9, 2, 24},
                                     {2, 3, 1, 4, 1, 8},  {1, 5, 4, 3, 2, 16}};

struct case_data {
  const struct shape *s;
  struct zone rgb, good;
  unsigned char *rgb_bytes, *good_bytes;
  size_t pixels; /* of a picture */
};

static struct case_data begin(struct fixture *f, const struct shape *s, struct fm_rng *rng) {
  struct case_data d = {.s = s, .pixels = fm_size_pixels(size_of(s))};
  size_t rgb = (size_t)s->n * d.pixels * 3 + 16, good = (size_t)s->good * d.pixels * 4;
  d.rgb_bytes = malloc(rgb);
  d.good_bytes = malloc(good);
  for (size_t i = 0; i < rgb; i++) d.rgb_bytes[i] = (unsigned char)random_int(rng, 0, 255);
  for (size_t i = 0; i < good; i++) d.good_bytes[i] = i % 4 == 3 ? 0 : (unsigned char)random_int(rng, 0, 255);
  d.rgb = zone_make(f, rgb, d.rgb_bytes);
  d.good = zone_make(f, good, d.good_bytes);
  return d;
}

static void end(struct fixture *f, struct case_data *d) {
  zone_free(f, &d->rgb);
  zone_free(f, &d->good);
  free(d->rgb_bytes);
  free(d->good_bytes);
}

/* Bilinear, half-pixel corners, of x [h][w] at a pixel of a picture. */
static double enlarged(const double *x, int h, int w, struct fm_size size, int row, int i) {
  double sy = fmin(fmax((row + 0.5) * h / size.height - 0.5, 0), h - 1),
         sx = fmin(fmax((i + 0.5) * w / size.width - 0.5, 0), w - 1);
  int y0 = (int)sy, x0 = (int)sx, y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
  return (1 - sy + y0) * ((1 - sx + x0) * x[y0 * w + x0] + (sx - x0) * x[y0 * w + x1]) +
         (sy - y0) * ((1 - sx + x0) * x[y1 * w + x0] + (sx - x0) * x[y1 * w + x1]);
}

/* Weights of the good pictures at every cell: [good][h][w]. */
static double *ref_weights(const struct shape *s, const double *x, const double *good, double sharpness) {
  int cells = s->h * s->w;
  double *d = calloc((size_t)(s->good * cells), sizeof *d), *w = calloc((size_t)(s->good * cells), sizeof *w);
  for (int k = 0; k < s->good; k++)
    for (int c = 0; c < s->c; c++)
      for (int q = 0; q < cells; q++)
        d[k * cells + q] += pow(x[c * cells + q] - good[(k * s->c + c) * cells + q], 2);
  for (int q = 0; q < cells; q++) {
    double mean = 0, sum = 0;
    for (int k = 0; k < s->good; k++) {
      int count = 0;
      for (int v = q / s->w - s->reach; v <= q / s->w + s->reach; v++)
        for (int u = q % s->w - s->reach; u <= q % s->w + s->reach; u++)
          if (v >= 0 && v < s->h && u >= 0 && u < s->w) {
            w[k * cells + q] += d[k * cells + v * s->w + u];
            count++;
          }
      w[k * cells + q] /= count;
      mean += w[k * cells + q] / s->good;
    }
    for (int k = 0; k < s->good; k++)
      sum += w[k * cells + q] = exp(-sharpness * w[k * cells + q] / fmax(mean, 1e-30));
    for (int k = 0; k < s->good; k++) w[k * cells + q] /= sum;
  }
  free(d);
  return w;
}

static void run_blend(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct case_data d = begin(f, s, &rng);
  struct tensor x = tensor_random(f, &rng, s->n, s->c, s->h, s->w, 1, 0);
  struct tensor good = tensor_random(f, &rng, s->good, s->c, s->h, s->w, 0, 0);
  size_t cells = (size_t)(s->good * s->h * s->w), count = (size_t)s->n * d.pixels * 4;
  struct zone distance = vector_make(f, cells, NULL), scratch = vector_make(f, cells, NULL),
              ref = vector_make(f, count, NULL);
  struct fm_blend b = {.count = s->good, .reach = s->reach, .sharpness = 5};
  for (int n = 0; n < s->n; n++)
    fm_reference_blend(f->device, &b, &x.acts, n, &good.acts, &d.good.buffer, &distance.buffer,
                       &scratch.buffer, &ref.buffer);
  double *got = malloc(count * sizeof *got), *want = calloc(count, sizeof *want);
  vector_read(f, &ref, count, got);
  for (int n = 0; n < s->n; n++) {
    double *w = ref_weights(s, x.v + n * s->c * s->h * s->w, good.v, 5);
    for (size_t i = 0; i < d.pixels; i++)
      for (int k = 0; k < s->good; k++) {
        int row = (int)i / (STEP * s->w), column = (int)i % (STEP * s->w);
        double v = enlarged(w + k * s->h * s->w, s->h, s->w, size_of(s), row, column);
        for (size_t c = 0; c < 4; c++)
          want[((size_t)n * d.pixels + i) * 4 + c] +=
              v * d.good_bytes[((size_t)k * d.pixels + i) * 4 + c] / 255.0;
      }
    free(w);
  }
  same(f, "blend", got, want, count, 2e-5);
  tensor_unchanged(f, &x);
  tensor_unchanged(f, &good);
  free(got);
  free(want);
  tensor_free(f, &x);
  tensor_free(f, &good);
  zone_free(f, &distance);
  zone_free(f, &scratch);
  zone_free(f, &ref);
  end(f, &d);
}

/* Sum over a cell's patch of the colours' distance, cut off, with the good patch moved. */
static int unlike(const struct shape *s, const struct case_data *d, int n, int q, int k, int from, int down,
                  int right) {
  const struct fm_size size = size_of(s);
  int step = STEP, sum = 0;
  for (int v = -step; v < 2 * step; v++)
    for (int u = -step; u < 2 * step; u++) {
      int y = q / s->w * step + v, x = q % s->w * step + u, far = 0;
      if (y < 0 || y >= size.height || x < 0 || x >= size.width) continue;
      int sy = from / s->w * step + v + down, sx = from % s->w * step + u + right;
      sy = sy < 0 ? 0 : sy >= size.height ? size.height - 1 : sy;
      sx = sx < 0 ? 0 : sx >= size.width ? size.width - 1 : sx;
      for (int c = 0; c < 3; c++)
        far += abs(d->rgb_bytes[((size_t)n * d->pixels + (size_t)(y * size.width + x)) * 3 + (size_t)c] -
                   d->good_bytes[((size_t)k * d->pixels + (size_t)(sy * size.width + sx)) * 4 + (size_t)c]);
      sum += far < 48 ? far : 48;
    }
  return sum;
}

/* The best move of every cell of picture n; [cells][2]. */
static void best_moves(const struct shape *s, const struct case_data *d, int n, int reach, const int *found,
                       const int *origin, int *move) {
  for (int q = 0; q < s->h * s->w; q++) {
    int least = -1, *m = move + 2 * q;
    for (int down = -reach; down <= reach; down++)
      for (int right = -reach; right <= reach; right++) {
        int sum = unlike(s, d, n, q, origin[2 * found[q]], origin[2 * found[q] + 1], down, right);
        bool shorter = down * down + right * right < m[0] * m[0] + m[1] * m[1];
        if (least >= 0 && (sum > least || (sum == least && !shorter))) continue;
        least = sum;
        m[0] = down;
        m[1] = right;
      }
  }
}

/* Adds the moved patch of cell q, with its weights, to the picture. */
static void lay_over(const struct shape *s, const struct case_data *d, int q, const int *origin,
                     const int *move, double *picture, double *total) {
  const struct fm_size size = size_of(s);
  int step = STEP, from = origin[1];
  for (int v = -step; v < 2 * step; v++)
    for (int u = -step; u < 2 * step; u++) {
      int y = q / s->w * step + v, x = q % s->w * step + u;
      if (y < 0 || y >= size.height || x < 0 || x >= size.width) continue;
      double w = pow(sin(3.14159265358979 * (v + step + 0.5) / (3 * step)) *
                         sin(3.14159265358979 * (u + step + 0.5) / (3 * step)),
                     2);
      int sy = from / s->w * step + v + move[0], sx = from % s->w * step + u + move[1];
      sy = sy < 0 ? 0 : sy >= size.height ? size.height - 1 : sy;
      sx = sx < 0 ? 0 : sx >= size.width ? size.width - 1 : sx;
      total[y * size.width + x] += w;
      for (size_t c = 0; c < 4; c++)
        picture[(size_t)(y * size.width + x) * 4 + c] +=
            w * d->good_bytes[((size_t)origin[0] * d->pixels + (size_t)(sy * size.width + sx)) * 4 + c] /
            255.0;
    }
}

static void run_quilt(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct case_data d = begin(f, s, &rng);
  enum { ROWS = 6 };
  int cells = s->h * s->w, *found = malloc((size_t)cells * sizeof *found), origin[2 * ROWS];
  for (int i = 0; i < cells; i++) found[i] = random_int(&rng, 0, ROWS - 1);
  for (int i = 0; i < ROWS; i++) {
    origin[2 * i] = random_int(&rng, 0, s->good - 1);
    origin[2 * i + 1] = random_int(&rng, 0, cells - 1);
  }
  size_t count = d.pixels * 4;
  int *all = malloc((size_t)(s->n * cells) * sizeof *all);
  for (int i = 0; i < s->n * cells; i++) all[i] = found[i % cells];
  size_t moves = (size_t)(s->n * cells) * 2 * sizeof(int);
  int *got_moves = malloc(moves), *want_moves = calloc((size_t)cells, 2 * sizeof *want_moves);
  struct zone zf = zone_make(f, (size_t)(s->n * cells) * sizeof *all, all),
              zo = zone_make(f, sizeof origin, origin), zm = zone_make(f, moves, NULL),
              ref = vector_make(f, (size_t)s->n * count, NULL);
  struct fm_quilt quilt = {.h = s->h, .w = s->w, .step = STEP, .reach = STEP / 2};
  for (int n = 0; n < s->n; n++)
    fm_reference_quilt(f->device, &quilt, n, &d.rgb.buffer, &zf.buffer, &zo.buffer, &d.good.buffer,
                       &zm.buffer, &ref.buffer);
  double *got = malloc((size_t)s->n * count * sizeof *got), *want = malloc(count * sizeof *want),
         *total = malloc(d.pixels * sizeof *total);
  vector_read(f, &ref, (size_t)s->n * count, got);
  zone_read(f, &zm, got_moves);
  for (int n = 0; n < s->n; n++) {
    best_moves(s, &d, n, quilt.reach, found, origin, want_moves);
    assert_memory_equal(got_moves + 2 * n * cells, want_moves, (size_t)cells * 2 * sizeof *want_moves);
    memset(want, 0, count * sizeof *want);
    memset(total, 0, d.pixels * sizeof *total);
    for (int q = 0; q < cells; q++) /* scattered here, gathered there */
      lay_over(s, &d, q, origin + 2 * found[q], want_moves + 2 * q, want, total);
    for (size_t i = 0; i < count; i++) want[i] /= total[i / 4];
    same(f, "quilt", got + (size_t)n * count, want, count, 1e-5);
  }
  void *const blocks[] = {got, want, total, found, all, got_moves, want_moves};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
  zone_free(f, &zf);
  zone_free(f, &zo);
  zone_free(f, &zm);
  zone_free(f, &ref);
  end(f, &d);
}

static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};

/* Residual, mixture, and that the way back is the mixture's derivative. */
static void run_mix(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct case_data d = begin(f, s, &rng);
  const struct fm_size size = size_of(s);
  size_t all = (size_t)s->n * d.pixels;
  double *ref = random_values(&rng, all * 4, 0, 1), *a = random_values(&rng, all / 4, 0, 1);
  for (size_t i = 3; i < all * 4; i += 4) ref[i] = 0;
  struct zone zr = vector_make(f, all * 4, ref), za = vector_make(f, all / 4, a),
              r = vector_make(f, all, NULL), g = vector_make(f, all, NULL);
  struct tensor x = tensor_empty(f, s->n, 3, size.height, size.width, 1);
  struct tensor dx = tensor_random(f, &rng, s->n, 3, size.height, size.width, 0, 0);
  fm_residual(f->device, size, s->n, &d.rgb.buffer, &zr.buffer, &r.buffer);
  fm_mix(f->device, size, &d.rgb.buffer, &zr.buffer, &za.buffer, &x.acts);
  fm_pull(f->device, size, &d.rgb.buffer, &zr.buffer, &dx.acts, false, &g.buffer);
  fm_pull(f->device, size, &d.rgb.buffer, &zr.buffer, &dx.acts, true, &g.buffer);
  double *got = malloc(all * sizeof *got), *want = malloc(all * 3 * sizeof *want),
         *pulled = malloc(all * sizeof *pulled);
  for (size_t i = 0; i < all; i++) {
    double sum = 0, up = enlarged(a + i / d.pixels * (d.pixels / 4), size.height / 2, size.width / 2, size,
                                  (int)(i % d.pixels) / size.width, (int)(i % d.pixels) % size.width);
    pulled[i] = 0;
    for (size_t c = 0; c < 3; c++) {
      double y = d.rgb_bytes[3 * i + c] / 255.0, move = ref[4 * i + c] - y;
      size_t at = (i / d.pixels * 3 + c) * d.pixels + i % d.pixels;
      sum += move * move;
      want[at] = (y + up * move - mean[c]) / deviation[c];
      pulled[i] += 2 * dx.v[at] / deviation[c] * move;
    }
    got[i] = sqrt(sum);
  }
  double *device = malloc(all * sizeof *device);
  vector_read(f, &r, all, device);
  same(f, "residual", device, got, all, 2e-6);
  vector_read(f, &g, all, device);
  same(f, "pull", device, pulled, all, 3e-6);
  double *mixed = tensor_read(f, &x);
  same(f, "mixture", mixed, want, all * 3, 3e-6);
  tensor_unchanged(f, &dx);
  free(mixed);
  free(device);
  free(got);
  free(want);
  free(pulled);
  free(ref);
  free(a);
  zone_free(f, &zr);
  zone_free(f, &za);
  zone_free(f, &r);
  zone_free(f, &g);
  tensor_free(f, &x);
  tensor_free(f, &dx);
  end(f, &d);
}

static void run_hinge(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t cells = (size_t)(s->h * s->w), all = (size_t)s->n * cells;
  double *e = random_values(&rng, all, 0, 2), *limit = random_values(&rng, cells, 0, 2),
         *got = malloc(all * sizeof *got);
  struct zone ze = vector_make(f, all, e), zl = vector_make(f, cells, limit),
              slope = vector_make(f, all, NULL);
  fm_hinge(f->device, s->n, s->h, s->w, &ze.buffer, &zl.buffer, 0.5f, &slope.buffer);
  vector_read(f, &slope, all, got);
  for (size_t i = 0; i < all; i++) e[i] = e[i] > limit[i % cells] ? 0.5 : 0;
  same(f, "hinge", got, e, all, 0);
  free(e);
  free(limit);
  free(got);
  zone_free(f, &ze);
  zone_free(f, &zl);
  zone_free(f, &slope);
}

static void over_table(struct fixture *f, const char *name, void (*run)(struct fixture *, const void *)) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    if (f->small && s->w > 2) continue;
    snprintf(f->line, sizeof f->line, "%s {%d, %d, %d, %d, %d, %d}, seed %llu", name, s->n, s->w, s->h,
             s->good, s->reach, s->c, (unsigned long long)f->seed);
    run_twice(f, run, s);
  }
}

static void test_blend(void **state) {
  over_table(*state, "blend", run_blend);
}
static void test_quilt(void **state) {
  over_table(*state, "quilt", run_quilt);
}
static void test_mix(void **state) {
  over_table(*state, "mix", run_mix);
}
static void test_hinge(void **state) {
  over_table(*state, "hinge", run_hinge);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_blend), cmocka_unit_test(test_quilt),
                                     cmocka_unit_test(test_mix), cmocka_unit_test(test_hinge)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
