/* Shadows: the axes are orthonormal and hold what varies; shadows are what plain sums give, never farther
 * apart than their rows by more than `loss` allows; boxes hold them all. */
#include "fixture.h"
#include "op/lanes.h"
#include "op/shadow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* kind 0: uniform; 1: along three directions and little besides, far from zero; 2: all the same; 3:
 * duplicates, far from zero */
struct shape {
  int count, width, kind, each;
};

static const struct shape table[] = {{1, 1, 0, 1},    {5, 3, 0, 2},    {40, 17, 1, 1},   {300, 128, 1, 2},
                                     {777, 40, 1, 3}, {100, 33, 2, 4}, {500, 160, 3, 2}, {3000, 20, 0, 5}};

static void draw(const struct shape *s, struct fm_rng *rng, float *x) {
  for (int i = 0; i < s->count; i++) {
    float along[3] = {fm_rng_uniform(rng), fm_rng_uniform(rng), fm_rng_uniform(rng)};
    for (int k = 0; k < s->width; k++) {
      float *at = x + (size_t)i * (size_t)s->width + k;
      float noise = fm_rng_uniform(rng);
      switch (s->kind) {
      case 1:
        *at = 50 + 0.01f * noise;
        for (int a = 0; a < 3; a++) *at += 9 * along[a] * (float)sin(0.7 * (a + 1) * (k + 1) + a);
        break;
      case 2:
        *at = 7;
        break;
      case 3:
        *at = i % 2 ? at[-s->width] : 100 + noise;
        break;
      default:
        *at = noise;
      }
    }
  }
}

static void check_axes(const float *axes, const struct shape *s, const float *x) {
  double within = 0, all = 0;
  for (int a = 0; a < FM_SHADOW; a++)
    for (int b = 0; b <= a; b++) {
      double sum = 0;
      for (int k = 0; k < s->width; k++)
        sum += (double)axes[k * FM_SHADOW + a] * (double)axes[k * FM_SHADOW + b];
      bool none = a == b && sum == 0;
      assert_true(none || fabs(sum - (a == b)) < 1e-6);
    }
  if (s->kind != 1) return;
  for (int i = 1; i < s->count; i++) { /* three directions hold nearly all differences */
    for (int a = 0; a < FM_SHADOW; a++) {
      double sum = 0;
      for (int k = 0; k < s->width; k++)
        sum += (double)axes[k * FM_SHADOW + a] * ((double)x[i * s->width + k] - (double)x[k]);
      within += sum * sum;
    }
    for (int k = 0; k < s->width; k++) all += pow((double)x[i * s->width + k] - (double)x[k], 2);
  }
  assert_true(within > 0.999 * all && within < 1.000001 * all);
}

static double apart(const float *a, const float *b, int width) {
  double sum = 0;
  for (int k = 0; k < width; k++) sum += pow((double)a[k] - (double)b[k], 2);
  return sqrt(sum);
}

static double length(const float *a, int width) {
  double sum = 0;
  for (int k = 0; k < width; k++) sum += pow((double)a[k], 2);
  return sqrt(sum);
}

/* shadow [count][FM_SHADOW] of rows x. */
static void check_shadows(struct fixture *f, const struct shape *s, const struct fm_shadow *h,
                          const float *axes, const float *x, const float *shadow) {
  for (int i = 0; i < s->count; i++) {
    const float *row = x + i * s->width;
    for (int a = 0; a < FM_SHADOW; a++) {
      double sum = 0;
      for (int k = 0; k < s->width; k++) sum += (double)row[k] * (double)axes[k * FM_SHADOW + a];
      assert_true(fabs(sum - (double)shadow[i * FM_SHADOW + a]) <= (double)h->loss * length(row, s->width));
    }
    int j = (i * 31 + 1) % s->count;
    const float *other = x + j * s->width;
    double room = (double)h->loss * (length(row, s->width) + length(other, s->width)),
           far = apart(shadow + i * FM_SHADOW, shadow + j * FM_SHADOW, FM_SHADOW);
    if (!(far <= apart(row, other, s->width) * 1.0001 + room))
      fail_msg("%s: shadows %d and %d", f->line, i, j);
  }
}

/* Boxes of `beside`, of rows by place; past the last row a place is zero. */
static void check_boxes(struct fixture *f, const struct shape *s, const struct fm_shadow *h,
                        const float *shadow, int beside) {
  struct fm_buffer boxes;
  ASSERT_OK(&f->ctx, fm_shadow_boxes(f->device, h, s->each, beside, &boxes));
  int rows = s->each * fm_lanes(f->device), count = (h->groups + s->each - 1) / s->each,
      places = h->groups * fm_lanes(f->device);
  float *got = malloc(boxes.bytes);
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &boxes, 0, got, boxes.bytes));
  assert_true(boxes.bytes >= (size_t)count * 2 * FM_SHADOW * sizeof *got);
  for (int b = 0; b < count; b++)
    for (int a = 0; a < FM_SHADOW; a++) {
      float low = INFINITY, high = -INFINITY;
      for (int i = b * rows; i < (b + 1) * rows && i < places; i++) {
        float v = i < s->count ? shadow[i * FM_SHADOW + a] : 0;
        low = fminf(low, v);
        high = fmaxf(high, v);
      }
      const float *edge =
          got + ((size_t)(b / beside) * 2 * FM_SHADOW + (size_t)a) * (size_t)beside + b % beside;
      assert_true(edge[0] == low && edge[FM_SHADOW * beside] == high);
    }
  free(got);
  fm_buffer_free(f->device, &boxes);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  size_t numbers = (size_t)s->count * (size_t)s->width, lanes = (size_t)fm_lanes(f->device);
  float *x = malloc(numbers * sizeof *x), *axes = malloc((size_t)s->width * FM_SHADOW * sizeof *axes),
        *shadow = malloc((size_t)s->count * FM_SHADOW * sizeof *shadow);
  int groups;
  draw(s, &rng, x);
  struct zone z = zone_make(f, numbers * sizeof *x, x);
  struct fm_buffer side;
  struct fm_shadow h;
  ASSERT_OK(&f->ctx, fm_lanes_make(f->device, (size_t)s->count, s->width, 1, &side, &groups));
  fm_lanes_pack(f->device, &z.buffer, s->count, s->width, 0, &side);
  ASSERT_OK(&f->ctx, fm_shadow_make(f->device, &side, groups, s->count, s->width, &h));
  float *packed = malloc(h.rows.bytes);
  ASSERT_OK(&f->ctx,
            fm_buffer_read(f->device, &h.axes, 0, axes, (size_t)s->width * FM_SHADOW * sizeof *axes));
  ASSERT_OK(&f->ctx, fm_buffer_read(f->device, &h.rows, 0, packed, h.rows.bytes));
  size_t bytes = fm_shadow_bytes(f->device, groups, s->width); /* buffers may be a little larger */
  assert_true(bytes <= h.axes.bytes + h.rows.bytes && bytes + 8192 > h.axes.bytes + h.rows.bytes);
  for (size_t i = 0; i < (size_t)s->count; i++)
    for (size_t a = 0; a < FM_SHADOW; a++)
      shadow[i * FM_SHADOW + a] = packed[(i / lanes * FM_SHADOW + a) * lanes + i % lanes];
  check_axes(axes, s, x);
  check_shadows(f, s, &h, axes, x, shadow);
  check_boxes(f, s, &h, shadow, 1);
  check_boxes(f, s, &h, shadow, fm_device_facts(f->device)->block);
  f->hash ^= (uint64_t)(uint32_t)lrintf(1000 * shadow[0]);
  fm_shadow_free(f->device, &h);
  fm_buffer_free(f->device, &side);
  zone_free(f, &z);
  free(x);
  free(axes);
  free(shadow);
  free(packed);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct shape *s = &table[i];
    snprintf(f->line, sizeof f->line, "shadow {%d, %d, %d, %d}, seed %llu", s->count, s->width, s->kind,
             s->each, (unsigned long long)f->seed);
    run_twice(f, run, s);
  }
}

/* Numbers that are none give axes all the same: zeros or orthonormal. */
static void test_not_finite(void **state) {
  struct fixture *f = *state;
  float x[40 * 20], axes[20 * FM_SHADOW];
  for (int i = 0; i < 40 * 20; i++) x[i] = i % 77 == 0 ? NAN : i % 91 == 0 ? INFINITY : (float)i;
  ASSERT_OK(&f->ctx, fm_shadow_axes(&f->ctx, x, 40, 20, axes));
  for (int i = 0; i < 20 * FM_SHADOW; i++) assert_true(fabsf(axes[i]) <= 1.00001f);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_not_finite)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
