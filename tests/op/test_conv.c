#include "fixture.h"
#include "reference.h"

#include "op/variant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* in place: res is out; a picture has three channels in a block of 4 (picture 4) or the device's (picture 1).
 */
enum residual { NO_RES, RES, IN_PLACE };
struct shape {
  int n, cin, cout, k, stride, h, w;
  bool depthwise, same; /* same: output ceil(in / stride), the smaller part of the padding first */
  int picture;
  int extra; /* halo more than needed */
  bool bias;
  enum residual res;
  int limits;
  bool accumulate;
};

static const struct shape table[] = {
    {1, 1, 1, 1, 1, 1, 1, .bias = true},
    {2, 16, 16, 1, 1, 5, 16, .res = IN_PLACE, .limits = 1},
    {1, 17, 24, 1, 1, 7, 6, .bias = true, .res = RES, .limits = 2, .accumulate = true},
    {3, 40, 48, 1, 1, 2, 2, .extra = 1},
    {1, 24, 80, 1, 1, 3, 13, .bias = true},
    {2, 48, 40, 1, 2, 9, 7, .accumulate = true},
    {1, 16, 33, 1, 2, 8, 12, .bias = true},
    {1, 3, 1, 3, 1, 1, 1, .bias = true, .res = IN_PLACE},
    {1, 17, 16, 3, 1, 2, 2, .extra = 2},
    {2, 16, 17, 3, 1, 8, 8, .bias = true, .limits = 1, .accumulate = true},
    {1, 24, 48, 3, 1, 5, 19, .res = RES, .limits = 2},
    {5, 40, 24, 3, 1, 4, 6, .bias = true},
    {1, 16, 65, 3, 1, 6, 7, .bias = true},
    {1, 16, 16, 3, 1, 4, 16, .bias = true},
    {1, 16, 16, 3, 2, 6, 32, .accumulate = true},
    {1, 17, 16, 3, 2, 1, 1, .bias = false},
    {2, 16, 24, 3, 2, 2, 2, .same = true, .bias = true, .accumulate = true},
    {1, 24, 40, 3, 2, 9, 15, .bias = true, .limits = 1},
    {1, 16, 17, 3, 2, 10, 14, .same = true, .extra = 1},
    {1, 3, 16, 3, 2, 12, 16, .same = true, .picture = 4, .bias = true, .limits = 2},
    {2, 3, 24, 3, 2, 11, 13, .picture = 1, .bias = true},
    {1, 3, 16, 7, 2, 16, 32, .picture = 4},
    {2, 3, 40, 7, 2, 13, 17, .picture = 4, .extra = 1, .bias = true},
    {1, 3, 17, 7, 2, 9, 10, .picture = 1, .limits = 1, .accumulate = true},
    {1, 17, 17, 3, 1, 1, 1, .depthwise = true, .bias = true},
    {2, 24, 24, 3, 1, 7, 11, .depthwise = true, .limits = 2, .res = RES, .accumulate = true},
    {1, 40, 40, 5, 1, 6, 9, .depthwise = true, .bias = true},
    {1, 16, 16, 5, 1, 2, 2, .depthwise = true, .res = IN_PLACE, .extra = 1},
    {3, 17, 17, 3, 2, 8, 8, .depthwise = true, .same = true, .bias = true, .accumulate = true},
    {1, 48, 48, 3, 2, 9, 7, .depthwise = true},
    {2, 24, 24, 5, 2, 10, 12, .depthwise = true, .same = true, .limits = 2},
    {1, 16, 16, 5, 2, 7, 5, .depthwise = true, .same = true, .bias = true, .accumulate = true},
    {1, 1, 1, 5, 2, 1, 1, .depthwise = true, .same = true},
    {40, 7, 8, 1, 1, 8, 8, .accumulate = false},
};

static void padding(const struct shape *s, struct ref_conv *r) {
  *r = (struct ref_conv){s->n,      s->cin,   s->h,     s->w, s->cout, s->k,
                         s->stride, s->k / 2, s->k / 2, 0,    0,       s->depthwise};
  r->ho = (s->h + 2 * r->pad_y - s->k) / s->stride + 1;
  r->wo = (s->w + 2 * r->pad_x - s->k) / s->stride + 1;
  if (!s->same) return;
  r->ho = (s->h + s->stride - 1) / s->stride;
  r->wo = (s->w + s->stride - 1) / s->stride;
  int down = (r->ho - 1) * s->stride + s->k - s->h, across = (r->wo - 1) * s->stride + s->k - s->w;
  r->pad_y = down > 0 ? down / 2 : 0;
  r->pad_x = across > 0 ? across / 2 : 0;
}

static size_t weight_count(const struct ref_conv *r) {
  return (size_t)r->cout * (size_t)(r->depthwise ? 1 : r->cin) * (size_t)(r->k * r->k);
}

/* What both directions need. */
struct parts {
  struct ref_conv r;
  struct fm_conv c;
  struct tensor in;
  size_t weights, packed_count;
  double *w;
  struct zone packed;
};

static struct parts parts_make(struct fixture *f, const struct shape *s, struct fm_rng *rng) {
  struct parts p = {0};
  padding(s, &p.r);
  p.c =
      (struct fm_conv){s->cin, s->cout, s->k, s->stride, p.r.pad_y, p.r.pad_x, s->depthwise, s->picture != 0};
  int halo = fm_conv_halo(&p.c, s->h, s->w, p.r.ho, p.r.wo) + s->extra;
  p.in = tensor_random(f, rng, s->n, s->cin, s->h, s->w, halo, s->picture == 4 ? 4 : 0);
  p.weights = weight_count(&p.r);
  p.w = random_values(rng, p.weights, -1, 1);
  p.packed_count = fm_conv_weights(&p.c, f->block);
  float *oihw = malloc(p.weights * sizeof *oihw), *packed = malloc(p.packed_count * sizeof *packed);
  for (size_t i = 0; i < p.weights; i++) oihw[i] = (float)p.w[i];
  fm_conv_pack(&p.c, f->block, oihw, packed);
  p.packed = zone_make(f, p.packed_count * sizeof *packed, packed);
  free(oihw);
  free(packed);
  return p;
}

static void parts_free(struct fixture *f, struct parts *p) {
  tensor_free(f, &p->in);
  zone_free(f, &p->packed);
  free(p->w);
}

/* As a network does: chosen, prepared, run; what it may write besides the result lies between red zones. */
static double convolve(struct fixture *f, struct parts *p, enum fm_conv_way way, const struct fm_acts *in,
                       const struct fm_buffer *bias, const struct fm_acts *res, struct fm_limits limits,
                       const struct fm_acts *out) {
  struct fm_call call;
  struct fm_acts most_in = *in,
                 most_out = *out; /* every second case is a smaller batch than was chosen for */
  most_in.n = most_out.n = in->n + in->n % 2;
  fm_conv_choose(f->device, &p->c, way, &most_in, &most_out, NULL, &call);
  const struct fm_work chosen = call.work;
  struct zone prepared = zone_make(f, call.work.prepared + sizeof(float), NULL),
              scratch = zone_make(f, call.work.scratch + sizeof(float), NULL); /* a buffer has a size */
  fm_conv_prepare(f->device, &call, &p->packed.buffer, &prepared.buffer);
  const struct fm_conv_args args = {.in = in,
                                    .out = out,
                                    .weights = call.work.prepared ? &prepared.buffer : &p->packed.buffer,
                                    .bias = bias,
                                    .res = res,
                                    .limits = limits,
                                    .scratch = &scratch.buffer};
  fm_conv_run(f->device, &call, &args);
  for (int i = 0; i < FM_LAUNCHES; i++)
    assert_string_equal(call.work.launch[i].options, chosen.launch[i].options);
  assert_true(call.work.scratch <= chosen.scratch && call.work.prepared == chosen.prepared);
  struct zone *const zones[] = {&prepared, &scratch};
  for (int i = 0; i < 2; i++) {
    void *content = malloc(zones[i]->bytes);
    zone_read(f, zones[i], content);
    free(content);
    zone_free(f, zones[i]);
  }
  return call.variant->error;
}

static void check_forward(struct fixture *f, const struct shape *s, struct parts *p, struct fm_rng *rng) {
  const struct fm_limits l = *limit_kinds[s->limits];
  const struct ref_conv *r = &p->r;
  int halo = random_int(rng, 0, 2);
  double *bias = random_values(rng, (size_t)s->cout, -1, 1);
  struct zone b = channels_make(f, s->cout, bias);
  struct tensor res = {0}, out;
  if (s->res) res = tensor_random(f, rng, s->n, s->cout, r->ho, r->wo, s->res == IN_PLACE ? halo : 1, 0);
  out = s->res == IN_PLACE ? res : tensor_empty(f, s->n, s->cout, r->ho, r->wo, halo);
  double error = convolve(f, p, FM_CONV_FORWARD, &p->in.acts, s->bias ? &b.buffer : NULL,
                          s->res ? &res.acts : NULL, l, &out.acts);
  double *want = malloc(out.count * sizeof *want), *got = tensor_read(f, &out);
  ref_conv_forward(r, p->in.v, p->w, want);
  double largest = 1; /* before an activation cuts it */
  for (size_t i = 0; i < out.count; i++) {
    double v = want[i] + (s->bias ? bias[i / (size_t)(r->ho * r->wo) % (size_t)s->cout] : 0);
    largest = fmax(largest, fabs(v));
    want[i] = ref_limit(v + (s->res ? res.v[i] : 0), (double)l.low, (double)l.high);
  }
  same_sums(f, "forward", got, want, out.count, error, largest);
  tensor_unchanged(f, &p->in);
  if (s->res == RES) tensor_unchanged(f, &res);
  free(got);
  free(want);
  free(bias);
  zone_free(f, &b);
  if (s->res == RES) tensor_free(f, &res);
  tensor_free(f, &out);
}

static void check_input_gradient(struct fixture *f, const struct shape *s, struct parts *p,
                                 const struct tensor *dy, struct fm_rng *rng) {
  int halo = random_int(rng, 0, 2);
  struct tensor dx = s->accumulate ? tensor_random(f, rng, s->n, s->cin, s->h, s->w, halo, 0)
                                   : tensor_empty(f, s->n, s->cin, s->h, s->w, halo);
  double error = convolve(f, p, FM_CONV_BACK, &dy->acts, NULL, s->accumulate ? &dx.acts : NULL,
                          fm_limits_none, &dx.acts);
  double *want = malloc(dx.count * sizeof *want), *got = tensor_read(f, &dx);
  ref_conv_input_gradient(&p->r, dy->v, p->w, want);
  for (size_t i = 0; s->accumulate && i < dx.count; i++) want[i] += dx.v[i];
  same_sums(f, "dx", got, want, dx.count, error, 1);
  tensor_unchanged(f, dy);
  free(want);
  free(got);
  tensor_free(f, &dx);
}

static void check_weight_gradient(struct fixture *f, const struct shape *s, struct parts *p,
                                  const struct tensor *dy) {
  struct fm_call call;
  fm_conv_choose(f->device, &p->c, FM_CONV_WEIGHTS, &p->in.acts, &dy->acts, NULL, &call);
  struct zone scratch = zone_make(f, call.work.scratch, NULL),
              dw = zone_make(f, p->packed_count * sizeof(float), NULL);
  fm_conv_run(f->device, &call,
              &(struct fm_conv_args){
                  .in = &p->in.acts, .out = &dy->acts, .scratch = &scratch.buffer, .dw = &dw.buffer});
  float *packed = malloc(dw.bytes), *oihw = malloc(p->weights * sizeof *oihw), *again = malloc(dw.bytes);
  zone_read(f, &dw, packed);
  fm_conv_unpack(&p->c, f->block, packed, oihw);
  double *want = malloc(p->weights * sizeof *want), *got = malloc(p->weights * sizeof *got);
  for (size_t i = 0; i < p->weights; i++) got[i] = oihw[i];
  ref_conv_weight_gradient(&p->r, p->in.v, dy->v, want);
  same_sums(f, "dw", got, want, p->weights, call.variant->error, sqrt((double)(s->n * p->r.ho * p->r.wo)));
  /* Padding lanes stay zero: packing what was unpacked gives the same numbers. */
  fm_conv_pack(&p->c, f->block, oihw, again);
  for (size_t i = 0; i < p->packed_count; i++)
    if (!(packed[i] == again[i])) {
      print_error("FAILED: %s\n", f->line);
      fail_msg("a padding lane of the weights' gradient is %g", (double)packed[i]);
    }
  free(again);
  free(got);
  free(want);
  free(oihw);
  free(packed);
  zone_free(f, &dw);
  zone_free(f, &scratch);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct parts p = parts_make(f, s, &rng);
  check_forward(f, s, &p, &rng);
  int halo = fm_conv_back_halo(&p.c, s->h, s->w, p.r.ho, p.r.wo) + s->extra;
  struct tensor dy = tensor_random(f, &rng, s->n, s->cout, p.r.ho, p.r.wo, halo, 0);
  check_input_gradient(f, s, &p, &dy, &rng);
  check_weight_gradient(f, s, &p, &dy);
  tensor_free(f, &dy);
  parts_free(f, &p);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line,
           "conv {%d, %d, %d, %d, %d, %d, %d, .depthwise = %d, .same = %d, .picture = %d, .extra = %d, .bias "
           "= %d, "
           ".res = %d, .limits = %d, .accumulate = %d}, seed %llu",
           s->n, s->cin, s->cout, s->k, s->stride, s->h, s->w, s->depthwise, s->same, s->picture, s->extra,
           s->bias, (int)s->res, s->limits, s->accumulate, (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  size_t count = sizeof table / sizeof *table;
  for (size_t i = 0; i < count; i += f->small == 1 ? 3 : 1) {
    const struct shape *s = &table[i];
    double work = 1.0 * s->n * s->cin * s->cout * s->k * s->k * s->h * s->w / (s->depthwise ? s->cin : 1);
    if (f->small < 2 || work < 60000) run_shape(f, s);
  }
}

/* Shapes drawn at random over the families that the networks use. */
static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "conv shapes");
  static const int kinds[][4] = {/* k, stride, depthwise, picture */
                                 {1, 1, 0, 0}, {3, 1, 0, 0}, {3, 2, 0, 0}, {1, 2, 0, 0}, {7, 2, 0, 4},
                                 {3, 1, 1, 0}, {5, 1, 1, 0}, {3, 2, 1, 0}, {5, 2, 1, 0}, {3, 2, 0, 4}};
  static const int channels[] = {1, 3, 5, 16, 17, 24, 40, 48, 72};
  for (int i = 0; i < (f->small == 2 ? 0 : f->small ? 10 : 150); i++) {
    const int *k = kinds[i % 10];
    int most = k[0] == 1 ? 20 : 14;
    struct shape s = {random_int(&rng, 1, 5),
                      k[3] ? 3 : channels[random_int(&rng, 0, 8)],
                      channels[random_int(&rng, 0, 8)],
                      k[0],
                      k[1],
                      random_int(&rng, 1, most),
                      random_int(&rng, 1, most),
                      .depthwise = k[2],
                      .same = random_int(&rng, 0, 1),
                      .picture = k[3],
                      .extra = random_int(&rng, 0, 2),
                      .bias = random_int(&rng, 0, 1),
                      .res = (enum residual)random_int(&rng, 0, 2),
                      .limits = random_int(&rng, 0, 2),
                      .accumulate = random_int(&rng, 0, 1)};
    if (s.depthwise) s.cout = s.cin;
    run_shape(f, &s);
  }
}

/* In training no row of more than common rounding error is taken, and in inference the number of pictures
 * decides nothing: a picture alone gives the same bits as in a batch. */
static void test_choice(void **state) {
  struct fixture *f = *state;
  if (getenv("FLAWMAP_VARIANT")) skip(); /* which overrides the rule */
  for (int channels = 16; channels <= 512; channels *= 2)
    for (int side = 1; side <= 65; side += 8) {
      const struct fm_conv c = {channels, channels, 3, 1, 1, 1, false, false};
      struct fm_acts one = {1, channels, side, side, 1, f->block, {0}}, many = one;
      struct fm_call alone, batch, kept;
      many.n = 16;
      fm_conv_choose(f->device, &c, FM_CONV_FORWARD, &one, &one, NULL, &alone);
      fm_conv_choose(f->device, &c, FM_CONV_FORWARD, &many, &many, NULL, &batch);
      fm_conv_choose(f->device, &c, FM_CONV_KEPT, &many, &many, NULL, &kept);
      assert_ptr_equal(alone.variant, batch.variant);
      assert_true(kept.variant->error <= 5e-6);
    }
}

/* The reference itself. */
struct slope {
  struct ref_conv r;
  double *x, *w, *dy, *y;
};
static double project(void *user) {
  struct slope *s = user;
  double sum = 0;
  ref_conv_forward(&s->r, s->x, s->w, s->y);
  for (int i = 0; i < s->r.n * s->r.cout * s->r.ho * s->r.wo; i++) sum += s->dy[i] * s->y[i];
  return sum;
}

static void test_reference(void **state) {
  struct fixture *f = *state;
  static const struct shape shapes[] = {{2, 3, 4, 3, 2, 6, 5, .same = true},
                                        {1, 2, 3, 7, 2, 9, 8, .bias = false},
                                        {1, 4, 4, 5, 1, 4, 3, .depthwise = true},
                                        {2, 3, 2, 1, 2, 5, 5, .bias = false}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct slope s;
    struct fm_rng rng = fm_rng_stream(i, "conv reference");
    snprintf(f->line, sizeof f->line, "reference %zu", i);
    padding(&shapes[i], &s.r);
    size_t ins = (size_t)(s.r.n * s.r.cin * s.r.h * s.r.w),
           outs = (size_t)(s.r.n * s.r.cout * s.r.ho * s.r.wo);
    s.x = random_values(&rng, ins, -1, 1);
    s.w = random_values(&rng, weight_count(&s.r), -1, 1);
    s.dy = random_values(&rng, outs, -1, 1);
    s.y = malloc(outs * sizeof *s.y);
    double *dx = malloc(ins * sizeof *dx), *dw = malloc(weight_count(&s.r) * sizeof *dw);
    ref_conv_input_gradient(&s.r, s.dy, s.w, dx);
    ref_conv_weight_gradient(&s.r, s.x, s.dy, dw);
    gradient_check(f, "dx", project, &s, s.x, ins, dx);
    gradient_check(f, "dw", project, &s, s.w, weight_count(&s.r), dw);
    free(s.x);
    free(s.w);
    free(s.dy);
    free(s.y);
    free(dx);
    free(dw);
  }
}

/* fm_acts_write and fm_acts_read are each other's inverse, and write zeros around. */
static void test_exchange(void **state) {
  struct fixture *f = *state;
  snprintf(f->line, sizeof f->line, "acts exchange");
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct tensor t = tensor_random(f, &rng, 2, 17, 5, 3, 2, 0), empty = tensor_empty(f, 2, 17, 5, 3, 2);
  float *v = malloc(t.count * sizeof *v), *back = malloc(t.count * sizeof *v);
  for (size_t i = 0; i < t.count; i++) v[i] = (float)t.v[i];
  ASSERT_OK(&f->ctx, fm_acts_read(f->device, &t.acts, back));
  assert_memory_equal(v, back, t.count * sizeof *v);
  ASSERT_OK(&f->ctx, fm_acts_write(f->device, &empty.acts, v));
  ASSERT_OK(&f->ctx, fm_acts_read(f->device, &empty.acts, back));
  assert_memory_equal(v, back, t.count * sizeof *v);
  float *raw = malloc(t.zone.bytes), *raw2 = malloc(t.zone.bytes);
  zone_read(f, &t.zone, raw);
  zone_read(f, &empty.zone, raw2);
  size_t used = (size_t)(2 * fm_acts_blocks(&t.acts) * 9 * 7 * t.acts.block) * sizeof(float);
  assert_memory_equal(raw, raw2, used);
  free(raw);
  free(raw2);
  free(v);
  free(back);
  tensor_free(f, &t);
  tensor_free(f, &empty);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_exchange),
                                     cmocka_unit_test(test_choice), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
