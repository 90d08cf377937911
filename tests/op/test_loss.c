#include "fixture.h"
#include "op/loss.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* masks: 0 rectangles of flaws, 1 none, 2 everything. */
struct shape {
  int n, c, th, tw, h, w, mh, mw, masks;
  double gamma;
  bool overlap, twice;
};

static const struct shape table[] = {
    {1, 6, 1, 1, 1, 1, 1, 1, 1, 2, true, false},         {2, 16, 4, 4, 4, 4, 16, 16, 0, 2, true, false},
    {1, 17, 3, 5, 7, 9, 28, 36, 0, 2, true, false},      {3, 24, 4, 2, 8, 8, 32, 32, 0, 1.5, true, false},
    {1, 40, 1, 1, 6, 5, 24, 20, 0, 2, true, false},      {2, 48, 8, 8, 16, 16, 64, 64, 1, 2, true, false},
    {1, 6, 8, 16, 16, 32, 50, 70, 2, 2, true, false},    {2, 112, 5, 7, 5, 7, 20, 28, 0, 2, false, false},
    {5, 7, 2, 3, 4, 6, 4, 6, 0, 3, true, false},         {1, 16, 9, 9, 5, 4, 10, 8, 0, 2, true, false},
    {1, 16, 6, 70, 12, 140, 12, 140, 0, 2, true, false}, {2, 24, 4, 2, 8, 8, 32, 32, 0, 2, true, true},
    {1, 17, 3, 5, 7, 9, 28, 36, 0, 1.5, true, true},     {1, 40, 1, 1, 6, 5, 24, 20, 0, 2, true, true},
    {2, 48, 8, 8, 16, 16, 64, 64, 1, 2, false, true},    {2, 112, 5, 7, 5, 7, 20, 28, 0, 2, true, true},
    {1, 16, 6, 70, 12, 140, 12, 140, 0, 2, true, true},  {1, 1100, 2, 3, 3, 5, 6, 10, 0, 2, true, false},
};

/* fm_loss_scratch_make's buffers, between red zones. */
struct scratch {
  struct zone zones[6];
  struct fm_loss_scratch loss;
};

static struct scratch scratch_make(struct fixture *f, int n, int h, int w) {
  struct scratch s;
  struct fm_buffer *const all[] = {&s.loss.distance, &s.loss.ie, &s.loss.ia,
                                   &s.loss.ca,       &s.loss.cb, &s.loss.rows};
  for (int i = 0; i < 6; i++) {
    s.zones[i] = vector_make(f, (size_t)(n * h) * (size_t)(i < 5 ? w : 8), NULL);
    *all[i] = s.zones[i].buffer;
  }
  return s;
}

static void scratch_free(struct fixture *f, struct scratch *s) {
  for (int i = 0; i < 6; i++) {
    void *content = malloc(s->zones[i].bytes);
    zone_read(f, &s->zones[i], content);
    free(content);
    zone_free(f, &s->zones[i]);
  }
}

static struct ref_cdo reference_of(const struct shape *s) {
  return (struct ref_cdo){s->n, s->c, s->th, s->tw, s->h, s->w, s->mh, s->mw, s->gamma, s->overlap, s->twice};
}

static unsigned char *mask_of(const struct shape *s, struct fm_rng *rng) {
  unsigned char *m = malloc((size_t)(s->n * s->mh * s->mw));
  for (int i = 0; i < s->n * s->mh * s->mw; i++)
    m[i] = s->masks == 2 || (s->masks == 0 && random_int(rng, 0, 3) == 0)
               ? (unsigned char)random_int(rng, 1, 255)
               : 0;
  return m;
}

/* The device's discrepancy knows nothing of a normalisation before the resize. */
static void check_discrepancy(struct fixture *f, const struct shape *s, const struct tensor *e,
                              const struct tensor *a, struct fm_rng *rng) {
  struct ref_cdo r = reference_of(s);
  r.twice = false;
  size_t count = (size_t)(s->n * s->h * s->w);
  double *before = random_values(rng, count, 0, 1), *want = malloc(count * sizeof *want),
         *got = malloc(count * sizeof *got);
  struct zone d = vector_make(f, count, NULL), sum = vector_make(f, count, before);
  fm_discrepancy(f->device, &e->acts, &a->acts, s->h, s->w, false, &d.buffer, NULL, NULL);
  fm_discrepancy(f->device, &e->acts, &a->acts, s->h, s->w, true, &sum.buffer, NULL, NULL);
  ref_discrepancy(&r, e->v, a->v, want);
  vector_read(f, &d, count, got);
  same_sums(f, "discrepancy", got, want, count, 2e-5, 1);
  vector_read(f, &sum, count, got);
  for (size_t i = 0; i < count; i++) want[i] += before[i];
  same_sums(f, "added discrepancy", got, want, count, 2e-5, 1);
  free(before);
  free(want);
  free(got);
  zone_free(f, &d);
  zone_free(f, &sum);
}

/* Both taps normalised in tensors between red zones. */
struct units {
  struct tensor e, a;
  struct zone r;
  struct fm_unit_pair pair;
};

static struct units units_make(struct fixture *f, const struct shape *s, struct fm_rng *rng) {
  struct units u = {.e = tensor_empty(f, s->n, s->c, s->th, s->tw, random_int(rng, 0, 2)),
                    .a = tensor_empty(f, s->n, s->c, s->th, s->tw, random_int(rng, 0, 2)),
                    .r = vector_make(f, (size_t)(s->n * s->th * s->tw), NULL)};
  u.pair = (struct fm_unit_pair){u.e.acts, u.a.acts, u.r.buffer};
  return u;
}

static void units_free(struct fixture *f, struct units *u) {
  double *e = tensor_read(f, &u->e), *a = tensor_read(f, &u->a);
  free(e);
  free(a);
  tensor_free(f, &u->e);
  tensor_free(f, &u->a);
  zone_free(f, &u->r);
}

static void run(struct fixture *f, const void *shape) {
  const struct shape *s = shape;
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  struct ref_cdo r = reference_of(s);
  struct tensor e = tensor_random(f, &rng, s->n, s->c, s->th, s->tw, random_int(&rng, 0, 2), 0);
  struct tensor a = tensor_random(f, &rng, s->n, s->c, s->th, s->tw, random_int(&rng, 0, 2), 0);
  struct tensor g = tensor_empty(f, s->n, s->c, s->th, s->tw, random_int(&rng, 0, 2));
  check_discrepancy(f, s, &e, &a, &rng);
  unsigned char *mask = mask_of(s, &rng);
  struct zone masks = zone_make(f, (size_t)(s->n * s->mh * s->mw), mask), result = vector_make(f, 4, NULL);
  struct fm_loss_options options = {(float)s->gamma, s->overlap};
  struct scratch scratch = scratch_make(f, s->n, s->h, s->w);
  if (s->twice) {
    struct units u = units_make(f, s, &rng);
    fm_loss_tap_twice(f->device, &options, &e.acts, &a.acts, s->h, s->w, &masks.buffer, s->mh, s->mw,
                      &scratch.loss, &u.pair, &result.buffer, &g.acts);
    units_free(f, &u);
  } else {
    fm_loss_tap(f->device, &options, &e.acts, &a.acts, s->h, s->w, &masks.buffer, s->mh, s->mw, &scratch.loss,
                &result.buffer, &g.acts);
  }
  double want[4], got[4], *gradient = malloc(g.count * sizeof *gradient), *got_gradient = tensor_read(f, &g);
  ref_cdo_loss(&r, e.v, a.v, mask, NULL, NULL, want);
  ref_cdo_gradient(&r, e.v, a.v, mask, gradient);
  vector_read(f, &result, 4, got);
  same_sums(f, "loss", got, want, 1, 2e-5, s->n);
  same(f, "factor", got + 1, want + 1, 1, 2e-5);
  same(f, "means", got + 2, want + 2, 2, 1e-5);
  same(f, "gradient", got_gradient, gradient, g.count, 5e-5);
  tensor_unchanged(f, &e);
  tensor_unchanged(f, &a);
  scratch_free(f, &scratch);
  free(gradient);
  free(got_gradient);
  free(mask);
  zone_free(f, &masks);
  zone_free(f, &result);
  tensor_free(f, &e);
  tensor_free(f, &a);
  tensor_free(f, &g);
}

static void run_shape(struct fixture *f, const struct shape *s) {
  snprintf(f->line, sizeof f->line,
           "loss {%d, %d, %d, %d, %d, %d, %d, %d, .masks = %d, .gamma = %g, .overlap = %d, .twice = %d}, "
           "seed %llu",
           s->n, s->c, s->th, s->tw, s->h, s->w, s->mh, s->mw, s->masks, s->gamma, s->overlap, s->twice,
           (unsigned long long)f->seed);
  run_twice(f, run, s);
}

static void test_table(void **state) {
  struct fixture *f = *state;
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (!f->small || table[i].n * table[i].c * table[i].h * table[i].w < 2000) run_shape(f, &table[i]);
}

static void test_random(void **state) {
  struct fixture *f = *state;
  struct fm_rng rng = fm_rng_stream(f->seed, "loss shapes");
  int most = f->small ? 6 : 14;
  for (int i = 0; i < (f->small ? 4 : 60); i++) {
    struct shape s = {random_int(&rng, 1, 4),       random_int(&rng, 1, 50),   random_int(&rng, 1, most),
                      random_int(&rng, 1, most),    random_int(&rng, 1, most), random_int(&rng, 1, most),
                      random_int(&rng, 1, 40),      random_int(&rng, 1, 40),   random_int(&rng, 0, 2),
                      0.5 * random_int(&rng, 0, 6), random_int(&rng, 0, 1),    random_int(&rng, 0, 1)};
    if (s.c < 8)
      s.c = 8; /* a resized vector of few numbers may be short, and its direction is all rounding */
    run_shape(f, &s);
  }
}

static void test_scratch(void **state) {
  struct fixture *f = *state;
  struct fm_loss_scratch s;
  ASSERT_OK(&f->ctx, fm_loss_scratch_make(f->device, 2, 3, 5, &s));
  assert_true(s.distance.bytes >= 120 && s.ie.bytes >= 120 && s.ia.bytes >= 120 && s.ca.bytes >= 120);
  assert_true(s.cb.bytes >= 120 && s.rows.bytes >= 192);
  fm_loss_scratch_free(f->device, &s);
  fm_loss_scratch_free(f->device, &s);
  struct fm_acts tap = {.n = 2, .c = 20, .h = 3, .w = 5, .block = f->block};
  struct fm_unit_pair pair;
  ASSERT_OK(&f->ctx, fm_unit_pair_make(f->device, &tap, &pair));
  assert_true(pair.expert.c == 20 && pair.apprentice.w == 5 && pair.r.bytes >= 120);
  fm_unit_pair_free(f->device, &pair);
  fm_unit_pair_free(f->device, &pair);
}

/* d = 0 at a synthetic position, and a feature vector of zeros: finite numbers. */
static void test_zeros(void **state) {
  struct fixture *f = *state;
  snprintf(f->line, sizeof f->line, "loss, equal features");
  struct fm_rng rng = fm_rng_stream(f->seed, f->line);
  double *e = random_values(&rng, 16 * 9, -1, 1), *a = random_values(&rng, 16 * 9, -1, 1);
  for (int c = 0; c < 16; c++) {
    a[c * 9 + 4] = e[c * 9 + 4]; /* synthetic, d = 0 */
    a[c * 9] = e[c * 9];         /* normal, d = 0 */
    a[c * 9 + 8] = 0;            /* no length */
  }
  unsigned char mask[9] = {0, 0, 0, 0, 1, 1, 0, 0, 0};
  struct tensor te = tensor_make(f, 1, 16, 3, 3, 0, 0, e), ta = tensor_make(f, 1, 16, 3, 3, 0, 0, a),
                g = tensor_empty(f, 1, 16, 3, 3, 0);
  struct zone masks = zone_make(f, 9, mask), result = vector_make(f, 4, NULL);
  struct fm_loss_options options = {2, true};
  struct scratch scratch = scratch_make(f, 1, 3, 3);
  fm_loss_tap(f->device, &options, &te.acts, &ta.acts, 3, 3, &masks.buffer, 3, 3, &scratch.loss,
              &result.buffer, &g.acts);
  double got[4], want[4], *gradient = tensor_read(f, &g);
  struct ref_cdo r = {1, 16, 3, 3, 3, 3, 3, 3, 2, true, false};
  vector_read(f, &result, 4, got);
  ref_cdo_loss(&r, e, a, mask, NULL, NULL, want);
  same(f, "factor", got + 1, want + 1, 1, 1e-4); /* 1 / weights, and d is 1e-12 in them */
  same(f, "means", got + 2, want + 2, 2, 1e-5);
  for (int i = 0; i < 4; i++)
    if (!(fabs(got[i]) < 1e30)) fail_msg("result[%d] is %g", i, got[i]);
  for (int i = 0; i < 16 * 9; i++)
    if (!(fabs(gradient[i]) < 1e30)) fail_msg("gradient[%d] is %g", i, gradient[i]);
  free(gradient);
  free(e);
  free(a);
  scratch_free(f, &scratch);
  zone_free(f, &masks);
  zone_free(f, &result);
  tensor_free(f, &te);
  tensor_free(f, &ta);
  tensor_free(f, &g);
}

/* The reference: against PyTorch in double precision (sin(0.7 i), cos(0.4 i) as taps 2x3x3x2 on a grid of
 * 5x4, mask (7 i mod 5 < 2) of 7x6), and its gradient against finite differences with the weights held. */
struct slope {
  struct ref_cdo r;
  double *e, *a, *w;
  unsigned char *mask;
};
static double value(void *user) {
  struct slope *s = user;
  double result[4];
  ref_cdo_loss(&s->r, s->e, s->a, s->mask, s->w, NULL, result);
  return result[0];
}

static void test_reference(void **state) {
  struct fixture *f = *state;
  static const struct {
    bool overlap, twice;
    double gamma, loss, gradient[6], means[2];
  } torch[] = {{true,
                false,
                2,
                -0.04894132566147091,
                {-0.013950527734914245, -0.020414135308264622, -0.00041479635851598105, -0.001710273599394108,
                 -0.0013685999915968308, -0.0009186763726782451},
                {1.9355232166022602, 2.0243836315075097}},
               {true,
                false,
                1.5,
                0.12186879340514364,
                {-0.02740322769433253, -0.035479124055200796, -0.001848603452063146, -0.008251382939187635,
                 -0.005466594333944742, -0.005132432806411196},
                {1.9355232166022602, 2.0243836315075097}},
               {false,
                false,
                2,
                0.5051256123112161,
                {-0.01978377369140669, 0.007401232919333495, 0.026410039318605395, -0.061801126210683954,
                 -0.005839109814435064, -0.034669553387545196},
                {1.9355232166022602, 2.0243836315075097}},
               {true,
                true,
                2,
                -0.048988105539024586,
                {-0.011310095339016443, -0.016109866958929835, -0.0003672551119701194, -0.0012626608344689643,
                 -0.001249278382722437, -0.0007972042574679738},
                {1.9570354791848943, 2.0419849182745273}},
               {false,
                true,
                2,
                0.5149036205292802,
                {-0.01555634917753397, 0.009520427177707057, 0.022118984966513575, -0.05801903059213028,
                 0.0015325764030828097, -0.03082837251215565},
                {1.9570354791848943, 2.0419849182745273}}};
  double e[36], a[36], w[40], gradient[36], result[4];
  unsigned char mask[84];
  snprintf(f->line, sizeof f->line, "loss reference");
  for (int i = 0; i < 36; i++) {
    e[i] = sin(0.7 * i);
    a[i] = cos(0.4 * i);
  }
  for (int i = 0; i < 84; i++) mask[i] = i * 7 % 5 < 2;
  for (size_t k = 0; k < sizeof torch / sizeof *torch; k++) {
    struct slope s = {
        {2, 3, 3, 2, 5, 4, 7, 6, torch[k].gamma, torch[k].overlap, torch[k].twice}, e, a, w, mask};
    ref_cdo_loss(&s.r, e, a, mask, NULL, w, result);
    same(f, "loss", result, &torch[k].loss, 1, 1e-10);
    same(f, "means", result + 2, torch[k].means, 2, 1e-12);
    ref_cdo_gradient(&s.r, e, a, mask, gradient);
    for (int i = 0; i < 6; i++) same(f, "gradient", &gradient[7 * i], &torch[k].gradient[i], 1, 1e-9);
    gradient_check(f, "gradient", value, &s, a, 36, gradient);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_table),
                                     cmocka_unit_test(test_random), cmocka_unit_test(test_scratch),
                                     cmocka_unit_test(test_zeros)};
  return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
