/* An expansion and the depthwise convolution behind it in one kernel: against plain C in double precision,
 * and to the bit against the two convolutions one after the other. */
#include "fixture.h"
#include "op/expand.h"
#include "op/simple.h"
#include "op/variant.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct shape {
  int n, cin, wide, k, stride, h, w;
  bool same, reflect; /* same: output ceil(in / stride), the smaller part of the padding first */
  int extra;          /* halo that nobody needs */
};

static const struct shape table[] = {
    {1, 1, 1, 3, 1, 1, 1, false, false, 0},    {1, 16, 96, 3, 2, 16, 16, true, false, 0},
    {2, 24, 40, 3, 1, 9, 17, false, false, 1}, {1, 24, 48, 5, 2, 12, 20, true, false, 0},
    {2, 40, 56, 5, 1, 7, 33, false, false, 0}, {1, 112, 36, 5, 1, 16, 16, false, false, 2},
    {3, 17, 33, 3, 2, 9, 7, false, false, 0},  {1, 5, 7, 5, 2, 2, 3, true, false, 0},
    {1, 24, 20, 5, 1, 6, 11, false, true, 0},  {2, 16, 32, 3, 2, 8, 10, true, true, 0},
    {1, 3, 16, 5, 1, 3, 3, false, true, 0}};

struct weights {
  double *w;
  struct zone packed;
};

static struct weights weights_make(struct fixture *f, const struct fm_conv *c, struct fm_rng *rng) {
  size_t count = (size_t)c->cout * (size_t)(c->depthwise ? 1 : c->cin) * (size_t)(c->k * c->k);
  size_t numbers = fm_conv_weights(c, f->block);
  struct weights w = {.w = random_values(rng, count, -1, 1)};
  float *oihw = malloc(count * sizeof *oihw), *packed = malloc(numbers * sizeof *packed);
  for (size_t i = 0; i < count; i++) oihw[i] = (float)w.w[i];
  fm_conv_pack(c, f->block, oihw, packed);
  w.packed = zone_make(f, numbers * sizeof *packed, packed);
  free(oihw);
  free(packed);
  return w;
}

static void weights_free(struct fixture *f, struct weights *w) {
  zone_free(f, &w->packed);
  free(w->w);
}

static void convolve(struct fixture *f, const struct fm_conv *c, const struct fm_acts *in,
                     const struct weights *w, const struct zone *bias, struct fm_limits limits,
                     const struct fm_acts *out) {
  struct fm_call call;
  fm_conv_choose(f->device, c, FM_CONV_FORWARD, in, out, NULL, &call);
  fm_conv_run(
      f->device, &call,
      &(struct fm_conv_args){
          .in = in, .out = out, .weights = &w->packed.buffer, .bias = &bias->buffer, .limits = limits});
}

static void bias_and_limit(size_t count, size_t plane, int channels, const double *bias, struct fm_limits l,
                           double *v) {
  for (size_t i = 0; i < count; i++)
    v[i] = ref_limit(v[i] + bias[i / plane % (size_t)channels], (double)l.low, (double)l.high);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct ref_conv deep = {s->n,      s->wide,  s->h,     s->w, s->wide, s->k,
                          s->stride, s->k / 2, s->k / 2, 0,    0,       true};
  deep.ho = (s->h + 2 * deep.pad_y - s->k) / s->stride + 1;
  deep.wo = (s->w + 2 * deep.pad_x - s->k) / s->stride + 1;
  if (s->same) {
    deep.ho = (s->h + s->stride - 1) / s->stride;
    deep.wo = (s->w + s->stride - 1) / s->stride;
    int down = (deep.ho - 1) * s->stride + s->k - s->h, across = (deep.wo - 1) * s->stride + s->k - s->w;
    deep.pad_y = down > 0 ? down / 2 : 0;
    deep.pad_x = across > 0 ? across / 2 : 0;
  }
  const struct ref_conv flat = {s->n, s->cin, s->h, s->w, s->wide, 1, 1, 0, 0, s->h, s->w, false};
  struct fm_expand e = {.wide = {s->cin, s->wide, 1, 1, 0, 0, false, false},
                        .depthwise = {s->wide, s->wide, s->k, s->stride, deep.pad_y, deep.pad_x, true, false},
                        .h = s->h,
                        .w = s->w,
                        .out_h = deep.ho,
                        .out_w = deep.wo};
  if (!fm_expand_pays(fm_device_facts(f->device), &e)) return;
  const struct fm_limits wide_limits = fm_limits_relu6, limits = fm_limits_relu;
  struct weights wide = weights_make(f, &e.wide, &rng), depthwise = weights_make(f, &e.depthwise, &rng);
  double *wide_bias = random_values(&rng, (size_t)s->wide, -1, 1),
         *bias = random_values(&rng, (size_t)s->wide, -1, 1);
  struct zone wb = channels_make(f, s->wide, wide_bias), b = channels_make(f, s->wide, bias);
  struct tensor in = tensor_random(f, &rng, s->n, s->cin, s->h, s->w, s->extra, 0);
  struct tensor out = tensor_empty(f, s->n, s->wide, deep.ho, deep.wo, random_int(&rng, 0, 2));
  struct tensor again = tensor_empty(f, s->n, s->wide, deep.ho, deep.wo, 0);
  int halo = fm_conv_halo(&e.depthwise, s->h, s->w, deep.ho, deep.wo);
  struct tensor middle = tensor_empty(f, s->n, s->wide, s->h, s->w, halo);

  fm_expand_run(f->device, &e,
                &(struct fm_expand_args){.in = &in.acts,
                                         .out = &out.acts,
                                         .wide_weights = &wide.packed.buffer,
                                         .wide_bias = &wb.buffer,
                                         .weights = &depthwise.packed.buffer,
                                         .bias = &b.buffer,
                                         .wide_limits = wide_limits,
                                         .limits = limits,
                                         .reflect = s->reflect});
  convolve(f, &e.wide, &in.acts, &wide, &wb, wide_limits, &middle.acts);
  if (s->reflect) fm_reflect(f->device, &middle.acts);
  convolve(f, &e.depthwise, &middle.acts, &depthwise, &b, limits, &again.acts);

  double *got = tensor_read(f, &out), *two = tensor_read(f, &again);
  assert_memory_equal(got, two, out.count * sizeof *got);
  tensor_unchanged(f, &in);
  if (!s->reflect) {
    double *between = malloc(middle.count * sizeof *between), *want = malloc(out.count * sizeof *want);
    ref_conv_forward(&flat, in.v, wide.w, between);
    bias_and_limit(middle.count, (size_t)(s->h * s->w), s->wide, wide_bias, wide_limits, between);
    ref_conv_forward(&deep, between, depthwise.w, want);
    bias_and_limit(out.count, (size_t)(deep.ho * deep.wo), s->wide, bias, limits, want);
    same_sums(f, "expand", got, want, out.count, 5e-6, s->k * s->k * 6);
    free(between);
    free(want);
  }
  free(got);
  free(two);
  free(wide_bias);
  free(bias);
  struct tensor *const tensors[] = {&in, &out, &again, &middle};
  for (int i = 0; i < 4; i++) tensor_free(f, tensors[i]);
  zone_free(f, &wb);
  zone_free(f, &b);
  weights_free(f, &wide);
  weights_free(f, &depthwise);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line, "expand {%d, %d, %d, %d, %d, %d, %d, %d, %d, %d}, seed %llu", s->n,
           s->cin, s->wide, s->k, s->stride, s->h, s->w, s->same, s->reflect, s->extra,
           (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) run_shape(*state, &table[i]);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "expand shapes");
  static const int channels[] = {1, 3, 16, 17, 24, 40, 72, 112};
  for (int i = 0; i < (f->small == 2 ? 0 : f->small ? 4 : 40); i++) {
    const struct shape s = {random_int(&rng, 1, 3),  channels[random_int(&rng, 0, 7)],
                            random_int(&rng, 1, 70), random_int(&rng, 1, 2) * 2 + 1,
                            random_int(&rng, 1, 2),  random_int(&rng, 5, 20),
                            random_int(&rng, 5, 40), random_int(&rng, 0, 1),
                            random_int(&rng, 0, 1),  random_int(&rng, 0, 2)};
    run_shape(f, &s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
